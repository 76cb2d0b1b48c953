"""What only the fake recogniser promises: scripts, seeds and a memory."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from vigia.application.errors import ApplicationError, CaptureRefused, RecognizerUnavailable
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, LeasedCapture
from vigia.testing.flaky_recognizer import Fault, FlakyRecognizer


def capture(number: int) -> LeasedCapture:
    return LeasedCapture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId("7"),
        findface_camera_id=7,
        at_utc=datetime(2026, 1, 5, tzinfo=UTC),
        roi_ltrb=(0, 0, 9, 9),
        jpeg=b"j",
        lease="l",
        attempts=1,
    )


def fates(recognizer: FlakyRecognizer, count: int) -> list[str]:
    told = []
    for number in range(count):
        try:
            recognizer.deliver(capture(number), camera_token="t")
        except ApplicationError as error:
            told.append(type(error).__name__)
        else:
            told.append("delivered")
    return told


def test_script_first_then_chance() -> None:
    recognizer = FlakyRecognizer([None, Fault.NO_FACE])
    recognizer.then(Fault.UNAVAILABLE)
    assert fates(recognizer, 4) == ["delivered", "CaptureRefused", "RecognizerUnavailable", "delivered"]
    assert [a.capture_id for a in recognizer.arrivals] == [capture(0).id, capture(3).id]
    assert recognizer.deliveries == 4


def test_same_seed_same_faults() -> None:
    rates = {Fault.UNAVAILABLE: 0.3, Fault.LOST_AFTER: 0.3}
    first, again, other = (fates(FlakyRecognizer(rates=rates, seed=seed), 200) for seed in (1, 1, 2))
    assert first == again != other
    counts = Counter(first)
    assert set(counts) == {"delivered", "RecognizerUnavailable", "DeliveryAmbiguous"}
    assert all(30 <= count <= 110 for count in counts.values())


def test_every_fault_has_its_error() -> None:
    recognizer = FlakyRecognizer(Fault)
    assert "delivered" not in fates(recognizer, len(Fault))
    assert len(recognizer.arrivals) == 1  # LOST_AFTER


def test_doubles_are_remembered_as_doubles() -> None:
    recognizer = FlakyRecognizer([Fault.LOST_AFTER])
    fates(recognizer, 1)
    recognizer.deliver(capture(0), camera_token="t")
    assert [a.capture_id for a in recognizer.arrivals] == [capture(0).id] * 2
    assert len(recognizer.find_delivered(capture(0))) == 2


def test_down_is_down_for_every_call() -> None:
    recognizer = FlakyRecognizer([Fault.NO_FACE])
    recognizer.set_down(True)
    with pytest.raises(RecognizerUnavailable):
        recognizer.deliver(capture(0), camera_token="t")
    recognizer.set_down(False)
    with pytest.raises(CaptureRefused):  # an outage uses up no script
        recognizer.deliver(capture(0), camera_token="t")


@pytest.mark.parametrize(
    "rates", [{Fault.NO_FACE: 1.1}, {Fault.NO_FACE: -0.1}, {Fault.NO_FACE: 0.6, Fault.LICENSE: 0.6}]
)
def test_rates_that_are_no_chances(rates: dict[Fault, float]) -> None:
    with pytest.raises(ValueError, match="rates"):
        FlakyRecognizer(rates=rates)
