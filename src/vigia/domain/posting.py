"""Which shots of a track are sent, and when. FindFace's names and meanings where it has them.

Two modes:

- *At the end* (``overall_only``): when the track is over, its best shots (``number_of_best_shots`` of them, far enough
  apart), its first and its last, as asked for.
- *In between* (real time): besides that, the best shot of each interval while the track goes on. An interval begins
  with the track or with the last of these posts; ``realtime_post_first_immediately`` cuts the first one short.

Whatever is asked for together, one event is sent at most once by its track; what was sent in between is not sent again
at the end, and a best shot that is no better than what was sent is not sent either. Only shots that pass the filters
are candidates for anything. Times are the camera's (``FaceEvent.at_mono_s``), never a count of frames: the cadence of
detection changes which shots there are, not how many are sent.
"""

from dataclasses import dataclass
from enum import StrEnum
from math import hypot

from vigia.domain.appearance import Appearance
from vigia.domain.event import FaceEvent, Landmarks
from vigia.domain.track_note import TrackNote

RIVAL_GAP_S = 0.3
"""The rival is so far from the best shot in time: what is nearer looks the same, and is misjudged alike."""
RIVAL_SHARE = 0.75
"""And its score is this share of the best one's: no closer look turns more than that round."""
HEADING_SPAN_S = 0.5
"""A face's heading is read from half a second or more: from one look to the next, a box jitters more than it moves."""


class PostReason(StrEnum):
    """What a shot was chosen as."""

    BEST = "best"
    """One of the best of its track."""
    FIRST = "first"
    """The first of its track that passed the filters."""
    LAST = "last"
    """The last of its track that passed the filters."""
    REALTIME = "realtime"
    """The best of an interval, sent while the track went on."""
    REALTIME_FIRST = "realtime_first"
    """The best there was as soon as the track passed the filters."""


@dataclass(frozen=True, slots=True)
class PostingPolicy:
    """Which shots of a track are sent, and when. One camera's; immutable.

    Raises:
        ValueError: nothing would ever be sent, or a number is out of its range.
    """

    overall_only: bool = True
    """Wait for the track's end. False: the best of each interval is sent as well while the track goes on."""
    post_best: bool = True
    """``post_best_track_frame``: the best shots, at the end."""
    post_first: bool = False
    """``post_first_track_frame``: the first shot, at the end."""
    post_last: bool = False
    """``post_last_track_frame``: the last shot, at the end."""
    best_shots: int = 1
    """``number_of_best_shots``, 1 to 10."""
    best_shots_gap_s: float = 1.0
    """Two best shots are at least so far apart in time, seconds."""
    best_shots_pose: float = 0.0
    """And so far in pose (see ``pose_distance``); 0 = any."""
    interval_s: float = 1.0
    """``realtime_post_interval``, seconds, above 0."""
    first_immediately: bool = False
    """``realtime_post_first_immediately``: the first post does not wait for the interval."""
    every_interval: bool = False
    """``realtime_post_every_interval``: each interval posts its best; else only one better than what was sent."""
    silence_after_send_s: float = 0.0
    """After a post of a track in between, none in between for so long, seconds; counts where above the interval."""

    def __post_init__(self) -> None:
        if self.overall_only and not (self.post_best or self.post_first or self.post_last):
            raise ValueError("nothing would be sent: neither in between nor the best, first or last shot at the end")
        if not 1 <= self.best_shots <= 10:
            raise ValueError(f"1 to 10 best shots, not {self.best_shots}")
        if self.interval_s <= 0.0:
            raise ValueError(f"an interval is longer than {self.interval_s} s")
        if min(self.best_shots_gap_s, self.best_shots_pose, self.silence_after_send_s) < 0.0:
            raise ValueError("distances in time and pose are not negative")

    @property
    def has_rival(self) -> bool:
        """Whether the best shot has a rival until the end, for a closer look at both: where one best shot is sent."""
        return self.overall_only and self.post_best and self.best_shots == 1

    @property
    def pictures_max(self) -> int:
        """Most pictures that one open track may hold at a time; the best is held in any case."""
        best = self.best_shots if self.post_best else 1
        return best + self.has_rival + self.post_first + self.post_last + (not self.overall_only)

    def differ(self, first: FaceEvent, second: FaceEvent) -> bool:
        """Whether two shots are far enough apart, in time and in pose, to be sent as best shots both."""
        if abs(first.at_mono_s - second.at_mono_s) < self.best_shots_gap_s:
            return False
        if self.best_shots_pose <= 0.0:
            return first is not second
        return pose_distance(first.landmarks, second.landmarks) >= self.best_shots_pose


@dataclass(slots=True, eq=False)
class Shot:
    """An event that may be sent. Owner: its selection."""

    event: FaceEvent
    sent: bool = False


class ShotSelection:
    """The shots of one open track that may still be sent.

    Owner: the camera's shard.
    Bounds: ``PostingPolicy.pictures_max`` pictures, whatever the track's length.

    Args:
        policy: what is sent.
        event: the track's first.
        fits: whether that one passes the filters as a shot: size, region, quality, and a picture.
    """

    __slots__ = (
        "_anchors", "_best_sent", "_first", "_interval", "_interval_start_s", "_last", "_policy", "_pool", "_rival",
        "_start_xy", "appearance", "best", "events_count", "first_event", "last_event", "lost", "moved_max_px", "note",
        "sent", "suppressed",
    )  # fmt: skip

    def __init__(self, policy: PostingPolicy, event: FaceEvent, *, fits: bool) -> None:
        self._policy = policy
        self.first_event = self.last_event = event.without_picture()
        """The outermost events in time; they know where the passage began and ended. Without pictures."""
        self.best = event
        """The best of all, whether it may be sent or not."""
        self.events_count = 0
        self.moved_max_px = 0.0
        """Farthest that the centre has been from where it began, pixels."""
        self.sent = 0
        """Shots that were taken."""
        self.lost = 0
        """Shots that nobody could take."""
        self.appearance: Appearance | None = None
        """What the person looks like, once it was looked at."""
        self.suppressed = False
        """Another capture of a passage that was captured already: nothing of it is sent."""
        self.note: TrackNote | None = None
        """Of its events, where somebody wants to know how its shots were chosen."""
        self._pool: list[Shot] = []  # pairwise different; the best of all is always among them
        self._rival: Shot | None = None
        self._first: Shot | None = None
        self._last: Shot | None = None
        self._interval: Shot | None = None
        self._interval_start_s = event.at_mono_s
        self._best_sent: FaceEvent | None = None
        self._start_xy = _centre(event)
        self._anchors = ((event.at_mono_s, self._start_xy),) * 2
        self.add(event, fits=fits)

    @property
    def velocity_px_s(self) -> tuple[float, float]:
        """How its centre moved over its last half second, pixels a second."""
        x, y = _centre(self.last_event)
        at_s, (x0, y0) = self._anchors[0]
        passed_s = self.last_event.at_mono_s - at_s
        return ((x - x0) / passed_s, (y - y0) / passed_s) if passed_s > 0.0 else (0.0, 0.0)

    def add(self, event: FaceEvent, *, fits: bool) -> None:
        """Take one more event of the track; late ones too."""
        self.events_count += 1
        self._follow(event)
        if event.better_than(self.best):
            self.best = event
        if not fits or self.suppressed:
            return
        policy, shot = self._policy, Shot(event)
        if policy.post_best:
            before, self._pool = self._pool, pooled(self._pool, shot, policy)
            if policy.has_rival:
                self._rival = rival_of(self._pool[0], self._rival, *before, shot)
        if policy.post_first and (self._first is None or event.at_mono_s < self._first.event.at_mono_s):
            self._first = shot
        if policy.post_last and (self._last is None or event.at_mono_s >= self._last.event.at_mono_s):
            self._last = shot
        if not policy.overall_only and self._adds(event) and _beats(event, self._interval):
            self._interval = shot

    def tick(self, now_s: float) -> bool:
        """Whether the interval is over at ``now_s`` (the camera's time, seconds) and has a shot to be sent.

        It stays over until ``close_interval``. One that is over without a shot is followed by the next.
        """
        policy = self._policy
        if policy.overall_only or self.suppressed:
            return False
        if self._best_sent is None:
            wait_s = 0.0 if policy.first_immediately else policy.interval_s
        else:
            wait_s = max(policy.interval_s, policy.silence_after_send_s)
        if now_s - self._interval_start_s < wait_s:
            return False
        if self._interval is None:
            self._interval_start_s = now_s
        return self._interval is not None

    def close_interval(self, now_s: float) -> tuple[Shot, PostReason] | None:
        """The best shot of the interval, if there is one; the next begins."""
        shot, self._interval, self._interval_start_s = self._interval, None, now_s
        if shot is None:
            return None
        early = self._best_sent is None and self._policy.first_immediately
        return shot, PostReason.REALTIME_FIRST if early else PostReason.REALTIME

    def rivals(self) -> tuple[Shot, Shot] | None:
        """The best shot and its rival, where a closer look may turn their order round."""
        return (self._pool[0], self._rival) if self._rival is not None else None

    def prefer_rival(self) -> None:
        """The rival is the best shot; the one that was lets go."""
        if self._rival is not None:
            self._pool, self._rival = [self._rival], None

    def final(self) -> list[tuple[Shot, PostReason]]:
        """What is sent at the end of the track, best first; never a shot that was sent before."""
        chosen: list[tuple[Shot, PostReason]] = []
        for rank, shot in enumerate(self._pool):
            if not shot.sent and (rank > 0 or self._best_sent is None or shot.event.better_than(self._best_sent)):
                chosen.append((shot, PostReason.BEST))
        for also, reason in ((self._first, PostReason.FIRST), (self._last, PostReason.LAST)):
            if also is not None and not also.sent and all(shot is not also for shot, _ in chosen):
                chosen.append((also, reason))
        if not chosen and not self.sent and self._interval is not None:
            chosen.append((self._interval, PostReason.REALTIME))
        return chosen

    def mark_sent(self, shot: Shot) -> None:
        """It was taken: it is never sent again, and lets its picture go."""
        if self._best_sent is None or shot.event.better_than(self._best_sent):
            self._best_sent = shot.event.without_picture()
        shot.sent, shot.event = True, shot.event.without_picture()
        self.sent += 1

    def suppress(self) -> None:
        """Nothing of it will be sent: let the pictures go."""
        self.suppressed = True
        self._pool, self._rival, self._first, self._last, self._interval = [], None, None, None, None

    def _adds(self, event: FaceEvent) -> bool:
        """Whether a post in between may be this one as far as what was sent goes."""
        return self._policy.every_interval or self._best_sent is None or event.better_than(self._best_sent)

    def _follow(self, event: FaceEvent) -> None:
        x, y = centre = _centre(event)
        self.moved_max_px = max(self.moved_max_px, hypot(x - self._start_xy[0], y - self._start_xy[1]))
        if event.at_mono_s < self.first_event.at_mono_s:
            self.first_event = event.without_picture()
        if event.at_mono_s < self.last_event.at_mono_s:
            return
        self.last_event = event.without_picture()
        if event.at_mono_s - self._anchors[1][0] >= HEADING_SPAN_S:
            self._anchors = (self._anchors[1], (event.at_mono_s, centre))


def pooled(pool: list[Shot], shot: Shot, policy: PostingPolicy) -> list[Shot]:
    """The best shots so far, and one more: those to keep, best first.

    A shot that is too near to better or equal ones is left out; one that is better than all those near it takes their
    place; where there are too many, the worst goes. So the best of all is always kept, and no two are too near to each
    other. What was left out is gone: this is not the best choice that hindsight could make, but one of bounded memory.

    Args:
        pool: best first, pairwise different, at most ``policy.best_shots``.
        shot: a new one.
        policy: how many, how far apart.
    """
    event = shot.event
    if policy.best_shots == 1:  # most cameras, several times a frame
        return pool if pool and not event.better_than(pool[0].event) else [shot]
    near = [other for other in pool if not policy.differ(event, other.event)]
    if any(not event.better_than(other.event) for other in near):
        return pool
    kept = [other for other in pool if other not in near]
    place = next((rank for rank, other in enumerate(kept) if event.better_than(other.event)), len(kept))
    return [*kept[:place], shot, *kept[place:]][: policy.best_shots]


def rival_of(best: Shot, *others: Shot | None) -> Shot | None:
    """The best of the others that are ``RIVAL_GAP_S`` from the best shot, and nearly as good; the first of equal ones.

    Args:
        best: the best shot so far.
        others: what else there was; may hold it.

    Returns:
        None where no other is worth a closer look: its picture need not be kept. Pure.
    """
    rival: Shot | None = None
    event = best.event
    score_min = RIVAL_SHARE * event.quality.score
    for other in others:
        if other is None or other is best:
            continue
        far = abs(other.event.at_mono_s - event.at_mono_s) >= RIVAL_GAP_S
        if not far or other.event.quality.score < score_min or other.event.postable != event.postable:
            continue
        if rival is None or other.event.better_than(rival.event):
            rival = other
    return rival


def pose_distance(first: Landmarks, second: Landmarks) -> float:
    """How differently two faces are turned: 0 for the same pose, about 0.5 between frontal and 45° to the side.

    Args:
        first: float32 (5, 2), see ``event.Landmarks``; any unit.
        second: the same of the other face.

    Returns:
        The distance between the two noses' places in the face, in distances between the eyes: to the side (yaw) and
        along the face (pitch), both measured in the face's own axes, so that leaning (roll) and size do not count.
        Pure.
    """
    (yaw, pitch), (other_yaw, other_pitch) = _nose_place(first), _nose_place(second)
    return hypot(yaw - other_yaw, pitch - other_pitch)


def _nose_place(landmarks: Landmarks) -> tuple[float, float]:
    (right_x, right_y), (left_x, left_y), (nose_x, nose_y) = landmarks[:3].tolist()
    across_x, across_y = left_x - right_x, left_y - right_y
    span = hypot(across_x, across_y)
    if span <= 0.0:
        return 0.0, 0.0
    x, y = nose_x - (right_x + left_x) / 2.0, nose_y - (right_y + left_y) / 2.0
    square = span * span
    return (x * across_x + y * across_y) / square, (y * across_x - x * across_y) / square


def _beats(event: FaceEvent, shot: Shot | None) -> bool:
    return shot is None or event.better_than(shot.event)


def _centre(event: FaceEvent) -> tuple[float, float]:
    left, top, right, bottom = event.box_xyxy.tolist()
    return (left + right) / 2.0, (top + bottom) / 2.0
