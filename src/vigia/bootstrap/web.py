"""The web server of a run, wired from settings over the run's parts."""

import logging
import socket
from collections.abc import Callable
from pathlib import Path

from vigia.application.ports import Clock
from vigia.application.service import LoopService
from vigia.application.use_cases.operate import OperateUseCase
from vigia.bootstrap.web_view import RunParts, RunView
from vigia.infrastructure.config import Settings
from vigia.infrastructure.i18n.catalogue import language
from vigia.infrastructure.metrics.exposition import Exposition
from vigia.infrastructure.web.access import DoorRules
from vigia.infrastructure.web.app import SiteParts, make_app
from vigia.infrastructure.web.audit_file import AuditFile
from vigia.infrastructure.web.lockout import LockOut
from vigia.infrastructure.web.login import Entrance
from vigia.infrastructure.web.server import WebServer, check_tls
from vigia.infrastructure.web.sessions import SessionStore
from vigia.infrastructure.web.users import UserFile

logger = logging.getLogger("vigia.web")


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


def check_web(settings: Settings) -> None:
    """Whether the certificate can be used and the users' file be read, where there are any.

    Raises:
        ConfigurationError: one of them cannot.
    """
    if (tls := _tls(settings)) is not None:
        check_tls(tls)
    user_file(settings).users()


def web_server(parts: RunParts, *, reload: Callable[[], None], clock: Clock) -> WebServer:
    """The server of a run, not started.

    Raises:
        ConfigurationError: the certificate cannot be used.
    """
    settings, chosen = parts.settings, parts.settings.web
    users = user_file(settings)
    sessions = SessionStore(
        users, clock=clock, idle_s=60.0 * chosen.idle_minutes, absolute_s=3600.0 * chosen.session_hours
    )
    lockout, audit = LockOut(clock=clock), AuditFile(settings.audit_file)
    token = chosen.metrics_token
    entrance = Entrance(
        users=users,
        sessions=sessions,
        lockout=lockout,
        audit=audit,
        rules=DoorRules(
            names=host_names(settings),
            tls=chosen.tls,
            metrics_public=chosen.metrics_public,
            metrics_token="" if token is None else token.get_secret_value(),
        ),
        clock=clock,
        language=language,
    )
    view = RunView(parts, clock=clock, web_figures=lambda: (len(sessions), lockout.failures))
    site = SiteParts(
        entrance=entrance,
        view=view,
        operate=OperateUseCase(parts.outbox, audit, reload=reload, clock=clock),
        exposition=Exposition(view.figures),
    )
    if chosen.exposed:
        logger.warning(
            "The web server listens on %s without TLS: passwords and faces travel in clear; "
            "set web.tls_cert and web.tls_key, or web.host: 127.0.0.1",
            chosen.host,
        )
    return WebServer(make_app(site), host=chosen.host, port=chosen.port, tls=_tls(settings), clock=clock)


def web_service(parts: RunParts, *, reload: Callable[[], None], clock: Clock) -> LoopService:
    """The service of :func:`web_server`."""
    return web_server(parts, reload=reload, clock=clock).service


def host_names(settings: Settings) -> frozenset[str]:
    """Names that a browser may call this server by; addresses count anyway."""
    own = {"localhost", socket.gethostname().lower(), settings.web.host.lower()}
    return frozenset(own | {name.strip() for name in settings.web.names.split(",")}) - {""}


def _tls(settings: Settings) -> tuple[Path, Path] | None:
    cert, key = settings.web.tls_cert, settings.web.tls_key
    return None if cert is None or key is None else (cert, key)
