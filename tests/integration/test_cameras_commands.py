"""``vigia cameras probe``, ``snapshot``, ``import`` and ``discover`` as commands, on a real RTSP server."""

import builtins
import io
import json
import os
import socket
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import pytest
import yaml

from rtsp import Mount, RtspSite, make_feed, needs_rtsp_server
from running import SECRET
from vigia.bootstrap import capacity
from vigia.cli import main
from vigia.infrastructure.config import load_settings

ACCOUNT = ("admin", SECRET)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("FINDFACE_", "VIGIA_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    monkeypatch.setattr(capacity, "WORK_S", 0.5)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspSite]:
    directory = tmp_path_factory.mktemp("cameras")
    plain = make_feed(directory / "plain.feed", fps=15, gop=10)
    b_frames = make_feed(directory / "b.feed", codec="h265", fps=15, gop=12, b_frames=2)
    mounts = [Mount("plain", plain, sound=True), Mount("hevc", b_frames)]
    with RtspSite(mounts, directory, account=ACCOUNT) as running:
        yield running


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["cameras", *arguments])
    told = capsys.readouterr()
    assert SECRET not in told.err
    return code, told.out, told.err


def configure(**settings: Any) -> None:
    patient = {"open_timeout_s": 40, "first_frame_timeout_s": 40, "read_timeout_s": 40}  # on a busy machine
    document = {"language": "en", "detector": {"model": "centerface"}, "source": patient, **settings}
    Path("config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")


def size_of(jpeg: bytes) -> tuple[int, int]:
    with av.open(BytesIO(jpeg), mode="r") as container:
        frame = next(container.decode(video=0))
        return frame.width, frame.height


@needs_rtsp_server
def test_a_probe_says_what_a_stream_is_and_what_it_costs(site: RtspSite, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    picture = Path("first.jpg")
    code, out, _ = run(capsys, "probe", site.url("plain"), "--seconds", "2", "--picture", str(picture), "--json")
    assert code == 0
    assert SECRET not in out
    found = json.loads(out)
    assert (found["codec"], found["width"], found["height"], found["b_frames"]) == ("h264", 320, 180, False)
    assert found["fps"] == pytest.approx(15.0, rel=0.1)
    assert found["gop_frames"] == 10
    assert found["gop_s"] == pytest.approx(10 / 15, rel=0.15)
    assert found["bit_rate_bps"] > 1000
    assert found["stamps_sane"]
    assert found["profile"]
    assert [stream["kind"] for stream in found["other_streams"]] == ["audio"]
    assert 0.0 < found["open_s"] <= found["first_packet_s"] <= found["first_picture_s"]
    assert set(found["cost"]["cameras"]) == {"1", "2", "3", "4", "5"}
    shares = [found["cost"]["core_share"][str(k)] for k in range(1, 6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] > 0.0
    assert size_of(picture.read_bytes()) == (320, 180)


@needs_rtsp_server
def test_a_configured_camera_is_probed_by_its_id_in_a_table(site: RtspSite, capsys: pytest.CaptureFixture[str]) -> None:
    configure(cameras=[{"id": "gate", "url": site.url("hevc")}])
    code, out, _ = run(capsys, "probe", "gate", "--seconds", "2", "--no-cost", "--transport", "udp")
    assert code == 0
    assert SECRET not in out
    assert "hevc" in out
    assert "rtsp://***@" in out
    lines = {line.strip().split("  ")[0]: line for line in out.splitlines()}
    assert lines["B-frames"].endswith("yes")
    assert "every 12 frames" in lines["key frames"]


@needs_rtsp_server
@pytest.mark.parametrize(
    ("account", "mount", "kind", "told"),
    [
        (("admin", f"not-{SECRET}"), "plain", "auth_failed", "refused the user or password"),
        (ACCOUNT, "nothing", "unreachable", "knows no such path"),
    ],
)
def test_why_a_camera_cannot_be_probed(
    site: RtspSite, capsys: pytest.CaptureFixture[str], account: tuple[str, str], mount: str, kind: str, told: str
) -> None:
    configure()
    url = site.url(mount, account)
    code, out, err = run(capsys, "probe", url)
    assert (code, out) == (1, "")
    assert told in err
    code, out, _ = run(capsys, "probe", url, "--json")
    assert code == 1
    assert json.loads(out)["error"]["kind"] == kind
    assert SECRET not in out


def test_nobody_there_is_unreachable(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code, out, _ = run(capsys, "probe", f"rtsp://admin:{SECRET}@127.0.0.1:{port}/s", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (1, "unreachable")
    assert SECRET not in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["probe", f"rtspx://admin:{SECRET}@h/s"], "URL: unknown protocol rtspx; did you mean rtsp?"),
        (["probe", f"rtsp://admin:{SECRET}:@/s"], "URL has no usable host and port"),
        (["snapshot", "rtsp:10.0.0.5"], "no camera"),
        (["snapshot", "gaet"], "gate"),
        (["probe", "gate", "--transport", "pigeon"], "--transport is one of tcp, udp"),
        (["snapshot", "gate", "--out", "none/a.jpg"], "is no directory"),
        (["snapshot", "gate", "--out", "config.yaml"], "config.yaml is there already"),
        (["probe", "gate", "--picture", "config.yaml"], "config.yaml is there already"),
    ],
)
def test_mistakes_of_use_end_with_2(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    configure(cameras=[{"id": "gate", "url": "rtsp://127.0.0.1:9/s"}])
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert told in err


@needs_rtsp_server
def test_a_snapshot_has_the_cameras_name_and_is_not_overwritten(
    site: RtspSite, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(cameras=[{"id": "gate", "url": site.url("plain"), "settings": {"jpeg_quality": 20}}])
    code, out, err = run(capsys, "snapshot", "gate")
    assert code == 0, err
    (file,) = Path().glob("gate-2*Z.jpg")
    assert size_of(file.read_bytes()) == (320, 180)
    assert out.startswith(f"{file}: 320 x 180 pixels")
    assert file.stat().st_mode & 0o777 == 0o600
    small = file.stat().st_size
    assert run(capsys, "snapshot", "gate", "--out", str(file))[0] == 2
    assert run(capsys, "snapshot", site.url("plain"), "--out", str(file), "--force")[0] == 0
    assert file.stat().st_size > small, "the camera's own quality counted the first time"


@needs_rtsp_server
def test_a_url_with_a_password_comes_from_standard_input_or_is_warned_of(
    site: RtspSite, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    url = site.url("plain")
    assert SECRET in url
    monkeypatch.setattr("sys.stdin", io.StringIO(url + "\n"))
    assert main(["cameras", "snapshot", "-", "--out", "here.jpg"]) == 0
    assert Path("here.jpg").read_bytes().startswith(b"\xff\xd8")
    out, err = capsys.readouterr()
    assert "can see" not in err
    assert main(["cameras", "snapshot", url, "--out", "there.jpg"]) == 0
    told = capsys.readouterr().err
    assert "can see the URL's password" in told
    assert SECRET not in out + err + told
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["cameras", "snapshot", "-", "--out", "nothing.jpg"]) == 2


def test_a_snapshot_goes_to_standard_output(site: RtspSite, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    configure()
    assert main(["cameras", "snapshot", site.url("hevc"), "--out", "-"]) == 0
    assert size_of(capfdbinary.readouterr().out) == (320, 180)


def test_a_file_without_pictures_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    with av.open("sound.wav", "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    code, out, _ = run(capsys, "probe", "./sound.wav", "--json")
    assert (code, json.loads(out)["error"]["kind"]) == (1, "no_video")


LIST = f"id;nome;endereço;usuário;senha;ativo\ngate;Portão;rtsp://10.0.0.5/s;ana;{SECRET};sim\nhall;;rtsp://10.0.0.6/s;;;não\n"


def test_import_prints_yaml_that_the_settings_take(capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.csv").write_text(LIST, encoding="cp1252")
    code, out, err = run(capsys, "import", "list.csv")
    assert code == 0
    assert "holds passwords" in err
    assert "2 cameras, all valid" in err
    Path("config.yaml").write_text(out, encoding="utf-8")
    loaded = load_settings(env_file=None, environ={})
    assert [(c.id, c.name, c.active) for c in loaded.cameras] == [("gate", "Portão", True), ("hall", "", False)]
    assert SECRET in loaded.cameras[0].url
    code, out, err = run(capsys, "import", "list.csv", "--dry-run")
    assert (code, out) == (0, "")
    assert "+ gate  rtsp://***@10.0.0.5/s" in err


def test_import_into_a_file_keeps_what_is_there_and_a_copy(capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.csv").write_text(LIST, encoding="utf-8")
    before = "# ours\nlanguage: en\ncameras:\n  - id: gate  # north\n    url: rtsp://10.0.0.9/s\nlog: {level: DEBUG}\n"
    file, copy = Path("site.yaml"), Path("site.yaml.bak")
    file.write_text(before, encoding="utf-8")
    file.chmod(0o600)
    code, out, err = run(capsys, "import", "list.csv", "--into", "site.yaml", "--dry-run")
    assert (code, out, file.read_text(), copy.exists()) == (0, "", before, False)
    assert "nothing was written" in err

    code, out, err = run(capsys, "import", "list.csv", "--into", "site.yaml")
    assert (code, out) == (0, "")
    assert "1 added, 0 changed, 0 as they were" in err
    assert "--update would change them: gate" in err
    assert copy.read_text() == before
    assert [path.stat().st_mode & 0o777 for path in (file, copy)] == [0o600, 0o600]

    code, _, err = run(capsys, "import", "list.csv", "--into", "site.yaml", "--update")
    assert code == 0
    assert "~ gate  rtsp://***@10.0.0.5/s" in err
    text = file.read_text(encoding="utf-8")
    assert "# ours" in text
    assert "- id: gate  # north" in text
    assert len(load_settings(file, env_file=None, environ={}).cameras) == 2
    assert run(capsys, "import", "list.csv", "--into", "site.yaml", "--update")[0] == 0
    assert file.read_text(encoding="utf-8") == text


def test_import_makes_a_new_file_private_and_warns_of_one_that_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.csv").write_text(LIST, encoding="utf-8")
    assert run(capsys, "import", "list.csv", "--into", "new.yaml")[0] == 0
    assert Path("new.yaml").stat().st_mode & 0o777 == 0o600
    Path("open.yaml").write_text("language: en\n")
    Path("open.yaml").chmod(0o644)
    code, _, err = run(capsys, "import", "list.csv", "--into", "open.yaml")
    assert code == 0
    assert "others may read it: chmod 600" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["none.csv"], "none.csv cannot be read"),
        (["bad.csv"], "row 2, column endereço: url: unknown protocol rtspx"),
        (["list.csv", "--update"], "--update goes with --into"),
        (["list.csv", "--into", "broken.yaml"], "broken.yaml, line 1"),
        (["list.csv", "--into", "none/site.yaml"], "cannot be written"),
    ],
)
def test_import_refuses_and_changes_nothing(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    Path("list.csv").write_text(LIST, encoding="utf-8")
    Path("bad.csv").write_text(f"id;endereço\ngate;rtspx://ana:{SECRET}@h/s\n", encoding="utf-8")
    Path("broken.yaml").write_text("trucks: {}\n")
    code, out, err = run(capsys, "import", *arguments)
    assert (code, out) == (2, "")
    assert told in err
    assert sorted(path.name for path in Path().iterdir()) == ["bad.csv", "broken.yaml", "list.csv"]


def test_discover_without_its_package_says_which_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    for name in [name for name in sys.modules if name.startswith("wsdiscovery")]:
        monkeypatch.delitem(sys.modules, name)
    ordinary = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("wsdiscovery"):
            raise ImportError(name)
        return ordinary(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    code, out, err = run(capsys, "discover", "--seconds", "0.5")
    assert (code, out) == (2, "")
    assert "pip install 'vigia[onvif]'" in err
