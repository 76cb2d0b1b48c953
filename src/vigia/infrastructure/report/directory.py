"""A report's directory: made beside its place, put there whole, and known again.

While a video is processed, its report grows in ``.NAME.part``; only when it is complete does that become ``NAME``. So a
half-done report never looks like a done one, whatever ends the process. What is not a report of vigia is never touched.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from vigia.application.errors import ApplicationError

SUMMARY_NAME = "report.json"
MARKER_NAME = ".vigia-report"
"""Lies in every report, done or half done: what does not hold it is somebody else's."""
FACES_NAME = "faces"
THUMBS_NAME = ".thumbs"
PRIVATE = 0o700
"""Reports show faces: they are for who made them, until that person says otherwise."""


class ReportDirectory:
    """One video's report on disk. Owner: whoever processes the video; nobody else at the same time.

    Args:
        place: where the report lies when it is done.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.part = place.with_name(f".{place.name}.part")
        """Where it grows."""
        self._old = place.with_name(f".{place.name}.old")
        self._begun = False  # what lies at ``part`` was made here

    @property
    def faces(self) -> Path:
        """Face crops, while it grows."""
        return self.part / FACES_NAME

    @property
    def thumbs(self) -> Path:
        """Small pictures for the page; gone when it is done."""
        return self.part / THUMBS_NAME

    def summary(self) -> dict[str, Any] | None:
        """What the done report says of itself; None where there is none."""
        try:
            found = json.loads((self.place / SUMMARY_NAME).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def begin(self) -> None:
        """Make room for a new report, beside a done one that may be there.

        Raises:
            ApplicationError: something that is no report lies in its place.
            OSError: the disk is full, say.
        """
        for path in (self.place, self.part, self._old):
            if path.is_symlink() or (path.exists() and not (path / MARKER_NAME).is_file() and not _is_empty(path)):
                raise ApplicationError(
                    "%(path)s is there and is no report of vigia; move it away or choose another --out", path=path
                )
        self._settle()
        self.part.mkdir(mode=PRIVATE, parents=True)
        self._begun = True
        (self.part / MARKER_NAME).touch()
        self.faces.mkdir()
        self.thumbs.mkdir()

    def publish(self, summary: dict[str, Any]) -> None:
        """Complete the report and put it in its place; one that was there goes.

        All of it is on disk before it has its name: a report that the next run takes for done is whole, whenever the
        power fails.
        """
        shutil.rmtree(self.thumbs)
        text = json.dumps(summary, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
        (self.part / SUMMARY_NAME).write_text(text, encoding="utf-8")
        for directory, _, names in os.walk(self.part, topdown=False):
            for path in (*(Path(directory, name) for name in names), Path(directory)):
                _sync(path)
        if self.place.exists():
            self.place.rename(self._old)
        self.part.rename(self.place)
        _sync(self.place.parent)
        _remove(self._old)

    def abandon(self) -> None:
        """Take the half-done report away that ``begin`` made; what it found and refused is not touched."""
        if self._begun:
            with contextlib.suppress(OSError):
                _remove(self.part)

    def _settle(self) -> None:
        """Take away what an earlier process left; put a report back that was being replaced."""
        if self._old.exists() and not self.place.exists():
            self._old.rename(self.place)
        for left in (self.part, self._old):
            _remove(left)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _is_empty(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)
