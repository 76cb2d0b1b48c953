"""What commands need of the web server without one: its users, and whether it could start.

Apart from ``web.py``, so that a command, or a worker process, does not load a web framework.
"""

from collections.abc import Callable
from pathlib import Path

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.bootstrap.camera_watch import enduring
from vigia.bootstrap.system_view import RunSystemView
from vigia.bootstrap.web_view import RunParts
from vigia.infrastructure.config import Settings
from vigia.infrastructure.web.tls import check_tls
from vigia.infrastructure.web.users import UserFile


def user_file(settings: Settings) -> UserFile:
    """Who may log in, by these settings."""
    return UserFile(settings.web_users_file)


def first_password(settings: Settings, *, clock: Clock) -> str | None:
    """Make the first user where there is none; the password, to be shown once, or None.

    Before anything of a run is there, so that what a person has to put right comes first.

    Raises:
        ConfigurationError: the users' file cannot be read or written, or the certificate cannot be used.
    """
    if not settings.web.enabled:
        return None
    check_web(settings)
    return user_file(settings).make_first(now_utc=clock.utc())


def web_services(parts: RunParts, *, reload: Callable[[], None], clock: Clock) -> list[LoopService]:
    """The services of a run's web server, not started; none where the settings want none.

    Raises:
        ConfigurationError: the certificate cannot be used.
    """
    if not parts.settings.web.enabled:
        return []
    from vigia.bootstrap.web import web_server  # noqa: PLC0415 - whoever serves nothing loads no web framework

    system = RunSystemView(parts, clock=clock)
    return [
        web_server(parts, system=system, reload=reload, clock=clock).service,
        LoopService("history", enduring("history", system.step), clock=clock),
    ]


def check_web(settings: Settings) -> None:
    """Whether the certificate can be used and the users' file be read, where there are any.

    Raises:
        ConfigurationError: one of them cannot.
    """
    if (tls := tls_files(settings)) is not None:
        check_tls(tls)
    user_file(settings).users()


def tls_files(settings: Settings) -> tuple[Path, Path] | None:
    """Certificate and key; None = HTTP."""
    cert, key = settings.web.tls_cert, settings.web.tls_key
    return None if cert is None or key is None else (cert, key)
