"""Predicting how many cameras fit: real clips, real decoder and detector. Not how much comes out, but what of it."""

from pathlib import Path

import pytest

from vigia.bootstrap import capacity
from vigia.bootstrap.capacity import Capacity, measure_capacity
from vigia.bootstrap.parts import detector_factory
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}\n", encoding="utf-8")
    return load_settings(empty, env_file=None, environ={}, overrides={"detector.model": "centerface"})


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "WORK_S", 1.0)
    monkeypatch.setattr(capacity, "READ_S", 1.0)


def cameras(*paths: Path) -> list[Camera]:
    return [Camera(CameraId(f"c{n}"), f"c{n}", str(path), 1) for n, path in enumerate(paths)]


def test_it_measures_real_cameras_and_looking_less_often_makes_room(settings: Settings, clips: list[DemoClip]) -> None:
    listed = cameras(*(clip.path for clip in clips), Path("/nowhere.mp4"))
    found = measure_capacity(settings, listed, detector_factory(settings), clock=SystemClock())
    assert found is not None
    assert found.fps == pytest.approx(15.0, rel=0.02), "as the clips' packets say"
    assert found.decode_s > 0.0
    assert found.detect_s > 0.0
    rooms = [found.cameras(k) for k in (1, 2, 3, 5, 8)]
    assert rooms == sorted(rooms)


def test_where_nothing_can_be_read_there_is_no_answer(settings: Settings) -> None:
    nobody = cameras(Path("/nowhere.mp4"))
    assert measure_capacity(settings, nobody, lambda: pytest.fail("not needed"), clock=SystemClock()) is None


def test_the_arithmetic() -> None:
    found = Capacity(shards=2, fps=30.0, decode_s=0.002, detect_s=0.004, load_target=0.8)
    assert found.cameras(1) == 8, "2 x 0.8 / (30 x 0.006) is 8.9"
    assert found.cameras(4) == 17
