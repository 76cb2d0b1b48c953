"""The threads between the cameras and the disk, wired from settings: the same in this process and in a worker."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vigia.application.camera_keeper import CameraKeeper
from vigia.application.camera_line import CameraLine
from vigia.application.camera_shard import CameraShard
from vigia.application.crew import SHARDS_SHARE, CaptureCounts, ThreadCrew
from vigia.application.gallery_desk import GalleryDesk, GallerySink
from vigia.application.placement import place
from vigia.application.ports import CaptureStore, Clock, FaceDetector
from vigia.application.service import LoopService
from vigia.application.track_poster import CaptureSink
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase, CommitOptions
from vigia.bootstrap.hot_path import HotPath
from vigia.domain.camera import Camera, CameraId
from vigia.domain.capture import CaptureId
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.delivery_sections import FindfaceSettings
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.source import SourceOptions

logger = logging.getLogger("vigia.bootstrap")

Step = Callable[[], float]


def _nothing() -> None:
    """Nobody waits for captures."""


@dataclass(frozen=True, slots=True)
class CaptureHooks:
    """What is done when a capture reaches its end on the way to the disk. Called by the commit thread."""

    committed: Callable[[CaptureId, CaptureRequest], None]
    failed: Callable[[CaptureRequest, Exception], None]
    counts: CaptureCounts
    """Kept by the two above."""
    wake_senders: Callable[[], None] = _nothing
    gallery: GalleryDesk | None = None
    """Told by the shards of shots and of tracks' ends; None = nobody wants to remember them."""


class ShardLines:
    """Makes cameras' lines in the shards of one process. Owner: whoever starts the process, then the keeper's thread.

    Args:
        hot_path: makes their parts.
        shards: where they may go.
        captures: takes their shots.
    """

    def __init__(self, hot_path: HotPath, shards: Sequence[CameraShard], *, captures: CaptureSink) -> None:
        self._hot_path = hot_path
        self._shards = tuple(shards)
        self._captures = captures
        self._streams: dict[CameraId, tuple[str, SourceOptions]] = {}  # how each was opened last

    def line(self, camera: Camera, shard: CameraShard) -> CameraLine:
        """A line in ``shard``, not started."""
        detect = shard.detect
        if detect is None:
            raise ValueError(f"{shard.name} has no detector")
        self._streams[camera.id] = camera.url, self._hot_path.source_options(camera)
        return self._hot_path.line(camera, shard, detect=detect, captures=self._captures)

    def make(self, camera: Camera, beside: Sequence[CameraLine], /) -> CameraLine:
        """See ``LineMaker``. The shard with the fewest cameras; the balancer corrects that by what it measures."""
        here = {line.camera.id for line in beside}
        self._streams = {key: stream for key, stream in self._streams.items() if key in here}
        busy = Counter(line.pipeline.shard_name for line in beside)
        return self.line(camera, min(self._shards, key=lambda shard: busy[shard.name]))

    def change(self, line: CameraLine, new: Camera, /) -> bool:
        """See ``LineMaker``."""
        hot_path = self._hot_path
        line.pipeline.reconfigure(hot_path.parts_for(new))
        stream = new.url, hot_path.source_options(new)
        if self._streams.get(new.id) == stream:
            return False
        self._streams[new.id] = stream
        line.stream.change_to(new, retry=hot_path.retry(new), once=hot_path.plays_once(new))
        return True

    def adopt(self, rules: object, /) -> None:
        """See ``LineMaker``: other settings."""
        if isinstance(rules, Settings):
            self._hot_path.adopt(rules)


def without_secrets(settings: Settings) -> Settings:
    """What the hot path is told of the settings. It decodes what strangers send: no password of FindFace, no key."""
    return settings.model_copy(
        update={
            "findface": FindfaceSettings(),
            "web": settings.web.model_copy(update={"metrics_token": None}),
            "outbox": settings.outbox.model_copy(
                update={"url": None, "encryption_keys": None, "encryption_key_file": None}
            ),
            "tracing": settings.tracing.model_copy(update={"headers": None}),
            "cameras": tuple(camera.model_copy(update={"token": None}) for camera in settings.cameras),
        }
    )


def without_tokens(cameras: Sequence[Camera]) -> tuple[Camera, ...]:
    """What the hot path is told of cameras: not the tokens that FindFace knows them by."""
    return tuple(replace(camera, token="") for camera in cameras)


def placed(cameras: Sequence[Camera], shards: int) -> list[list[Camera]]:
    """The cameras of each shard. What a camera costs is not known before it is open, so they count alike."""
    groups: list[list[Camera]] = [[] for _ in range(shards)]
    for camera, shard in zip(cameras, place([1.0] * len(cameras), shards), strict=True):
        groups[shard].append(camera)
    return groups


def thread_crew(
    settings: Settings,
    groups: Sequence[tuple[str, Sequence[Camera]]],
    *,
    hot_path: HotPath,
    make_detector: Callable[[], FaceDetector],
    store: CaptureStore,
    hooks: CaptureHooks,
    clock: Clock,
    step_of: Callable[[CameraShard], Step] = lambda shard: shard.step,
) -> ThreadCrew:
    """Shards, cameras and the commit thread, not started.

    Args:
        settings: checked.
        groups: each shard's name and cameras.
        hot_path: makes shards and lines.
        make_detector: one for each shard.
        store: where captures are committed.
        hooks: what is told of captures.
        clock: for everything that waits or measures.
        step_of: what a shard's thread calls.
    """
    commit = _commit(settings, store, hooks=hooks, clock=clock)
    drain_s = settings.delivery.drain_timeout_s * SHARDS_SHARE
    shards, services = [], []
    for name, cameras in groups:
        shard, _ = hot_path.shard(name, make_detector(), cameras=max(1, len(cameras)))
        shards.append(shard)
        services.append(_shard_service(shard, step_of(shard), drain_s=drain_s, clock=clock))
    sink = commit if hooks.gallery is None else GallerySink(commit, hooks.gallery)
    maker = ShardLines(hot_path, shards, captures=sink)
    lines = [
        maker.line(camera, shard) for (_, cameras), shard in zip(groups, shards, strict=True) for camera in cameras
    ]
    return ThreadCrew(
        keeper=CameraKeeper(lines, maker=maker, clock=clock),
        shards=shards,
        shard_services=services,
        commit=commit,
        commit_service=LoopService("commit", commit.step, clock=clock, wake=commit.work),
        counts=hooks.counts,
        clock=clock,
        live=hot_path.live,
        holds=lambda: hot_path.tracks.holds,
    )


def tell_committed(*, camera: str, capture_id: CaptureId, track_id: int, quality: float) -> None:
    """The line that an operator may rely on: what it names survives kill -9."""
    logger.info("Camera %s: capture %s of track %d committed (quality %.2f)", camera, capture_id, track_id, quality)


def _shard_service(shard: CameraShard, step: Step, *, drain_s: float, clock: Clock) -> LoopService:
    return LoopService(
        shard.name,
        step,
        clock=clock,
        wake=shard.arrived,
        on_stop=lambda: shard.drain(deadline_mono_s=clock.mono_s() + drain_s),
    )


def _commit(settings: Settings, store: CaptureStore, *, hooks: CaptureHooks, clock: Clock) -> CommitCapturesUseCase:
    chosen = settings.capture
    return CommitCapturesUseCase(
        store,
        SimpleJpegEncoder(),
        clock=clock,
        on_committed=hooks.committed,
        on_failed=hooks.failed,
        wake_senders=hooks.wake_senders,
        options=CommitOptions(
            queue_size=chosen.queue_size,
            offer_timeout_s=chosen.queue_wait_s,
            stamps=settings.tracing.enabled,
            picture=PictureRules(
                mode=PictureMode(chosen.picture),
                crop_margin=chosen.crop_margin,
                roi_margin=chosen.roi_margin,
                max_side_px=chosen.max_side_px,
                max_bytes=chosen.max_bytes,
                jpeg_quality=chosen.jpeg_quality,
            ),
        ),
    )
