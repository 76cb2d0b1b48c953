"""The sections from the disk to FindFace (outbox, delivery, FindFace, cameras), and log and memory beside them."""

from re import compile as re_compile
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from vigia.application.errors import ConfigurationError
from vigia.domain.outbox_policy import LeaseOrder, OutboxPolicy, WhenFull, WhenOld
from vigia.infrastructure.config.camera_url import check_camera_url
from vigia.infrastructure.config.own_settings import OwnSettings
from vigia.infrastructure.config.section import PATH_CHARACTERS_MAX, Section, TimeoutS, UsablePath, http_url, invalid

_CAMERA_ID = re_compile(r"\w[\w.-]{0,63}")


def _upper(value: Any) -> Any:
    return value.strip().upper() if isinstance(value, str) else value


LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]


def _stripped(text: str) -> str:
    return text.strip()


def _findface_url(url: str) -> str:
    """``http(s)://host[:port][/path]``, nothing else; no trailing slash."""
    url = url.strip()
    http_url(
        url,
        with_account=lambda key: ConfigurationError(
            "%(key)s must not hold a user name or password; set FINDFACE_USER and FINDFACE_PASSWORD", key=key
        ),
    )
    return url.rstrip("/")


def _postgres_url(url: SecretStr) -> SecretStr:
    """Only what it begins with: the outbox itself tells more, and never a part of it."""
    if not url.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise invalid(lambda key: ConfigurationError("%(key)s must begin with postgresql://", key=key))
    return url


def _camera_id(camera_id: str) -> str:
    if not _CAMERA_ID.fullmatch(camera_id):
        raise invalid(
            lambda key: ConfigurationError(
                "%(key)s must be 1 to 64 letters, digits, dots, dashes or underscores, the first a letter or digit",
                key=key,
            )
        )
    return camera_id


class LogSettings(Section):
    """What is logged, and where to."""

    level: LogLevel = "INFO"
    """Least level in the log file."""
    console_level: LogLevel | None = None
    """Least level on the screen; empty = ``level``."""
    file_enabled: bool = True
    """Write a log file beside the screen."""
    file: UsablePath | None = None
    """The log file (JSON lines); empty = ``logs/vigia.jsonl`` in ``data_dir``."""
    file_max_bytes: Annotated[int, Field(ge=10_000, le=10_000_000_000)] = 20_000_000
    """Size from which the file is put aside and a new one begun, bytes."""
    file_backups: Annotated[int, Field(ge=0, le=1000)] = 5
    """How many files put aside are kept."""
    queue_size: Annotated[int, Field(ge=100, le=1_000_000)] = 10_000
    """Log records that may wait to be written; beyond that they are dropped and counted."""


class OutboxSettings(Section):
    """Where captures wait on disk until FindFace has answered, and what is given up when there is no room."""

    directory: UsablePath | None = None
    """Its directory; empty = ``outbox`` in ``data_dir``. Only one vigia may use it."""
    url: Annotated[SecretStr, Field(min_length=1, max_length=4096), AfterValidator(_postgres_url)] | None = None
    """A PostgreSQL database instead, ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``, which several vigias may share;
    better ``VIGIA_OUTBOX__URL``. Needs the extra ``postgres``. ``min_free_mb`` does not count there."""
    lease_s: Annotated[float, Field(ge=5.0, le=3600.0)] = 600.0
    """How long a sender may hold a capture before it goes back, seconds; more than three times all FindFace
    time-outs together: a doubtful one is looked up, page by page, then sent. A restart does not wait for it."""
    max_captures: Annotated[int, Field(ge=0, le=100_000_000)] = 100_000
    """Captures that may wait; 0 = no limit."""
    max_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 0
    """What all pictures together may take, MB (1 000 000 bytes); 0 = what the disk has."""
    min_free_mb: Annotated[int, Field(ge=0, le=100_000_000)] = 64
    """Disk space that is left alone, MB (1 000 000 bytes), so that delivering, which makes room, still works."""
    when_full: Literal["newest", "oldest"] = "newest"
    """Without room, after the pictures of finished captures (refused, then dead): ``newest`` refuses new captures
    loudly, ``oldest`` gives up those that wait longest; their rows stay, as dead."""
    order: Literal["oldest", "newest"] = "oldest"
    """Which capture of a camera is sent first; cameras have their turns in any case."""
    age_max_s: Annotated[float, Field(ge=0.0, le=31_536_000.0)] = 0.0
    """Age from which a waiting capture is old, seconds; 0 = never."""
    when_old: Literal["keep", "last"] = "keep"
    """An old one is kept and not sent any more (``keep``: an access gate), or sent last (``last``: an archive)."""
    delivered_kept: Annotated[int, Field(ge=0, le=10_000_000)] = 10_000
    """Delivered captures whose figures (not pictures) are kept."""
    refused_kept: Annotated[int, Field(ge=0, le=10_000_000)] = 1_000
    """Refused captures that are kept, with their pictures."""
    delivered_days: Annotated[float, Field(ge=0.0, le=3650.0)] = 30.0
    """Days that a delivered capture's figures are kept; 0 = for ever."""
    refused_days: Annotated[float, Field(ge=0.0, le=3650.0)] = 7.0
    """Days that a refused capture is kept, with its picture; 0 = for ever."""
    dead_days: Annotated[float, Field(ge=0.0, le=3650.0)] = 30.0
    """Days that a dead capture is kept for a person, with its picture; 0 = for ever."""
    encryption_keys: Annotated[SecretStr, Field(min_length=1, max_length=10_000)] | None = None
    """Keys that pictures on disk are encrypted with, base64 or hexadecimal, commas between; the first one encrypts,
    all of them read. Better ``VIGIA_OUTBOX_KEYS``; empty = not encrypted."""
    encryption_key_file: UsablePath | None = None
    """The same in a file (mode 0600), one a line; one of the two at most."""

    @property
    def policy(self) -> OutboxPolicy:
        """Limits, order and retention, as an outbox takes them."""
        return OutboxPolicy(
            captures_max=self.max_captures,
            bytes_max=self.max_mb * 1_000_000,
            when_full=WhenFull(self.when_full),
            order=LeaseOrder(self.order),
            age_max_s=self.age_max_s,
            when_old=WhenOld(self.when_old),
            delivered_kept=self.delivered_kept,
            refused_kept=self.refused_kept,
            delivered_days=self.delivered_days,
            refused_days=self.refused_days,
            dead_days=self.dead_days,
        )

    @property
    def free_bytes_min(self) -> int:
        """``min_free_mb`` in bytes."""
        return self.min_free_mb * 1_000_000


class DeliverySettings(Section):
    """How captures are sent."""

    senders: Annotated[int, Field(ge=1, le=64)] = 4
    """Captures on their way at the same time, at most: fewer while FindFace is slow or overloaded."""
    drain_timeout_s: Annotated[float, Field(ge=0.0, le=600.0)] = 10.0
    """At the end, how long senders may go on, seconds; the rest stays on disk for the next run."""
    mf_selector: Literal["biggest", "all"] = "biggest"
    """Which faces of the posted region FindFace takes."""
    retry_max_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 60.0
    """Longest pause between two attempts, seconds."""
    attempts_max: Annotated[int, Field(ge=1, le=10_000)] = 20
    """Answered failures after which a capture is given up and kept for a person; an outage does not count."""


class FindfaceSettings(Section):
    """FindFace Multi: where it is and who we are. ``url``, ``user``, ``password`` and ``uuid`` belong in ``.env``."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_findface_url)] | None = None
    """Its address, ``http://`` or ``https://``; also ``FINDFACE_URL``."""
    user: Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_stripped)] | None = None
    """User name; also ``FINDFACE_USER``."""
    password: Annotated[SecretStr, Field(min_length=1, max_length=1024)] | None = None
    """Password; also ``FINDFACE_PASSWORD``."""
    uuid: Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_stripped)] | None = None
    """This device's stable name; also ``FINDFACE_UUID``; empty = made once and kept in ``data_dir``."""
    ca_file: UsablePath | None = None
    """Certificates (PEM) that FindFace's own is checked against; empty = the system's."""
    tls_insecure_skip_verify: bool = False
    """DANGEROUS: do not check FindFace's certificate; anybody in between may then read the password and every face."""
    group_prefix: Annotated[str, Field(max_length=256)] = ""
    """Only camera groups whose name begins with this; empty = all."""
    sync_interval_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 30.0
    """How often the camera list is read again, seconds."""
    apply_camera_settings: bool = True
    """Size, quality and region set for a camera in FindFace (``external_detector_settings``) count here too."""
    connect_timeout_s: TimeoutS = 5.0
    """Longest wait for a connection, seconds."""
    read_timeout_s: TimeoutS = 45.0
    """Longest wait for an answer, seconds; FindFace itself takes up to 35, so less than 40 makes duplicates likely."""
    write_timeout_s: TimeoutS = 30.0
    """Longest wait while a picture is sent, seconds."""
    pool_timeout_s: TimeoutS = 10.0
    """Longest wait for a free connection, seconds."""
    max_connections: Annotated[int, Field(ge=1, le=200)] = 20
    """Connections open at the same time."""
    login_retry_s: Annotated[float, Field(ge=1.0, le=3600.0)] = 30.0
    """Shortest time between two failed log-ins, seconds, so that the account is not locked."""
    processing_max_s: Annotated[float, Field(ge=0.0, le=600.0)] = 36.0
    """How long FindFace may work on a capture after it was sent, seconds: what was not found before is no proof."""
    start_without: bool = False
    """Start although FindFace cannot be reached; captures wait on disk."""

    @property
    def timeouts_total_s(self) -> float:
        """The longest that one request may take, seconds."""
        return self.pool_timeout_s + self.connect_timeout_s + self.write_timeout_s + self.read_timeout_s


class CameraSettings(Section):
    """One camera. Its URL may hold a password and is never shown."""

    id: Annotated[str, AfterValidator(_camera_id)]
    """Unique; letters, digits, dots, dashes, underscores."""
    name: Annotated[str, Field(max_length=256)] = ""
    """For people; empty = ``id``."""
    url: Annotated[str, Field(max_length=PATH_CHARACTERS_MAX), AfterValidator(check_camera_url)] = Field(repr=False)
    """RTSP or another FFmpeg URL, a file's path, ``/dev/video0`` or ``webcam:0``."""
    findface_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """The camera's number in FindFace; empty = its captures cannot be sent."""
    token: Annotated[SecretStr, Field(max_length=1024)] | None = None
    """The camera's own token in FindFace (``external_detector_token``)."""
    group: Annotated[str, Field(max_length=256)] = ""
    """For people; the settings of ``groups:`` under this name count for the camera."""
    active: bool = True
    """False leaves it alone."""
    loop: bool = False
    """A file begins again at its end."""
    pace: Literal["timestamps", "none"] = "timestamps"
    """A file plays as fast as it was filmed, or as fast as it can be read."""
    settings: OwnSettings = OwnSettings()
    """What this camera has of its own; comes before its group's."""

    @property
    def shown_name(self) -> str:
        """``name``, or ``id`` without one."""
        return self.name or self.id


class MemorySettings(Section):
    """When memory is tidied."""

    interval_s: Annotated[float, Field(ge=0.5, le=3600.0)] = 5.0
    """Time between two looks, seconds."""
    overdue_s: Annotated[float, Field(ge=1.0, le=86_400.0)] = 60.0
    """Longest time without a full collection although the shards are never idle, seconds."""
    soft_limit_mb: Annotated[int, Field(ge=64, le=10_000_000)] | None = None
    """Resident memory from which parts are asked to give some back, MB (1 000 000 bytes); empty = none."""
    hard_limit_mb: Annotated[int, Field(ge=64, le=10_000_000)] | None = None
    """Resident memory from which it is an error in the log, MB (1 000 000 bytes); empty = none."""

    @property
    def soft_limit_bytes(self) -> int | None:
        """``soft_limit_mb`` in bytes."""
        return None if self.soft_limit_mb is None else self.soft_limit_mb * 1_000_000

    @property
    def hard_limit_bytes(self) -> int | None:
        """``hard_limit_mb`` in bytes."""
        return None if self.hard_limit_mb is None else self.hard_limit_mb * 1_000_000

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.overdue_s < self.interval_s:
            raise invalid(
                lambda _key: ConfigurationError(
                    "memory.overdue_s (%(high)g) must not be less than memory.interval_s (%(low)g)",
                    high=self.overdue_s,
                    low=self.interval_s,
                ),
                "overdue_s",
            )
        soft, hard = self.soft_limit_mb, self.hard_limit_mb
        if soft is not None and hard is not None and soft > hard:
            raise invalid(
                lambda _key: ConfigurationError(
                    "memory.soft_limit_mb (%(low)d) must not be larger than memory.hard_limit_mb (%(high)d)",
                    low=soft,
                    high=hard,
                ),
                "soft_limit_mb",
            )
        return self
