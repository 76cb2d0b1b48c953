"""One examination: which looks there are, in which order, and what one of them needs of another."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial

from vigia.application.diagnosis import Area, Finding
from vigia.application.ports import Clock
from vigia.bootstrap.doctor import kinds_machine
from vigia.bootstrap.doctor.bounded import call
from vigia.bootstrap.doctor.cameras import look_at_cameras, working
from vigia.bootstrap.doctor.capacities import look_at_capacity
from vigia.bootstrap.doctor.clocks import JumpWitness, Skew, is_synchronised, judge_skew, judge_synchronisation
from vigia.bootstrap.doctor.configuration import look_at_configuration
from vigia.bootstrap.doctor.disk import look_at_disk
from vigia.bootstrap.doctor.findface import Visit, known_cameras, visit_findface, without_findface
from vigia.bootstrap.doctor.machine import look_at_machine
from vigia.bootstrap.doctor.outbox import look_at_outbox
from vigia.bootstrap.doctor.patient import Origins, Patient
from vigia.bootstrap.doctor.sight import look_at_decoder, look_at_model
from vigia.bootstrap.doctor.web import look_at_web
from vigia.domain.camera import redact_url
from vigia.domain.errors import VigiaError
from vigia.infrastructure.config import Settings
from vigia.infrastructure.metrics.status_file import read_status

LOCAL_LIMIT_S = 30.0
"""Of a look that talks to nobody; a disk or a name server may hang all the same."""
FINDFACE_LIMIT_S = 120.0
CAMERAS_LIMIT_S = 3600.0
"""Each camera has its own limit; this one is for a list of ten thousand."""
CAPACITY_LIMIT_S = 90.0
OF_THE_LIST = frozenset({Area.MACHINE, Area.CAMERAS, Area.CAPACITY})
"""These want to know the cameras."""
ALL_AREAS = frozenset(Area)


def examine(
    settings: Settings, origins: Origins, *, clock: Clock, areas: Collection[Area] = ALL_AREAS
) -> list[Finding]:
    """Look at everything, or at some areas; the findings are in the order of the areas.

    Nothing is written that stays, beside the model that a first run would fetch and prepare. Takes as long as the
    slowest camera, and ten seconds for the capacity; nothing that hangs is waited for beyond its limit.
    """
    jump = JumpWitness(clock)
    patient = Patient(settings, origins, clock, running=read_status(settings.status_file, clock=clock))
    visit = _visit(patient, areas)
    patient = replace(patient, cameras=visit.cameras)
    found: dict[Area, list[Finding]] = {area: [] for area in Area}
    if Area.FINDFACE in areas:
        found[Area.FINDFACE] += visit.findings
    for area, look in _LOOKS.items():
        if area in areas:
            found[area] += _bounded(area, partial(look, patient), limit_s=LOCAL_LIMIT_S, clock=clock)
    if Area.CAMERAS in areas or Area.CAPACITY in areas:
        found[Area.CAMERAS] += visit.camera_findings
        if visit.cameras:
            cameras = partial(look_at_cameras, patient)
            found[Area.CAMERAS] += _bounded(Area.CAMERAS, cameras, limit_s=CAMERAS_LIMIT_S, clock=clock)
    if Area.CAPACITY in areas:
        found[Area.CAPACITY] += _capacity(patient, found[Area.CAMERAS])
    if Area.CLOCK in areas:
        found[Area.CLOCK] += [*_clock_findings(visit.skews), *jump.findings()]
    return [finding for area in Area if area in areas for finding in found[area]]


_LOOKS: dict[Area, Callable[[Patient], Sequence[Finding]]] = {
    Area.CONFIGURATION: look_at_configuration,
    Area.DISK: look_at_disk,
    Area.OUTBOX: look_at_outbox,
    Area.MACHINE: look_at_machine,
    Area.MODEL: look_at_model,
    Area.DECODER: look_at_decoder,
    Area.WEB: look_at_web,
}
"""Those that need nothing but the patient."""


def _visit(patient: Patient, areas: Collection[Area]) -> Visit:
    """FindFace, where somebody wants to know of it, its clock or its cameras."""
    if Area.FINDFACE in areas or Area.CLOCK in areas:
        look = partial(visit_findface, patient)
    elif OF_THE_LIST & set(areas):
        look = partial(known_cameras, patient)
    else:
        return Visit(())
    outcome = call("check-findface", look, limit_s=FINDFACE_LIMIT_S, clock=patient.clock)
    if outcome.result is not None:
        return outcome.result
    return without_findface(patient.settings, _look_lost(Area.FINDFACE, outcome.failure, FINDFACE_LIMIT_S))


def _bounded(area: Area, look: Callable[[], Sequence[Finding]], *, limit_s: float, clock: Clock) -> Sequence[Finding]:
    """A look's findings, or that it was left behind, or what broke it off."""
    outcome = call(f"check-{area}", look, limit_s=limit_s, clock=clock)
    return outcome.result if outcome.result is not None else [_look_lost(area, outcome.failure, limit_s)]


def _look_lost(area: Area, failure: BaseException | None, limit_s: float) -> Finding:
    if failure is None:
        return kinds_machine.LOOK_HUNG.of(area, area=area, name=area, seconds=limit_s)
    why = failure if isinstance(failure, VigiaError) else f"{type(failure).__name__}: {redact_url(str(failure))}"
    return kinds_machine.LOOK_BROKE.of(area, area=area, why=why)


def _capacity(patient: Patient, cameras: Sequence[Finding]) -> Sequence[Finding]:
    able = working(patient.cameras or (), cameras) if patient.running is None else list(patient.cameras or ())
    if not able:
        return []  # the cameras' own findings say why
    look = partial(look_at_capacity, patient, able)
    return _bounded(Area.CAPACITY, look, limit_s=CAPACITY_LIMIT_S, clock=patient.clock)


def _clock_findings(skews: Sequence[Skew]) -> Iterator[Finding]:
    yield from judge_synchronisation(is_synchronised())
    yield from judge_skew(skews)
