"""The outbox on disk with sealed pictures: mixed spools, rotation, missing keys, tampering, sealing anew cut short."""

import io
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.parts import picture_sealer, running_logger, sufficient_sealer
from vigia.bootstrap.worker_crew import WorkerOptions, _task
from vigia.domain.camera import CameraId
from vigia.domain.capture import Capture, CaptureId, CaptureState, LeasedCapture
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import OutboxSettings, Settings, load_settings
from vigia.infrastructure.detection.registry import MODELS
from vigia.infrastructure.logging import get_logger
from vigia.infrastructure.outbox.fault_points import FAULT_POINTS
from vigia.infrastructure.outbox.resealing import ResealReport, reseal_pictures
from vigia.infrastructure.outbox.sealing import (
    OVERHEAD_BYTES,
    PictureSealer,
    SealingKey,
    key_id_of,
    sealed_with,
)
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox
from vigia.infrastructure.process.worker import _environment
from vigia.testing.sim_clock import SimClock

OLD, NEW = (SealingKey(bytes(range(start, start + 32))) for start in (0, 50))
AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def jpeg_of(number: int) -> bytes:
    return b"\xff\xd8" + bytes([number]) * 500 + b"\xff\xd9"


def capture(number: int) -> Capture:
    return Capture(
        id=CaptureId(f"{number:032x}"),
        camera_id=CameraId("gate"),
        findface_camera_id=1,
        track_id=number,
        at_utc=AT,
        box_xyxy=(1.0, 2.0, 3.0, 4.0),
        roi_ltrb=(0, 0, 10, 10),
        size_wh=(20, 20),
        quality=0.5,
        jpeg=jpeg_of(number),
    )


def opened(folder: Path, *keys: SealingKey) -> "closing[SqliteOutbox]":
    return closing(SqliteOutbox(folder, SimClock(), codec=PictureSealer(keys), free_bytes_min=0))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "pictures").iterdir())


def lease_all(outbox: SqliteOutbox) -> dict[str, bytes]:
    leased: list[LeasedCapture] = outbox.lease(limit=100, duration_s=60.0)
    return {capture.id: capture.jpeg for capture in leased}


def commit(folder: Path, number: int, *keys: SealingKey) -> None:
    with opened(folder, *keys) as outbox:
        outbox.commit(capture(number))


def test_no_picture_lies_open_and_modes_are_private(tmp_path: Path) -> None:
    commit(tmp_path / "outbox", 1, NEW)
    (file,) = files(tmp_path / "outbox")
    data = file.read_bytes()
    assert jpeg_of(1)[10:100] not in data
    assert key_id_of(data) == NEW.id
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    with opened(tmp_path / "outbox", NEW) as outbox:
        (entry,) = outbox.entries()
        assert entry.size_bytes == len(jpeg_of(1))
        assert outbox.picture(entry.id) == jpeg_of(1)
        assert outbox.verify().findings == []
    assert len(data) == len(jpeg_of(1)) + OVERHEAD_BYTES


def test_a_mixed_spool_is_delivered_whole(tmp_path: Path) -> None:
    commit(tmp_path, 1)
    commit(tmp_path, 2, OLD)
    commit(tmp_path, 3, NEW, OLD)
    assert sealed_with(tmp_path / "pictures") == {"": 1, OLD.id: 1, NEW.id: 1}
    with opened(tmp_path, NEW, OLD) as outbox:
        assert outbox.verify().findings == []
        assert lease_all(outbox) == {f"{number:032x}": jpeg_of(number) for number in (1, 2, 3)}


def test_a_capture_whose_key_is_missing_is_put_aside_and_good_again_with_the_key(tmp_path: Path) -> None:
    commit(tmp_path, 1, OLD)
    with opened(tmp_path, NEW) as outbox:
        assert lease_all(outbox) == {}
        (entry,) = outbox.entries(state=CaptureState.DEAD)
        assert f"sealed with the key {OLD.id}" in entry.reason
    with opened(tmp_path, NEW, OLD) as outbox:
        outbox.put_back(entry.id, expected=CaptureState.DEAD)
        assert lease_all(outbox) == {entry.id: jpeg_of(1)}


def test_swapped_and_changed_files_are_put_aside(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        commit(tmp_path, number, NEW)
    first, second, third = files(tmp_path)
    swapped = first.read_bytes(), second.read_bytes()
    first.write_bytes(swapped[1])
    second.write_bytes(swapped[0])
    third.write_bytes(third.read_bytes()[:-1] + bytes([third.read_bytes()[-1] ^ 1]))
    with opened(tmp_path, NEW) as outbox:
        assert lease_all(outbox) == {}
        reasons = [entry.reason for entry in outbox.entries(state=CaptureState.DEAD)]
        assert len(reasons) == 3
        assert all(f"the seal of the key {NEW.id} is broken" in reason for reason in reasons)


# ── sealing anew ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sealing_anew_leaves_one_key(tmp_path: Path) -> None:
    commit(tmp_path, 1)
    commit(tmp_path, 2, OLD)
    commit(tmp_path, 3, NEW, OLD)
    commit(tmp_path, 4, NEW)
    files(tmp_path)[3].unlink()
    assert reseal_pictures(tmp_path, PictureSealer([NEW, OLD])) == ResealReport(2, 1, 1)
    assert sealed_with(tmp_path / "pictures") == {NEW.id: 3}
    with opened(tmp_path, NEW) as outbox:
        assert lease_all(outbox) == {f"{number:032x}": jpeg_of(number) for number in (1, 2, 3)}


def test_sealing_anew_needs_an_outbox_a_key_and_nobody_else(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs a key"):
        reseal_pictures(tmp_path, PictureSealer())
    with pytest.raises(ConfigurationError, match="there is no outbox"):
        reseal_pictures(tmp_path / "none", PictureSealer([NEW]))
    assert not (tmp_path / "none").exists()
    with opened(tmp_path, OLD), pytest.raises(ConfigurationError, match="in use by another vigia"):
        reseal_pictures(tmp_path, PictureSealer([NEW, OLD]))


class _CutShort(BaseException):
    """As a kill: nothing of ours catches it."""


POINTS = [name for name in FAULT_POINTS if name.startswith(("picture.", "repair."))]


@pytest.mark.parametrize("point", POINTS)
def test_sealing_anew_cut_short_anywhere_loses_nothing(tmp_path: Path, point: str) -> None:
    for number in (1, 2, 3):
        commit(tmp_path, number, OLD)
    passed = 0

    def cut(name: str) -> None:
        nonlocal passed
        passed += name == point
        if name == point and passed == 2:
            raise _CutShort

    sealer = PictureSealer([NEW, OLD])
    with pytest.raises(_CutShort):
        reseal_pictures(tmp_path, sealer, fault_point=cut)
    with opened(tmp_path, NEW, OLD) as outbox:
        assert [entry.state for entry in outbox.entries()] == [CaptureState.PENDING] * 3
        assert outbox.verify().findings == []
    assert len(files(tmp_path)) == 3, "opening removes what is left over"
    assert reseal_pictures(tmp_path, sealer).unreadable == 0
    with opened(tmp_path, NEW) as outbox:
        assert lease_all(outbox) == {f"{number:032x}": jpeg_of(number) for number in (1, 2, 3)}


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["VIGIA_OUTBOX_KEY", "VIGIA_OUTBOX_KEYS", "VIGIA_OUTBOX__ENCRYPTION_KEYS"])
def test_keys_come_from_the_environment_and_are_never_shown(tmp_path: Path, name: str) -> None:
    text = f"{NEW.material.hex()},{OLD.material.hex()}"
    settings = load_settings(env_file=None, environ={name: text, "VIGIA_DATA_DIR": str(tmp_path)})
    assert picture_sealer(settings).key_ids == (NEW.id, OLD.id)
    for shown in (repr(settings), str(settings.redacted_dump()), settings.model_dump_json()):
        assert NEW.material.hex() not in shown


def test_keys_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(NEW.material.hex())
    path.chmod(0o600)
    settings = Settings(data_dir=tmp_path, outbox=OutboxSettings(encryption_key_file=path))
    assert picture_sealer(settings).key_ids == (NEW.id,)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        picture_sealer(settings)


def test_without_a_key_nothing_is_sealed(tmp_path: Path) -> None:
    assert sufficient_sealer(Settings(data_dir=tmp_path)).key_ids == ()


def test_a_forgotten_key_is_told_before_anything_is_put_aside(tmp_path: Path) -> None:
    commit(tmp_path / "outbox", 1, OLD)
    keys = SecretStr(NEW.material.hex())
    settings = Settings(data_dir=tmp_path, outbox=OutboxSettings(encryption_keys=keys))
    with pytest.raises(ConfigurationError, match=f"sealed with the key {OLD.id}") as caught:
        sufficient_sealer(settings)
    assert keys.get_secret_value() not in str(caught.value)
    with closing(sqlite3.connect(tmp_path / "outbox" / "outbox.sqlite3")) as connection:
        assert connection.execute("SELECT state FROM capture").fetchall() == [("pending",)]
    assert picture_sealer(settings).key_ids == (NEW.id,), "a person may still look, and drop it"


def test_a_worker_gets_no_key(tmp_path: Path) -> None:
    outbox = OutboxSettings(
        encryption_keys=SecretStr(NEW.material.hex()), encryption_key_file=tmp_path / "keys", max_captures=7
    )
    model = next(iter(MODELS.values()))
    task = _task(Settings(outbox=outbox), [], WorkerOptions(model=(model, tmp_path)), name="shard-0")
    assert task.settings.outbox == OutboxSettings(max_captures=7)


@pytest.mark.parametrize("name", ["VIGIA_OUTBOX_KEY", "VIGIA_OUTBOX_KEYS", "VIGIA_OUTBOX__ENCRYPTION_KEYS"])
def test_a_worker_inherits_no_key(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, NEW.material.hex())
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    inherited = _environment()
    assert NEW.material.hex() not in inherited.values()
    assert inherited["VIGIA_LANGUAGE"] == "en"


def test_a_key_that_gets_into_the_log_is_blanked(tmp_path: Path) -> None:
    text = f"{NEW.material.hex()}, {OLD.material.hex()}"
    settings = load_settings(env_file=None, environ={"VIGIA_OUTBOX_KEYS": text, "VIGIA_DATA_DIR": str(tmp_path)})
    console = io.StringIO()
    with running_logger(settings, clock=SystemClock(), console=console):
        get_logger("vigia.outbox").warning("keys %s and %s", NEW.material.hex(), OLD.material.hex())
        get_logger("vigia.outbox").warning("the id %s is told", NEW.id)
    told = console.getvalue() + (tmp_path / "logs" / "vigia.jsonl").read_text()
    assert told.count("keys *** and ***") == 2
    assert told.count(f"the id {NEW.id} is told") == 2
