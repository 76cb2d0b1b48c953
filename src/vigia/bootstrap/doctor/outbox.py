"""The outbox as it lies there: can it be opened, do the keys fit, what waits in it? Changes nothing."""

import os
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

from vigia.application.diagnosis import Finding, Word
from vigia.application.errors import ConfigurationError, OutboxUnavailable
from vigia.application.outbox_port import OutboxStats
from vigia.bootstrap.doctor import kinds_place as kinds
from vigia.bootstrap.doctor.patient import Patient
from vigia.bootstrap.outbox_choice import probe_outbox
from vigia.bootstrap.outbox_desk import outbox_desk
from vigia.bootstrap.parts import picture_sealer
from vigia.domain.capture import CaptureState
from vigia.domain.errors import VigiaError
from vigia.infrastructure.config import Settings
from vigia.infrastructure.outbox.directory import DATABASE_NAME, LOCK_NAME

NEARLY_FULL = 0.8
"""Share of ``outbox.max_captures``."""
NO_OUTBOX = "there is no outbox in %(directory)s"
"""What an adapter says of a place where none was made yet."""
KEY_MISSING = "are sealed with the key"
"""Part of what it says of pictures whose key is not among ours."""
LOCKS = Path("/proc/locks")
PID_BYTES = 20


def look_at_outbox(patient: Patient) -> list[Finding]:
    """Whether it can be used, and what waits in it."""
    settings = patient.settings
    try:
        place = probe_outbox(settings)
    except (OutboxUnavailable, ConfigurationError) as error:  # only a server can refuse here
        return [kinds.OUTBOX_UNREACHABLE.of(why=error)]
    holder = None if patient.running is not None else _holder(settings)
    taken = [] if holder is None else [kinds.OUTBOX_TAKEN.of(place=place, holder=holder)]
    return [*taken, *_inside(patient, place)]


def _inside(patient: Patient, place: str) -> Iterator[Finding]:
    """Whether its pictures can be opened with the keys there are, and how many wait."""
    settings = patient.settings
    try:
        picture_sealer(settings)
    except ConfigurationError as error:
        yield kinds.OUTBOX_KEYS.of(why=error)
        return
    try:
        if settings.outbox.url is None and not (settings.outbox_directory / DATABASE_NAME).is_file():
            yield kinds.OUTBOX_NEW.of(place=place)
            return
        with closing(outbox_desk(settings, clock=patient.clock, all_pictures=True)) as desk:
            stats = desk.stats()
    except (OutboxUnavailable, ConfigurationError) as error:
        yield _refusal(place, error)
    except OSError:
        return  # nobody may look there: the look at the disk tells why
    else:
        yield from judge_outbox(settings, place, stats)


def judge_outbox(settings: Settings, place: str, stats: OutboxStats) -> Iterator[Finding]:
    """What is in it: how much waits, and what waits for a person."""
    waiting, most = stats.unsent, settings.outbox.max_captures
    if most and waiting >= NEARLY_FULL * most:
        policy = kinds.REFUSES_NEWEST if settings.outbox.when_full == "newest" else kinds.GIVES_UP_OLDEST
        yield kinds.OUTBOX_NEARLY_FULL.of(waiting=waiting, most=most, policy=Word(policy))
    else:
        yield kinds.OUTBOX_READY.of(place=place, waiting=waiting)
    dead = stats.kept.get(CaptureState.DEAD, 0)
    if dead:
        yield kinds.OUTBOX_DEAD.of(count=dead)


def _refusal(place: str, error: VigiaError) -> Finding:
    """None there yet is no complaint; keys that are missing have a remedy of their own."""
    if error.template == NO_OUTBOX:
        return kinds.OUTBOX_NEW.of(place=place)
    return (kinds.OUTBOX_KEYS if KEY_MISSING in error.template else kinds.OUTBOX_UNUSABLE).of(why=error)


def _holder(settings: Settings) -> str | None:
    """The process that has the directory now; None when none has, or nobody can tell.

    Looked up, not tried: whoever tried the lock would have it for a moment, and a run that starts then would be told
    that its outbox is taken.
    """
    if settings.outbox.url is not None:
        return None
    file, noted = settings.outbox_directory / LOCK_NAME, ""
    try:
        facts, table = file.stat(), LOCKS.read_text(encoding="ascii", errors="replace")
    except OSError:
        return None  # there is no outbox yet, the look at the disk has told why, or the system tells nothing of locks
    with suppress(OSError), file.open("rb") as lock:
        noted = lock.read(PID_BYTES).decode("ascii", "replace").strip()
    return holder_in(table, facts, noted=noted)


def holder_in(table: str, facts: os.stat_result, *, noted: str) -> str | None:
    """Which process holds a file alone (``flock``), by the kernel's table of locks; None: none that it tells of.

    Some file systems (btrfs, overlays) tell another device there than ``stat`` does: then the process has to be the one
    that the file itself names, as other files may have the same number.

    Args:
        table: as ``/proc/locks`` has it.
        facts: of the file.
        noted: the process that is written in it; empty when it cannot be read.
    """
    device = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}"
    for line in table.splitlines():
        match line.split():
            case [_, "FLOCK", _, "WRITE", pid, place, *_]:  # one that only waits has an arrow before the kind
                where, _, inode = place.rpartition(":")
                if inode == str(facts.st_ino) and (where == device or pid == noted):
                    return pid
            case _:
                pass
    return None
