"""Which cameras FindFace has already, which are to be made there, and where a person must decide. Pure.

A camera is known again, in this order, by its number (its own, or the one booked for it together with the token), by
the address in a detector's comment, and by its name within its group. Each detector belongs to one camera only.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from vigia.application.provisioning import Detector, DetectorGroup, KnownDetector
from vigia.domain.camera import Camera, CameraId
from vigia.domain.camera_address import address_key, without_credentials
from vigia.domain.errors import VigiaError

COMMENT_CHARS_MAX = 2048
NAME_CHARS_MAX = 256
"""FindFace's limits."""


class Action(StrEnum):
    """What provisioning does, or did, about a camera."""

    CREATE = "create"
    KNOWN = "known"
    """FindFace has it."""
    CONFLICT = "conflict"
    """A person must decide."""
    FAILED = "failed"
    """It was tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """One camera and what is to be done about it."""

    camera: Camera
    action: Action
    group: str = ""
    detector: Detector | None = None
    """The one that FindFace has, or that was made."""
    reason: VigiaError | None = None
    """Why it is a conflict, or failed; by what it was known."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All cameras, in their order, and the groups that must be made for them first."""

    steps: tuple[Step, ...]
    new_groups: tuple[str, ...] = ()
    group_ids: Mapping[str, int] = field(default_factory=dict)

    def count(self, action: Action) -> int:
        """How many steps are of this kind."""
        return sum(step.action is action for step in self.steps)


@dataclass(frozen=True, slots=True)
class ProvisionOptions:
    """How to provision."""

    group: str = ""
    """For every camera; empty: the camera's own."""
    group_default: str = ""
    """For cameras that name none."""
    create_groups: bool = False
    with_credentials: bool = True
    """User and password stand in the comment, too: where the list comes from FindFace, vigia needs them there."""


def make_plan(
    cameras: Sequence[Camera],
    *,
    groups: Sequence[DetectorGroup],
    detectors: Sequence[Detector],
    known: Mapping[CameraId, KnownDetector],
    options: ProvisionOptions,
) -> Plan:
    """Decide about each camera.

    Args:
        cameras: of the configuration or a list; the first of two with one address counts.
        groups: of FindFace, all that there are.
        detectors: of FindFace, all cameras.
        known: what was booked for cameras before.
        options: see there.
    """
    planner = _Planner(groups, detectors, known, options)
    by_number = {camera.id: planner.by_number(camera) for camera in cameras}
    steps = tuple(by_number[camera.id] or planner.other(camera) for camera in cameras)
    wanted = dict.fromkeys(step.group for step in steps if step.action is Action.CREATE)
    return Plan(
        steps,
        new_groups=tuple(name for name in wanted if name not in planner.group_ids),
        group_ids={name: planner.group_ids[name] for name in wanted if name in planner.group_ids},
    )


def comment_of(camera: Camera, *, with_credentials: bool) -> str:
    """What stands in the detector's comment: the address, as one word."""
    url = camera.url if with_credentials else without_credentials(camera.url)
    return url.replace(" ", "%20") if "://" in url else url


def _address_in(comment: str) -> str:
    """The address that a comment begins with; people write more behind it."""
    words = comment.split(maxsplit=1)
    return words[0] if words and "://" in words[0] else comment.strip()


class _Planner:
    """Owner: the call that made it. ``by_number`` for all cameras first, then ``other`` for the rest."""

    def __init__(
        self,
        groups: Sequence[DetectorGroup],
        detectors: Sequence[Detector],
        known: Mapping[CameraId, KnownDetector],
        options: ProvisionOptions,
    ) -> None:
        self.group_ids: dict[str, int] = {}
        """Of the groups that may be used, by the name that cameras give."""
        self._options = options
        self._known = known
        self._groups: dict[str, list[DetectorGroup]] = defaultdict(list)
        for group in groups:
            self._groups[group.name].append(group)
        self._by_id = {detector.findface_id: detector for detector in detectors}
        self._by_key: dict[str, list[Detector]] = defaultdict(list)
        self._by_name: dict[tuple[int | None, str], list[Detector]] = defaultdict(list)
        for detector in detectors:
            if detector.external:
                self._by_key[address_key(_address_in(detector.comment))].append(detector)
                self._by_name[detector.group_id, detector.name].append(detector)
        self._taken: dict[int, CameraId] = {}
        self._addresses: dict[str, CameraId] = {}

    def by_number(self, camera: Camera) -> Step | None:
        """Known by its own number or the booked one; a conflict; None when its number says nothing."""
        number = camera.findface_id
        if number is None:
            booked = self._known.get(camera.id)
            detector = None if booked is None else self._by_id.get(booked.findface_id)
            # An id alone proves nothing: it may be another FindFace's, or another camera's since.
            if booked is None or detector is None or not detector.external or detector.token != booked.token:
                return None
            return self._found(camera, detector, VigiaError("booked before"))
        detector = self._by_id.get(number)
        if detector is None:
            return _conflict(camera, VigiaError("FindFace has no camera %(id)d", id=number))
        if not detector.external:
            return _conflict(camera, VigiaError("camera %(id)d in FindFace is no external detector", id=number))
        if camera.token and detector.token and camera.token != detector.token:
            return _conflict(camera, VigiaError("its token is not the one that FindFace has"))
        return self._found(camera, detector, VigiaError("known by its number"))

    def other(self, camera: Camera) -> Step:
        """Known by address or name, to be made, or a conflict."""
        group = self._group_of(camera)
        found = self._by_address(camera, group if isinstance(group, DetectorGroup) else None)
        if found is not None:
            return found
        if isinstance(group, VigiaError):
            return _conflict(camera, group)
        found = self._by_namesake(camera, group) if isinstance(group, DetectorGroup) else None
        if found is not None:
            return found
        if not 1 <= len(camera.name) <= NAME_CHARS_MAX:
            return _conflict(camera, VigiaError("its name is longer than FindFace takes"))
        if len(comment_of(camera, with_credentials=self._options.with_credentials)) > COMMENT_CHARS_MAX:
            return _conflict(camera, VigiaError("its address is longer than a comment in FindFace"))
        return Step(camera, Action.CREATE, group=group if isinstance(group, str) else group.name)

    def _by_address(self, camera: Camera, group: DetectorGroup | None) -> Step | None:
        key = address_key(camera.url)
        same = self._addresses.setdefault(key, camera.id)
        if same != camera.id:
            return _conflict(camera, VigiaError("camera %(id)s has the same address", id=same))
        candidates = self._by_key.get(key, [])
        if group is not None:
            candidates = [d for d in candidates if d.group_id == group.id] or candidates
        if len(candidates) > 1:
            return _conflict(camera, _several(candidates))
        return self._found(camera, candidates[0], VigiaError("known by its address")) if candidates else None

    def _by_namesake(self, camera: Camera, group: DetectorGroup) -> Step | None:
        namesakes = [d for d in self._by_name.get((group.id, camera.name), []) if d.findface_id not in self._taken]
        if len(namesakes) > 1:
            return _conflict(camera, _several(namesakes))
        return self._namesake(camera, namesakes[0]) if namesakes else None

    def _namesake(self, camera: Camera, detector: Detector) -> Step:
        if detector.comment.strip():
            error = VigiaError("camera %(id)d in FindFace has its name and another address", id=detector.findface_id)
            return _conflict(camera, error)
        return self._found(camera, detector, VigiaError("known by its name"))

    def _found(self, camera: Camera, detector: Detector, how: VigiaError) -> Step:
        holder = self._taken.setdefault(detector.findface_id, camera.id)
        if holder != camera.id:
            error = VigiaError("camera %(id)d in FindFace belongs to %(other)s", id=detector.findface_id, other=holder)
            return _conflict(camera, error)
        self._addresses.setdefault(address_key(camera.url), camera.id)
        group = next((n for n, gs in self._groups.items() for g in gs if g.id == detector.group_id), "")
        return Step(camera, Action.KNOWN, group=group, detector=detector, reason=how)

    def _group_of(self, camera: Camera) -> DetectorGroup | str | VigiaError:
        """Its group; the name of one that is to be made; or why there is none."""
        name = self._options.group or camera.group or self._options.group_default
        if not name:
            return VigiaError("it has no group: give --group")
        found = self._groups.get(name, [])
        if len(found) > 1:
            return VigiaError("FindFace has %(count)d groups called %(name)s", count=len(found), name=name)
        if not found:
            if self._options.create_groups and len(name) <= NAME_CHARS_MAX:
                return name
            return VigiaError("FindFace has no group %(name)s; --create-group makes it", name=name)
        if not found[0].active:
            return VigiaError("group %(name)s is not active in FindFace", name=name)
        self.group_ids[name] = found[0].id
        return found[0]


def _several(detectors: Sequence[Detector]) -> VigiaError:
    ids = ", ".join(str(detector.findface_id) for detector in detectors)
    return VigiaError("several cameras in FindFace fit: %(ids)s", ids=ids)


def _conflict(camera: Camera, reason: VigiaError) -> Step:
    return Step(camera, Action.CONFLICT, reason=reason)
