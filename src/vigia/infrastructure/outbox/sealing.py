"""Pictures encrypted at rest: AES-256-GCM, a key that rotates, files that say which key they need.

A sealed file::

    offset  bytes
         0      7  93 56 47 53 45 41 4C (0x93, then "VGSEAL")
         7      1  version: 1
         8      8  key id: the first bytes of SHA-256 over a label and the key
        16     12  nonce, random
        28      n  the picture, encrypted
    28 + n     16  GCM's tag

The tag covers the picture, the 28 bytes before it and the capture's id: a file with any byte changed is refused, and
so is one that lies under another capture's name. A file that begins as a JPEG does (FF D8) is taken as it is, so that a
spool from before the key still drains.

Random nonces of 96 bits are good for 2**32 pictures a key (NIST SP 800-38D, 8.3): 6 years at 20 a second.
"""

import os
import stat
from base64 import b64decode
from binascii import Error as Base64Error
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from re import compile as re_compile
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vigia.application.errors import ConfigurationError, OutboxCorrupt
from vigia.domain.capture import CaptureId
from vigia.infrastructure.logging import get_logger

logger = get_logger("vigia.outbox")

MAGIC = b"\x93VGSEAL"
VERSION = 1
KEY_BYTES = 32
KEY_ID_BYTES = 8
NONCE_BYTES = 12
TAG_BYTES = 16
HEADER_BYTES = len(MAGIC) + 1 + KEY_ID_BYTES + NONCE_BYTES
OVERHEAD_BYTES = HEADER_BYTES + TAG_BYTES
"""By how much a sealed file is larger than its picture."""
KEYS_MAX = 16
KEY_FILE_BYTES_MAX = 10_000
_KEY_ID_LABEL = b"vigia outbox key id\0"
_ASSOCIATED_LABEL = b"vigia outbox picture\0"
_JPEG_START = b"\xff\xd8"
_HEX_KEY = re_compile(r"[0-9a-fA-F]{64}")
_PICTURE_NAME = re_compile(r"[0-9a-f]{32}\.[0-9a-f]{8}\.jpg")


class PictureKeyMissing(OutboxCorrupt):
    """A picture is sealed with a key that is not among ours. With that key it is good again."""


@dataclass(frozen=True, slots=True)
class SealingKey:
    """One AES-256 key. Its id tells it from others and nothing about it; the key itself is in no ``repr``."""

    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no key."""
        if len(self.material) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(self.material)}")

    @property
    def id(self) -> str:
        """16 hexadecimal digits."""
        return sha256(_KEY_ID_LABEL + self.material).digest()[:KEY_ID_BYTES].hex()


class PictureSealer:
    """Seals with the first key, opens with any. Immutable; any thread.

    Args:
        keys: the one that seals, then older ones that still open; none: what is sealed here is left as it is, and
            nothing that a key sealed can be opened.
    """

    def __init__(self, keys: Sequence[SealingKey] = ()) -> None:
        self._sealing = keys[0] if keys else None
        self._ciphers = {bytes.fromhex(key.id): AESGCM(key.material) for key in keys}

    def __repr__(self) -> str:
        return f"<PictureSealer {', '.join(self.key_ids) or 'without a key'}>"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The keys' ids; the first is the one that seals."""
        return tuple(key_id.hex() for key_id in self._ciphers)

    def seal(self, capture_id: CaptureId, jpeg: bytes) -> bytes:
        """What is written to the disk: ``OVERHEAD_BYTES`` more than the picture, or the picture without a key."""
        if self._sealing is None:
            return jpeg
        key_id = bytes.fromhex(self._sealing.id)
        nonce = os.urandom(NONCE_BYTES)
        header = MAGIC + bytes([VERSION]) + key_id + nonce
        return header + self._ciphers[key_id].encrypt(nonce, jpeg, _associated(header, capture_id))

    def open(self, capture_id: CaptureId, data: bytes) -> bytes:
        """The picture again; one that was never sealed as it is.

        Raises:
            PictureKeyMissing: its key is not among ours; the text names the ids.
            OutboxCorrupt: it was changed, cut off, put under another capture's name, or is neither sealed nor a JPEG.
        """
        if data.startswith(_JPEG_START) or (self._sealing is None and not data.startswith(MAGIC)):
            return data
        key_id = self._key_id(data)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise PictureKeyMissing(
                "its picture is sealed with the key %(key)s, which is not among the outbox's keys (%(known)s)",
                key=key_id.hex(),
                known=", ".join(self.key_ids) or "-",
            )
        header, nonce = data[:HEADER_BYTES], data[HEADER_BYTES - NONCE_BYTES : HEADER_BYTES]
        try:
            return cipher.decrypt(nonce, data[HEADER_BYTES:], _associated(header, capture_id))
        except InvalidTag as error:
            raise OutboxCorrupt(
                "its picture is damaged, or another capture's: the seal of the key %(key)s is broken", key=key_id.hex()
            ) from error

    def reseal(self, capture_id: CaptureId, data: bytes) -> bytes | None:
        """The file anew with the first key; None when it needs nothing. Raises as ``open``."""
        if self._sealing is None or key_id_of(data) == self._sealing.id:
            return None
        return self.seal(capture_id, self.open(capture_id, data))

    def require_keys_of(self, folder: Path) -> None:
        """Look at the head of every picture file: which keys do they need?

        Called before the outbox is opened: a key that was forgotten is a person's mistake of this moment, and no
        reason to put captures aside. Says in the log how many still need an older key.

        Args:
            folder: of the pictures; may be absent.

        Raises:
            ConfigurationError: pictures are sealed with keys that are not among ours, or cannot be read.
        """
        try:
            needed = sealed_with(folder)
        except OSError as error:
            raise ConfigurationError(
                "the pictures in %(folder)s cannot be read: %(cause)s", folder=folder, cause=error.strerror or error
            ) from error
        missing = sorted(key_id for key_id in needed if key_id and key_id not in self.key_ids)
        if missing:
            raise ConfigurationError(
                "%(count)d pictures in %(folder)s are sealed with the key %(missing)s, which is not among the outbox's "
                "keys (%(known)s): add that key after the others",
                count=sum(needed[key_id] for key_id in missing),
                folder=folder,
                missing=", ".join(missing),
                known=", ".join(self.key_ids) or "-",
            )
        if self._sealing is None:
            return
        for key_id in self.key_ids[1:]:
            logger.info("%d pictures of the outbox are still sealed with the older key %s", needed[key_id], key_id)
        if needed[""]:
            logger.info("%d pictures of the outbox are not sealed: they are older than the key", needed[""])

    def _key_id(self, data: bytes) -> bytes:
        if not data.startswith(MAGIC) or len(data) < OVERHEAD_BYTES:
            raise OutboxCorrupt("its picture is damaged: neither a JPEG nor sealed, %(found)d bytes", found=len(data))
        version = data[len(MAGIC)]
        if version != VERSION:
            raise OutboxCorrupt(
                "its picture is sealed in a way that this vigia does not know: %(version)d", version=version
            )
        return data[len(MAGIC) + 1 : len(MAGIC) + 1 + KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where keys come from: text from the settings, or a file. Neither: pictures are not sealed."""

    text: str = field(default="", repr=False)
    """Keys as base64 or hexadecimal digits, separated by commas or blanks; the first one seals."""
    file: Path | None = None
    """The same, a key on each line, ``#`` for comments; readable by its owner only."""

    def sealer(self) -> PictureSealer:
        """Read the keys.

        Raises:
            ConfigurationError: both or unusable; never with a part of a key.
        """
        if self.text and self.file is not None:
            raise ConfigurationError("outbox.encryption_keys and outbox.encryption_key_file are both set: keep one")
        if self.file is not None:
            return PictureSealer(parse_keys(_read_key_file(self.file), place=str(self.file)))
        return PictureSealer(parse_keys(self.text, place="outbox.encryption_keys") if self.text else ())

    @classmethod
    def of(cls, text: str | None, file: Path | None) -> Self:
        """From settings that may be empty."""
        return cls((text or "").strip(), file)


def parse_keys(text: str, *, place: str) -> tuple[SealingKey, ...]:
    """Keys from text; ``#`` begins a comment.

    Args:
        text: base64 (44 characters) or hexadecimal digits (64), separated by commas or blanks.
        place: where it stands, for the errors.

    Raises:
        ConfigurationError: none, too many, one twice, or one that is no key; the text holds no part of it.
    """
    words = " ".join(line.partition("#")[0] for line in text.splitlines()).replace(",", " ").split()
    if not words:
        raise ConfigurationError("%(place)s holds no key: 32 random bytes as base64 or hexadecimal digits", place=place)
    if len(words) > KEYS_MAX:
        raise ConfigurationError("%(place)s holds more than %(count)d keys", place=place, count=KEYS_MAX)
    keys: list[SealingKey] = []
    for number, word in enumerate(words, start=1):
        material = _material(word)
        if material is None or len(material) != KEY_BYTES or len(set(material)) < 8:
            # Neither the word nor a decoder's error is repeated: it may be most of a key.
            raise ConfigurationError(
                "%(place)s: key %(number)d is not 32 random bytes as base64 (44 characters) or 64 hexadecimal digits; "
                "openssl rand -base64 32 makes one",
                place=place,
                number=number,
            )
        key = SealingKey(material)
        if key in keys:
            raise ConfigurationError(
                "%(place)s: key %(number)d is the same as key %(first)d",
                place=place,
                number=number,
                first=keys.index(key) + 1,
            )
        keys.append(key)
    return tuple(keys)


def key_id_of(data: bytes) -> str:
    """The id of the key that a file needs, from its first HEADER_BYTES; empty when it is not sealed."""
    if not data.startswith(MAGIC) or len(data) < HEADER_BYTES:
        return ""
    return data[len(MAGIC) + 1 : len(MAGIC) + 1 + KEY_ID_BYTES].hex()


def sealed_with(folder: Path) -> Counter[str]:
    """How many picture files of a folder need which key, by its id; the empty one counts those that are not sealed.

    Raises:
        OSError: the folder or a file cannot be read. A file that vanishes meanwhile is passed over, as is a folder
            that is not there.
    """
    needed: Counter[str] = Counter()
    try:
        items = os.scandir(folder)
    except FileNotFoundError:
        return needed
    with items:
        for item in items:
            if not _PICTURE_NAME.fullmatch(item.name):
                continue
            try:
                with open(item.path, "rb", buffering=0) as file:  # noqa: PTH123 - 100 000 of them: no Path for each
                    needed[key_id_of(file.read(HEADER_BYTES))] += 1
            except FileNotFoundError:
                continue
    return needed


def _associated(header: bytes, capture_id: CaptureId) -> bytes:
    return _ASSOCIATED_LABEL + header + capture_id.encode()


def _material(word: str) -> bytes | None:
    if _HEX_KEY.fullmatch(word):
        return bytes.fromhex(word)
    try:
        return b64decode(word.replace("-", "+").replace("_", "/"), validate=True)
    except (Base64Error, ValueError):
        return None


def _read_key_file(path: Path) -> str:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:  # noqa: PTH123 - by descriptor: what is checked is what is read
            state = os.fstat(fd)
            if not stat.S_ISREG(state.st_mode):
                raise ConfigurationError("the key file %(path)s is not a file", path=path)
            if state.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise ConfigurationError(
                    "the key file %(path)s may be read by others (mode %(mode)s): chmod 600 it",
                    path=path,
                    mode=f"{stat.S_IMODE(state.st_mode):04o}",
                )
            content = file.read(KEY_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError(
            "the key file %(path)s cannot be read: %(cause)s", path=path, cause=error.strerror or error
        ) from error
    try:
        text = content.decode("ascii")
    except UnicodeDecodeError:
        text = ""  # not chained: the decoder's error keeps the content
    if not text or len(content) > KEY_FILE_BYTES_MAX:
        raise ConfigurationError("the key file %(path)s is not a text of keys, one a line", path=path)
    return text
