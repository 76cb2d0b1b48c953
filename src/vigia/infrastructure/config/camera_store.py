"""The last known camera list on disk: ``cameras.json`` in ``data_dir``, for a start while FindFace is away.

It holds what the list holds: stream addresses with their passwords, and tokens. So only its owner may read it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vigia.application.use_cases.sync_cameras import KnownCameras
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.private_file import write_private

logger = logging.getLogger("vigia.cameras")

VERSION = 1
BYTES_MAX = 64_000_000
"""Ten thousand cameras with every setting of their own take a tenth of it."""


class CameraFileStore:
    """Behind ``CameraListStore``. Owner: one thread.

    Args:
        path: of the file; its directory is made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> KnownCameras | None:
        """What was kept; None when there is nothing, or nothing that can be used (which is told)."""
        try:
            with self._path.open("rb") as stream:
                content = stream.read(BYTES_MAX + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            logger.warning("%s cannot be read: %s", self._path, error.strerror or type(error).__name__)
            return None
        try:
            return _known(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            # Its text may hold a part of the file, and so of a password.
            logger.warning("%s is damaged (%s) and is left aside", self._path, type(error).__name__)
            return None

    def save(self, known: KnownCameras) -> None:
        """Keep it, whole or not at all.

        Raises:
            ConfigurationError: it cannot be written.
        """
        document = {"version": VERSION, "cameras": _plain(known.cameras), "former": _plain(known.former)}
        write_private(self._path, json.dumps(document, ensure_ascii=False).encode(), make_directory=True)


def _plain(cameras: Sequence[Camera]) -> list[dict[str, Any]]:
    return [asdict(camera) for camera in cameras]


def _known(document: Any) -> KnownCameras:
    if document["version"] != VERSION:
        raise ValueError("unknown version")
    return KnownCameras(_cameras(document["cameras"]), _cameras(document["former"]))


def _cameras(items: list[dict[str, Any]]) -> tuple[Camera, ...]:
    return tuple(_camera(item) for item in items)


def _camera(item: dict[str, Any]) -> Camera:
    number = item["findface_id"]
    return Camera(
        id=CameraId(str(item["id"])),
        name=str(item["name"]),
        url=str(item["url"]),
        findface_id=None if number is None else int(number),
        token=str(item["token"]),
        group=str(item["group"]),
        active=bool(item["active"]),
        overrides=tuple(_override(override) for override in item["overrides"]),
    )


def _override(item: dict[str, Any]) -> CameraOverride:
    value = item["value"]
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError("a setting of another kind")
    return CameraOverride(str(item["name"]), value, OverrideOrigin(item["origin"]))
