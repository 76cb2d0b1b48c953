"""Provisioning against the real stand-in over HTTP: lost answers, a kill between making and booking, refusals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from running import SECRET, USER, environment, wait_for
from vigia.application.errors import CredentialsRejected, DeliveryAmbiguous, RecognizerUnreachable
from vigia.application.provision_plan import Action, ProvisionOptions
from vigia.application.provisioning import DetectorGroup, DetectorRefused
from vigia.application.use_cases import provision_cameras
from vigia.application.use_cases.provision_cameras import ProvisionCamerasUseCase
from vigia.cli import main
from vigia.domain.camera import Camera, CameraId
from vigia.infrastructure.clients.findface_access import FindfaceAccess
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clients.findface_multi import FindfaceMulti
from vigia.infrastructure.clients.findface_registry import FindfaceDetectorRegistry
from vigia.infrastructure.clients.http_transport import HttpTimeouts
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.provisioning import DetectorFile, known_detectors
from vigia.testing.findface_stub.fault_scenario import FaultScenario
from vigia.testing.findface_stub.server import StubServer
from vigia.testing.findface_stub.settings import StubCamera, StubGroup, StubSettings

CLOCK = SystemClock()
CAMERAS_PATH = "/cameras/"
GATE = Camera(CameraId("gate"), "Gate", f"rtsp://ana:{SECRET}@10.0.0.5/s", group="site")
HALL = Camera(CameraId("hall"), "Hall", "rtsp://10.0.0.6/s", group="site")


def stub_settings(directory: Path, *cameras: StubCamera) -> StubSettings:
    groups = (StubGroup(id=1, name="site"), StubGroup(id=2, name="old", active=False))
    return StubSettings(
        data_dir=directory / "findface", user=USER, password=SECRET, groups=groups, cameras=cameras, page_size=2
    )


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[StubServer]:
    with StubServer(
        stub_settings(tmp_path, StubCamera(id=1, name="Old gate", group=2, url="rtsp://10.9.9.9/s"))
    ) as running:
        yield running


@pytest.fixture(params=["plain", "pooled"])
def registry(stub: StubServer, request: pytest.FixtureRequest) -> Iterator[FindfaceDetectorRegistry]:
    timeouts = HttpTimeouts(connect_s=5.0, read_s=1.0, write_s=5.0, pool_s=5.0, total_s=5.0)
    access = FindfaceAccess(url=stub.url, user=USER, password=SECRET, uuid="u", timeouts=timeouts)
    plain = FindfaceMulti(access, clock=CLOCK)
    client = plain if request.param == "plain" else FindfaceMultiAsync(plain)
    client.login()
    yield FindfaceDetectorRegistry(client)
    client.close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision_cameras, "LOOK_UP_AFTER_S", (0.0, 0.1, 0.2))


def listed(stub: StubServer) -> list[dict[str, Any]]:
    """All cameras that the stand-in has."""
    log_in = httpx.post(f"{stub.url}/auth/login/", json={"uuid": "test"}, auth=(USER, SECRET))
    headers = {"Authorization": f"Token {log_in.json()['token']}"}
    answer = httpx.get(f"{stub.url}{CAMERAS_PATH}", params={"limit": 100}, headers=headers)
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


def test_a_detector_is_made_as_vigia_reads_it(stub: StubServer, registry: FindfaceDetectorRegistry) -> None:
    made = registry.make_detector(name="Gate", group_id=1, comment=GATE.url)
    (seen,) = [camera for camera in listed(stub) if camera["id"] == made.findface_id]
    assert (seen["name"], seen["group"], seen["comment"], seen["active"], seen["external_detector"]) == (
        "Gate", 1, GATE.url, True, True,
    )  # fmt: skip
    assert made.token == seen["external_detector_token"] != ""
    assert SECRET not in repr(made)
    assert [(d.findface_id, d.external) for d in registry.detectors()] == [(1, True), (made.findface_id, True)]


def test_groups_are_listed_and_made(registry: FindfaceDetectorRegistry) -> None:
    assert [(g.name, g.active) for g in registry.groups()] == [("site", True), ("old", False)]
    made = registry.make_group("new")
    assert registry.groups()[-1] == DetectorGroup(made.id, "new")


def test_what_findface_refuses_is_told_without_the_password(registry: FindfaceDetectorRegistry) -> None:
    with pytest.raises(DetectorRefused, match="BAD_PARAM") as refused:
        registry.make_detector(name="Gate", group_id=99, comment=GATE.url)
    assert SECRET not in str(refused.value)
    with pytest.raises(DetectorRefused):
        registry.make_group("")


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_server_error_leaves_it_in_doubt(stub: StubServer, registry: FindfaceDetectorRegistry, status: int) -> None:
    stub.fail_next(status, path=CAMERAS_PATH, text="<html>" if status > 500 else None, after_store=True)
    with pytest.raises(DeliveryAmbiguous):
        registry.make_detector(name="Gate", group_id=1, comment=GATE.url)
    assert len(listed(stub)) == 2


def test_other_answers_are_those_of_any_question(stub: StubServer, registry: FindfaceDetectorRegistry) -> None:
    stub.fail_next(403, path=CAMERAS_PATH)
    with pytest.raises(CredentialsRejected):
        registry.make_detector(name="Gate", group_id=1, comment=GATE.url)
    stub.stop()
    with pytest.raises(RecognizerUnreachable):
        registry.make_detector(name="Gate", group_id=1, comment=GATE.url)


def test_an_answer_that_cannot_be_read_leaves_it_in_doubt(stub: StubServer, registry: FindfaceDetectorRegistry) -> None:
    stub.fail_next(200, path=CAMERAS_PATH, text="<html>", after_store=True)
    with pytest.raises(DeliveryAmbiguous):
        registry.make_detector(name="Gate", group_id=1, comment=GATE.url)


def test_an_ended_session_is_renewed_and_nothing_made_twice(
    stub: StubServer, registry: FindfaceDetectorRegistry
) -> None:
    registry.groups()  # the session has proven good
    stub.expire_sessions()
    registry.make_detector(name="Gate", group_id=1, comment=GATE.url)
    assert len(listed(stub)) == 2


@pytest.mark.parametrize("after_store", [True, False])
def test_a_lost_answer_is_looked_up_and_the_camera_made_once(
    stub: StubServer, registry: FindfaceDetectorRegistry, tmp_path: Path, after_store: bool
) -> None:
    book = DetectorFile(tmp_path / "book.json")
    use_case = ProvisionCamerasUseCase(registry, book, clock=CLOCK, options=ProvisionOptions())
    plan = use_case.plan([GATE, HALL])
    stub.drop_next(after_store=after_store, path=CAMERAS_PATH)
    done = use_case.execute(plan, on_step=lambda _step: None)
    assert done.count(Action.CREATE) == 2
    seen = {camera["name"]: camera for camera in listed(stub)}
    assert sorted(seen) == ["Gate", "Hall", "Old gate"]
    assert len(listed(stub)) == 3
    assert {key: (one.findface_id, one.token) for key, one in book.read().items()} == {
        "gate": (seen["Gate"]["id"], seen["Gate"]["external_detector_token"]),
        "hall": (seen["Hall"]["id"], seen["Hall"]["external_detector_token"]),
    }
    again = use_case.plan([GATE, HALL])
    assert [str(step.reason) for step in again.steps] == ["booked before", "booked before"]


class Program:
    """``vigia cameras provision`` in a directory of its own."""

    def __init__(self, directory: Path, stub: StubServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.capsys = capsys
        self.account = {
            "FINDFACE_URL": stub.url, "FINDFACE_USER": USER, "FINDFACE_PASSWORD": SECRET, "FINDFACE_UUID": "u",
        }  # fmt: skip
        document = {
            "language": "en",
            "findface": {"read_timeout_s": 1.0, "connect_timeout_s": 2.0},
            "cameras": [
                {"id": "gate", "name": "Gate", "url": GATE.url, "group": "site"},
                {"id": "hall", "name": "Hall", "url": HALL.url, "group": "site"},
                {"id": "attic", "url": "rtsp://10.0.0.7/s", "group": "site", "active": False},
            ],
        }
        (directory / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        self.book = directory / "data" / "cameras-findface.json"

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        """As a process of its own, to be killed."""
        command = [sys.executable, "-m", "vigia", "cameras", "provision", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.directory,
            env=environment(**self.account, **env),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.directory)
            for name in [name for name in os.environ if name.startswith(("FINDFACE_", "VIGIA_"))]:
                patch.delenv(name)
            for name, value in self.account.items():
                patch.setenv(name, value)
            code = main(["cameras", "provision", *arguments])
        told = self.capsys.readouterr()
        assert SECRET not in told.out + told.err
        return code, told.out, told.err


def test_the_command_shows_its_plan_then_does_it_once(
    stub: StubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = Program(tmp_path, stub, capsys)
    code, out, err = program.run()
    assert code == 0
    assert out.count("to be made") == 2
    assert "2 to be made, 0 known, 0 in conflict" in err
    assert len(listed(stub)) == 1
    assert not program.book.exists()

    code, out, _ = program.run("--yes")
    assert (code, out.count(": made (")) == (0, 2)
    assert len(listed(stub)) == 3
    assert program.book.stat().st_mode & 0o777 == 0o600

    code, out, _ = program.run("--yes", "--json")
    document = json.loads(out)
    assert (code, document["applied"], document["counts"]["known"], document["counts"]["create"]) == (0, True, 2, 0)
    assert len(listed(stub)) == 3


def test_killed_between_making_and_booking_the_next_run_knows_the_camera(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = FaultScenario.model_validate(
        {"faults": [{"kind": "answer-lost", "path": CAMERAS_PATH, "every": 2, "times": 1, "hold_s": 60}]}
    )
    with StubServer(stub_settings(tmp_path), faults=scenario) as stub:
        program = Program(tmp_path, stub, capsys)
        process = program.start(
            "--yes", VIGIA_FINDFACE__READ_TIMEOUT_S="45"
        )  # reads the list, makes the first camera, and waits for its answer
        wait_for(lambda: stub.fault_counts()["answer-lost"], timeout_s=30.0, what="the camera made")
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        assert len(listed(stub)) == 1
        assert not program.book.exists()

        code, out, _ = program.run("--yes")
        assert code == 0
        assert "gate: known" in out
        assert "by its address" in out
        assert "hall: made" in out
        assert sorted(camera["name"] for camera in listed(stub)) == ["Gate", "Hall"]
        assert set(known_detectors(program.book)) == {"gate", "hall"}


def test_an_answer_that_never_comes_is_looked_up_by_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = FaultScenario.model_validate(
        {"faults": [{"kind": "answer-lost", "path": CAMERAS_PATH, "every": 2, "times": 1, "hold_s": 60}]}
    )
    with StubServer(stub_settings(tmp_path), faults=scenario) as stub:
        code, out, _ = Program(tmp_path, stub, capsys).run("--yes")
        assert stub.fault_counts() == {"answer-lost": 1}
        assert (code, out.count(": made (")) == (0, 2)
        assert len(listed(stub)) == 2


def test_conflicts_are_told_and_the_rest_is_done(
    stub: StubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = Program(tmp_path, stub, capsys)
    document = yaml.safe_load((tmp_path / "config.yaml").read_text())
    document["cameras"][0] |= {"findface_id": 77}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(document))
    code, out, err = program.run("--yes")
    assert code == 1
    assert "gate: conflict: FindFace has no camera 77" in out
    assert "1 made, 0 known, 1 in conflict, 0 failed" in err
    assert len(listed(stub)) == 2


def test_a_group_is_made_only_when_asked(stub: StubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(tmp_path, stub, capsys)
    assert "FindFace has no group shop; --create-group makes it" in program.run("--group", "shop")[1]
    code, _, err = program.run("--group", "shop", "--create-group", "--yes")
    assert code == 0
    assert "group shop does not exist and is made first" in err
    assert len({camera["group"] for camera in listed(stub) if camera["id"] > 1}) == 1


def test_cameras_of_a_list_without_their_credentials(
    stub: StubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "list.csv").write_text(
        f"id;nome;endereço;usuário;senha\nfront;Frente;rtsp://10.1.1.1/s;ana;{SECRET}\n", encoding="utf-8"
    )
    program = Program(tmp_path, stub, capsys)
    code, _, _ = program.run("--csv", "list.csv", "--group", "site", "--without-credentials", "--yes")
    assert code == 0
    assert listed(stub)[-1]["comment"] == "rtsp://10.1.1.1/s"
    assert list(known_detectors(program.book)) == ["front"]


def test_without_cameras_or_account_it_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("FINDFACE_", "VIGIA_"))]:
        monkeypatch.delenv(name)
    (tmp_path / "config.yaml").write_text("language: en\n")
    assert main(["cameras", "provision"]) == 2
    assert "no active camera to provision" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("language: en\ncameras: [{id: a, url: 'rtsp://h/s'}]\n")
    assert main(["cameras", "provision"]) == 2
    assert "FINDFACE_URL is missing" in capsys.readouterr().err
