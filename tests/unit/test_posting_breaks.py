"""A passage whose track breaks twice is one capture, however long it lasts: what was held back extends it."""

import pytest

from making import event_maker
from vigia.application.track_poster import TrackPoster
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.domain.camera import Camera, CameraId
from vigia.domain.ledger import CameraLedger, FilterReason, TrackFate
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.passage_memory import PassageMemory
from vigia.domain.posting import PostingPolicy
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.testing.video import ScriptedPicture

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate", findface_id=1)
SPANS_S = {1: (0.0, 1.0), 2: (1.5, 6.0), 3: (6.5, 9.0)}
"""When each track of the one person is seen; the third begins more than 3 s after the first was seen last."""


class Sink:
    """Takes everything."""

    def __init__(self) -> None:
        self.requests: list[CaptureRequest] = []

    def offer(self, request: CaptureRequest) -> None:
        self.requests.append(request)


@pytest.mark.parametrize(
    "policy",
    [
        PostingPolicy(),
        PostingPolicy(overall_only=False),
        PostingPolicy(overall_only=False, first_immediately=True),
    ],
    ids=["at the end", "real time", "real time, the first at once"],
)
def test_a_passage_that_breaks_twice_is_captured_once(policy: PostingPolicy) -> None:
    sink, ledger, make_event = Sink(), CameraLedger(GATE.id), event_maker()
    poster = TrackPoster(
        GATE,
        policy=policy,
        track_filter=TrackFilter(),
        captures=sink,
        ledger=ledger,
        memory=PassageMemory(interval_s=3.0),
    )
    tracks: dict[int, Track] = {}
    for frame in range(120):
        at_s = frame / 10
        for number in (number for number, (first_s, last_s) in SPANS_S.items() if first_s <= at_s <= last_s):
            picture = ScriptedPicture(tint=(100, 170), width=1280, height=720)
            event = make_event(x=500 + 2 * at_s, y=250, frame=frame, at_s=at_s, picture=picture)
            if number in tracks:
                tracks[number].add_event(event)
            else:
                tracks[number] = Track(TrackId(number), event, miss_interval_s=1.0, duration_max_s=0.0)
            poster.follow([Association(event, TrackId(number), None)])
        over = [track for track in tracks.values() if track.end is None and track.due_end(1000.0 + at_s)]
        for track in over:
            track.finish(TrackEnd.SILENCE)
        poster.close(over)
        poster.post_due(1000.0 + at_s)
    assert [request.track_id for request in sink.requests] == [1]
    assert (ledger.tracks[TrackFate.CAPTURED], ledger.filter_reasons[FilterReason.DUPLICATE]) == (1, 2)
