"""Single parts, made from settings: logger, FindFace client, camera list, detectors."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from vigia.application.ports import Clock, FaceDetector
from vigia.bootstrap.provisioned import ProvisionedCameraRepository, provisioned
from vigia.domain.camera import Camera
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_cameras import STREAM_SCHEMES, FindfaceCameraRepository
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_session import FindfaceSession
from vigia.infrastructure.clients.http_transport import HttpTimeouts, TlsPolicy
from vigia.infrastructure.config import Settings, stable_uuid
from vigia.infrastructure.config.combined_cameras import CombinedCameraRepository
from vigia.infrastructure.detection.heads import HEADS
from vigia.infrastructure.detection.onnx_detector import OnnxFaceDetector
from vigia.infrastructure.detection.registry import ModelSpec
from vigia.infrastructure.detection.store import ModelStore
from vigia.infrastructure.logging import AsyncLogger, ConsoleSink, JsonFileSink, capture_library_logs
from vigia.infrastructure.outbox.directory import PICTURES_NAME
from vigia.infrastructure.outbox.postgres_address import PostgresAddress
from vigia.infrastructure.outbox.sealing import KeySource, PictureSealer
from vigia.infrastructure.video.picture import SwscalePictureScaler

WEAK_SHARE = 2.0 / 3.0
"""Shards also ask for faces of this share of the least confidence: turned, blurred or half hidden ones keep a track."""


@contextlib.contextmanager
def running_logger(settings: Settings, *, clock: Clock, console: TextIO | None = None) -> Iterator[AsyncLogger]:
    """The asynchronous logger of these settings, started; stopped last, whatever happens in between."""
    console_level = logging.getLevelName(settings.console_level)
    sinks: list[ConsoleSink | JsonFileSink] = [ConsoleSink(stream=console, level_min=console_level, tracebacks=False)]
    if settings.log_file is not None:
        sinks.append(
            JsonFileSink(
                settings.log_file,
                level_min=logging.getLevelName(settings.log.level),
                bytes_max=settings.log.file_max_bytes,
                backups=settings.log.file_backups,
            )
        )
    password, keys = settings.findface.password, settings.outbox.encryption_keys
    url = settings.outbox.url
    secrets = [] if password is None else [password.get_secret_value()]
    secrets += [] if url is None else PostgresAddress(url.get_secret_value()).secrets
    token = settings.web.metrics_token
    secrets += [] if token is None else [token.get_secret_value()]
    secrets += settings.tracing.secrets
    secrets += [] if keys is None else [*keys.get_secret_value().replace(",", " ").split()]
    async_logger = AsyncLogger(sinks, clock=clock, queue_size=settings.log.queue_size, secrets=secrets)
    async_logger.start()
    restore = capture_library_logs(async_logger.handler, clock=clock)
    try:
        yield async_logger
    finally:
        restore()
        async_logger.stop()


def picture_sealer(settings: Settings) -> PictureSealer:
    """What encrypts the pictures of the outbox; without a key it leaves them as they are.

    Raises:
        ConfigurationError: the keys cannot be used; the text holds none.
    """
    keys = settings.outbox.encryption_keys
    text = None if keys is None else keys.get_secret_value()
    return KeySource.of(text, settings.outbox.encryption_key_file).sealer()


def sufficient_sealer(settings: Settings) -> PictureSealer:
    """``picture_sealer`` for a run: every picture that lies in the outbox can be opened.

    Raises:
        ConfigurationError: also when pictures need a key that is not there.
    """
    sealer = picture_sealer(settings)
    sealer.require_keys_of(settings.outbox_directory / PICTURES_NAME)
    return sealer


def findface_client(settings: Settings, *, clock: Clock) -> FindfaceMultiAsync:
    """The pooled client of these settings. Raises ConfigurationError naming every missing variable."""
    account = settings.findface_access()
    chosen = settings.findface
    access = FindfaceAccess(
        url=account.url,
        user=account.user,
        password=account.password,
        uuid=chosen.uuid or stable_uuid(settings.uuid_file),
        tls=TlsPolicy(ca_file=chosen.ca_file, insecure_skip_verify=chosen.tls_insecure_skip_verify),
        timeouts=HttpTimeouts(
            connect_s=chosen.connect_timeout_s,
            read_s=chosen.read_timeout_s,
            write_s=chosen.write_timeout_s,
            pool_s=chosen.pool_timeout_s,
            total_s=chosen.read_timeout_s + chosen.write_timeout_s,
        ),
    )
    session = FindfaceSession(clock=clock, refused_spacing_s=chosen.login_retry_s)
    plain = FindfaceMulti(access, clock=clock, session=session)
    return FindfaceMultiAsync(plain, max_connections=chosen.max_connections)


def camera_repository(
    settings: Settings, client: FindfaceMultiAsync, *, allow_files: bool = False
) -> ProvisionedCameraRepository:
    """Where the camera list comes from: the configuration, FindFace, or both (``camera_list``)."""

    def combined(completed: Settings) -> CombinedCameraRepository:
        findface = FindfaceCameraRepository(
            client,
            group_prefix=completed.findface.group_prefix,
            url_schemes=STREAM_SCHEMES | {"file"} if allow_files else STREAM_SCHEMES,
            apply_settings=completed.findface.apply_camera_settings,
            addressed=[camera.findface_id for camera in completed.cameras if camera.findface_id is not None]
            if completed.reads_configured_cameras
            else (),
        )
        return CombinedCameraRepository(completed, findface)

    return ProvisionedCameraRepository(settings, combined)


def read_all_cameras(settings: Settings, *, clock: Clock) -> list[Camera]:
    """The camera list, read once, inactive cameras too; logs in to FindFace and out again where that is needed.

    Raises:
        ConfigurationError, RecognizerUnavailable, CredentialsRejected, LicenseRejected.
    """
    if not settings.reads_findface_cameras:
        return [*CombinedCameraRepository(provisioned(settings)).all()]
    with contextlib.closing(findface_client(settings, clock=clock)) as client:
        client.login()
        try:
            return [*camera_repository(settings, client).all()]
        finally:
            client.logout()


def resolved_model(settings: Settings) -> tuple[ModelSpec, Path]:
    """The model that these settings ask for and its file, chosen and checked."""
    chosen = settings.detector
    store = ModelStore(settings.models_directory())
    return store.resolve_file(chosen.model_file) if chosen.model_file else store.resolve(chosen.model)


def detector_factory(
    settings: Settings, model: tuple[ModelSpec, Path] | None = None, *, weak_share: float = 1.0
) -> Callable[[], FaceDetector]:
    """A maker of detectors, one per shard, after the model has been chosen and checked once: here, or before.

    ``weak_share``: see ``OnnxFaceDetector``; who follows faces wants WEAK_SHARE.
    """
    chosen = settings.detector
    spec, path = model if model is not None else resolved_model(settings)

    def make() -> FaceDetector:
        return OnnxFaceDetector(
            spec,
            path,
            head=HEADS[spec.family](),
            scaler=SwscalePictureScaler(),
            confidence_min=chosen.confidence_min,
            weak_share=weak_share,
        )

    return make
