"""``cameras-findface.json`` in ``data_dir``: which detector of FindFace belongs to which camera, with its token.

JSON, ``{"version": 1, "cameras": {"gate": {"findface_id": 7, "token": "…"}}}``; mode 0600, replaced as a whole.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigia.application.errors import ConfigurationError
from vigia.application.provisioning import KnownDetector
from vigia.domain.camera import CameraId
from vigia.infrastructure.private_file import write_private

VERSION = 1
BYTES_MAX = 10_000_000


class DetectorFile:
    """Behind ``DetectorBook``. Owner: one thread of one process at a time; others may read.

    Args:
        path: of the file; its directory is made when something is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Mapping[CameraId, KnownDetector]:
        """All that is known; nothing when there is no file."""
        return known_detectors(self._path)

    def keep(self, camera_id: CameraId, known: KnownDetector) -> None:
        """Add or replace one; on disk when this returns."""
        present = dict(self.read())
        if present.get(camera_id) == known:
            return
        present[camera_id] = known
        cameras = {key: {"findface_id": one.findface_id, "token": one.token} for key, one in present.items()}
        content = json.dumps({"version": VERSION, "cameras": cameras}, ensure_ascii=False, indent=1).encode() + b"\n"
        write_private(self._path, content, make_directory=True)


def known_detectors(path: Path) -> dict[CameraId, KnownDetector]:
    """What the file holds; nothing when it is not there.

    Raises:
        ConfigurationError: it cannot be read, is damaged, or is of a newer vigia. Never passed over: cameras would be
            taken for new ones.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise ConfigurationError("%(file)s cannot be read: %(reason)s", file=path, reason=reason) from error
    try:
        document: Any = json.loads(content)
        version = document["version"]
        found = {
            CameraId(str(key)): KnownDetector(_number(one["findface_id"]), _token(one["token"]))
            for key, one in document["cameras"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        # Not chained: the parser's text may hold a part of the file.
        raise ConfigurationError(
            "%(file)s is damaged: restore it, or remove it and run vigia cameras provision again", file=path
        ) from None
    if version != VERSION:
        raise ConfigurationError("%(file)s was written by another version of vigia", file=path)
    return found


def _number(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError
    return value


def _token(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value
