"""All settings, frozen. ``Settings()`` is the defaults and reads nothing; :func:`load_settings` reads the world.

Holds values only: no object of vigia is made here. Keys that are empty because they follow from another key are
answered by the properties below.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.delivery_sections import (
    CameraSettings,
    DeliverySettings,
    FindfaceSettings,
    LogSettings,
    MemorySettings,
    OutboxSettings,
)
from vigia.infrastructure.config.layer import NOWHERE, Layer, Problem
from vigia.infrastructure.config.own_settings import OwnSettings, OwnValue, culprit, disagreement
from vigia.infrastructure.config.problems import HIDDEN, combined, shown_url
from vigia.infrastructure.config.section import UsablePath, invalid, without_empty_values
from vigia.infrastructure.config.tracing_section import TracingSettings
from vigia.infrastructure.config.vision_sections import (
    CaptureSettings,
    DetectorSettings,
    HealthSettings,
    ShardsSettings,
    SourceSettings,
    TracksSettings,
)
from vigia.infrastructure.config.web_section import WebSettings

THREADS_MAX = 4
"""Shards that run as threads by default; more of them are processes."""
_LAYERS: ContextVar[tuple[Layer, ...]] = ContextVar("vigia_settings_layers", default=())
"""What ``Settings()`` shall read besides its arguments; most important first. Set only by ``Settings.from_layers``."""


@dataclass(frozen=True, slots=True)
class FindfaceAccess:
    """What it takes to log in to FindFace."""

    url: str
    user: str
    password: str = field(repr=False)


def _distinct(cameras: tuple[CameraSettings, ...]) -> tuple[CameraSettings, ...]:
    seen: set[str] = set()
    for index, camera in enumerate(cameras):
        if camera.id in seen:
            raise invalid(partial(_id_taken, camera.id), index, "id")
        seen.add(camera.id)
    return cameras


def _id_taken(camera_id: str, key: str) -> ConfigurationError:
    return ConfigurationError("%(key)s: another camera has the id %(id)s already", key=key, id=camera_id)


GROUP_NAME_MAX = 256
"""Characters; as FindFace has it."""


def _empty_groups_too(groups: Any) -> Any:
    """A group without any setting may stand there, to be filled in later."""
    return {n: {} if own is None else own for n, own in groups.items()} if isinstance(groups, dict) else groups


def _named(groups: dict[str, OwnSettings]) -> dict[str, OwnSettings]:
    for name in groups:
        if not name.strip() or len(name) > GROUP_NAME_MAX:
            raise invalid(
                lambda key: ConfigurationError(
                    "%(key)s: a group's name has 1 to %(length)d characters", key=key, length=GROUP_NAME_MAX
                )
            )
    return groups


class Settings(BaseSettings):
    """Every setting of vigia. Immutable; equal when all values are equal."""

    model_config = SettingsConfigDict(
        allow_inf_nan=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,  # a rejected value may be a password
        use_attribute_docstrings=True,
        validate_default=True,
    )

    language: Literal["pt_BR", "en", "auto"] = "pt_BR"
    """Language of everything an operator reads; ``auto`` follows the system."""
    data_dir: UsablePath = Path("data")
    """Directory of everything that must survive a restart."""
    models_dir: UsablePath | None = None
    """Directory of the detector models; empty = ``vigia/models`` in the user's cache directory."""
    log: LogSettings = LogSettings()
    """What is logged, and where to."""
    source: SourceSettings = SourceSettings()
    """How cameras are read."""
    health: HealthSettings = HealthSettings()
    """When something is wrong with what a live camera delivers."""
    shards: ShardsSettings = ShardsSettings()
    """Workers that own cameras."""
    detector: DetectorSettings = DetectorSettings()
    """How faces are found."""
    tracks: TracksSettings = TracksSettings()
    """How passages are followed, and which are worth sending."""
    capture: CaptureSettings = CaptureSettings()
    """How a chosen shot becomes a picture on disk."""
    outbox: OutboxSettings = OutboxSettings()
    """Where captures wait on disk."""
    delivery: DeliverySettings = DeliverySettings()
    """How captures are sent."""
    findface: FindfaceSettings = FindfaceSettings()
    """FindFace Multi."""
    memory: MemorySettings = MemorySettings()
    """When memory is tidied."""
    web: WebSettings = WebSettings()
    """The web server: dashboard, actions, metrics."""
    tracing: TracingSettings = TracingSettings()
    """Traces of captures' lives."""
    camera_list: Literal["auto", "config", "findface", "both"] = "auto"
    """Where the cameras come from: ``cameras:`` (``config``), FindFace, or both; ``auto``: ``cameras:``, when it lists
    any, else FindFace."""
    groups: Annotated[
        dict[str, OwnSettings], Field(max_length=1000), BeforeValidator(_empty_groups_too), AfterValidator(_named)
    ] = Field(default_factory=dict)
    """Settings that all cameras of a group have of their own, by the group's name; also for groups of FindFace."""
    cameras: Annotated[tuple[CameraSettings, ...], Field(max_length=10_000), AfterValidator(_distinct)] = ()
    """The cameras; none = the list comes from FindFace, unless ``camera_list`` says otherwise."""

    @classmethod
    def from_layers(cls, layers: Sequence[Layer]) -> Self:
        """Validate what the layers say together; the first one that sets a key wins.

        Raises:
            pydantic.ValidationError: without the rejected values.
        """
        with _reading(layers):
            return cls()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - reads os.environ only, and forgets where a value stood
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - expands $ in passwords
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - not offered
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the layers."""
        return (init_settings, *(_LayerSource(settings_cls, layer) for layer in _LAYERS.get()))

    @property
    def reads_configured_cameras(self) -> bool:
        """Whether the cameras of ``cameras:`` are watched."""
        return self.camera_list in {"config", "both"} or (self.camera_list == "auto" and bool(self.cameras))

    @property
    def reads_findface_cameras(self) -> bool:
        """Whether the cameras of FindFace are watched."""
        return self.camera_list in {"findface", "both"} or (self.camera_list == "auto" and not self.cameras)

    @property
    def log_file(self) -> Path | None:
        """Where the log file is, or None when none is wanted."""
        if not self.log.file_enabled:
            return None
        return self.log.file or self.data_dir / "logs" / "vigia.jsonl"

    @property
    def console_level(self) -> str:
        """Least level on the screen."""
        return self.log.console_level or self.log.level

    @property
    def outbox_directory(self) -> Path:
        """Where captures wait."""
        return self.outbox.directory or self.data_dir / "outbox"

    @property
    def uuid_file(self) -> Path:
        """Where this device's own uuid is kept when none is given."""
        return self.data_dir / "findface-uuid"

    @property
    def camera_list_file(self) -> Path:
        """Where the camera list known last is kept; it holds passwords."""
        return self.data_dir / "cameras.json"

    @property
    def status_file(self) -> Path:
        """Where a running vigia says how it is; no secrets."""
        return self.data_dir / "status.json"

    @property
    def web_users_file(self) -> Path:
        """Who may log in to the web server; it holds hashes of passwords."""
        return self.web.password_file or self.data_dir / "web-users.json"

    @property
    def audit_file(self) -> Path:
        """What people did through the web server."""
        return self.data_dir / "logs" / "audit.jsonl"

    @property
    def audit_logins_file(self) -> Path:
        """Who tried to log in to the web server and was not let in."""
        return self.data_dir / "logs" / "audit-logins.jsonl"

    @property
    def web_devices_file(self) -> Path:
        """Hashes of tokens of the browsers that people have logged in with."""
        return self.data_dir / "web-devices.json"

    @property
    def first_password_file(self) -> Path:
        """The first password, until somebody has logged in with it, where no screen could show it."""
        return self.data_dir / "first-password.txt"

    def models_directory(self, environ: Mapping[str, str] | None = None) -> Path:
        """Where the detector models are: ``models_dir``, or the user's cache directory by the XDG rules.

        Raises:
            ConfigurationError: this user has no home directory.
        """
        if self.models_dir is not None:
            return self.models_dir
        cache = (os.environ if environ is None else environ).get("XDG_CACHE_HOME", "")
        if cache and Path(cache).is_absolute():
            return Path(cache) / "vigia" / "models"
        try:
            return Path.home() / ".cache" / "vigia" / "models"
        except RuntimeError as error:
            raise ConfigurationError("this user has no home directory; set models_dir") from error

    def shard_count(self, *, cores: int) -> int:
        """How many shards to run on a machine with ``cores`` usable cores; at least 1."""
        return max(1, cores) if self.shards.count == "auto" else self.shards.count

    def shards_are_threads(self, count: int) -> bool:
        """Whether so many shards run as threads: many would wait for the interpreter (decision 0013)."""
        return self.shards.mode == "threads" or (self.shards.mode == "auto" and count <= THREADS_MAX)

    def findface_access(self) -> FindfaceAccess:
        """What it takes to log in to FindFace.

        Raises:
            ConfigurationError: names every variable that is missing, one line each.
        """
        user, url = self.findface.user, self.findface.url
        password = self.findface.password.get_secret_value() if self.findface.password is not None else ""
        if url and user and password:
            return FindfaceAccess(url, user, password)
        missing = [
            name
            for name, value in (("FINDFACE_URL", url), ("FINDFACE_USER", user), ("FINDFACE_PASSWORD", password))
            if not value
        ]
        told = [ConfigurationError("%(name)s is missing; set it in .env or the environment", name=n) for n in missing]
        raise combined([Problem(NOWHERE, error) for error in told])

    def redacted_dump(self) -> dict[str, Any]:
        """All values, nested, as JSON can hold them; secrets as ``***``, URLs without credentials."""
        dump: dict[str, Any] = _redacted(self.model_dump(mode="python"))
        return dump

    @model_validator(mode="before")
    @classmethod
    def _empty_means_default(cls, data: Any) -> Any:
        return without_empty_values(cls, data)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.outbox.lease_s <= 3.0 * self.findface.timeouts_total_s:
            raise invalid(
                lambda _key: ConfigurationError(
                    "outbox.lease_s (%(lease)g) must be more than three times all FindFace time-outs together "
                    "(%(total)g), or a capture could be sent twice",
                    lease=self.outbox.lease_s,
                    total=self.findface.timeouts_total_s,
                ),
                "outbox",
                "lease_s",
            )
        if self.delivery.senders > self.findface.max_connections:
            raise invalid(
                lambda _key: ConfigurationError(
                    "delivery.senders (%(senders)d) must not be more than findface.max_connections (%(connections)d)",
                    senders=self.delivery.senders,
                    connections=self.findface.max_connections,
                ),
                "delivery",
                "senders",
            )
        for name, own in self.groups.items():
            self._check_own(own.values(), own, ("groups", name))
        for index, camera in enumerate(self.cameras):
            if camera.settings.model_fields_set:
                shared = self.groups.get(camera.group, OwnSettings()).values()
                self._check_own(shared | camera.settings.values(), camera.settings, ("cameras", index, "settings"))
        return self

    def _check_own(self, values: Mapping[str, OwnValue], own: OwnSettings, path: tuple[str | int, ...]) -> None:
        """Refuse settings of a camera or a group that contradict each other or the rest, at the key that does."""
        problem = disagreement(self, values)
        if problem is not None:
            name = culprit(self, values, own.values())
            raise invalid(
                lambda key: ConfigurationError(
                    "%(key)s does not go with the other settings: %(problem)s", key=key, problem=problem
                ),
                *path,
                *(() if name is None else (name,)),
            )


class _LayerSource(PydanticBaseSettingsSource):
    """Hands a layer to pydantic-settings, which merges it with the others."""

    def __init__(self, settings_cls: type[BaseSettings], layer: Layer) -> None:
        super().__init__(settings_cls)
        self._layer = layer

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - its signature
        return self._layer.data.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._layer.data)


@contextmanager
def _reading(layers: Sequence[Layer]) -> Iterator[None]:
    token = _LAYERS.set(tuple(layers))
    try:
        yield
    finally:
        _LAYERS.reset(token)


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: shown_url(inner) if key == "url" and isinstance(inner, str) else _redacted(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redacted(item) for item in value]
    if isinstance(value, SecretStr):
        return HIDDEN
    return str(value) if isinstance(value, Path) else value
