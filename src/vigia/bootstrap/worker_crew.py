"""The parent's side of worker processes, wired from settings."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vigia.application.ports import CaptureStore, Clock
from vigia.application.worker_crew import WorkerCrew
from vigia.application.worker_supervisor import WorkerLimits, WorkerProcess, WorkerSupervisor
from vigia.bootstrap.crews import placed, tell_committed
from vigia.bootstrap.worker_task import WorkerTask
from vigia.domain.camera import Camera
from vigia.domain.capture import Capture
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.delivery_sections import FindfaceSettings
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
        cameras: spread over the workers.
        count: of the workers; at most one a camera.
        options: what else is asked of them.
        store: the outbox.
        wake_senders: called after a capture is on disk.
        clock: for everything that waits or measures.
    """
    known_names = {camera.id: camera.name for camera in cameras}

    def committed(capture: Capture) -> None:
        name = known_names.get(capture.camera_id, capture.camera_id)
        tell_committed(camera=name, capture_id=capture.id, track_id=capture.track_id, quality=capture.quality)
        wake_senders()

    workers = []
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
                clock=clock,
                limits=options.limits,
            )
        )
    return WorkerCrew(workers, clock)


def _task(settings: Settings, cameras: Sequence[Camera], options: WorkerOptions, *, name: str) -> WorkerTask:
    """A worker decodes what strangers send: it gets no password, no token and no key."""
    listed = tuple(camera.model_copy(update={"token": None}) for camera in settings.cameras)
    return WorkerTask(
        name=name,
        settings=settings.model_copy(
            update={
                "findface": FindfaceSettings(),
                "outbox": settings.outbox.model_copy(
                    update={"url": None, "encryption_keys": None, "encryption_key_file": None}
                ),
                "cameras": listed,
            }
        ),
        cameras=tuple(replace(camera, token="") for camera in cameras),
        model=options.model,
        first_id=1,
        id_step=1,
        language=language(),
        log_level=logging.INFO,
        loop_files=options.loop_files,
        windows=options.windows,
    )


def _launcher(task: WorkerTask, *, number: int, count: int, clock: Clock) -> Callable[[int], WorkerProcess]:
    def launch(life: int) -> WorkerProcess:
        numbered = replace(
            task,
            first_id=1 + number + life * IDS_A_LIFE * count,
            id_step=count,
            log_level=get_logger().getEffectiveLevel(),
        )
        return SpawnedWorker(WORKER_MODULE, numbered, clock=clock)

    return launch
