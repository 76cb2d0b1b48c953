"""What the stand-in is told before it starts: who may log in, and which groups and cameras it knows."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from vigia.application.errors import ConfigurationError

SESSION_LENGTH_S = 15_552_000.0
"""180 days: ``MAXIMUM_SESSION_LENGTH`` of a FindFace Multi as installed."""
VIDEO_ARCHIVE_GROUP_ID = -1
"""The pseudo-group that a FindFace lists beside the real ones; it holds no live camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StubGroup:
    """A camera group to seed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: int
    name: str
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StubCamera:
    """A camera to seed."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    id: int
    name: str
    group: int
    url: str = field(default="", repr=False)
    """Kept in FindFace's ``comment``, where vigia reads it."""
    token: str = field(default="", repr=False)
    """The camera's ``external_detector_token``; empty: 32 random hexadecimal digits, made once and kept on disk."""
    external_detector: bool = True
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StubSettings:
    """Everything the stand-in can be told. Immutable.

    Raises:
        ConfigurationError: two groups or cameras share an id, or a camera is in a group that is not seeded.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    data_dir: Path
    """Database and pictures; made when absent."""
    user: str
    password: str = field(repr=False)
    groups: tuple[StubGroup, ...] = ()
    cameras: tuple[StubCamera, ...] = ()
    require_session: bool = False
    """Demand a session's header for new events too. The description says the camera's token is enough; some
    installations have been seen to refuse without the header."""
    session_length_s: float = SESSION_LENGTH_S
    page_size: int = 20
    """Entries a page when the caller sets no ``limit``."""
    camera_next_page: Literal["url", "cursor"] = "url"
    """Shape of ``next_page`` in the camera list; the description leaves it open, so a client must take both."""
    min_face_px: int = 50
    max_picture_bytes: int = 10 * 1024 * 1024
    max_side_px: int = 6000

    def __post_init__(self) -> None:
        """Refuse seeds that contradict each other."""
        for kind, ids in (("group", [g.id for g in self.groups]), ("camera", [c.id for c in self.cameras])):
            twice = [seed_id for seed_id, count in Counter(ids).items() if count > 1]
            if twice:
                raise ConfigurationError("the stand-in's %(kind)s id %(id)s is used twice", kind=kind, id=twice[0])
        known = {group.id for group in self.groups}
        for camera in self.cameras:
            if camera.group not in known:
                raise ConfigurationError(
                    "the stand-in's camera %(camera)s is in group %(group)s, which is not listed",
                    camera=camera.name,
                    group=camera.group,
                )


def seed_cameras(sources: Mapping[str, str], *, group_id: int, first_id: int = 1) -> tuple[StubCamera, ...]:
    """Make one external detector of each source.

    Args:
        sources: URL of the stream by the camera's name, in the order the ids shall follow.
        group_id: the group they all go to.
        first_id: id of the first; the rest count up.
    """
    return tuple(
        StubCamera(id=first_id + position, name=name, group=group_id, url=url)
        for position, (name, url) in enumerate(sources.items())
    )


def load_settings(path: Path, *, data_dir: Path | None = None) -> StubSettings:
    """Read a seed file: YAML (or JSON) with the fields of :class:`StubSettings`.

    Args:
        path: the file.
        data_dir: used instead of what the file says.

    Raises:
        ConfigurationError: unreadable, not YAML, an unknown key or a wrong value; the text shows no value.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError("cannot read the seed file %(path)s", path=path) from error
    if not isinstance(content, dict):
        raise ConfigurationError("the seed file %(path)s must hold settings by name", path=path)
    if data_dir is not None:
        content["data_dir"] = str(data_dir)
    try:
        return TypeAdapter(StubSettings).validate_python(content)
    except ValidationError as error:
        # The first is enough, and its input stays out of the text: it may be the password.
        first = error.errors(include_input=False, include_url=False)[0]
        raise ConfigurationError(
            "the seed file %(path)s is wrong at %(key)s: %(reason)s",
            path=path,
            key=".".join(str(part) for part in first["loc"]) or "its top level",
            reason=first["msg"],
        ) from None
