"""Sealed pictures: round trip, any tampering, swapped files, keys and their mistakes; key material is nowhere told."""

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from secrets import token_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError, OutboxCorrupt, PermanentError
from vigia.domain.capture import CaptureId
from vigia.infrastructure.outbox.sealing import (
    HEADER_BYTES,
    KEY_BYTES,
    KEYS_MAX,
    MAGIC,
    OVERHEAD_BYTES,
    KeySource,
    PictureKeyMissing,
    PictureSealer,
    SealingKey,
    key_id_of,
    parse_keys,
    sealed_with,
)

OLD, NEW, OTHER = (SealingKey(bytes(range(start, start + KEY_BYTES))) for start in (0, 50, 100))
ID, OTHER_ID = CaptureId("0" * 31 + "1"), CaptureId("0" * 31 + "2")
JPEG = b"\xff\xd8picture\xff\xd9"
SEALER = PictureSealer([NEW, OLD])

pictures = st.binary(max_size=300)
capture_ids = st.text("0123456789abcdef", min_size=32, max_size=32).map(CaptureId)


def texts_of(error: BaseException | None) -> str:
    told = []
    while error is not None:
        told.append(f"{error!r} {error} {vars(error)}")
        error = error.__cause__ or error.__context__
    return "\n".join(told)


@given(pictures, capture_ids)
def test_what_is_sealed_opens_again_and_does_not_show(jpeg: bytes, capture_id: CaptureId) -> None:
    sealed = SEALER.seal(capture_id, jpeg)
    assert SEALER.open(capture_id, sealed) == jpeg
    assert len(sealed) == len(jpeg) + OVERHEAD_BYTES
    assert key_id_of(sealed) == NEW.id
    assert len(jpeg) < 8 or jpeg not in sealed
    assert SEALER.seal(capture_id, jpeg) != sealed, "no nonce comes twice"


@given(st.data(), st.binary(max_size=40))
def test_a_file_with_any_byte_changed_is_refused(data: st.DataObject, jpeg: bytes) -> None:
    sealed = bytearray(SEALER.seal(ID, jpeg))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(OutboxCorrupt):
        SEALER.open(ID, bytes(sealed))


def test_each_single_byte_of_a_file_counts() -> None:
    sealed = SEALER.seal(ID, JPEG)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 0x01
        with pytest.raises(OutboxCorrupt):
            SEALER.open(ID, bytes(changed))


@given(st.integers(0, len(JPEG) + OVERHEAD_BYTES - 1), st.binary(max_size=5))
def test_a_file_cut_off_or_lengthened_is_refused(length: int, more: bytes) -> None:
    sealed = SEALER.seal(ID, JPEG)
    with pytest.raises(OutboxCorrupt):
        SEALER.open(ID, sealed[:length])
    if more:
        with pytest.raises(OutboxCorrupt):
            SEALER.open(ID, sealed + more)


@given(capture_ids, capture_ids, pictures, pictures)
def test_two_files_cannot_be_swapped(first: CaptureId, second: CaptureId, jpeg: bytes, other: bytes) -> None:
    if first == second:
        return
    sealed = SEALER.seal(first, jpeg), SEALER.seal(second, other)
    for capture_id, data in ((second, sealed[0]), (first, sealed[1])):
        with pytest.raises(OutboxCorrupt, match="another capture's"):
            SEALER.open(capture_id, data)


def test_a_mixed_spool_opens() -> None:
    by_old = PictureSealer([OLD]).seal(ID, JPEG)
    for data in (by_old, SEALER.seal(ID, JPEG), JPEG):
        assert SEALER.open(ID, data) == JPEG


def test_without_a_key_pictures_stay_as_they_are_and_sealed_ones_shut() -> None:
    plain = PictureSealer()
    assert plain.seal(ID, JPEG) == JPEG == plain.open(ID, JPEG)
    assert plain.open(ID, b"no jpeg") == b"no jpeg"
    with pytest.raises(PictureKeyMissing, match=rf"the key {NEW.id}, which is not among the outbox's keys \(-\)"):
        plain.open(ID, SEALER.seal(ID, JPEG))
    assert plain.reseal(ID, JPEG) is None


def test_a_missing_key_is_permanent_and_named_without_any_key() -> None:
    with pytest.raises(PictureKeyMissing) as caught:
        PictureSealer([OTHER]).open(ID, SEALER.seal(ID, JPEG))
    assert isinstance(caught.value, PermanentError)
    told = texts_of(caught.value)
    assert NEW.id in told
    assert OTHER.id in told
    for key in (NEW, OTHER):
        assert key.material.hex() not in told
        assert repr(key.material) not in told
        assert b64encode(key.material).decode() not in told


def test_no_repr_holds_a_key() -> None:
    text = b64encode(NEW.material).decode()
    for shown in (repr(NEW), repr(SEALER), repr(KeySource(text)), str(NEW)):
        assert text not in shown
        assert NEW.material.hex() not in shown
        assert repr(NEW.material) not in shown


def test_a_version_of_the_future_is_refused() -> None:
    sealed = bytearray(SEALER.seal(ID, JPEG))
    sealed[len(MAGIC)] = 2
    with pytest.raises(OutboxCorrupt, match="does not know: 2"):
        SEALER.open(ID, bytes(sealed))


def test_resealing_leaves_only_the_first_key() -> None:
    by_old = PictureSealer([OLD]).seal(ID, JPEG)
    for data in (by_old, JPEG):
        anew = SEALER.reseal(ID, data)
        assert anew is not None
        assert key_id_of(anew) == NEW.id
        assert PictureSealer([NEW]).open(ID, anew) == JPEG
        assert SEALER.reseal(ID, anew) is None
    with pytest.raises(OutboxCorrupt):
        SEALER.reseal(OTHER_ID, by_old)
    with pytest.raises(PictureKeyMissing):
        PictureSealer([NEW]).reseal(ID, by_old)


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.sampled_from([OLD, NEW, OTHER]), min_size=1, unique=True), st.sampled_from([",", " ", "\n", ",\n "]))
def test_keys_are_read_in_their_order_however_they_are_written(keys: list[SealingKey], between: str) -> None:
    writings = [
        [key.material.hex() for key in keys],
        [key.material.hex().upper() for key in keys],
        [b64encode(key.material).decode() for key in keys],
        [urlsafe_b64encode(key.material).decode() for key in keys],
    ]
    for words in writings:
        assert parse_keys(between.join(words), place="here") == tuple(keys)


SECRET = b64encode(token_bytes(30)).decode()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "here holds no key: 32 random bytes"),
        ("# only a comment", "here holds no key"),
        (SECRET, "here: key 1 is not 32 random bytes as base64"),
        (f"{NEW.material.hex()} {SECRET}x", "here: key 2 is not 32"),
        ("aa" * 32, "key 1 is not 32 random bytes"),
        ("senha" * 9, "key 1 is not 32 random bytes"),
        (f"{NEW.material.hex()},{b64encode(NEW.material).decode()}", "here: key 2 is the same as key 1"),
        (" ".join(token_bytes(32).hex() for _ in range(KEYS_MAX + 1)), "more than 16 keys"),
    ],
    ids=["nothing", "comment", "short", "second", "one-byte", "words", "twice", "many"],
)
def test_what_is_no_key_is_told_without_it(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        parse_keys(text, place="here")
    for word in text.replace(",", " ").split():
        assert len(word) < 9 or word not in texts_of(caught.value)


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        SealingKey(bytes(31))


def test_a_key_file_of_its_owner_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# since May\n{NEW.material.hex()}  # seals\n\n{b64encode(OLD.material).decode()}\n")
    path.chmod(0o600)
    assert KeySource.of(None, path).sealer().key_ids == (NEW.id, OLD.id)
    path.chmod(0o400)
    assert KeySource.of("", path).sealer().key_ids == (NEW.id, OLD.id)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys"
    path.write_text(NEW.material.hex())
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"may be read by others \(mode 0{mode:o}\): chmod 600 it"):
        KeySource.of(None, path).sealer()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"#" * 10_001])
def test_a_key_file_with_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="is not a text of keys, one a line"):
        KeySource.of(None, path).sealer()


def test_a_key_file_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        KeySource.of(None, tmp_path / "none").sealer()
    with pytest.raises(ConfigurationError, match=r"is not a file|cannot be read: Is a directory"):
        KeySource.of(None, tmp_path).sealer()


def test_one_source_of_keys_at_most(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both set"):
        KeySource.of(NEW.material.hex(), tmp_path / "keys").sealer()
    assert KeySource.of("  ", None).sealer().key_ids == ()


# ── the spool ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_is_counted_by_key_and_missing_keys_are_named(tmp_path: Path) -> None:
    name = "{:032x}.00000000.jpg"
    for number, data in enumerate([JPEG, PictureSealer([OLD]).seal(ID, JPEG), SEALER.seal(ID, JPEG), b""]):
        (tmp_path / name.format(number)).write_bytes(data)
    (tmp_path / "strange.jpg").write_bytes(PictureSealer([OTHER]).seal(ID, JPEG)[:HEADER_BYTES])
    assert sealed_with(tmp_path) == {"": 2, OLD.id: 1, NEW.id: 1}
    SEALER.require_keys_of(tmp_path)
    for keys in ([NEW], [NEW, OTHER]):
        with pytest.raises(ConfigurationError, match=f"1 pictures in .* sealed with the key {OLD.id}, which is not"):
            PictureSealer(keys).require_keys_of(tmp_path)
    with pytest.raises(ConfigurationError, match="2 pictures"):
        PictureSealer().require_keys_of(tmp_path)


def test_a_folder_that_is_not_there_needs_no_key(tmp_path: Path) -> None:
    PictureSealer().require_keys_of(tmp_path / "none")
