"""The parent's side of worker processes, wired from settings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vigia.application.gallery_values import GalleryItem
from vigia.application.ports import CaptureStore, Clock
from vigia.application.worker_crew import WorkerCrew
from vigia.application.worker_supervisor import WorkerLimits, WorkerProcess, WorkerSupervisor, nobody
from vigia.bootstrap.crews import placed, tell_committed, without_secrets, without_tokens
from vigia.bootstrap.worker_task import WorkerTask
from vigia.domain.camera import Camera
from vigia.domain.capture import Capture
from vigia.infrastructure.config import Settings
from vigia.infrastructure.detection.registry import ModelSpec
from vigia.infrastructure.i18n import language
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.logging.forwarding import tell
from vigia.infrastructure.process.worker import SpawnedWorker

WORKER_MODULE = "vigia.bootstrap.worker_main"
IDS_A_LIFE = 10**12
"""Numbers of events and tracks that one life of a worker may use: a restarted worker begins far beyond the last one."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What workers are asked for beyond the settings."""

    model: tuple[ModelSpec, Path]
    loop_files: bool = False
    windows: bool = False
    limits: WorkerLimits = field(default_factory=WorkerLimits)
    on_gallery: Callable[[GalleryItem], None] | None = None
    """Keeps what the dashboard remembers; None = workers make nothing for it."""


def worker_crew(
    settings: Settings,
    cameras: Sequence[Camera],
    *,
    count: int,
    options: WorkerOptions,
    store: CaptureStore,
    wake_senders: Callable[[], None],
    clock: Clock,
) -> WorkerCrew:
    """``count`` worker processes with one shard each, not started.

    Args:
        settings: checked.
        cameras: spread over the workers, which get no tokens.
        count: of the workers; at most one a camera.
        options: what else is asked of them.
        store: the outbox.
        wake_senders: called after a capture is on disk.
        clock: for everything that waits or measures.
    """
    cameras = without_tokens(cameras)
    workers: list[WorkerSupervisor] = []

    def committed(capture: Capture) -> None:
        listed = (camera for worker in workers for camera in worker.cameras)
        name = next((camera.name for camera in listed if camera.id == capture.camera_id), capture.camera_id)
        tell_committed(camera=name, capture_id=capture.id, track_id=capture.track_id, quality=capture.quality)
        wake_senders()

    for number, own in enumerate(placed(cameras, count)):
        task = _task(settings, own, options, name=f"shard-{number}")
        workers.append(
            WorkerSupervisor(
                task.name,
                own,
                launch=_launcher(task, number=number, count=count, clock=clock),
                store=store,
                on_committed=committed,
                on_log=tell,
                on_gallery=options.on_gallery if options.on_gallery is not None else nobody,
                clock=clock,
                limits=options.limits,
            )
        )
    return WorkerCrew(
        workers, clock, live_interval_s=1.0 / settings.web.live_fps if settings.web.live_fps > 0.0 else 0.0
    )


def _task(settings: Settings, cameras: Sequence[Camera], options: WorkerOptions, *, name: str) -> WorkerTask:
    return WorkerTask(
        name=name,
        settings=without_secrets(settings),
        cameras=without_tokens(cameras),
        model=options.model,
        first_id=1,
        id_step=1,
        language=language(),
        log_level=logging.INFO,
        loop_files=options.loop_files,
        windows=options.windows,
        gallery=options.on_gallery is not None,
    )


def _launcher(
    task: WorkerTask, *, number: int, count: int, clock: Clock
) -> Callable[[int, Sequence[Camera], object], WorkerProcess]:
    def launch(life: int, cameras: Sequence[Camera], rules: object) -> WorkerProcess:
        numbered = replace(
            task,
            cameras=tuple(cameras),
            settings=rules if isinstance(rules, Settings) else task.settings,
            first_id=1 + number + life * IDS_A_LIFE * count,
            id_step=count,
            log_level=get_logger().getEffectiveLevel(),
        )
        return SpawnedWorker(WORKER_MODULE, numbered, clock=clock)

    return launch
