"""What the operating system allows: open files, memory, processor time; and whether a vigia runs already."""

import os
import resource
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from vigia.application.diagnosis import Finding
from vigia.bootstrap.doctor import kinds_machine as kinds
from vigia.bootstrap.doctor.patient import Patient
from vigia.infrastructure.config import Settings

FILES_BASE = 256
"""Libraries, log, outbox, up to 200 connections to the web server, FindFace."""
FILES_EACH = 8
"""A camera's sockets (two more over UDP), while an old connection is being closed too."""
BASE_MB = 250
EACH_MB = 30
"""A camera of 1080p: eight of them took 473 MB with everything else (docs/performance.md)."""
CGROUP = Path("/sys/fs/cgroup")
QUOTA_SLACK = 0.25
"""Of a core: a quota that is short by less is no reason for fewer shards."""


def look_at_machine(patient: Patient) -> list[Finding]:
    """Limits of this process and this machine, against what so many cameras need."""
    settings, listed = patient.settings, patient.cameras
    return [
        *_running(patient),
        *([] if listed is None else _room_for(len(listed), is_running=patient.running is not None)),
        judge_cores(settings, cores=len(os.sched_getaffinity(0)), quota=cpu_quota()),
    ]


def _room_for(cameras: int, *, is_running: bool) -> Iterator[Finding]:
    """For so many; a vigia that runs has its memory already."""
    yield judge_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], cameras=cameras)
    if not is_running:
        yield judge_memory(free_bytes(), cameras=cameras)


def _running(patient: Patient) -> Iterator[Finding]:
    if patient.running is not None:
        yield kinds.MACHINE_RUNNING.of(pid=int(patient.running["pid"]))


def judge_files(limit: int, *, cameras: int) -> Finding:
    """Whether so many open files will do; a limit below 0 is none."""
    needed = FILES_BASE + FILES_EACH * cameras
    if 0 <= limit < needed:
        return kinds.MACHINE_FEW_FILES.of(limit=limit, cameras=cameras, needed=needed)
    return kinds.MACHINE_FILES.of(limit=limit, cameras=cameras, needed=needed)


def judge_memory(free: int, *, cameras: int) -> Finding:
    """Whether so many bytes will do."""
    needed_mb, free_mb = BASE_MB + EACH_MB * cameras, free // 1_000_000
    kind = kinds.MACHINE_MEMORY if free_mb >= needed_mb else kinds.MACHINE_LITTLE_MEMORY
    return kind.of(free=free_mb, cameras=cameras, needed=needed_mb)


def judge_cores(settings: Settings, *, cores: int, quota: float | None) -> Finding:
    """Whether as many shards run as there is processor time for.

    Args:
        settings: say how many.
        cores: that this process may run on.
        quota: processor time that a container has, in cores; None: no limit.
    """
    shards = settings.shard_count(cores=cores)
    if quota is not None and shards > quota + QUOTA_SLACK:
        wanted = max(1, int(quota + QUOTA_SLACK))
        if wanted < shards:
            return kinds.MACHINE_QUOTA.of(quota=quota, cores=cores, shards=shards, wanted=wanted)
    if shards > cores:
        return kinds.MACHINE_MANY_SHARDS.of(shards=shards, cores=cores)
    return kinds.MACHINE_CORES.of(cores=cores, shards=shards)


def free_bytes(cgroup: Path = CGROUP) -> int:
    """What the machine has, and a container's limit leaves."""
    free = int(psutil.virtual_memory().available)
    for limit_name, used_name in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, used = _number(cgroup / limit_name), _number(cgroup / used_name)
        if limit is not None and used is not None:
            free = min(free, max(0, limit - used))
    return free


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """Processor time that this container may use, in cores; None without a limit. Version 2, then version 1."""
    with suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = _number(cgroup / "cpu/cpu.cfs_quota_us"), _number(cgroup / "cpu/cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # "max" is no number
        return None
