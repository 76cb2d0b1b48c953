"""Provision cameras: an external detector in FindFace for each camera that has none, once, whatever breaks in between.

FindFace has no idempotency key, and may take a request whose answer gets lost. So nothing is made before the present
list was read, a camera is known again by its number, its address or its name, and after a doubtful answer the list is
read again before anything else is done. What was made is booked at once; a kill in between costs nothing, because the
next run knows the camera again.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from vigia.application.errors import ApplicationError, DeliveryAmbiguous
from vigia.application.ports import Clock
from vigia.application.provision_plan import Action, Plan, ProvisionOptions, Step, comment_of, make_plan
from vigia.application.provisioning import (
    Detector,
    DetectorBook,
    DetectorGroup,
    DetectorRefused,
    DetectorRegistry,
    KnownDetector,
)
from vigia.domain.camera import Camera

LOOK_UP_AFTER_S = (0.5, 2.0, 5.0)
"""After a doubtful answer FindFace may still be at work: the list is read so many times, after these pauses."""
TRIES_MAX = 2
_Found = TypeVar("_Found")


class ProvisionCamerasUseCase:
    """Plans, and carries the plan out. Owner: one thread.

    Args:
        registry: FindFace.
        book: where ids and tokens are kept.
        clock: for the pauses before a look-up.
        options: see there.
    """

    def __init__(
        self, registry: DetectorRegistry, book: DetectorBook, *, clock: Clock, options: ProvisionOptions
    ) -> None:
        self._registry = registry
        self._book = book
        self._clock = clock
        self._options = options

    def plan(self, cameras: Sequence[Camera]) -> Plan:
        """What would be done; changes nothing. Raises as the registry, and ConfigurationError of the book."""
        return make_plan(
            cameras,
            groups=self._registry.groups(),
            detectors=self._registry.detectors(),
            known=self._book.read(),
            options=self._options,
        )

    def execute(self, plan: Plan, *, on_step: Callable[[Step], None]) -> Plan:
        """Do it, one camera after the other.

        Args:
            plan: from ``plan``, just now.
            on_step: told of each camera when it is done, whatever became of it.

        Returns:
            What came of it: ``create`` was made, ``known`` booked, ``failed`` has its reason.

        Raises:
            RetryableError: FindFace cannot be asked any more; what was done is booked.
            ConfigurationError: the book cannot be written.
        """
        group_ids = dict(plan.group_ids)
        for name in plan.new_groups:
            group_ids[name] = self._make_group(name).id
        done = []
        for step in plan.steps:
            ended = self._carry_out(step, group_ids)
            made = ended.detector
            token = "" if made is None else made.token or step.camera.token
            if made is not None and not token:
                reason = ApplicationError("FindFace gives no token for camera %(id)d", id=made.findface_id)
                ended = replace(ended, action=Action.FAILED, reason=reason)
            elif made is not None:
                self._book.keep(step.camera.id, KnownDetector(made.findface_id, token))
            on_step(ended)
            done.append(ended)
        return replace(plan, steps=tuple(done), new_groups=(), group_ids=group_ids)

    def _carry_out(self, step: Step, group_ids: Mapping[str, int]) -> Step:
        if step.action is not Action.CREATE:
            return step
        try:
            detector = self._make_detector(step.camera, group_ids[step.group])
        except (DetectorRefused, DeliveryAmbiguous) as error:
            return replace(step, action=Action.FAILED, reason=error)
        return replace(step, detector=detector)

    def _make_detector(self, camera: Camera, group_id: int) -> Detector:
        comment = comment_of(camera, with_credentials=self._options.with_credentials)

        def made() -> Detector | None:
            """What a doubtful request made; had there been one like it before, the plan would have known it."""
            wanted = (group_id, camera.name, comment)
            return next((d for d in self._registry.detectors() if (d.group_id, d.name, d.comment) == wanted), None)

        return self._once(
            lambda: self._registry.make_detector(name=camera.name, group_id=group_id, comment=comment), look_up=made
        )

    def _make_group(self, name: str) -> DetectorGroup:
        return self._once(
            lambda: self._registry.make_group(name),
            look_up=lambda: next((group for group in self._registry.groups() if group.name == name), None),
        )

    def _once(self, make: Callable[[], _Found], *, look_up: Callable[[], _Found | None]) -> _Found:
        """Have something made once; after a doubtful answer look for it before it is tried again.

        Raises:
            DeliveryAmbiguous: it is in doubt for good; a later run will see.
        """
        never = threading.Event()
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return make()
            except DeliveryAmbiguous:
                for pause_s in LOOK_UP_AFTER_S:
                    self._clock.wait(never, pause_s)
                    found = look_up()
                    if found is not None:
                        return found
                if attempt == TRIES_MAX:
                    raise
        raise AssertionError  # the loop ends by return or raise
