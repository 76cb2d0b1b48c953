"""What is valid in the settings and risky all the same. That they are valid was seen when they were read."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from vigia.application.diagnosis import Finding
from vigia.bootstrap.doctor import kinds_place as kinds
from vigia.bootstrap.doctor.patient import Origins, Patient
from vigia.domain.camera import redact_url
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.layer import KeyPath

READ_S_MIN = 40.0
"""FindFace's recognition takes up to 35 s; what is less makes a late answer a doubtful one."""
OTHERS = 0o077
"""Rights of everybody but the owner."""
SECRETS: tuple[KeyPath, ...] = (
    ("findface", "password"),
    ("outbox", "url"),
    ("outbox", "encryption_keys"),
    ("web", "metrics_token"),
)


def look_at_configuration(patient: Patient) -> list[Finding]:
    """Where the settings came from, and what is risky in them."""
    return [_read_from(patient.origins), *_readable_files(patient), *judge_settings(patient.settings)]


def judge_settings(settings: Settings) -> Iterator[Finding]:
    """What is risky, whatever the machine. Looks only whether a camera list was kept."""
    findface = settings.findface
    url = urlsplit(findface.url or "")
    if findface.tls_insecure_skip_verify and url.scheme == "https":
        yield kinds.CONFIGURATION_NO_TLS_CHECK.of()
    if url.scheme == "http" and url.hostname and not is_local(url.hostname):
        yield kinds.CONFIGURATION_CLEAR.of(host=url.hostname)
    if findface.read_timeout_s < READ_S_MIN:
        yield kinds.CONFIGURATION_SHORT_READ.of(seconds=findface.read_timeout_s)
    only_findface = settings.reads_findface_cameras and not settings.reads_configured_cameras
    if findface.start_without and only_findface and not settings.camera_list_file.exists():
        yield kinds.CONFIGURATION_START_WITHOUT.of()
    web = settings.web
    if web.enabled and web.metrics_public and not web.is_local:
        yield kinds.CONFIGURATION_METRICS_PUBLIC.of(host=web.host)


def is_local(host: str) -> bool:
    """Whether a host is this machine, as far as its name tells."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _read_from(origins: Origins) -> Finding:
    places = [str(file) for file in origins.files]
    if origins.from_environment:
        places.append("VIGIA_*, FINDFACE_*")
    if not places:
        return kinds.CONFIGURATION_DEFAULTS.of()
    return kinds.CONFIGURATION_VALID.of(places=", ".join(places))


def _readable_files(patient: Patient) -> Iterator[Finding]:
    """Files that hold a secret and that others may read."""
    for file in sorted(secret_files(patient.settings, patient.origins)):
        try:
            mode = file.stat().st_mode & 0o777
        except OSError:
            continue  # it was read a moment ago: whoever took it away knows
        if mode & OTHERS:
            yield kinds.CONFIGURATION_READABLE.of(str(file), file=file, mode=f"{mode:04o}")


def secret_files(settings: Settings, origins: Origins) -> set[Path]:
    """The files in which a password, a token or a key stands."""
    paths = [*SECRETS, *(("cameras", index, "token") for index in range(len(settings.cameras)))]
    paths += [
        ("cameras", index, "url")
        for index, camera in enumerate(settings.cameras)
        if redact_url(camera.url) != camera.url  # it holds a password
    ]
    return {Path(place.file) for path in paths if (place := origins.places.of(path)) is not None and place.file}
