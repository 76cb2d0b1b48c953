"""From the shards to the disk: the queue, its policy when full, a disk that is full, and the end."""

import gc
import json
import logging
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

import numpy as np
import pytest

from vigia.application.errors import OutboxUnavailable
from vigia.application.ports import Clock
from vigia.application.retry import Backoff
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import (
    CaptureRequest,
    CommitCapturesUseCase,
    CommitOptions,
    details_of,
)
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId
from vigia.domain.event import EventId, FaceEvent, Quality
from vigia.domain.frame import Luma, Picture
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.infrastructure.clock import SystemClock
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock

AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


class GreyPicture:
    """A picture of one grey."""

    def __init__(self, width: int = 640, height: int = 360) -> None:
        self.width = width
        self.height = height

    def luma(self) -> Luma:
        return np.full((self.height, self.width), 128, dtype=np.uint8)

    def chroma(self) -> None:
        return None


class NamingEncoder:
    """Encodes to a text that names size and quality; counts; fails when told to."""

    def __init__(self) -> None:
        self.calls = 0
        self.fault: Exception | None = None

    def encode_jpeg(
        self,
        picture: Picture,
        *,
        quality: int,
        crop_ltrb: tuple[int, int, int, int] | None = None,
        size_wh: tuple[int, int] | None = None,
    ) -> bytes:
        self.calls += 1
        if self.fault is not None:
            raise self.fault
        return f"{picture.width}x{picture.height} {crop_ltrb} {size_wh} q{quality}".encode()


def request_of(number: int = 1, *, picture: Picture | None = None, camera: str = "gate") -> CaptureRequest:
    event = FaceEvent(
        id=EventId(number),
        camera_id=CameraId(camera),
        frame_index=100 + number,
        at_mono_s=5.0,
        at_utc=AT,
        box_xyxy=np.array([100.4, 50.2, 200.6, 150.8], dtype=np.float32),
        landmarks=np.zeros((5, 2), dtype=np.float32),
        confidence=0.875,
        frame_size_wh=(640, 360),
        quality=Quality(0.5, {"size": 0.25, "pose": 1.0}),
        picture=picture if picture is not None else GreyPicture(),
        media_index=7,
        loop=2,
    )
    return CaptureRequest(event, Camera(CameraId(camera), "Gate", "rtsp://x", findface_id=4), number, "silence")


class Bench:
    """The use case and everything around it."""

    def __init__(self, options: CommitOptions | None = None, clock: Clock | None = None) -> None:
        self.clock = SimClock()
        self.outbox = MemoryOutbox(self.clock)
        self.encoder = NamingEncoder()
        self.committed: list[tuple[CaptureId, CaptureRequest]] = []
        self.failed: list[tuple[CaptureRequest, Exception]] = []
        self.log: list[str] = []
        self.commits = CommitCapturesUseCase(
            self.outbox,
            self.encoder,
            clock=clock if clock is not None else self.clock,
            on_committed=self.on_committed,
            on_failed=lambda request, error: self.failed.append((request, error)),
            wake_senders=lambda: self.log.append("wake"),
            options=options,
            rng=Random(1),
        )

    def on_committed(self, capture_id: CaptureId, request: CaptureRequest) -> None:
        assert capture_id in {entry.id for entry in self.outbox.entries()}, "counted before it was committed"
        self.committed.append((capture_id, request))
        self.log.append("committed")

    def run(self) -> None:
        """Step and let time pass until nothing is in memory."""
        for _ in range(1000):
            if not self.commits.pending:
                return
            self.clock.advance(self.commits.step() or 0.0)
        raise AssertionError("still pending")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_request_becomes_a_capture_on_disk_and_only_then_counts(bench: Bench) -> None:
    bench.commits.offer(request_of(3))
    assert (bench.commits.pending, bench.committed) == (1, [])

    assert bench.commits.step() == 0.0

    assert bench.commits.pending == 0
    assert bench.log == ["committed", "wake"]
    (leased,) = bench.outbox.lease(limit=2, duration_s=60.0)
    ((capture_id, request),) = bench.committed
    assert leased.id == capture_id
    assert (leased.camera_id, leased.findface_camera_id, leased.at_utc) == ("gate", 4, AT)
    assert leased.jpeg == b"640x360 (0, 0, 640, 360) (640, 360) q95"
    assert leased.roi_ltrb == (0, 0, 301, 252)
    assert leased.quality == 0.5
    assert leased.details == {
        "confidence": 0.875,
        "quality_parts": {"size": 0.25, "pose": 1.0},
        "media_index": 7,
        "loop": 2,
        "frame_index": 103,
        "reason": "silence",
        "box": pytest.approx([100.4, 50.2, 200.6, 150.8], abs=1e-4),
        "frame_size": [640, 360],
        "crop": [0, 0, 640, 360],
        "jpeg_quality": 95,
    }
    (entry,) = bench.outbox.entries()
    assert entry.track_id == 3
    assert request.track_id == 3


def test_a_crop_is_posted_in_its_own_pixels_and_the_details_keep_the_cameras() -> None:
    bench = Bench(CommitOptions(picture=PictureRules(PictureMode.CROP, crop_margin=0.5, roi_margin=0.2)))
    bench.commits.offer(request_of(3))
    bench.run()

    (leased,) = bench.outbox.lease(limit=1, duration_s=60.0)
    (entry,) = bench.outbox.entries()
    assert leased.jpeg == b"640x360 (50, 0, 252, 202) (202, 202) q95"
    assert leased.roi_ltrb == (30, 30, 171, 171)
    assert entry.box_xyxy == pytest.approx((50.4, 50.2, 150.6, 150.8), abs=1e-4)
    assert entry.details["box"] == pytest.approx([100.4, 50.2, 200.6, 150.8], abs=1e-4)
    assert entry.details["crop"] == [50, 0, 252, 202]


def test_the_region_keeps_clear_of_the_other_faces_of_the_frame(bench: Bench) -> None:
    request = request_of()
    beside = np.array([[230.0, 50.0, 330.0, 150.0], request.event.box_xyxy], dtype=np.float32)
    bench.commits.offer(replace(request, event=replace(request.event, frame_boxes_xyxy=beside)))
    bench.run()

    (leased,) = bench.outbox.lease(limit=1, duration_s=60.0)
    assert leased.roi_ltrb == (0, 0, 230, 252)


def test_idle_waits_and_an_offer_sets_the_event_that_ends_the_wait(bench: Bench) -> None:
    assert bench.commits.step() == 5.0
    assert not bench.commits.work.is_set()
    bench.commits.offer(request_of())
    assert bench.commits.work.is_set()


def test_the_order_of_offers_is_kept(bench: Bench) -> None:
    for number in range(10):
        bench.commits.offer(request_of(number))
    bench.run()

    assert [entry.track_id for entry in bench.outbox.entries()] == list(range(10))


def test_a_full_queue_waits_and_then_fails_loudly(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(CommitOptions(queue_size=2, offer_timeout_s=2.0))
    bench.commits.offer(request_of(1))
    bench.commits.offer(request_of(2))
    start_s = bench.clock.mono_s()

    with caplog.at_level(logging.ERROR, "vigia.captures"), pytest.raises(OutboxUnavailable, match="stayed full"):
        bench.commits.offer(request_of(3))

    assert bench.clock.mono_s() - start_s == pytest.approx(2.0)
    assert len(caplog.records) == 1
    assert bench.failed == []  # the caller books it, once
    bench.run()
    assert [entry.track_id for entry in bench.outbox.entries()] == [1, 2]


def test_a_waiting_offer_gets_the_room_that_a_commit_makes() -> None:
    bench = Bench(CommitOptions(queue_size=1, offer_timeout_s=60.0), clock=SystemClock())
    bench.commits.offer(request_of(0))
    waiters = 3
    with ThreadPoolExecutor(waiters) as pool:
        offers = [pool.submit(bench.commits.offer, request_of(number)) for number in range(1, waiters + 1)]
        while len(bench.committed) <= waiters:
            bench.commits.work.wait(timeout=20)
            bench.commits.work.clear()
            while bench.commits.pending:
                bench.commits.step()
        assert [offer.result(timeout=20) for offer in offers] == [None] * waiters

    assert sorted(entry.track_id for entry in bench.outbox.entries()) == [0, 1, 2, 3]


def test_a_full_disk_keeps_the_jpeg_backs_the_queue_up_and_loses_nothing(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.outbox.fault = OutboxUnavailable("disk full")
    for number in range(3):
        bench.commits.offer(request_of(number))
    delays: list[float] = []
    with caplog.at_level(logging.WARNING, "vigia.captures"):
        for _ in range(12):
            delay_s = bench.commits.step()
            assert delay_s is not None
            delays.append(delay_s)
            bench.clock.advance(delay_s)
        assert (bench.commits.pending, bench.committed) == (3, [])
        bench.outbox.fault = None
        bench.run()

    assert bench.encoder.calls == 3  # each picture once, however often the disk refused
    assert [entry.track_id for entry in bench.outbox.entries()] == [0, 1, 2]
    assert all(0.125 <= delay_s <= 10.0 for delay_s in delays)
    assert max(delays) >= 5.0
    assert [record.getMessage() for record in caplog.records] == [
        "captures wait in memory, the outbox does not take them: disk full",
        "captures are written to the outbox again",
    ]


def test_while_the_disk_takes_nothing_only_the_first_offers_wait_for_room() -> None:
    bench = Bench(CommitOptions(queue_size=2, offer_timeout_s=2.0))
    bench.outbox.fault = OutboxUnavailable("disk full")
    bench.commits.offer(request_of(0))
    bench.commits.step()
    for number in (1, 2):
        bench.commits.offer(request_of(number))
    waits_s = []
    for number in range(3, 6):
        start_s = bench.clock.mono_s()
        with pytest.raises(OutboxUnavailable):
            bench.commits.offer(request_of(number))
        waits_s.append(bench.clock.mono_s() - start_s)

    assert waits_s == [pytest.approx(2.0), 0.0, 0.0]
    bench.outbox.fault = None
    bench.run()
    assert [entry.track_id for entry in bench.outbox.entries()] == [0, 1, 2]
    bench.commits.offer(request_of(9))
    bench.run()
    assert [entry.track_id for entry in bench.outbox.entries()] == [0, 1, 2, 9]


def test_new_requests_do_not_make_the_disk_be_tried_sooner(bench: Bench) -> None:
    bench.outbox.fault = OutboxUnavailable("disk full")
    bench.commits.offer(request_of(1))
    delay_s = bench.commits.step()
    assert delay_s is not None
    bench.outbox.fault = None
    bench.commits.offer(request_of(2))  # wakes the thread

    assert bench.commits.step() == pytest.approx(delay_s)
    assert bench.committed == []
    bench.run()
    assert len(bench.committed) == 2


def test_a_commit_that_was_reported_as_failed_but_is_there_counts_once(bench: Bench) -> None:
    class LyingOutbox(MemoryOutbox):
        lies = 1

        def commit(self, capture: Capture) -> None:
            super().commit(capture)
            if self.lies:
                self.lies -= 1
                raise OutboxUnavailable("the disk did not say that it was written")

    bench.commits._outbox = bench.outbox = LyingOutbox(bench.clock)
    bench.commits.offer(request_of(1))
    bench.commits.offer(request_of(2))
    bench.run()

    assert [request.track_id for _, request in bench.committed] == [1, 2]
    assert bench.failed == []
    assert bench.outbox.stats().unsent == 2


@pytest.mark.parametrize("fault", [ValueError("not a picture"), MemoryError()])
def test_a_picture_that_cannot_be_encoded_is_told_and_costs_only_itself(
    bench: Bench, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    bench.encoder.fault = fault
    bench.commits.offer(request_of(1))
    bench.commits.step()
    bench.encoder.fault = None
    bench.commits.offer(request_of(2))
    bench.run()

    ((request, error),) = bench.failed
    assert (request.track_id, error) == (1, fault)
    assert [request.track_id for _, request in bench.committed] == [2]
    assert "track 1 is lost" in caplog.text


def test_an_event_whose_picture_was_let_go_fails(bench: Bench) -> None:
    request = request_of(1)
    bench.commits.offer(replace(request, event=request.event.without_picture()))
    bench.run()

    assert "no picture" in str(bench.failed[0][1])
    assert bench.outbox.entries() == []


def test_a_picture_is_let_go_once_it_is_a_jpeg(bench: Bench) -> None:
    picture = GreyPicture()
    alive = weakref.ref(picture)
    bench.outbox.fault = OutboxUnavailable("disk full")
    gc.disable()
    try:
        bench.commits.offer(request_of(picture=picture))
        del picture
        assert alive() is not None
        bench.commits.step()
        assert bench.commits.pending == 1
        bench.outbox.fault.__traceback__ = None  # the fake keeps its error; a real one is gone by now
        assert alive() is None
    finally:
        gc.enable()


def test_draining_commits_everything_and_takes_nothing_more(bench: Bench) -> None:
    for number in range(5):
        bench.commits.offer(request_of(number))

    assert bench.commits.drain(bench.clock.mono_s() + 10.0) == 0
    assert bench.commits.pending == 0
    assert len(bench.committed) == 5
    assert bench.commits.step() is None
    with pytest.raises(OutboxUnavailable, match="stopping"):
        bench.commits.offer(request_of(6))


def test_requests_are_taken_until_draining_has_ended(bench: Bench) -> None:
    bench.commits.offer(request_of(1))
    bench.commits.begin_drain(bench.clock.mono_s() + 10.0)
    assert bench.commits.step() == 0.0
    bench.commits.offer(request_of(2))
    assert bench.commits.step() == 0.0
    assert bench.commits.step() is None
    assert len(bench.committed) == 2


def test_what_cannot_be_written_before_the_deadline_is_told_and_booked(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.outbox.fault = OutboxUnavailable("disk full")
    for number in range(3):
        bench.commits.offer(request_of(number))
    start_s = bench.clock.mono_s()
    with caplog.at_level(logging.ERROR, "vigia.captures"):
        assert bench.commits.drain(start_s + 10.0) == 3

    assert bench.clock.mono_s() - start_s == pytest.approx(10.0)
    assert sorted(request.track_id for request, _ in bench.failed) == [0, 1, 2]
    assert bench.commits.pending == 0
    assert caplog.text.count("is lost") == 3


def test_draining_tries_a_full_disk_often(bench: Bench) -> None:
    bench.outbox.fault = OutboxUnavailable("disk full")
    bench.commits.offer(request_of(1))
    for _ in range(10):
        bench.clock.advance(bench.commits.step() or 0.0)  # the pause is long by now
    bench.commits.step()
    bench.outbox.fault = None

    start_s = bench.clock.mono_s()
    assert bench.commits.drain(start_s + 2.0) == 0
    assert bench.clock.mono_s() - start_s <= 0.25
    assert len(bench.committed) == 1


def test_an_offer_that_waits_hears_of_the_end() -> None:
    bench = Bench(CommitOptions(queue_size=1, offer_timeout_s=60.0), clock=SystemClock())
    bench.outbox.fault = OutboxUnavailable("disk full")
    bench.commits.offer(request_of(1))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(bench.commits.offer, request_of(2))
        bench.commits.begin_drain(SystemClock().mono_s())
        assert bench.commits.step() is None
        with pytest.raises(OutboxUnavailable):
            waiting.result(timeout=20)
    assert len(bench.failed) == 1


def test_in_a_service_shards_are_not_held_up_and_the_end_is_clean() -> None:
    clock = SystemClock()
    bench = Bench(CommitOptions(queue_size=4, offer_timeout_s=60.0), clock=clock)
    service = LoopService("commit", bench.commits.step, clock=clock, wake=bench.commits.work)
    service.start()
    shards, each = 4, 25

    def shard(number: int) -> None:
        for track in range(each):
            bench.commits.offer(request_of(number * 1000 + track, camera=f"camera-{number}"))

    try:
        with ThreadPoolExecutor(shards) as pool:
            list(pool.map(shard, range(shards)))
        bench.commits.begin_drain(clock.mono_s() + 60.0)
        assert service.join(60.0)
    finally:
        service.request_stop()
    assert service.failure is None
    assert bench.commits.pending == 0
    assert len(bench.committed) == len({capture_id for capture_id, _ in bench.committed}) == shards * each


def test_details_are_plain_whatever_a_shard_puts_in() -> None:
    request = replace(
        request_of(),
        details={
            "float32": np.float32(0.5),
            "array": np.arange(3),
            "nested": {1: (np.int64(2), float("inf"))},
            "nan": float("nan"),
            "time": AT,
            "none": None,
            "yes": True,
        },
    )

    details = details_of(request)

    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert details["float32"] == 0.5
    assert details["array"] == [0, 1, 2]
    assert details["nested"] == {"1": [2, None]}
    assert (details["nan"], details["none"], details["yes"]) == (None, None, True)
    assert details["confidence"] == 0.875


@pytest.mark.parametrize(
    "change",
    [{"queue_size": 0}, {"offer_timeout_s": -1.0}],
)
def test_options_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="queue"):
        replace(CommitOptions(backoff=Backoff()), **change)


def test_with_stamps_a_capture_says_when_it_was_offered_taken_and_encoded() -> None:
    bench = Bench(CommitOptions(stamps=True))

    class SlowEncoder(NamingEncoder):
        def encode_jpeg(self, *args: Any, **options: Any) -> bytes:
            bench.clock.advance(0.5)
            return super().encode_jpeg(*args, **options)

    bench.commits._encoder = SlowEncoder()
    began_s = bench.clock.utc().timestamp()
    bench.commits.offer(request_of(3))
    bench.clock.advance(2.0)
    bench.run()
    (entry,) = bench.outbox.entries()
    assert entry.details["stamps"] == {"offered": began_s, "taken": began_s + 2.0, "encoded": began_s + 2.5}
