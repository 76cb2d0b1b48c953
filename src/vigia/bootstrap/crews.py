"""The threads between the cameras and the disk, wired from settings: the same in this process and in a worker."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vigia.application.camera_shard import CameraShard
from vigia.application.crew import SHARDS_SHARE, CaptureCounts, ThreadCrew
from vigia.application.placement import place
from vigia.application.ports import CaptureStore, Clock, FaceDetector
from vigia.application.service import LoopService
from vigia.application.use_cases.commit_captures import CaptureRequest, CommitCapturesUseCase, CommitOptions
from vigia.bootstrap.hot_path import HotPath
from vigia.domain.camera import Camera
from vigia.domain.capture import CaptureId
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder

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
    shards, services, lines = [], [], []
    for name, cameras in groups:
        shard, detect = hot_path.shard(name, make_detector(), cameras=len(cameras))
        shards.append(shard)
        services.append(_shard_service(shard, step_of(shard), drain_s=drain_s, clock=clock))
        lines += [hot_path.line(camera, shard, detect=detect, captures=commit) for camera in cameras]
    return ThreadCrew(
        lines=lines,
        shards=shards,
        shard_services=services,
        commit=commit,
        commit_service=LoopService("commit", commit.step, clock=clock, wake=commit.work),
        counts=hooks.counts,
        clock=clock,
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
