"""Delivery at scale on a simulated clock: thousands of captures, faults at a third of the requests, a long outage.

The real use cases, gate, look-ups and matching over a FindFace that keeps what arrives; all in one thread, so that a
seed replays a failure. Several senders are steps in turn: what is new here is the number, not the interleaving, which
``test_delivery_simulation.py`` has.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

import numpy as np
import pytest

from queue_outbox import QueueOutbox
from vigia.application.ports import Outbox
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase
from vigia.application.use_cases.send_to_findface import SendOptions, SendToFindfaceUseCase
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState
from vigia.domain.event import EventId, FaceEvent, Quality
from vigia.domain.frame import Luma, Picture
from vigia.domain.outbox_policy import OutboxPolicy
from vigia.infrastructure.clients.findface_recognizer import FindfaceRecognizer
from vigia.infrastructure.clients.look_ups import LookUpRules
from vigia.testing.memory_outbox import MemoryOutbox
from vigia.testing.sim_clock import SimClock
from vigia.testing.sim_findface import SimFindface, Trouble

RULES = LookUpRules()
ROI = (10, 10, 60, 60)


class Site:
    """An outbox, a sender, and FindFace."""

    def __init__(
        self, *, rates: dict[Trouble, float], seed: int, request_s: float = 0.01, long_backlog: bool = False
    ) -> None:
        self.clock = SimClock()
        self.findface = SimFindface(self.clock, rates=rates, seed=seed, request_s=request_s)
        self.outbox: Outbox = (
            QueueOutbox(self.clock) if long_backlog else MemoryOutbox(self.clock, policy=OutboxPolicy(delivered_kept=0))
        )
        self.recognizer = FindfaceRecognizer(self.findface, look_ups=RULES)
        self.sender = SendToFindfaceUseCase(
            self.outbox,
            self.recognizer,
            clock=self.clock,
            camera_token=lambda _camera: "token",
            refresh_cameras=lambda _camera: None,
            options=SendOptions(batch=8),
            rng=Random(seed),
        )

    def send_for(self, seconds: float) -> None:
        """Let the sender work until so much time has passed; it may overrun by one batch."""
        end_s = self.clock.mono_s() + seconds
        while (left_s := end_s - self.clock.mono_s()) > 0.0:
            delay_s = self.sender.step()
            assert delay_s is not None
            self.clock.advance(min(delay_s, left_s))

    def finish(self, *, steps_max: int) -> None:
        for _ in range(steps_max):
            if self.outbox.next_due_s() is None:
                return
            self.clock.advance(self.sender.step() or 0.0)
        raise AssertionError(f"not finished: {self.outbox.stats()} {self.sender.stats}")


def capture_of(number: int, camera: int, at_utc: datetime) -> Capture:
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId(f"camera-{camera}"),
        findface_camera_id=camera,
        track_id=number,
        at_utc=at_utc,
        box_xyxy=(10.0, 10.0, 60.0, 60.0),
        roi_ltrb=ROI,
        size_wh=(64, 64),
        quality=0.5,
        jpeg=b"jpeg",
    )


AMBIGUOUS = {Trouble.LOST_BEFORE: 0.05, Trouble.LOST_AFTER: 0.05, Trouble.LATE: 0.05}
CLEAR = {Trouble.UNREACHABLE: 0.07, Trouble.BUSY: 0.06, Trouble.SESSION: 0.03, Trouble.FAILED: 0.07}
"""Chances of one request that sends a capture; of a query, of the first three only: together 30 % of all requests."""


@pytest.mark.parametrize("seed", [1])
def test_five_thousand_captures_with_faults_at_a_third_of_the_requests_arrive_exactly_once(seed: int) -> None:
    count, cameras = 5_000, 20
    site, rng = Site(rates={**AMBIGUOUS, **CLEAR}, seed=seed), Random(seed)
    committed: set[tuple[int, datetime]] = set()
    for number in range(count):
        camera = rng.randrange(cameras)
        at_utc = site.clock.utc() - timedelta(microseconds=rng.randrange(1_000_000) * 10 + number % 10)
        committed.add((camera, at_utc))
        site.outbox.commit(capture_of(number, camera, at_utc))
        site.send_for(0.25)
    site.finish(steps_max=200_000)

    arrivals = Counter((camera, at_utc) for camera, at_utc, _ in site.findface.arrivals)
    stats, asked, faults = site.sender.stats, site.findface.requests, site.findface.troubles
    share = faults.total() / asked.total()
    print(  # noqa: T201 - the counts that the acceptance asks for
        f"seed {seed}: {len(committed - set(arrivals))} lost, {arrivals.total() - len(arrivals)} doubled;"
        f" {dict(asked)},"
        f" faults at {share:.0%}, ambiguous {site.findface.ambiguous}, deferred {stats.look_ups_deferred}"
    )
    assert len(committed) == count
    assert arrivals == Counter(committed)
    assert site.outbox.stats().counts == {CaptureState.DELIVERED: count}
    assert share >= 0.3
    assert site.findface.ambiguous >= faults.total() / 3
    assert faults[Trouble.LATE] > 100
    assert stats.looked_up > 100
    assert asked["look_up"] <= 2.5 * site.findface.ambiguous
    assert site.recognizer.look_ups.attempts == 0


def test_a_thousand_doubtful_captures_are_looked_up_without_a_storm() -> None:
    """Every answer of the last ten minutes was lost by a proxy; then it is mended."""
    count, cameras = 1_000, 5
    site = Site(rates={}, seed=3)
    for number in range(count):
        capture = capture_of(number, number % cameras, site.clock.utc())
        site.outbox.commit(capture)
        leased = site.outbox.lease(limit=1, duration_s=60.0)[0]
        began_mono_s = site.clock.mono_s()
        if number % 2:
            site.recognizer.deliver(leased, camera_token="token")
            # As after an answer that was lost: it is not known here which event it became.
            site.recognizer._known.clear()
        site.recognizer.look_ups.doubt(capture.id, began_mono_s=began_mono_s)
        site.outbox.retry_later(leased, delay_s=660.0 - number * 0.6, reason="lost", maybe_sent=True)
        site.clock.advance(0.59 if number % 2 else 0.6)
    site.clock.advance(60.0)
    before_s = site.clock.mono_s()
    assert site.findface.requests["look_up"] == 0
    site.finish(steps_max=50_000)

    elapsed_s = site.clock.mono_s() - before_s
    windows = cameras * 11  # of a minute each, in ten minutes that do not begin with one
    look_ups = site.findface.requests["look_up"]
    assert len(site.findface.arrivals) == len(set(site.findface.arrivals)) == count
    assert site.sender.stats.looked_up == count // 2
    assert look_ups <= windows + RULES.rate_per_s
    assert look_ups <= RULES.burst + RULES.rate_per_s * elapsed_s + 1
    assert elapsed_s < 120.0


class Pixels:
    """A small picture."""

    width = 64
    height = 64

    def luma(self) -> Luma:
        return np.zeros((self.height, self.width), dtype=np.uint8)

    def chroma(self) -> None:
        return None


class PlainEncoder:
    """Makes something of each picture."""

    def encode_jpeg(self, picture: Picture, *, quality: int, **_part: object) -> bytes:
        return bytes([quality]) * picture.width


def requests_of(clock: SimClock, cameras: list[Camera]) -> Iterator[CaptureRequest]:
    number = 0
    while True:
        camera = cameras[number % len(cameras)]
        event = FaceEvent(
            id=EventId(number),
            camera_id=camera.id,
            frame_index=number,
            at_mono_s=clock.mono_s(),
            at_utc=clock.utc(),
            box_xyxy=np.array([10, 10, 60, 60], dtype=np.float32),
            landmarks=np.zeros((5, 2), dtype=np.float32),
            confidence=0.9,
            frame_size_wh=(64, 64),
            quality=Quality(0.5),
            picture=Pixels(),
        )
        yield CaptureRequest(event, camera, number, "silence")
        number += 1


def test_ten_minutes_of_outage_at_twenty_captures_a_second_hold_up_nobody_and_lose_nothing() -> None:
    per_s, outage_s, after_s = 20, 600, 30
    site = Site(rates={}, seed=4, request_s=0.005, long_backlog=True)
    cameras = [Camera(CameraId(f"camera-{n}"), "", "", findface_id=1 + n) for n in range(40)]
    commits = CommitCapturesUseCase(
        site.outbox, PlainEncoder(), clock=site.clock, on_committed=lambda *_: None, on_failed=failed, rng=Random(4)
    )
    coming = requests_of(site.clock, cameras)
    site.findface.down = True
    waits_s: set[float] = set()
    for second in range(outage_s + after_s):
        if second == outage_s:
            site.findface.down = False
            asked_while_down = site.findface.requests.total()
            assert site.outbox.stats().unsent == outage_s * per_s
        for _ in range(per_s):
            before_s = site.clock.mono_s()
            commits.offer(next(coming))
            assert commits.pending == 1
            while commits.pending:
                commits.step()
            waits_s.add(site.clock.mono_s() - before_s)
        site.send_for(before_s + 1.0 - site.clock.mono_s())
    site.finish(steps_max=50_000)

    count = (outage_s + after_s) * per_s
    assert waits_s == {0.0}  # a commit takes no time while FindFace is away, and none while the backlog is sent
    assert site.outbox.stats().counts == {CaptureState.DELIVERED: count}
    assert len(site.findface.arrivals) == len(set(site.findface.arrivals)) == count
    for camera in cameras:
        times = [at_utc for findface_id, at_utc, _ in site.findface.arrivals if findface_id == camera.findface_id]
        assert times == sorted(times)
    assert asked_while_down < 60  # about one in half a minute, once the pauses are long
    assert site.findface.requests["look_up"] == 0  # what was never sent is not in doubt
    assert (site.recognizer.look_ups.attempts, site.recognizer.look_ups.answers) == (0, 0)


def failed(_request: CaptureRequest, error: Exception) -> None:
    raise AssertionError(f"a commit failed: {error}")
