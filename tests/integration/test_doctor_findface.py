"""The doctor before the FindFace stand-in, and before servers that go wrong in a way of their own."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from running import SECRET
from vigia.application.diagnosis import Area, Finding, Verdict
from vigia.bootstrap.doctor import Origins, Patient, examine
from vigia.bootstrap.doctor.findface import visit_findface
from vigia.cli.check_view import as_document
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.testing.findface_stub import StubCamera, StubGroup, StubServer, StubSettings
from vigia.testing.flaky_http_server import FlakyHttpServer, HttpAnswer, ReceivedRequest

CLOCK = SystemClock()
Configure = Callable[..., Settings]


class WrongClock(SystemClock):
    """This machine's clock, set wrong."""

    def __init__(self, off_s: float) -> None:
        self._off = timedelta(seconds=off_s)

    def utc(self) -> datetime:
        return super().utc() + self._off


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[StubServer]:
    settings = StubSettings(
        data_dir=tmp_path / "findface",
        user="vigia",
        password=SECRET,
        groups=(StubGroup(id=1, name="site"),),
        cameras=(
            StubCamera(id=1, name="Gate", group=1, url="rtsp://127.0.0.1:9/gate", token="a" * 32),
            StubCamera(id=2, name="Dock", group=1, url="the dock", token="b" * 32),
        ),
    )
    with StubServer(settings) as server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    monkeypatch.chdir(tmp_path)

    def make(url: str, *, password: str = SECRET, **overrides: str) -> Settings:
        environ = {"FINDFACE_URL": url, "FINDFACE_USER": "vigia", "FINDFACE_PASSWORD": password}
        keys = {"data_dir": str(tmp_path / "data"), "findface.connect_timeout_s": "2", **overrides}
        return load_settings(None, env_file=None, environ=environ, overrides=keys)

    return make


def ids(findings: tuple[Finding, ...] | list[Finding]) -> list[str]:
    return [finding.kind.id for finding in findings]


def visit(settings: Settings, clock: SystemClock = CLOCK) -> tuple[list[str], list[str]]:
    """Ids of what is told of FindFace, and of the cameras; no secret among it."""
    found = visit_findface(Patient(settings, Origins(), clock))
    everything = [*found.findings, *found.camera_findings]
    document = as_document(everything, Verdict.of(everything), strict=False)
    assert SECRET not in document
    return ids(found.findings), ids(found.camera_findings)


def test_all_is_well_and_one_camera_is_left_out(stub: StubServer, configure: Configure, tmp_path: Path) -> None:
    settings = configure(stub.url)
    found = visit_findface(Patient(settings, Origins(), CLOCK))
    assert ids(found.findings) == ["findface.works", "findface.detectors", "findface.camera-no-address"]
    assert found.cameras is not None
    assert [camera.name for camera in found.cameras] == ["Gate"]
    assert found.skews
    assert not (tmp_path / "data").exists(), "nothing was written"


@pytest.mark.parametrize(
    ("off_s", "told"), [(0.0, "clock.agrees"), (8.0, "clock.off"), (-8.0, "clock.off"), (-400.0, "clock.far-off")]
)
def test_the_clocks_are_compared(stub: StubServer, configure: Configure, off_s: float, told: str) -> None:
    findings = examine(configure(stub.url), Origins(), clock=WrongClock(off_s), areas={Area.CLOCK})
    (compared,) = [finding for finding in findings if finding.kind.id not in {"clock.synced", "clock.unsynced"}]
    assert compared.kind.id == told
    if off_s:
        assert str(compared.facts["direction"]) == ("ahead of" if off_s > 0 else "behind")
        assert abs(off_s) - 2.5 < float(str(compared.facts["seconds"])) <= abs(off_s)


def test_a_wrong_password(stub: StubServer, configure: Configure) -> None:
    assert visit(configure(stub.url, password="wr0ng-one")) == (["findface.refused"], ["cameras.not-known"])


def test_cameras_of_the_configuration_are_known_without_findface(stub: StubServer, configure: Configure) -> None:
    settings = configure(
        stub.url, password="wr0ng-one", cameras="[{id: a, url: 'rtsp://127.0.0.1:9/a', findface_id: 1, token: x}]"
    )
    found = visit_findface(Patient(settings, Origins(), CLOCK))
    assert ids(found.findings) == ["findface.refused"]
    assert found.cameras is not None
    assert [camera.id for camera in found.cameras] == ["a"]


def test_cameras_that_findface_would_refuse(stub: StubServer, configure: Configure) -> None:
    token = "c" * 32
    cameras = (
        f"[{{id: a, url: /a.mp4, findface_id: 1, token: {token}}}, {{id: b, url: /b.mp4, findface_id: 7, token: x}}]"
    )
    told, _ = visit(configure(stub.url, cameras=cameras))
    assert told[2:] == ["findface.camera-token", "findface.camera-unknown"]


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, {"code": "LICENSE_ERROR", "desc": "expired", "original_error": "x"}, "findface.licence"),
        (503, {"code": "SERVICE_UNAVAILABLE", "desc": "later"}, "findface.fails"),
        (302, None, "findface.misaddressed"),
    ],
)
def test_a_findface_that_does_not_let_anybody_in(
    stub: StubServer, configure: Configure, status: int, body: object, told: str
) -> None:
    stub.fail_next(status, json=body, path="/auth/login/")
    assert visit(configure(stub.url))[0] == [told]


def test_a_user_who_may_not_list_cameras(stub: StubServer, configure: Configure) -> None:
    stub.fail_next(403, json={"code": "PERMISSION_DENIED", "desc": "no"}, path="/camera-groups/")
    assert visit(configure(stub.url)) == (["findface.works", "findface.no-rights"], ["cameras.not-known"])


def test_no_group_of_that_name(stub: StubServer, configure: Configure) -> None:
    told, cameras = visit(configure(stub.url, **{"findface.group_prefix": "elsewhere"}))
    assert told == ["findface.works", "findface.detectors"]
    assert cameras == ["cameras.none"]


def test_nobody_listens(configure: Configure) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert visit(configure(f"http://127.0.0.1:{closed.getsockname()[1]}"))[0] == ["findface.unreachable"]


def test_a_name_that_nobody_knows(configure: Configure) -> None:
    assert visit(configure("http://findface.invalid"))[0] == ["findface.unknown-host"]


def test_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(None, env_file=None, environ={}, overrides={})
    assert visit(settings) == (["findface.not-set"], ["cameras.not-known"])


class TestTls:
    def serve(self, certificate: trustme.LeafCert) -> FlakyHttpServer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        return FlakyHttpServer(_answer, clock=CLOCK, tls=context)

    def ca_file(self, authority: trustme.CA, tmp_path: Path) -> str:
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        return str(tmp_path / "ca.pem")

    def test_an_authority_that_is_not_known(self, authority: trustme.CA, configure: Configure) -> None:
        with self.serve(authority.issue_cert("127.0.0.1")) as server:
            assert visit(configure(server.url))[0] == ["findface.tls"]

    def test_a_certificate_that_has_expired(self, authority: trustme.CA, configure: Configure, tmp_path: Path) -> None:
        past = datetime.now(UTC) - timedelta(days=1)  # noqa: TID251 - a certificate is judged by the real time
        with self.serve(authority.issue_cert("127.0.0.1", not_after=past)) as server:
            settings = configure(server.url, **{"findface.ca_file": self.ca_file(authority, tmp_path)})
            found = visit_findface(Patient(settings, Origins(), CLOCK))
        assert ids(found.findings) == ["findface.tls"]
        assert "expired" in str(found.findings[0].facts["why"])

    @pytest.mark.parametrize(("days", "told"), [(9, ["findface.certificate-expiring"]), (90, [])])
    def test_a_certificate_that_will(
        self, authority: trustme.CA, configure: Configure, tmp_path: Path, days: int, told: list[str]
    ) -> None:
        until = datetime.now(UTC) + timedelta(days=days, hours=1)  # noqa: TID251 - as above
        with self.serve(authority.issue_cert("127.0.0.1", not_after=until)) as server:
            settings = configure(server.url, **{"findface.ca_file": self.ca_file(authority, tmp_path)})
            found = visit_findface(Patient(settings, Origins(), CLOCK))
        assert ids(found.findings)[2:] == told
        if told:
            assert found.findings[2].facts["days"] == days

    def test_plain_http_where_tls_is_expected(self, configure: Configure) -> None:
        with FlakyHttpServer(_answer, clock=CLOCK) as server:
            assert visit(configure(server.url.replace("http:", "https:")))[0] == ["findface.tls"]


def _answer(request: ReceivedRequest) -> HttpAnswer:
    del request
    return HttpAnswer(200, json.dumps({"token": "t", "results": [], "next_page": None}).encode())
