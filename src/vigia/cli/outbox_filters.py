"""Which captures a command of ``vigia outbox`` is about: by id, or by camera, state and age."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Self

import typer

from vigia.application.errors import ConfigurationError
from vigia.application.ports import OutboxDesk, OutboxEntry
from vigia.domain.camera import CameraId
from vigia.domain.capture import CaptureId, CaptureState

PAGE = 500
"""Captures read at once."""
ID_DIGITS = 32
PREFIX_MIN = 4
"""Fewer digits of an id are a slip of the finger."""
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_PREFIX = re.compile(rf"[0-9a-f]{{{PREFIX_MIN},{ID_DIGITS}}}")

CameraFilter = Annotated[str | None, typer.Option("--camera", metavar="ID", help="Only this camera's captures.")]
StateFilter = Annotated[CaptureState | None, typer.Option("--state", help="Only captures in this state.")]
OlderFilter = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE|TIME", help="Committed longer ago: 90s, 15m, 2h, 7d, or an ISO time."),
]
NewerFilter = Annotated[
    str | None,
    typer.Option("--newer-than", metavar="AGE|TIME", help="Committed less long ago: 90s, 15m, 2h, 7d, or an ISO time."),
]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, the oldest first.")]


@dataclass(frozen=True, slots=True)
class Filters:
    """Every one that is given must hold."""

    camera_id: CameraId | None = None
    state: CaptureState | None = None
    older_than_s: float | None = None
    younger_than_s: float | None = None
    limit: int | None = None

    @classmethod
    def of(
        cls,
        *,
        camera: str | None,
        state: CaptureState | None,
        older_than: str | None,
        newer_than: str | None,
        limit: int | None,
        now_utc: datetime,
    ) -> Self:
        """From a command's options. Raises ConfigurationError."""
        return cls(
            camera_id=None if camera is None else CameraId(camera),
            state=state,
            older_than_s=None if older_than is None else age_s(older_than, option="--older-than", now_utc=now_utc),
            younger_than_s=None if newer_than is None else age_s(newer_than, option="--newer-than", now_utc=now_utc),
            limit=limit,
        )

    @property
    def is_empty(self) -> bool:
        """True when none is given; ``limit`` is none."""
        return replace(self, limit=None) == Filters()


def age_s(text: str, *, option: str, now_utc: datetime) -> float:
    """How long ago, seconds: from an age (``90s``, ``15m``, ``2h``, ``7d``, ``1w``, ``1h30m``) or a moment.

    A moment is an ISO 8601 date or time; without a zone it is the computer's. One to come is a negative age.

    Raises:
        ConfigurationError: neither.
    """
    cleaned = text.strip()
    parts = _PART.findall(cleaned.lower())
    if parts and "".join(number + unit for number, unit in parts) == cleaned.lower():
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    try:
        return (now_utc - datetime.fromisoformat(cleaned).astimezone()).total_seconds()
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            "%(option)s %(value)s: write an age such as 90s, 15m, 2h or 7d, or a time such as 2026-03-01T08:00",
            option=option,
            value=text,
        ) from error


def matching(desk: OutboxDesk, filters: Filters) -> Iterator[OutboxEntry]:
    """Captures that match, oldest first, read page by page."""
    left, after = filters.limit, 0
    while left is None or left > 0:
        page = desk.entries(
            state=filters.state,
            camera_id=filters.camera_id,
            older_than_s=filters.older_than_s,
            younger_than_s=filters.younger_than_s,
            limit=PAGE if left is None else min(PAGE, left),
            after=after,
        )
        if not page:
            return
        yield from page
        after = page[-1].seq
        left = None if left is None else left - len(page)


def in_states(desk: OutboxDesk, filters: Filters, states: Sequence[CaptureState]) -> Iterator[OutboxEntry]:
    """Captures that match and are in one of ``states``; the limit is for all of them together."""
    left = filters.limit
    for state in states if filters.state is None else (filters.state,):
        for entry in matching(desk, replace(filters, state=state, limit=left)):
            yield entry
            left = None if left is None else left - 1


def find(desk: OutboxDesk, ids: Sequence[str]) -> list[OutboxEntry]:
    """Captures by id, or by the beginning of an id that only one capture has; each once.

    Raises:
        ConfigurationError: one is no id, is not in the outbox, or begins several.
    """
    prefixes = list(dict.fromkeys(_prefix(text) for text in ids))
    found: dict[str, list[OutboxEntry]] = {prefix: [] for prefix in prefixes}
    for prefix in prefixes:
        if len(prefix) == ID_DIGITS and (entry := desk.entry(CaptureId(prefix))) is not None:
            found[prefix].append(entry)
    if short := [prefix for prefix in prefixes if len(prefix) < ID_DIGITS]:
        for entry in matching(desk, Filters()):  # the port knows whole ids only
            for prefix in short:
                if entry.id.startswith(prefix):
                    found[prefix].append(entry)
    return list({entry.id: entry for prefix in prefixes for entry in [_only(prefix, found[prefix])]}.values())


def _prefix(text: str) -> str:
    prefix = text.strip().lower()
    if not _PREFIX.fullmatch(prefix):
        raise ConfigurationError(
            "%(id)s is no capture: write an id of 32 hexadecimal digits, or its first %(least)d or more",
            id=text,
            least=PREFIX_MIN,
        )
    return prefix


def _only(prefix: str, entries: Sequence[OutboxEntry]) -> OutboxEntry:
    if not entries:
        raise ConfigurationError("there is no capture %(id)s in the outbox", id=prefix)
    if len(entries) > 1:
        raise ConfigurationError(
            "%(id)s begins %(count)d captures, such as %(first)s and %(second)s: write more of it",
            id=prefix,
            count=len(entries),
            first=entries[0].id,
            second=entries[1].id,
        )
    return entries[0]
