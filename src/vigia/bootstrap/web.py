"""The web server of a run, wired from settings over the run's parts."""

import logging
import socket
from collections.abc import Callable

from vigia.application.live_pictures import LivePictures
from vigia.application.ports import Clock
from vigia.application.site_view import Probed
from vigia.application.system_view import SystemView
from vigia.application.use_cases.operate import OperateUseCase
from vigia.bootstrap.gallery_pages import GalleryPages
from vigia.bootstrap.reasons import reason_in
from vigia.bootstrap.web_entry import forget_first_password, tls_files, user_file
from vigia.bootstrap.web_view import RunParts, RunView
from vigia.infrastructure.config import Settings
from vigia.infrastructure.i18n.catalogue import language
from vigia.infrastructure.metrics.exposition import Exposition
from vigia.infrastructure.video.live_jpeg import SwscaleSmallJpegs
from vigia.infrastructure.video.picture import picture_from_image
from vigia.infrastructure.video.small_jpeg import SmallJpegEncoder
from vigia.infrastructure.web.access import DoorRules
from vigia.infrastructure.web.addresses import Networks, is_among, is_loopback, networks
from vigia.infrastructure.web.app import SiteParts, make_app
from vigia.infrastructure.web.audit_file import AuditFile, AuditFiles
from vigia.infrastructure.web.dashboard.context import DashboardParts
from vigia.infrastructure.web.dashboard.site import dashboard
from vigia.infrastructure.web.devices import DeviceStore
from vigia.infrastructure.web.lockout import LockOut
from vigia.infrastructure.web.login import Entrance
from vigia.infrastructure.web.server import WebServer
from vigia.infrastructure.web.sessions import SessionStore
from vigia.infrastructure.web.sockets import Gate
from vigia.infrastructure.web.waiting import waiting_app

logger = logging.getLogger("vigia.web")


def web_server(parts: RunParts, *, system: SystemView, reload: Callable[[], None], clock: Clock) -> WebServer:
    """The server of a run, not started.

    Raises:
        ConfigurationError: the certificate cannot be used.
    """
    settings, chosen = parts.settings, parts.settings.web
    users = user_file(settings, clock=clock)
    sessions = SessionStore(
        users, clock=clock, idle_s=60.0 * chosen.idle_minutes, absolute_s=3600.0 * chosen.session_hours
    )
    lockout, audit = LockOut(clock=clock), _audit(settings)
    token, trusted = chosen.metrics_token, networks(chosen.trusted_proxies)
    entrance = Entrance(
        users=users,
        sessions=sessions,
        lockout=lockout,
        audit=audit,
        rules=DoorRules(
            names=host_names(settings),
            tls=chosen.tls or chosen.behind_tls,
            trusted_proxies=trusted,
            metrics_public=chosen.metrics_public,
            metrics_token="" if token is None else token.get_secret_value(),
        ),
        clock=clock,
        language=language,
        devices=DeviceStore(settings.web_devices_file, exists=lambda name: users.find(name) is not None),
        on_log_in=lambda user: forget_first_password(settings, user.name),
    )
    view = RunView(parts, clock=clock, web_figures=lambda: (len(sessions), lockout.failures))
    operate = OperateUseCase(parts.outbox, audit, reload=reload, clock=clock, on_dropped=parts.gallery.forget)
    gallery = GalleryPages(
        parts.outbox,
        parts.gallery.store,
        cameras=lambda: parts.watch.sync.listed,
        decode=picture_from_image,
        encoder=SmallJpegEncoder(),
    )
    site = SiteParts(
        entrance=entrance,
        view=view,
        operate=operate,
        exposition=Exposition(view.figures),
        gallery=gallery,
        live=LivePictures(parts.orchestrator.wiring.crew.live, SwscaleSmallJpegs(), clock=clock),
        system=system,
    )
    if chosen.exposed:
        logger.warning(
            "The web server listens on %s without TLS: passwords and faces travel in clear; "
            "set web.tls_cert and web.tls_key, or web.host: 127.0.0.1",
            chosen.host,
        )
    elif not chosen.tls and not chosen.is_local:
        logger.warning(
            "The web server listens on %s without TLS of its own (web.behind_tls): see that nobody but the reverse "
            "proxy reaches its port",
            chosen.host,
        )
    pages = dashboard(DashboardParts(view, gallery, system, operate, clock, language, reason_in, sessions.holds))
    return WebServer(
        make_app(site, dashboard=pages),
        host=chosen.host,
        port=chosen.port,
        tls=tls_files(settings),
        clock=clock,
        gate=_gate(trusted),
    )


def waiting_server(settings: Settings, view: Probed, *, clock: Clock) -> WebServer:
    """The server until the run is there, not started: only the probes, and a page that says so.

    Raises:
        ConfigurationError: the certificate cannot be used.
    """
    chosen = settings.web
    return WebServer(
        waiting_app(view, language=language),
        host=chosen.host,
        port=chosen.port,
        tls=tls_files(settings),
        clock=clock,
        gate=_gate(networks(chosen.trusted_proxies)),
        announce=False,
    )


def _gate(trusted: Networks) -> Gate:
    return Gate(is_free=lambda address: is_loopback(address) or is_among(address, trusted))


def _audit(settings: Settings) -> AuditFiles:
    return AuditFiles(AuditFile(settings.audit_file), AuditFile(settings.audit_logins_file, sync=False))


def host_names(settings: Settings) -> frozenset[str]:
    """Names that a browser may call this server by; addresses count anyway."""
    own = {"localhost", socket.gethostname().lower(), settings.web.host.lower()}
    return frozenset(own | {name.strip() for name in settings.web.names.split(",")}) - {""}
