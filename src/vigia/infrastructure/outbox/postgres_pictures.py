"""The pictures of an outbox on PostgreSQL: sealed and opened, and compared with what was committed."""

from collections import Counter
from dataclasses import dataclass

from vigia.application.errors import ConfigurationError, OutboxCorrupt
from vigia.domain.capture import CaptureId
from vigia.infrastructure.outbox.picture_files import PictureCodec, PictureCut, PlainPictures, picture_hash
from vigia.infrastructure.outbox.postgres_connections import PostgresConnections, Row
from vigia.infrastructure.outbox.sealing import PictureSealer, key_id_of


class PictureMissing(OutboxCorrupt):
    """There is no picture where there should be one."""


@dataclass(frozen=True, slots=True)
class SealedPicture:
    """A picture as it is stored."""

    data: bytes
    key_id: str
    """Of the key that it is sealed with; empty when it is not."""


class StoredPictures:
    """Makes JPEGs into what is stored, and back. Immutable; any thread.

    Args:
        codec: how a JPEG is stored; None: as it is.
    """

    def __init__(self, codec: PictureCodec | None) -> None:
        self._codec: PictureCodec = codec if codec is not None else PlainPictures()
        sealed_with = codec.key_ids if isinstance(codec, PictureSealer) else ()
        self.key_ids = ["", *sealed_with]
        """Keys whose pictures can be opened; the empty one stands for those that are not sealed."""

    def seal(self, capture_id: CaptureId, jpeg: bytes) -> SealedPicture:
        """What is stored."""
        data = self._codec.seal(capture_id, jpeg)
        return SealedPicture(data, key_id_of(data))

    def opened(self, row: Row) -> bytes:
        """The JPEG of a row with ``id``, ``data``, ``file_bytes`` and ``sha256``.

        Raises:
            PictureMissing: ``data`` is None.
            PictureCut: it has another size than was written.
            OutboxCorrupt: it changed, or its key is not there.
        """
        data: bytes | None = row["data"]
        if data is None:
            raise PictureMissing("its picture is missing")
        if len(data) != row["file_bytes"]:
            raise PictureCut(
                "its picture is damaged: %(found)d bytes found, %(written)d written",
                found=len(data),
                written=row["file_bytes"],
            )
        jpeg = self._codec.open(CaptureId(row["id"]), data)
        if picture_hash(jpeg) != row["sha256"]:
            raise OutboxCorrupt("its picture is damaged: %(found)d bytes, their content changed", found=len(data))
        return jpeg


def require_keys(connections: PostgresConnections, pictures: StoredPictures) -> None:
    """See that every picture in the outbox can be opened: a key that was forgotten is a person's mistake.

    Raises:
        ConfigurationError: pictures are sealed with keys that are not among ours.
        OutboxUnavailable.
    """
    with connections.reading() as session:
        rows = session.execute(
            "SELECT key_id, count(*) AS pictures FROM capture WHERE picture_kept AND key_id <> ALL (%(known)s) "
            "GROUP BY key_id",
            {"known": pictures.key_ids},
        ).fetchall()
    needed = Counter({row["key_id"]: row["pictures"] for row in rows})
    if needed:
        raise ConfigurationError(
            "%(count)d pictures in %(folder)s are sealed with the key %(missing)s, which is not among the outbox's "
            "keys (%(known)s): add that key after the others",
            count=needed.total(),
            folder=connections.address.label,
            missing=", ".join(sorted(needed)),
            known=", ".join(pictures.key_ids[1:]) or "-",
        )
