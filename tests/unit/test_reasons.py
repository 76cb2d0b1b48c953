"""Every reason that a sender writes down is told in Portuguese."""

from dataclasses import replace

import pytest

from outbox_rigs import capture_of
from vigia.application.errors import CaptureRefused, DeliveryGivenUp
from vigia.application.given_up import no_findface_id, spent, spent_unsent
from vigia.bootstrap.reasons import TEMPLATES, told_reason
from vigia.domain.capture import LeasedCapture
from vigia.infrastructure.clients.findface_rules import RULES
from vigia.infrastructure.web.texts import say


def leased() -> LeasedCapture:
    capture = capture_of(1)
    return LeasedCapture(
        capture.id, capture.camera_id, None, capture.at_utc, capture.roi_ltrb, capture.jpeg, lease="x", attempts=3
    )


def portuguese(text: str) -> str:
    return say(text, "pt_BR")


def test_every_template_is_in_the_catalogue() -> None:
    assert [template for template in TEMPLATES if portuguese(template) == template] == []


@pytest.mark.parametrize(
    "reason",
    [
        no_findface_id(leased()),
        no_findface_id(replace(leased(), camera_id=leased().camera_id)),
        spent_unsent(19),
        spent(20, ValueError("odd"), maybe_sent=False),
        spent(20, ValueError("odd"), maybe_sent=True),
    ],
    ids=str,
)
def test_what_a_sender_gives_up_is_told(reason: DeliveryGivenUp) -> None:
    assert told_reason(str(reason), portuguese) == portuguese(reason.template) % reason.facts


@pytest.mark.parametrize("text", sorted({rule.text for rule in RULES}))
def test_what_findface_answers_is_told_inside_of_what_was_given_up(text: str) -> None:
    facts = {"detail": "BAD (x) y", "status": 404, "location": "http://x"}
    error = DeliveryGivenUp(text, **facts)
    told = portuguese(text) % facts
    assert told_reason(str(error), portuguese) == told
    whole = portuguese("given up after %(count)d failures; the last: %(why)s") % {"count": 2, "why": told}
    assert told_reason(str(spent(2, error, maybe_sent=False)), portuguese) == whole


def test_the_kind_before_a_refusal_is_for_programs() -> None:
    error = CaptureRefused("no_face", "FindFace saw no face: %(detail)s", detail="BAD_PARAM Zero")
    told = told_reason(f"{error.reason}: {error}", portuguese)
    assert told == portuguese("FindFace saw no face: %(detail)s") % {"detail": "BAD_PARAM Zero"}
