"""The camera list and the status on disk: whole or not at all, for their owner only, never trusted blindly."""

import json
import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.application.use_cases.sync_cameras import KnownCameras
from vigia.domain.camera import Camera, CameraId, CameraOverride, OverrideOrigin
from vigia.infrastructure.config.camera_store import CameraFileStore
from vigia.infrastructure.metrics.status_file import STALE_S, StatusFile, read_status
from vigia.testing.sim_clock import SimClock

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
OVERRIDES = st.builds(
    CameraOverride,
    name=TEXT,
    value=st.one_of(st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT),
    origin=st.sampled_from(OverrideOrigin),
)
CAMERAS = st.builds(
    Camera,
    id=TEXT.map(CameraId),
    name=TEXT,
    url=TEXT,
    findface_id=st.none() | st.integers(1, 2**31),
    token=TEXT,
    group=TEXT,
    active=st.booleans(),
    overrides=st.lists(OVERRIDES, max_size=3).map(tuple),
)
LISTS = st.lists(CAMERAS, max_size=4).map(tuple)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cameras=LISTS, former=LISTS)
def test_what_was_kept_comes_back(tmp_path: Path, cameras: tuple[Camera, ...], former: tuple[Camera, ...]) -> None:
    store = CameraFileStore(tmp_path / "deep" / "cameras.json")
    store.save(KnownCameras(cameras, former))
    assert store.load() == KnownCameras(cameras, former)


def test_the_file_is_for_its_owner_only_even_when_it_was_not_before(tmp_path: Path) -> None:
    path = tmp_path / "cameras.json"
    path.write_text("{}")
    path.chmod(0o666)
    CameraFileStore(path).save(KnownCameras())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["cameras.json"]


def test_nothing_there_is_nothing_known(tmp_path: Path) -> None:
    assert CameraFileStore(tmp_path / "cameras.json").load() is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json s3cret",
        "[]",
        '{"version": 99, "cameras": [], "former": []}',
        '{"version": 1, "cameras": [{"id": "s3cret"}], "former": []}',
        '{"version": 1, "cameras": 5, "former": []}',
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_left_aside_and_not_quoted(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(content)
    assert CameraFileStore(path).load() is None
    assert "is damaged" in caplog.text
    assert "s3cret" not in caplog.text
    assert path.read_text() == content


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        CameraFileStore(tmp_path / "file" / "cameras.json").save(KnownCameras())


def test_the_status_of_a_running_vigia_can_be_read_until_it_is_old_or_removed(tmp_path: Path) -> None:
    clock, path = SimClock(), tmp_path / "status.json"
    file = StatusFile(path, clock=clock)
    assert read_status(path, clock=clock) is None
    file.write({"cameras": [{"id": "1"}]})
    page = read_status(path, clock=clock)
    assert page is not None
    assert page["cameras"] == [{"id": "1"}]
    assert page["pid"] == os.getpid()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    clock.advance(STALE_S + 0.1)
    assert read_status(path, clock=clock) is None
    file.write({})
    assert read_status(path, clock=clock) is not None
    file.remove()
    file.remove()
    assert read_status(path, clock=clock) is None


@pytest.mark.parametrize("change", [{"pid": 2**22 + 5}, {"process_started": 5.0}, {"version": 9}, {"written_utc": "x"}])
def test_the_status_of_another_process_says_nothing(tmp_path: Path, change: dict[str, object]) -> None:
    clock, path = SimClock(), tmp_path / "status.json"
    StatusFile(path, clock=clock).write({})
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert read_status(path, clock=clock) is None


@pytest.mark.parametrize("content", ["", "[]", "null", '{"version": 1}'])
def test_a_status_file_that_is_none_says_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "status.json"
    path.write_text(content)
    assert read_status(path, clock=SimClock()) is None
