"""What the looks are given: the settings, where they came from, who runs already, and which cameras there are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vigia.application.ports import Clock
from vigia.domain.camera import Camera
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.layer import SettingPlaces


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the settings were read from."""

    files: tuple[Path, ...] = ()
    """Those that were there: the YAML file, ``.env``."""
    places: SettingPlaces = field(default_factory=lambda: SettingPlaces(()))
    from_environment: bool = False
    """Variables of the environment say something, too."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined. Immutable."""

    settings: Settings
    origins: Origins
    clock: Clock
    running: dict[str, Any] | None = None
    """The status page of the vigia that runs with this ``data_dir`` now."""
    cameras: Sequence[Camera] | None = None
    """The active ones; None: the list cannot be read, or nobody asked."""
