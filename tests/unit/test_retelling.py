"""Reasons that were written down in English, told in the reader's language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.infrastructure.i18n.retelling import by_weight, retell

TEMPLATES = by_weight(
    [
        "FindFace failed (%(status)s): %(detail)s",
        "given up after %(count)d failures; the last: %(why)s",
        "given up after %(count)d failures; the last: %(why)s; it may have arrived",
        "nothing to send",
    ]
)
PORTUGUESE = {
    "FindFace failed (%(status)s): %(detail)s": "o FindFace falhou (%(status)s): %(detail)s",
    "given up after %(count)d failures; the last: %(why)s": "abandonada após %(count)d falhas; a última: %(why)s",
    "given up after %(count)d failures; the last: %(why)s; it may have arrived": (
        "abandonada após %(count)d falhas; a última: %(why)s; pode ter chegado"
    ),
    "nothing to send": "nada a enviar",
}


def say(text: str) -> str:
    return PORTUGUESE.get(text, text)


@pytest.mark.parametrize(
    ("english", "portuguese"),
    [
        ("nothing to send", "nada a enviar"),
        (
            "given up after 3 failures; the last: FindFace failed (500): a: b; c",
            "abandonada após 3 falhas; a última: o FindFace falhou (500): a: b; c",
        ),
        (
            "given up after 3 failures; the last: FindFace failed (500): x; it may have arrived",
            "abandonada após 3 falhas; a última: o FindFace falhou (500): x; pode ter chegado",
        ),
        ("given up after many failures; the last: x", "given up after many failures; the last: x"),
        ("somebody wrote this", "somebody wrote this"),
        ("", ""),
    ],
)
def test_known_reasons_are_told_and_others_stand_as_they_are(english: str, portuguese: str) -> None:
    assert retell(english, TEMPLATES, say) == portuguese


@given(text=st.text(max_size=200))
def test_in_english_whatever_it_is_stays_as_it_is(text: str) -> None:
    assert retell(text, TEMPLATES, lambda template: template) == text


@given(
    template=st.sampled_from(TEMPLATES),
    count=st.integers(-5, 10**6),
    words=st.text(st.characters(blacklist_characters="%"), min_size=1, max_size=40),
)
def test_what_was_filled_in_is_filled_in_again(template: str, count: int, words: str) -> None:
    english = template % {"count": count, "why": words, "status": words, "detail": words}
    assert retell(english, TEMPLATES, lambda text: text) == english


def test_a_translation_with_other_places_leaves_the_text_as_it_is() -> None:
    assert retell("nothing to send", ["nothing to send"], lambda _: "100 %") == "100 %"
    assert retell("a x", ["a %(one)s"], lambda _: "%(two)s") == "a x"
