"""Which videos are meant, and where the report on each goes."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.report.directory import MARKER_NAME, ReportDirectory
from vigia.infrastructure.video.video_file import VIDEO_SUFFIXES

NAME_CHARACTERS_MAX = 80
_ADDRESS = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]+:/")
"""As a path holds it: with one slash."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')
"""No file system that people carry reports on takes these."""


def shown(path: Path) -> str:
    """A path that may be written anywhere: bytes that are no UTF-8 show as question marks."""
    return os.fsencode(path).decode("utf-8", "replace")


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """The files meant: those that are named, and the videos in the folders that are named, sorted; each once.

    Folders are searched with all that is in them, without hidden ones, links to folders and reports of vigia.

    Raises:
        ConfigurationError: a path is not there, or a folder holds no video.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = _videos_in(path)
            if not inside:
                raise ConfigurationError("there is no video in the folder %(path)s", path=shown(path))
            found.update(dict.fromkeys(inside))
        elif path.exists():
            found[path.absolute()] = None
        elif _ADDRESS.match(str(path)):
            raise ConfigurationError("%(path)s is an address; vigia process takes files and folders", path=shown(path))
        else:
            raise ConfigurationError("%(path)s is not there", path=shown(path))
    return list(found)


def report_places(videos: Iterable[Path], out: Path) -> dict[Path, Path]:
    """Where the report on each video goes: a folder of its name.

    Of several videos of the same name, each has one that tells them apart; so has a video whose folder holds the report
    on another one.
    """
    names = {video: _safe_name(video.stem) for video in videos}
    often = Counter(name.casefold() for name in names.values())
    places = {}
    for video, name in names.items():
        place = out / name
        if often[name.casefold()] > 1 or _is_of_another(place, video):
            place = out / f"{name}-{_digest(video)}"
        places[video] = place
    return places


def _is_of_another(place: Path, video: Path) -> bool:
    summary = ReportDirectory(place).summary()
    told = summary.get("video") if summary is not None else None
    return isinstance(told, dict) and told.get("path") != shown(video)


def _videos_in(folder: Path) -> list[Path]:
    found = []
    for root, folders, files in os.walk(folder.absolute()):
        if MARKER_NAME in files:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(root, name)
            for name in sorted(files)
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        ]
    return sorted(found)


def _safe_name(stem: str) -> str:
    """A folder's name made of a video's: readable, and possible everywhere."""
    text = unicodedata.normalize("NFC", os.fsencode(stem).decode("utf-8", "replace").replace("\ufffd", "_"))
    text = _UNSAFE.sub("_", text).strip(" .")
    if len(text) > NAME_CHARACTERS_MAX:
        text = (
            f"{text[:NAME_CHARACTERS_MAX].rstrip()}-{sha256(stem.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
        )
    return text or "video"


def _digest(video: Path) -> str:
    return sha256(os.fsencode(video)).hexdigest()[:8]
