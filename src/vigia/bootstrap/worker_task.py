"""What a worker process is told to do: the first message on its control channel."""

from dataclasses import dataclass
from pathlib import Path

from vigia.domain.camera import Camera
from vigia.infrastructure.config import Settings
from vigia.infrastructure.detection.registry import ModelSpec


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """One life of one worker. Picklable; without FindFace's password and without cameras' tokens."""

    name: str
    settings: Settings
    cameras: tuple[Camera, ...]
    model: tuple[ModelSpec, Path]
    """Chosen and checked by the parent."""
    first_id: int
    id_step: int
    """Of event and track numbers: no two workers, and no two lives of one, use the same."""
    language: str
    log_level: int
    loop_files: bool = False
    windows: bool = False
    """Whether the report needs to know which frames were seen."""
    gallery: bool = False
    """Whether the dashboard wants to remember shots and tracks."""
