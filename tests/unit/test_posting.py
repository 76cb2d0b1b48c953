"""Which shots of a track are sent, and when: examples, and what holds for every track and every policy."""

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import event_maker
from vigia.application.errors import OutboxUnavailable
from vigia.application.track_poster import TrackPoster
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.application.use_cases.manage_tracks_use_case import Association
from vigia.domain.camera import Camera, CameraId
from vigia.domain.event import FaceEvent, Quality
from vigia.domain.ledger import CameraLedger, FilterReason, LedgerPage, TrackFate
from vigia.domain.motion import TrackEnd, TrackId
from vigia.domain.posting import RIVAL_GAP_S, RIVAL_SHARE, PostingPolicy, ShotSelection, pose_distance
from vigia.domain.track import Track
from vigia.domain.track_filter import TrackFilter
from vigia.testing.video import ScriptedPicture, landmarks_for

GATE = Camera(CameraId("gate"), "Gate", "rtsp://gate", findface_id=1)
START_S = 1000.0
AT_ONCE = PostingPolicy(overall_only=False, post_best=False, first_immediately=True)


@dataclass(frozen=True)
class Look:
    """One look at the face: ``after_s`` seconds after the one before, ``score`` good."""

    after_s: float
    score: float


@dataclass(frozen=True)
class Post:
    """One shot that was taken."""

    event: int
    score: float
    reason: str
    chosen_as: str
    now_s: float


class Scene:
    """One track before one poster; what is offered is noted with the time at which it was."""

    def __init__(
        self,
        policy: PostingPolicy,
        *,
        track_filter: TrackFilter | None = None,
        refused: Sequence[int] = (),
        closer: Mapping[int, float] | None = None,
    ) -> None:
        self.closer_looks: list[list[int]] = []
        self.posts: list[Post] = []
        self.offers = 0
        self.ledger = CameraLedger(GATE.id)
        self.pictures: weakref.WeakSet[ScriptedPicture] = weakref.WeakSet()
        self.most_pictures = 0
        self._now_s = START_S
        self._refused = refused
        self._make = event_maker()
        self._track: Track | None = None
        self._poster = TrackPoster(
            GATE,
            policy=policy,
            track_filter=track_filter or TrackFilter(min_quality=0.3, events_min=1),
            captures=self,
            ledger=self.ledger,
            closer=None if closer is None else lambda events: self._judge(events, closer),
        )

    def _judge(self, events: Sequence[FaceEvent], scores: Mapping[int, float]) -> list[Quality] | None:
        """What a closer look finds of these events; None for those that there is no time for."""
        self.closer_looks.append([int(event.id) for event in events])
        assert all(event.picture is not None for event in events)
        return [Quality(scores[event.id]) for event in events] if all(event.id in scores for event in events) else None

    def offer(self, request: CaptureRequest) -> None:
        self.offers += 1
        if self.offers - 1 in self._refused:
            raise OutboxUnavailable("no room")
        event = request.event
        assert event.picture is not None
        self.posts.append(
            Post(int(event.id), event.quality.score, request.reason, request.details["shot"], self._now_s)
        )

    def play(self, looks: Sequence[Look], *, ticks_s: float = 0.0) -> LedgerPage:
        """Every look, with ``ticks_s`` between the moments at which time alone passes; then the track's end."""
        for number, look in enumerate(looks):
            before_s, self._now_s = self._now_s, self._now_s + look.after_s
            while ticks_s and before_s + ticks_s < self._now_s:
                before_s, now_s, self._now_s = before_s + ticks_s, self._now_s, before_s + ticks_s
                self._poster.post_due(self._now_s)
                self._now_s = now_s
            self._look(number, look.score)
            self.most_pictures = max(self.most_pictures, len(self.pictures))
        track = self._track
        assert track is not None
        track.finish(TrackEnd.SILENCE)
        self._now_s += 1.0
        self._poster.close([track])
        return self.ledger.snapshot()

    def _look(self, number: int, score: float) -> None:
        picture = ScriptedPicture()
        self.pictures.add(picture)
        event = self._make(x=100.0 + number, frame=number, at_s=self._now_s - START_S, score=score, picture=picture)
        if self._track is None:
            self._track = Track(TrackId(1), event, miss_interval_s=1e9, duration_max_s=0.0)
            self.ledger.tracks_started += 1
        else:
            self._track.add_event(event)
        self._poster.follow([Association(event, TrackId(1), None)])
        self._poster.post_due(self._now_s)


def every_third(scores: Sequence[float]) -> list[Look]:
    """Looks a third of a second apart."""
    return [Look(0.0 if number == 0 else 0.34, score) for number, score in enumerate(scores)]


LOOKS = st.lists(
    st.builds(Look, after_s=st.floats(0.01, 2.5), score=st.sampled_from([0.1, 0.3, 0.4, 0.5, 0.5, 0.6, 0.9])),
    min_size=1, max_size=40,
)  # fmt: skip


@st.composite
def policies(draw: st.DrawFn, /, **fixed: Any) -> PostingPolicy:
    """Any policy that sends something."""
    chosen: dict[str, Any] = {
        "overall_only": draw(st.booleans()),
        "post_best": draw(st.booleans()),
        "post_first": draw(st.booleans()),
        "post_last": draw(st.booleans()),
        "best_shots": draw(st.integers(1, 4)),
        "best_shots_gap_s": draw(st.sampled_from([0.0, 0.5, 1.0, 3.0])),
        "interval_s": draw(st.sampled_from([0.2, 1.0, 2.0])),
        "first_immediately": draw(st.booleans()),
        "every_interval": draw(st.booleans()),
        "silence_after_send_s": draw(st.sampled_from([0.0, 1.5])),
    } | fixed
    if not (chosen["post_best"] or chosen["post_first"] or chosen["post_last"]):
        chosen["overall_only"] = False
    return PostingPolicy(**chosen)


@settings(max_examples=300)
@given(policy=policies(), looks=LOOKS, ticks_s=st.sampled_from([0.0, 0.25]))
def test_no_event_is_sent_twice_and_the_end_has_its_limit(
    policy: PostingPolicy, looks: list[Look], ticks_s: float
) -> None:
    scene = Scene(policy)
    page = scene.play(looks, ticks_s=ticks_s)
    events = [post.event for post in scene.posts]
    assert len(events) == len(set(events))
    last_ones = [post for post in scene.posts if post.reason == "silence"]
    assert len(last_ones) <= max(1, policy.best_shots * policy.post_best + policy.post_first + policy.post_last)
    assert all(post.score >= 0.3 for post in scene.posts), "each shot passes the filters by itself"
    assert scene.most_pictures <= policy.pictures_max
    assert page.balanced
    assert page.captures == len(scene.posts)


@settings(max_examples=300)
@given(policy=policies(), looks=LOOKS)
def test_whatever_is_worth_sending_sends_something(policy: PostingPolicy, looks: list[Look]) -> None:
    page = (scene := Scene(policy)).play(looks)
    worth = any(look.score >= 0.3 for look in looks)
    assert bool(scene.posts) is worth
    assert page.tracks[TrackFate.CAPTURED if worth else TrackFate.FILTERED] == 1
    assert page.tracks_ended == 1


@settings(max_examples=300)
@given(policy=policies(overall_only=False), looks=LOOKS, ticks_s=st.sampled_from([0.0, 0.05, 0.3]))
def test_between_two_posts_of_a_track_lies_the_interval(
    policy: PostingPolicy, looks: list[Look], ticks_s: float
) -> None:
    scene = Scene(policy)
    scene.play(looks, ticks_s=ticks_s)
    between = [post for post in scene.posts if post.reason != "silence"]
    wait_s = max(policy.interval_s, policy.silence_after_send_s)
    assert all(after.now_s - before.now_s >= wait_s - 1e-9 for before, after in pairwise(between))
    if between and not policy.first_immediately:
        assert between[0].now_s - START_S >= policy.interval_s - 1e-9
    passed_s = sum(look.after_s for look in looks)
    assert len(between) <= passed_s / policy.interval_s + 1, "at any cadence"


@settings(max_examples=300)
@given(policy=policies(overall_only=False, every_interval=False), looks=LOOKS)
def test_without_every_interval_each_post_in_between_is_better_than_the_last(
    policy: PostingPolicy, looks: list[Look]
) -> None:
    scene = Scene(policy)
    scene.play(looks)
    between = [post.score for post in scene.posts if post.reason != "silence"]
    assert between == sorted(set(between))
    only_best = replace(policy, post_first=False, post_last=False, best_shots=1)
    scene = Scene(only_best)
    scene.play(looks)
    scores = [post.score for post in scene.posts]
    assert scores == sorted(set(scores)), "and so is the best at the end"


@settings(max_examples=200)
@given(policy=policies(post_best=True, best_shots_pose=0.0), looks=LOOKS)
def test_best_shots_are_far_apart_and_the_best_of_all_is_among_them(policy: PostingPolicy, looks: list[Look]) -> None:
    policy = replace(policy, overall_only=True, post_first=False, post_last=False)
    scene = Scene(policy)
    scene.play(looks)
    if not scene.posts:
        return
    assert scene.posts[0].score == max(look.score for look in looks)
    times_s = [0.0]
    for look in looks:
        times_s.append(times_s[-1] + look.after_s)
    seen = sorted(times_s[post.event] for post in scene.posts)
    assert all(b - a >= policy.best_shots_gap_s - 1e-6 for a, b in pairwise(seen))
    assert [post.score for post in scene.posts] == sorted((post.score for post in scene.posts), reverse=True)


@settings(max_examples=200)
@given(policy=policies(), looks=LOOKS, refused=st.sets(st.integers(0, 5)))
def test_a_track_has_one_fate_even_when_the_queue_is_full(
    policy: PostingPolicy, looks: list[Look], refused: set[int]
) -> None:
    scene = Scene(policy, refused=sorted(refused))
    page = scene.play(looks)
    assert page.balanced
    assert page.tracks_ended == 1
    assert (page.tracks[TrackFate.CAPTURED] == 1) is bool(scene.posts)
    assert (page.tracks[TrackFate.LOST] == 1) is bool(scene.offers and not scene.posts)
    assert page.captures == len(scene.posts)


def test_by_default_the_best_is_sent_once_at_the_end() -> None:
    scene = Scene(PostingPolicy())
    scene.play(every_third([0.4, 0.9, 0.5, 0.9]))
    assert [(post.event, post.reason, post.chosen_as) for post in scene.posts] == [(2, "silence", "best")]
    assert scene.most_pictures == 2, "the best shot's and its rival's"


def test_a_closer_look_decides_between_the_best_shot_and_its_rival() -> None:
    looks = every_third([0.4, 0.9, 0.5, 0.8])
    for judged, sent in (({2: 0.6, 4: 0.7}, 4), ({2: 0.7, 4: 0.6}, 2), ({2: 0.7, 4: 0.7}, 2), ({}, 2)):
        scene = Scene(PostingPolicy(), closer=judged)
        scene.play(looks)
        assert scene.closer_looks == [[2, 4]]
        assert [(post.event, post.chosen_as) for post in scene.posts] == [(sent, "best")]


def test_no_closer_look_where_there_is_nothing_to_decide() -> None:
    alone = [Look(0.0, 0.8)]
    far_worse = every_third([0.4, 0.9, 0.5])
    too_near = [Look(0.0, 0.8), Look(0.1, 0.9), Look(0.1, 0.8)]
    refused = every_third([0.2, 0.2, 0.2])
    for looks in (alone, far_worse, too_near, refused):
        scene = Scene(PostingPolicy(), closer={})
        scene.play(looks)
        assert scene.closer_looks == []
        assert scene.most_pictures <= 2


@pytest.mark.parametrize(
    "policy",
    [
        PostingPolicy(best_shots=3),
        PostingPolicy(overall_only=False),
        PostingPolicy(post_best=False, post_first=True),
    ],
)
def test_rivals_are_kept_only_where_one_best_shot_is_sent(policy: PostingPolicy) -> None:
    scene = Scene(policy, closer={})
    scene.play(every_third([0.8, 0.9, 0.8, 0.9]))
    assert scene.closer_looks == []
    assert not policy.has_rival


def test_the_first_shot_is_sent_although_it_lost_against_its_rival() -> None:
    scene = Scene(PostingPolicy(post_first=True), closer={1: 0.1, 3: 0.2})
    scene.play(every_third([0.9, 0.4, 0.8]))
    assert [(post.event, post.chosen_as) for post in scene.posts] == [(3, "best"), (1, "first")]


@settings(max_examples=300)
@given(looks=LOOKS)
def test_the_rival_is_far_from_the_best_shot_and_nearly_as_good(looks: list[Look]) -> None:
    make, at_s = event_maker(), 0.0
    selection: ShotSelection | None = None
    for number, look in enumerate(looks):
        at_s += look.after_s
        event = make(frame=number, at_s=at_s, score=look.score)
        if selection is None:
            selection = ShotSelection(PostingPolicy(), event, fits=True)
        else:
            selection.add(event, fits=True)
        pair = selection.rivals()
        if pair is None:
            continue
        best, rival = (shot.event for shot in pair)
        assert best is selection.best
        assert abs(best.at_mono_s - rival.at_mono_s) >= RIVAL_GAP_S
        assert RIVAL_SHARE * best.quality.score <= rival.quality.score <= best.quality.score


def test_first_best_and_last_are_three_shots_unless_they_are_one() -> None:
    policy = PostingPolicy(post_first=True, post_last=True)
    scene = Scene(policy)
    scene.play(every_third([0.1, 0.4, 0.9, 0.5, 0.2]))
    assert [(post.event, post.chosen_as) for post in scene.posts] == [(3, "best"), (2, "first"), (4, "last")]
    alone = Scene(policy)
    alone.play([Look(0.0, 0.8)])
    assert [post.chosen_as for post in alone.posts] == ["best"]


def test_the_first_is_sent_at_once_and_then_only_better_ones() -> None:
    scene = Scene(AT_ONCE)
    scene.play(every_third([0.5, 0.4, 0.4, 0.4, 0.7, 0.6, 0.6, 0.6, 0.6]))
    assert [(post.event, post.chosen_as) for post in scene.posts] == [(1, "realtime_first"), (5, "realtime")]
    assert scene.ledger.snapshot().further_captures == 1


def test_every_interval_sends_its_best() -> None:
    scene = Scene(replace(AT_ONCE, every_interval=True, first_immediately=False))
    scene.play(every_third([0.5, 0.9, 0.5, 0.6, 0.4, 0.5, 0.7, 0.4, 0.4, 0.4]))
    assert [post.event for post in scene.posts] == [2, 7, 8]


def test_the_silent_period_counts_where_it_is_longer() -> None:
    scene = Scene(replace(AT_ONCE, every_interval=True, silence_after_send_s=2.0))
    scene.play(every_third([0.5] * 13))
    assert [post.now_s - START_S for post in scene.posts] == pytest.approx([0.0, 2.04, 4.08])


def test_nothing_is_sent_before_the_track_passes_its_filters() -> None:
    patient = TrackFilter(min_quality=0.0, events_min=4)
    scene = Scene(AT_ONCE, track_filter=patient)
    scene.play(every_third([0.9, 0.5, 0.5, 0.5, 0.5]))
    assert [(post.event, round(post.now_s - START_S, 2)) for post in scene.posts] == [(1, 1.02)]
    still = Scene(AT_ONCE, track_filter=TrackFilter(movement_min_px=500, events_min=1))
    page = still.play(every_third([0.9] * 9))
    assert not still.posts
    assert page.filter_reasons == {FilterReason.DID_NOT_MOVE.value: 1}


def test_a_lost_post_is_tried_again_at_the_end() -> None:
    scene = Scene(replace(AT_ONCE, post_best=True), refused=[0])
    page = scene.play([Look(0.0, 0.9), Look(0.2, 0.4)])
    assert [(post.event, post.reason) for post in scene.posts][-1] == (1, "silence")
    assert page.tracks[TrackFate.CAPTURED] == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"post_best": False}, "nothing would be sent"),
        ({"best_shots": 0}, "best shots"),
        ({"best_shots": 11}, "best shots"),
        ({"interval_s": 0.0}, "interval"),
        ({"silence_after_send_s": -1.0}, "not negative"),
        ({"best_shots_gap_s": -0.1}, "not negative"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        PostingPolicy(**wrong)


def test_pose_is_where_the_nose_is_whatever_the_size_and_the_lean() -> None:
    frontal = landmarks_for([[0.0, 0.0, 100.0, 100.0]])[0]
    turned = frontal.copy()
    turned[2, 0] += 20.0  # half of the 40 px between the eyes
    assert pose_distance(frontal, turned) == pytest.approx(0.5)
    angle = np.deg2rad(25.0)
    lean = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], dtype=np.float32)
    assert pose_distance(frontal, (3.0 * frontal) @ lean + 40.0) == pytest.approx(0.0, abs=1e-5)
    assert pose_distance(frontal, (3.0 * turned) @ lean + 40.0) == pytest.approx(0.5, abs=1e-5)
    assert pose_distance(np.zeros((5, 2), dtype=np.float32), frontal) >= 0.0, "no eyes, no error"


def test_best_shots_differ_in_pose_where_that_is_asked_for() -> None:
    make = event_maker()
    policy = PostingPolicy(best_shots=3, best_shots_gap_s=0.0, best_shots_pose=0.3)
    first, second = make(frame=0), make(frame=30)
    turned = second.landmarks.copy()
    turned[2, 0] += 20.0
    assert not policy.differ(first, second)
    assert policy.differ(first, replace(second, landmarks=turned))
