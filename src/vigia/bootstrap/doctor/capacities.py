"""How many such cameras this machine holds, measured with their own packets, and whether that is enough."""

from collections.abc import Sequence

from vigia.application.diagnosis import Finding
from vigia.bootstrap.capacity import Capacity, measure_capacity
from vigia.bootstrap.doctor import kinds_machine as kinds
from vigia.bootstrap.doctor.patient import Patient
from vigia.bootstrap.parts import WEAK_SHARE, detector_factory
from vigia.domain.camera import Camera
from vigia.infrastructure.config import Settings


def look_at_capacity(patient: Patient, cameras: Sequence[Camera]) -> list[Finding]:
    """Measure for about ten seconds; beside a vigia that runs, do not."""
    if patient.running is not None:
        return [kinds.CAPACITY_SKIPPED.of()]
    settings, clock = patient.settings, patient.clock
    found = measure_capacity(settings, cameras, detector_factory(settings, weak_share=WEAK_SHARE), clock=clock)
    return [kinds.CAPACITY_UNKNOWN.of() if found is None else judge_capacity(settings, found, count=len(cameras))]


def judge_capacity(settings: Settings, found: Capacity, *, count: int) -> Finding:
    """Whether so many cameras fit, at the cadence that the settings allow."""
    chosen = settings.detector
    k_last = chosen.cadence_k_max if chosen.cadence_k == "auto" else chosen.cadence_k
    if count > found.cameras(k_last):
        return kinds.CAPACITY_TOO_SMALL.of(room=found.cameras(k_last), k=k_last, count=count)
    rooms = ", ".join(f"{found.cameras(k)} (k={k})" for k in sorted({1, min(3, k_last), k_last}))
    return kinds.CAPACITY_ENOUGH.of(rooms=rooms, fps=found.fps, count=count)
