"""The settings of one camera: those of all, changed by its group's, by FindFace's for it, and by its own. Pure.

A camera carries what differs for it (``Camera.overrides``), the weakest first; whoever makes a list of cameras has it
checked by ``sound``, so that ``settings_for`` never meets a contradiction.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import Camera, CameraOverride, OverrideOrigin
from vigia.infrastructure.config.delivery_sections import CameraSettings
from vigia.infrastructure.config.keys import KeyTable
from vigia.infrastructure.config.layer import KeyPath, Place, SettingPlaces
from vigia.infrastructure.config.own_settings import (
    OWN_KEYS,
    OwnSettings,
    OwnValue,
    changes_of,
    disagreement,
)
from vigia.infrastructure.config.problems import problems_of
from vigia.infrastructure.config.settings import Settings

_DROPPED_FIRST = (OverrideOrigin.FINDFACE, OverrideOrigin.GROUP, OverrideOrigin.CAMERA)
"""Whose settings give way where a camera's do not agree: FindFace knows least of what is set here."""


LOOP, PACE = "loop", "pace"
"""How a file is played, of cameras of the configuration: carried along like their settings, but nobody else's too."""


class SettingOrigin(StrEnum):
    """Who says what a setting of one camera is, the weakest first."""

    DEFAULT = "default"
    CONFIGURATION = "configuration"
    """The configuration, for all cameras."""
    GROUP = "group"
    FINDFACE = "findface"
    CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """What one setting of one camera is, and why."""

    name: str
    """FindFace's, or vigia's own."""
    key: str
    """The key of the setting of all cameras, such as ``tracks.filter_min_size``."""
    value: OwnValue
    origin: SettingOrigin
    detail: str = ""
    """The group's name."""
    place: Place | None = None
    """Where it was written, when that is known."""


@dataclass(frozen=True, slots=True)
class Playback:
    """How a camera that is a file is played."""

    loop: bool | None = None
    """Whether it begins again at its end; None where nobody says."""
    pace: str = "timestamps"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A setting of a camera that does not count, and why not."""

    override: CameraOverride
    problem: ConfigurationError


def overrides_from(own: OwnSettings, origin: OverrideOrigin) -> tuple[CameraOverride, ...]:
    """What a group or a camera has of its own, as a camera carries it."""
    return tuple(CameraOverride(name, value, origin) for name, value in own.values().items())


def playback_overrides(given: CameraSettings) -> tuple[CameraOverride, ...]:
    """``loop`` and ``pace`` of a camera of the configuration, where it gives them."""
    return tuple(
        CameraOverride(name, getattr(given, name), OverrideOrigin.CAMERA)
        for name in (LOOP, PACE)
        if name in given.model_fields_set
    )


def playback_of(camera: Camera) -> Playback:
    """How a camera that is a file is played."""
    said = {override.name: override.value for override in camera.overrides if override.name in {LOOP, PACE}}
    return Playback(loop=bool(said[LOOP]) if LOOP in said else None, pace=str(said.get(PACE, "timestamps")))


def own_values(camera: Camera) -> dict[str, OwnValue]:
    """What differs for this camera, by name; the strongest origin counts, of one origin the last."""
    return {override.name: override.value for override in _by_strength(camera) if override.name in OWN_KEYS}


def settings_for(settings: Settings, camera: Camera) -> Settings:
    """The settings as they are for one camera: a copy of which the sections hold its values. Some 20 us."""
    values = own_values(camera)
    if not values:
        return settings
    changes = changes_of(settings, values)
    return settings.model_copy(
        update={name: getattr(settings, name).model_copy(update=changed) for name, changed in changes.items()}
    )


def sound(settings: Settings, camera: Camera) -> tuple[Camera, tuple[LeftOut, ...]]:
    """The camera with what of its own settings is in range and agrees with the rest; and what does not.

    Numbers become what vigia counts in (a size of 80 is 80.0). Of settings that contradict each other, FindFace's give
    way first, then the group's, then the camera's own.
    """
    kept: list[CameraOverride] = []
    left_out: list[LeftOut] = []
    for override in camera.overrides:
        checked = _in_range(override)
        if isinstance(checked, ConfigurationError):
            left_out.append(LeftOut(override, checked))
        else:
            kept.append(checked)
    while (problem := disagreement(settings, own_values(replace(camera, overrides=tuple(kept))))) is not None:
        dropped = _in_the_way(settings, replace(camera, overrides=tuple(kept)))
        left_out += [LeftOut(override, problem) for override in dropped]
        kept = [override for override in kept if override not in dropped]
    return replace(camera, overrides=tuple(kept)), tuple(left_out)


def effective_settings(
    settings: Settings, camera: Camera, *, places: SettingPlaces | None = None
) -> tuple[EffectiveSetting, ...]:
    """Every setting that a camera may have of its own: what it is, and who says so.

    Args:
        settings: of all cameras.
        camera: with its overrides checked.
        places: where the settings were read, to say file and line.
    """
    places = places if places is not None else SettingPlaces(())
    strongest = {override.name: override.origin for override in _by_strength(camera)}
    effective = settings_for(settings, camera)
    return tuple(
        _effective(settings, camera, name, value=_value(effective, name), origin=strongest.get(name), places=places)
        for name in OWN_KEYS
    )


def _effective(
    settings: Settings,
    camera: Camera,
    name: str,
    *,
    value: OwnValue,
    origin: OverrideOrigin | None,
    places: SettingPlaces,
) -> EffectiveSetting:
    section, key = OWN_KEYS[name]
    found = EffectiveSetting(name, f"{section}.{key}", value, SettingOrigin.DEFAULT)
    if origin is not None:
        place = places.of(_own_path(settings, camera, name, origin))
        detail = camera.group if origin is OverrideOrigin.GROUP else ""
        return replace(found, origin=SettingOrigin(origin.value), detail=detail, place=place)
    given = getattr(settings, section).model_fields_set
    keys = (key, "motion_gate") if name == "imotion_threshold" else (key,)
    said = next((other for other in keys if other in given), None)
    if said is None:
        return found
    return replace(found, origin=SettingOrigin.CONFIGURATION, place=places.of((section, said)))


def _own_path(settings: Settings, camera: Camera, name: str, origin: OverrideOrigin) -> KeyPath:
    """Where a group's or a camera's setting is written; a path that is nowhere for FindFace's."""
    if origin is OverrideOrigin.GROUP:
        return ("groups", camera.group, name)
    number = next((number for number, own in enumerate(settings.cameras) if own.id == camera.id), -1)
    return ("cameras", number, "settings", name) if origin is OverrideOrigin.CAMERA else ()


def _value(effective: Settings, name: str) -> OwnValue:
    if name == "imotion_threshold" and not effective.detector.motion_gate:
        return 0.0
    section, key = OWN_KEYS[name]
    value: OwnValue = getattr(getattr(effective, section), key)
    return value


def _by_strength(camera: Camera) -> Iterator[CameraOverride]:
    for origin in OverrideOrigin:
        yield from (override for override in camera.overrides if override.origin is origin)


def _in_range(override: CameraOverride) -> CameraOverride | ConfigurationError:
    """The override with its value as vigia counts it, or what is wrong with it."""
    if override.name in {LOOP, PACE}:
        return override
    if override.name not in OWN_KEYS:
        return ConfigurationError("unknown key %(key)s", key=override.name)
    try:
        value = OwnSettings.model_validate({override.name: override.value}).values().get(override.name)
    except ValidationError as error:
        return problems_of(error, _own_keys(), ())[0].error
    return override if value is None else replace(override, value=value)


@cache
def _own_keys() -> KeyTable:
    return KeyTable(OwnSettings)


def _in_the_way(settings: Settings, camera: Camera) -> Sequence[CameraOverride]:
    """Which of a camera's settings to leave out so that the rest agrees, or agrees better: one where one is enough."""
    values: Mapping[str, OwnValue] = own_values(camera)
    for origin in _DROPPED_FIRST:
        own = {override.name: override for override in camera.overrides if override.origin is origin}
        single = next((name for name in reversed(own) if _agrees_without(settings, camera, own[name])), None)
        if single is not None:
            return [own[single]]
    for origin in _DROPPED_FIRST:
        dropped = [override for override in camera.overrides if override.origin is origin]
        if dropped:
            return dropped
    raise AssertionError(f"the settings of all cameras disagree: {values}")  # they are checked when they are read


def _agrees_without(settings: Settings, camera: Camera, override: CameraOverride) -> bool:
    rest = tuple(other for other in camera.overrides if other is not override)
    return disagreement(settings, own_values(replace(camera, overrides=rest))) is None
