"""The outbox as a person's commands reach it: the one place that chooses the adapter for them.

Opened *beside* a vigia that may be running: nothing is locked, and nothing is put right as a start does.
"""

from collections.abc import Callable
from pathlib import Path

from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock, ManagedOutbox, OutboxEntry
from vigia.bootstrap.outbox_choice import postgres_outbox
from vigia.bootstrap.parts import picture_sealer, sufficient_sealer
from vigia.infrastructure.config import Settings
from vigia.infrastructure.outbox.directory import OutboxInUse
from vigia.infrastructure.outbox.resealing import ResealReport, reseal_pictures
from vigia.infrastructure.outbox.sealing import HEADER_BYTES, key_id_of
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox


def outbox_desk(settings: Settings, *, clock: Clock, all_pictures: bool = False) -> ManagedOutbox:
    """The outbox of these settings, for questions and a person's acts; do not commit or lease with it. Close it.

    Args:
        settings: say which adapter, where, and with which keys.
        clock: times everything.
        all_pictures: refuse to open unless every picture can be opened: what judges pictures must not take one whose
            key is missing for a damaged one.

    Raises:
        ConfigurationError: there is no outbox, it is another version's, or keys are missing.
    """
    if settings.outbox.url is not None:
        return postgres_outbox(settings, clock=clock, beside=True, all_pictures=all_pictures)
    sealer = sufficient_sealer(settings) if all_pictures else picture_sealer(settings)
    return SqliteOutbox(settings.outbox_directory, clock, policy=settings.outbox.policy, codec=sealer, beside=True)


def sealed_by(entry: OutboxEntry) -> str:
    """The id of the key that a capture's picture file is sealed with; empty when it is not sealed or in no file."""
    if not entry.location:
        return ""
    try:
        with Path(entry.location).open("rb") as file:
            return key_id_of(file.read(HEADER_BYTES))
    except OSError:  # gone meanwhile, or not ours to read
        return ""


def reseal_outbox(settings: Settings, *, on_picture: Callable[[], None]) -> ResealReport:
    """Seal every picture with the newest key; the outbox must be at rest.

    Args:
        settings: where, and with which keys.
        on_picture: called after each.

    Raises:
        ConfigurationError: no key, no outbox, or a vigia uses it.
        OutboxUnavailable: the disk is full, say; what was done stays done.
    """
    if settings.outbox.url is not None:
        raise ConfigurationError(
            "pictures on PostgreSQL are not sealed anew: keep the older keys after the new one until all are delivered"
        )
    sealer = picture_sealer(settings)
    if not sealer.key_ids:
        raise ConfigurationError(
            "there is no key to seal pictures with: set VIGIA_OUTBOX_KEYS, the new key first, or "
            "outbox.encryption_key_file"
        )
    try:
        return reseal_pictures(settings.outbox_directory, sealer, on_picture=on_picture)
    except OutboxInUse as error:
        raise ConfigurationError(
            "%(cause)s; stop it first: pictures are sealed anew only while the outbox rests", cause=error
        ) from error
