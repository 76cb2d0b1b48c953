"""What is known of one worker's cameras, over all lives of its process: pure bookkeeping.

A worker reports twice a second; when it dies, the last report is all there is. Then the books are closed so that they
say what happened: packets in flight are ``skipped: worker_died``, open tracks and captures that never reached the disk
are lost. Commits are counted here and not there, one by one, so that no death makes their number wrong. Packets that
came after the last report are in no column: nobody knows of them.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from vigia.application.camera_shard import ShardStatus
from vigia.application.camera_status import CameraStatus
from vigia.application.load_control import DECISIONS_MAX, LoadDecision
from vigia.application.messages import WorkerReport
from vigia.application.recent_durations import DurationStats
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.histogram import DurationHistogram
from vigia.domain.ledger import FrameFate, LedgerPage, TrackFate
from vigia.domain.passages import ProcessedWindow

WORKER_DIED = "worker_died"
"""In a worker's queues or decoders when its process died."""
COMMITTED_KEPT = 1024
"""Ids of the latest commits; a capture in doubt is among the very last."""


@dataclass(frozen=True, slots=True)
class Casualties:
    """What a worker's death cost."""

    packets: int = 0
    tracks: int = 0
    """Open ones: their best shots are gone."""
    captures: int = 0
    """Chosen, and not on disk yet."""

    def plus(self, other: "Casualties") -> "Casualties":
        """Both together."""
        return Casualties(self.packets + other.packets, self.tracks + other.tracks, self.captures + other.captures)


class WorkerBooks:
    """One worker's figures.

    Owner: the worker's supervisor, but ``committed`` is called by the thread that commits. Others read a recent state.
    Bounds: one page a camera, two numbers a camera and loop of a clip, ``COMMITTED_KEPT`` ids, DECISIONS_MAX decisions.

    Args:
        name: of the worker.
        cameras: its own.
    """

    def __init__(self, name: str, cameras: Sequence[Camera]) -> None:
        self._name = name
        self._cameras = tuple(cameras)
        self._report: WorkerReport | None = None
        self._past: dict[CameraId, LedgerPage] = {}  # of earlier lives; of cameras that were taken out since, too
        self._past_retired = LedgerPage()
        self._past_lost = 0
        self._past_ages = DurationHistogram()
        self._past_cpu_s = 0.0
        self._pauses_s = (0.0, 0.0)
        self._past_holds = DurationStats()
        self._decisions: deque[LoadDecision] = deque(maxlen=DECISIONS_MAX)
        self._commits_all = 0
        self._commits: Counter[CameraId] = Counter()  # of this life
        self._committed_ids: OrderedDict[CaptureId, None] = OrderedDict()
        self.windows: dict[tuple[CameraId, int], ProcessedWindow] = {}
        self.restarts = 0

    @property
    def report(self) -> WorkerReport | None:
        """The latest of this life."""
        return self._report

    def take(self, report: WorkerReport) -> None:
        """A new report came."""
        self._report = report
        here = {camera.id for camera in report.details} | {camera.id for camera in self._cameras}
        for gone in [camera_id for camera_id in self._past if camera_id not in here]:
            self._past_retired = self._past_retired.plus(self._past.pop(gone))
        self.windows.update(report.windows)
        p99_s, max_s = self._pauses_s
        self._pauses_s = max(p99_s, report.gc_pause_p99_s), max(max_s, report.gc_pause_max_s)
        told_s = self._decisions[-1].at_mono_s if self._decisions else float("-inf")
        self._decisions.extend(decision for decision in report.decisions if decision.at_mono_s > told_s)

    def committed(self, camera_id: CameraId, capture_id: CaptureId) -> None:
        """A capture of this worker is on disk."""
        self._committed_ids[capture_id] = None
        if len(self._committed_ids) > COMMITTED_KEPT:
            self._committed_ids.popitem(last=False)
        self._commits[camera_id] += 1
        self._commits_all += 1

    def forget_ages(self) -> None:
        """Frame ages count from now on; the worker is told so too."""
        self._past_ages.clear()

    def close_life(self) -> Casualties:
        """The process died: book what it had in hand. Nothing more of this life may come."""
        report, commits = self._report, self._commits
        self._report, self._commits = None, Counter()
        costs = Casualties()
        lost = self._lost(report)
        last = {} if report is None else {camera.id: camera.page for camera in report.details}
        # Those that were taken out have closed their books; what came of their last shots is among the commits.
        here = {camera.id for camera in self._cameras} | set(last)
        for camera_id in here:
            page, cost = closed(last.get(camera_id, LedgerPage()), committed=commits[camera_id], lost=lost[camera_id])
            self._past[camera_id] = self._past.get(camera_id, LedgerPage()).plus(page)
            self._past_lost += lost[camera_id] + cost.captures
            costs = costs.plus(cost)
        self._past_lost += sum(count for camera_id, count in lost.items() if camera_id not in here)
        if report is not None:
            self._past_retired = self._past_retired.plus(report.retired)
            self._past_ages.merge(report.ages)
            self._past_cpu_s += report.cpu_s
            holds = report.lock_holds
            # Its percentiles were of its latest: those of a life that is over would never fall again.
            self._past_holds = self._past_holds.plus(DurationStats(holds.count, holds.total_s, max_s=holds.max_s))
        return costs

    @property
    def details(self) -> list[CameraStatus]:
        """One of each camera, with the books of all lives."""
        report, past = self._report, self._past
        if report is None:
            return [
                CameraStatus(
                    camera.id,
                    camera.name,
                    CameraState.CONNECTING,
                    self._name,
                    page=past.get(camera.id, LedgerPage()),
                )
                for camera in self._cameras
            ]
        return [replace(camera, page=past.get(camera.id, LedgerPage()).plus(camera.page)) for camera in report.details]

    @property
    def retired(self) -> LedgerPage:
        """The books of cameras that are not among the details any more, of all lives."""
        report = self._report
        page = self._past_retired if report is None else self._past_retired.plus(report.retired)
        shown = {camera.id for camera in (self._cameras if report is None else report.details)}
        for camera_id, past in list(self._past.items()):
            if camera_id not in shown:
                page = page.plus(past)
        return page

    def set_cameras(self, cameras: Sequence[Camera]) -> None:
        """The worker is to watch these from now on. Any thread."""
        self._cameras = tuple(cameras)

    @property
    def shards(self) -> list[ShardStatus]:
        """Its shards; one that is idle while there is no report."""
        if self._report is None:
            return [ShardStatus(self._name, len(self._cameras), 0, 0)]
        return list(self._report.shards)

    @property
    def commits(self) -> int:
        """Captures on disk."""
        return self._commits_all

    @property
    def lost(self) -> int:
        """Captures that never reached the disk."""
        return self._past_lost + self._lost(self._report).total()

    @property
    def commit_waiting(self) -> int:
        """Captures on their way to the disk."""
        return 0 if self._report is None else self._report.commit_waiting

    @property
    def cpu_s(self) -> float:
        """Processor time of all lives, seconds."""
        return self._past_cpu_s + (0.0 if self._report is None else self._report.cpu_s)

    @property
    def rss_bytes(self) -> int:
        """Resident set of the process at its last report."""
        return 0 if self._report is None else self._report.rss_bytes

    @property
    def gc_pauses_s(self) -> tuple[float, float]:
        """The worst 99th percentile and the longest pause of any life."""
        return self._pauses_s

    @property
    def decisions(self) -> Sequence[LoadDecision]:
        """Load control's latest, of all lives. Any thread."""
        return tuple(self._decisions.copy())

    @property
    def lock_holds(self) -> DurationStats:
        """How long the locks of its cameras' tracks were held, of all lives; percentiles of this one."""
        return self._past_holds if self._report is None else self._past_holds.plus(self._report.lock_holds)

    def ages(self) -> DurationHistogram:
        """Frame ages of all lives."""
        merged = DurationHistogram()
        merged.merge(self._past_ages)
        if self._report is not None:
            merged.merge(self._report.ages)
        return merged

    def _lost(self, report: WorkerReport | None) -> Counter[CameraId]:
        """By camera. The worker gave up on a capture that was under way; if it arrived after all, it is not lost."""
        lost: Counter[CameraId] = Counter()
        if report is not None:
            lost.update(report.lost)
            lost.subtract(camera_id for camera_id, capture_id in report.doubtful if capture_id in self._committed_ids)
        return lost


def closed(page: LedgerPage, *, committed: int, lost: int) -> tuple[LedgerPage, Casualties]:
    """A camera's books at the death of its worker.

    Args:
        page: as last reported; some of it may be a moment older than the rest.
        committed: captures of this camera that reached the disk, up to the death.
        lost: captures of it that were told as lost.

    Returns:
        A page that balances, and what was lost to make it so. Its captures are ``committed``, ``lost`` and the
        casualties among the captures, together. Pure.
    """
    in_flight = max(0, page.received - page.frames_booked)
    frames = dict(page.frames)
    frames[FrameFate.SKIPPED] += in_flight
    reasons = Counter(page.skip_reasons)
    if in_flight:
        reasons[WORKER_DIED] += in_flight
    tracks = dict(page.tracks)
    unreported = max(0, committed + lost - page.captures)
    waiting = max(0, page.captures - committed - lost)
    tracks[TrackFate.CAPTURED] += page.sending  # of these a shot was handed on
    further = page.further_captures
    if page.sending or further:
        further += unreported  # where tracks send several shots nobody knows whose these are: of those that send
    else:
        # Tracks ended after the report: their commits say so. They were open then, or had not begun.
        tracks[TrackFate.CAPTURED] += unreported
    started = max(page.tracks_started, sum(tracks.values()))
    still_open = started - sum(tracks.values())
    tracks[TrackFate.LOST] += still_open
    done = replace(
        page,
        received=sum(frames.values()),
        frames=MappingProxyType(frames),
        skip_reasons=MappingProxyType(dict(reasons)),
        tracks_started=started,
        tracks=MappingProxyType(tracks),
        sending=0,
        further_captures=further,
    )
    return done, Casualties(in_flight, still_open, waiting)
