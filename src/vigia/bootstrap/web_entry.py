"""What commands need of the web server without one: its users, and whether it could start.

Apart from ``web.py``, so that a command, or a worker process, does not load a web framework.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.bootstrap.camera_watch import enduring
from vigia.bootstrap.system_view import RunSystemView
from vigia.bootstrap.web_view import RunParts
from vigia.infrastructure.config import Settings
from vigia.infrastructure.private_file import write_private
from vigia.infrastructure.web.tls import check_tls
from vigia.infrastructure.web.users import FIRST_USER, UserFile

logger = logging.getLogger("vigia.web")


def user_file(settings: Settings, *, clock: Clock | None = None) -> UserFile:
    """Who may log in, by these settings; with a clock, a file that is away for a moment throws nobody out."""
    return UserFile(settings.web_users_file, clock=clock)


@dataclass(frozen=True, slots=True)
class FirstPassword:
    """Of the first user: to be shown once, or kept where ``file`` says."""

    password: str = field(repr=False)
    file: Path | None


def first_password(settings: Settings, *, clock: Clock, has_screen: bool) -> FirstPassword | None:
    """Make the first user where there is none, with a password; else None.

    Before anything of a run is there, so that what a person has to put right comes first.

    Args:
        settings: checked.
        clock: for the time noted beside it.
        has_screen: a person can be shown the password. Else it is written into a private file: what goes to a stream
            would stay in a journal.

    Raises:
        ConfigurationError: a file cannot be read or written, or the certificate cannot be used.
    """
    if not settings.web.enabled:
        return None
    check_web(settings)
    file = None if has_screen else settings.first_password_file

    def keep(password: str) -> None:
        if file is not None:
            write_private(file, f"{password}\n".encode(), make_directory=True)

    password = user_file(settings).make_first(now_utc=clock.utc(), keep=keep)
    return None if password is None else FirstPassword(password, file)


def forget_first_password(settings: Settings, user: str) -> None:
    """Remove the file of the first password, once its user has logged in or has another one."""
    if user != FIRST_USER:
        return
    try:
        settings.first_password_file.unlink(missing_ok=True)
    except OSError as error:
        logger.warning(
            "%s cannot be removed: %s; remove it by hand",
            settings.first_password_file,
            error.strerror or type(error).__name__,
        )


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
