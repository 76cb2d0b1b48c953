"""The table of failures: total, without dead lines, and the same in the code and in the document."""

import importlib.util
import itertools
from pathlib import Path
from types import ModuleType

import pytest

from vigia.application import errors
from vigia.application.errors import ApplicationError, CaptureRefused, RecognizerUnavailable, RetryableError
from vigia.application.retry_table import OUTCOMES, Next, outcome_of_kind
from vigia.infrastructure.clients.findface_rules import RULES, Call, Failure, Phase, rule_of
from vigia.infrastructure.clients.findface_wire import read_event_ids, read_page, read_token
from vigia.infrastructure.clients.http_transport import HttpResponse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vigia_scripts_delivery_table", ROOT / "scripts/delivery_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_shows_what_the_code_does(script: ModuleType) -> None:
    text = script.DOC.read_text(encoding="utf-8")
    assert script.with_table(text) == text, "run scripts/delivery_table.py update"


def test_every_line_is_rendered_on_one_line(script: ModuleType) -> None:
    lines = script.render().splitlines()
    assert len(lines) == len(RULES) + 2
    assert len({line.count(" | ") for line in lines if not line.startswith("|---")}) == 1


def every_failure() -> list[Failure]:
    """All combinations that the lines tell apart."""
    ends = {status for rule in RULES for span in rule.statuses for status in (span.start, span.stop - 1)}
    statuses = sorted(ends | {0, 100, 199, 200, 204, 418, 599, 999})
    codes = sorted({code for rule in RULES for code in rule.codes} | {"", "OTHER"})
    params = sorted({rule.param for rule in RULES} | {"other"})
    answered = [
        Failure(call, phase, status=status, structured=structured or bool(code), code=code, param=param)
        for call, phase, status, code, param, structured in itertools.product(
            Call, (Phase.WHILE, Phase.AFTER), statuses, codes, params, (False, True)
        )
    ]
    return answered + [Failure(call, phase, answered=False) for call, phase in itertools.product(Call, Phase)]


def test_every_failure_has_a_line_and_every_line_a_failure() -> None:
    used = {id(rule_of(failure)) for failure in every_failure()}
    assert [rule.text for rule in RULES if id(rule) not in used] == []


def test_only_a_capture_can_be_refused_looked_up_or_rejected_for_its_camera() -> None:
    for failure in every_failure():
        kind = rule_of(failure).error
        if failure.call is not Call.POST_EVENT:
            assert outcome_of_kind(kind).then is Next.RETRY
            assert not issubclass(kind, CaptureRefused | errors.CameraTokenRejected)


def test_what_was_not_sent_whole_is_never_in_doubt() -> None:
    for failure in every_failure():
        if failure.phase is not Phase.AFTER and not (200 <= failure.status < 300):
            assert outcome_of_kind(rule_of(failure).error).then is not Next.LOOK_UP, failure


def test_a_capture_that_went_out_whole_is_sent_again_only_on_the_word_of_the_other_side() -> None:
    for failure in every_failure():
        if failure.call is not Call.POST_EVENT or failure.phase is not Phase.AFTER:
            continue
        if not failure.answered or (failure.status >= 500 and not failure.code) or 200 <= failure.status < 300:
            assert outcome_of_kind(rule_of(failure).error).then is Next.LOOK_UP, failure


def test_a_licence_fault_never_logs_in() -> None:
    for failure in every_failure():
        if failure.code == "LICENSE_ERROR" and 400 <= failure.status < 500:
            assert not outcome_of_kind(rule_of(failure).error).log_in


def test_every_error_of_a_recognizer_has_its_own_line() -> None:
    kinds = [rule.error for rule in RULES]
    assert all(outcome_of_kind(kind) is OUTCOMES[kind] for kind in kinds)
    unused = set(OUTCOMES) - set(kinds)
    assert unused == {errors.LookUpDeferred}  # vigia's own, not an answer


HTML = b"<!doctype html><title>FindFace</title>"


@pytest.mark.parametrize(
    ("call", "read"),
    [(Call.LOG_IN, read_token), (Call.QUERY, read_page), (Call.POST_EVENT, read_event_ids)],
)
def test_an_unreadable_success_is_the_error_that_the_table_says(call: Call, read: object) -> None:
    assert callable(read)
    expected: type[ApplicationError] = rule_of(Failure(call, Phase.AFTER, status=200)).error
    with pytest.raises(RetryableError) as caught:
        read(HttpResponse(200, {"content-type": "text/html"}, HTML))
    assert type(caught.value) is expected
    assert expected is not RecognizerUnavailable
