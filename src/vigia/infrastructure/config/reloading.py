"""Settings that change while vigia runs: which files they are in, what may change, and what needs a restart.

Cameras, groups, and everything that one camera may have of its own (``OWN_KEYS``) change live; the rest is what the
process was made of.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vigia.infrastructure.config.keys import ANY_ITEM
from vigia.infrastructure.config.layer import SettingPlaces
from vigia.infrastructure.config.loading import (
    DEFAULT_ENV_FILE,
    DEFAULT_FILE,
    load_settings,
    setting_places,
    settings_keys,
)
from vigia.infrastructure.config.own_settings import OWN_KEYS
from vigia.infrastructure.config.settings import Settings

LIVE_SECTIONS = frozenset({"cameras", "groups"})
LIVE_KEYS = frozenset(
    {
        *(key for key in OWN_KEYS.values() if key != ("detector", "min_face_px")),
        ("detector", "motion_gate"),
        ("camera_list",),
        ("findface", "group_prefix"),
        ("findface", "apply_camera_settings"),
    }
)
"""Taken over by each camera that has none of its own, and what the camera list is read by. The smallest face to be
found is not among them: what the shards may do under overload follows from it. (Of a group or a camera it is live.)"""

_Signature = tuple[int, int, int, int] | None
"""Device, inode, size and time of the last change, ns; None: it is not there."""


class SettingsFiles:
    """The files that the settings were read from. Owner: one thread.

    A default file that was not there at the start is taken when it appears; one that was there and is gone is an error,
    not an empty file: somebody is about to write it anew.

    Args:
        path, env_file, environ, overrides: as they were given to ``load_settings`` at the start.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        env_file: Path | None = DEFAULT_ENV_FILE,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        self._path = path
        self._env_file = env_file
        self._environ = dict(os.environ if environ is None else environ)
        self._overrides = dict(overrides or {})
        self._signatures = self._look()
        self._pin()

    def changed(self) -> bool:
        """Whether a file was written, replaced or removed since the last ``read``, or the start. Cheap."""
        return self._look() != self._signatures

    def read(self) -> Settings:
        """The settings as they are now; ``changed`` is False afterwards, until somebody writes again.

        Raises:
            ConfigurationError: with every mistake, its file and line; nothing else has happened.
        """
        self._signatures = self._look()  # before reading: what is written meanwhile is a change
        settings = load_settings(self._path, env_file=self._env_file, environ=self._environ, overrides=self._overrides)
        self._pin()
        return settings

    def places(self) -> SettingPlaces:
        """Where each setting stands now. Any thread; reads the files and remembers nothing.

        Raises:
            ConfigurationError: a file cannot be read, or is not YAML.
        """
        return setting_places(self._path, env_file=self._env_file, environ=self._environ, overrides=self._overrides)

    def _pin(self) -> None:
        """From now on the default file has to be there, if it is."""
        if self._path is None and self._signatures[0] is not None:
            self._path = DEFAULT_FILE

    def _look(self) -> tuple[_Signature, _Signature]:
        path = self._path if self._path is not None else DEFAULT_FILE
        return _signature(path), None if self._env_file is None else _signature(self._env_file)


def restart_keys(old: Settings, new: Settings) -> list[str]:
    """The dotted keys that differ and count only after a restart. Never a value. Pure."""
    return [".".join(path) for path in _fixed_keys() if _at(old, path) != _at(new, path)]


def live_settings(old: Settings, new: Settings) -> Settings:
    """``old`` with all of ``new`` that may change while it runs. Pure."""
    updates: dict[str, dict[str, Any]] = {}
    live: dict[str, Any] = {name: getattr(new, name) for name in LIVE_SECTIONS}
    for path in LIVE_KEYS:
        if len(path) == 1:
            live[path[0]] = getattr(new, path[0])
        else:
            updates.setdefault(path[0], {})[path[1]] = _at(new, path)
    for name, changed in updates.items():
        live[name] = _section_with(getattr(old, name), getattr(new, name), changed)
    return old.model_copy(update=live)


def _section_with(old: Any, new: Any, changed: Mapping[str, Any]) -> Any:
    """A section with some values of another; what was given and what is a default follows them."""
    section = old.model_copy(update=dict(changed))
    given = (old.model_fields_set - changed.keys()) | (new.model_fields_set & changed.keys())
    return type(section).model_construct(_fields_set=given, **dict(section))


def _fixed_keys() -> Iterator[tuple[str, ...]]:
    for facts in settings_keys():
        path = facts.path
        if facts.kind != "section" and path[0] not in LIVE_SECTIONS and path not in LIVE_KEYS and ANY_ITEM not in path:
            yield path


def _at(settings: Settings, path: tuple[str, ...]) -> Any:
    value: Any = settings
    for part in path:
        value = getattr(value, part)
    return value


def _signature(path: Path) -> _Signature:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
