"""A capture sink that is a witness too is told of every track's end, once, after its shots."""

from making import event_maker
from vigia.application.track_poster import TrackPoster, TrackWitness
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.domain.camera import Camera, CameraId
from vigia.domain.event import FaceEvent
from vigia.domain.ledger import CameraLedger, FilterReason, TrackFate
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate")


class Notes:
    def __init__(self) -> None:
        self.told: list[tuple[str, int, object]] = []

    def offer(self, request: CaptureRequest) -> None:
        self.told.append(("shot", request.track_id, None))

    def track_ended(self, track: Track, fate: TrackFate, reason: FilterReason | None) -> None:
        self.told.append((fate.value, track.id, reason))


class Sink:
    def __init__(self) -> None:
        self.shots = 0

    def offer(self, _request: CaptureRequest) -> None:
        self.shots += 1


def post(sink: Notes | Sink, *tracks: list[FaceEvent]) -> CameraLedger:
    ledger = CameraLedger(GATE.id)
    poster = TrackPoster(
        GATE, policy=PostingPolicy(), track_filter=TrackFilter(movement_min_px=5.0), captures=sink, ledger=ledger
    )
    for number, events in enumerate(tracks, start=1):
        track = Track(TrackId(number), events[0], miss_interval_s=1.0, duration_max_s=0.0)
        for event in events[1:]:
            track.add_event(event)
        poster.follow([Association(event, TrackId(number), None) for event in events])
        track.finish(TrackEnd.SILENCE)
        ledger.tracks_started += 1
        poster.close([track])
    return ledger


def test_each_end_is_told_after_the_shots() -> None:
    make, notes = event_maker(), Notes()
    walks = [make(10.0 * n, frame=n) for n in range(5)]
    small = [make(10.0 * n, frame=n, side_px=30.0) for n in range(5)]

    ledger = post(notes, walks, small)

    assert notes.told == [("shot", 1, None), ("captured", 1, None), ("filtered", 2, FilterReason.TOO_SMALL)]
    assert ledger.snapshot().balanced


def test_a_plain_sink_is_told_of_shots_only() -> None:
    sink = Sink()
    assert not isinstance(sink, TrackWitness)
    make = event_maker()
    post(sink, [make(10.0 * n, frame=n) for n in range(5)])
    assert sink.shots == 1
