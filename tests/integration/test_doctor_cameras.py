"""The doctor before real RTSP servers: each failure with its own remedy, side by side, and no password told."""

import json
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server
from running import SECRET
from tiny_server import hold, serving
from vigia.application.diagnosis import Area, Finding, Status, Verdict
from vigia.bootstrap.doctor import Origins, Patient, examine
from vigia.bootstrap.doctor import cameras as looks
from vigia.bootstrap.doctor.cameras import look_at_cameras, working
from vigia.cli.check_view import as_document
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.video.self_test import CODECS, PROTOCOLS, decode_fault, is_protocol_there

CLOCK = SystemClock()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    limits = {f"source.{name}_timeout_s": "4" for name in ("open", "first_frame", "read")}
    overrides = {**limits, "camera_list": "config", "data_dir": str(tmp_path / "data"), "detector.model": "centerface"}
    return load_settings(None, env_file=None, environ={}, overrides=overrides)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspSite]:
    folder = tmp_path_factory.mktemp("site")
    mounts = [
        Mount("gate", make_feed(folder / "gate.feed")),
        Mount("rare", make_feed(folder / "rare.feed", seconds=12.0, gop=180)),
    ]
    with RtspSite(mounts, folder, account=("admin", SECRET)) as site:
        yield site


def camera(name: str, url: str) -> Camera:
    return Camera(CameraId(name), name, url, findface_id=len(name), token="t")


def told(findings: list[Finding]) -> dict[str, str]:
    return {finding.point: finding.kind.id for finding in findings}


@needs_rtsp_server
def test_each_camera_has_its_own_remedy(settings: Settings, site: RtspSite, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("no video\n" * 100)
    with serving(hold) as silent:
        cameras = [
            camera("g", site.url("gate")),
            camera("ra", site.url("rare")),
            camera("wro", site.url("gate", ("admin", f"not-{SECRET}"))),
            camera("path", site.url("nothing")),
            camera("closed", f"rtsp://admin:{SECRET}@127.0.0.1:9/live"),
            camera("unknown", f"rtsp://admin:{SECRET}@no-such-camera.invalid/live"),
            camera("silent:)", f"rtsp://admin:{SECRET}@127.0.0.1:{silent.port}/live"),
            camera("no file !", str(tmp_path / "no-such.mp4")),
            camera("no film !!", str(tmp_path / "notes.mp4")),
        ]
        patient = Patient(settings, Origins(), CLOCK, cameras=cameras)
        began_s = CLOCK.mono_s()
        findings = look_at_cameras(patient)
    assert CLOCK.mono_s() - began_s < 60.0, "side by side, each with its own limit"
    assert told([finding for finding in findings if finding.status is not Status.WARNING]) == {
        "g": "cameras.works",
        "ra": "cameras.works",
        "wro": "cameras.refused",
        "path": "cameras.no-path",
        "closed": "cameras.closed-port",
        "unknown": "cameras.unknown-host",
        "silent:)": "cameras.silent",
        "no file !": "cameras.file",
        "no film !!": "cameras.file",
    }, [str(finding.facts.get("why")) for finding in findings]
    warned = [(finding.point, finding.kind.id) for finding in findings if finding.status is Status.WARNING]
    assert warned == [("wro", "cameras.same-url"), ("ra", "cameras.key-frames")]
    assert [one.name for one in working(cameras, findings)] == ["g", "ra"]
    document = as_document(findings, Verdict.of(findings), strict=False)
    assert SECRET not in document
    assert "320x180 15 fps" in json.loads(document)["findings"][1]["text"]


@needs_rtsp_server
def test_a_camera_that_sends_no_pictures(settings: Settings, tmp_path: Path) -> None:
    with RtspSite([Mount("gate", make_feed(tmp_path / "gate.feed"))], tmp_path) as dark:
        dark.hold("gate")
        patient = Patient(settings, Origins(), CLOCK, cameras=[camera("gate", dark.url("gate"))])
        (finding,) = look_at_cameras(patient)
    assert finding.kind.id in {"cameras.silent", "cameras.no-pictures"}  # as the server answers before, or does not


@needs_rtsp_server
def test_a_server_that_is_frozen_does_not_hold_the_doctor(settings: Settings, tmp_path: Path) -> None:
    with RtspSite([Mount("gate", make_feed(tmp_path / "gate.feed"))], tmp_path) as frozen:
        frozen.freeze()
        patient = Patient(settings, Origins(), CLOCK, cameras=[camera("gate", frozen.url("gate"))])
        (finding,) = look_at_cameras(patient)
    assert finding.kind.id == "cameras.silent"


def test_a_camera_that_hangs_in_native_code_is_left_behind(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named pipe that nobody writes: opening it does not return."""
    import os  # noqa: PLC0415 - needed here only

    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    monkeypatch.setattr(looks, "SLACK_S", -15.0)  # a limit of 1 s
    patient = Patient(settings, Origins(), CLOCK, cameras=[camera("pipe", str(pipe))])
    (finding,) = look_at_cameras(patient)
    assert (finding.kind.id, finding.area) == ("any.look-hung", Area.CAMERAS)
    os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))  # now it returns


def test_a_large_picture_is_told(settings: Settings, tmp_path: Path) -> None:
    clip = tmp_path / "large.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 2688, 1520, "yuvj420p"
        for _ in range(3):
            frame = av.VideoFrame(2688, 1520, "yuvj420p")
            for plane in frame.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    patient = Patient(settings, Origins(), CLOCK, cameras=[camera("wide", str(clip))])
    assert [finding.kind.id for finding in look_at_cameras(patient)] == ["cameras.works", "cameras.large"]


def test_only_what_is_asked_for_is_looked_at(settings: Settings) -> None:
    findings = examine(settings, Origins(), clock=CLOCK, areas={Area.CAMERAS})
    assert [(finding.area, finding.kind.id) for finding in findings] == [(Area.CAMERAS, "cameras.none")]


@pytest.mark.parametrize("codec", CODECS)
def test_what_cameras_send_is_decoded_here(codec: str) -> None:
    assert decode_fault(codec) == ""


def test_a_codec_that_is_not_there_is_told() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vigia.infrastructure.video.self_test._RECIPES", {"vvc-of-tomorrow": None})
        assert decode_fault("vvc-of-tomorrow")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_addresses_of_cameras_can_be_opened(protocol: str) -> None:
    assert is_protocol_there(protocol)


def test_an_unknown_protocol_is_not_there() -> None:
    assert not is_protocol_there("carrier-pigeon")
