"""The doctor on real disks, files, ports and certificates, and beside a vigia that runs."""

import fcntl
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from outbox_rigs import PostgresRig, capture_of
from postgres_server import URL_PASSWORD
from vigia.application.diagnosis import Area, Finding
from vigia.bootstrap.doctor import Origins, Patient, examine
from vigia.bootstrap.doctor.configuration import look_at_configuration
from vigia.bootstrap.doctor.disk import kind_of, lacks_of, look_at_disk
from vigia.bootstrap.doctor.machine import look_at_machine
from vigia.bootstrap.doctor.outbox import holder_in, look_at_outbox
from vigia.bootstrap.doctor.sight import look_at_decoder, look_at_model
from vigia.bootstrap.doctor.web import look_at_web
from vigia.bootstrap.parts import picture_sealer, sufficient_sealer
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings, setting_places
from vigia.infrastructure.metrics.status_file import StatusFile
from vigia.infrastructure.outbox.postgres_outbox import PostgresOutbox
from vigia.infrastructure.outbox.postgres_schema import SCHEMA
from vigia.infrastructure.outbox.sqlite_outbox import SqliteOutbox
from vigia.infrastructure.web.users import UserFile
from vigia.testing.sim_clock import SimClock

CLOCK = SystemClock()
KEY_A, KEY_B = ("ab" * 8 + "0123456789abcdef" * 3, "cd" * 8 + "fedcba9876543210" * 3)
Configure = Callable[..., Settings]
is_root = os.geteuid() == 0


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    monkeypatch.chdir(tmp_path)

    def make(**overrides: str) -> Settings:
        keys = {"data_dir": str(tmp_path / "data"), "detector.model": "centerface", "web.port": "0"}
        return load_settings(
            None, env_file=None, environ={}, overrides=keys | {k.replace("__", "."): v for k, v in overrides.items()}
        )

    return make


def patient(settings: Settings, **extra: object) -> Patient:
    return Patient(settings, Origins(), CLOCK, **extra)  # type: ignore[arg-type]


def ids(findings: list[Finding]) -> list[str]:
    return [finding.kind.id for finding in findings]


def answers(addresses: list[str]) -> Callable[..., list[tuple[int, int, int, str, tuple[str, int]]]]:
    """A name server that tells these of every name."""
    return lambda _host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (one, port)) for one in addresses]


@contextmanager
def small_disk(place: Path, *, size: str, inodes: int = 0) -> Iterator[Path]:
    if not is_root:
        pytest.skip("only root may mount a small disk")
    place.mkdir()
    options = f"size={size},mode=700" + (f",nr_inodes={inodes}" if inodes else "")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)  # noqa: S607


class TestDisk:
    def test_nothing_is_left_behind(self, configure: Configure, tmp_path: Path) -> None:
        assert ids(look_at_disk(patient(configure())))[0] == "disk.to-be-made"
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "data").mkdir(mode=0o700)
        assert ids(look_at_disk(patient(configure())))[0] == "disk.writable"
        assert [path.name for path in tmp_path.rglob("*")] == ["data"]

    def test_this_file_system_has_what_an_outbox_needs(self, tmp_path: Path) -> None:
        assert lacks_of(tmp_path) == ""
        assert kind_of(tmp_path)

    @pytest.mark.skipif(not Path("/proc/version").exists(), reason="there is no /proc")
    def test_a_file_system_that_has_nothing(self) -> None:
        assert lacks_of(Path("/proc"))

    def test_a_file_is_in_the_way(self, configure: Configure, tmp_path: Path) -> None:
        (tmp_path / "in-the-way").touch()
        (finding,) = look_at_disk(patient(configure(data_dir=str(tmp_path / "in-the-way" / "data"))))
        assert finding.kind.id == "disk.not-writable"
        assert finding.facts["key"] == "data_dir"

    def test_a_directory_that_everybody_may_write(self, configure: Configure, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data").chmod(0o777)
        assert "disk.open" in ids(look_at_disk(patient(configure())))

    def test_models_that_cannot_be_kept(self, configure: Configure, tmp_path: Path) -> None:
        (tmp_path / "in-the-way").touch()
        told = ids(look_at_disk(patient(configure(models_dir=str(tmp_path / "in-the-way" / "models")))))
        assert told[0] == "disk.models"

    def test_a_full_disk(self, configure: Configure, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", size="12m", inodes=500) as disk:
            told = ids(look_at_disk(patient(configure(data_dir=str(disk)))))
            assert told == ["disk.writable", "disk.full", "disk.few-inodes", "disk.in-memory"]
            told = ids(look_at_disk(patient(configure(data_dir=str(disk), outbox__min_free_mb="1"))))
            assert told == ["disk.writable", "disk.low", "disk.few-inodes", "disk.in-memory"]

    def test_what_somebody_else_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Root started it once; the service's user cannot write what was left."""
        if not is_root:
            pytest.skip("only root may be somebody else")
        monkeypatch.chdir(tmp_path)
        data = tmp_path / "data"
        SqliteOutbox(data / "outbox", CLOCK).close()
        for folder in (tmp_path, data, data / "outbox"):
            folder.chmod(0o755)
        code = (
            "import os, sys\n"
            "from vigia.bootstrap.doctor.disk import _foreign_files\n"
            "from vigia.infrastructure.config import load_settings\n"
            "settings = load_settings(None, env_file=None, environ={}, overrides={'data_dir': sys.argv[1]})\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "print([(f.kind.id, f.facts['owner']) for f in _foreign_files(settings)])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "data"], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout.strip() == str([("disk.foreign-file", pwd.getpwuid(0).pw_name)])

    def test_what_somebody_else_made_of_the_web_server(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not is_root:
            pytest.skip("only root may be somebody else")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "data" / "logs").mkdir(parents=True)
        names = {"web-devices.json", "first-password.txt", "logs/audit-logins.jsonl"}
        for name in names:
            (tmp_path / "data" / name).touch(mode=0o600)
        tmp_path.chmod(0o755)
        for folder in (tmp_path / "data", tmp_path / "data" / "logs"):
            os.chown(folder, 65534, 65534)
        code = (
            "import os, sys\n"
            "from vigia.bootstrap.doctor.disk import _foreign_files\n"
            "from vigia.infrastructure.config import load_settings\n"
            "settings = load_settings(None, env_file=None, environ={}, overrides={'data_dir': sys.argv[1]})\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "while told := [finding.facts['file'] for finding in _foreign_files(settings)]:\n"
            "    print(told[0].relative_to(settings.data_dir))\n"
            "    told[0].unlink()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, "data"], capture_output=True, text=True, check=True, timeout=60
        )
        assert set(done.stdout.split()) == names


class TestOutbox:
    def test_none_yet(self, configure: Configure, tmp_path: Path) -> None:
        assert ids(look_at_outbox(patient(configure()))) == ["outbox.new"]
        assert not (tmp_path / "data").exists()

    def test_what_waits_and_the_keys_that_it_needs(self, configure: Configure) -> None:
        settings = configure(outbox__encryption_keys=KEY_A)
        with SqliteOutbox(settings.outbox_directory, CLOCK, codec=sufficient_sealer(settings)) as outbox:
            outbox.commit(capture_of(1))
        (ready,) = look_at_outbox(patient(settings))
        assert (ready.kind.id, ready.facts["waiting"]) == ("outbox.ready", 1)
        both = look_at_outbox(patient(configure(outbox__encryption_keys=f"{KEY_B},{KEY_A}")))
        assert ids(both) == ["outbox.ready"]
        for wrong in (configure(outbox__encryption_keys=KEY_B), configure()):
            (finding,) = look_at_outbox(patient(wrong))
            assert finding.kind.id == "outbox.keys"
            assert KEY_A not in str(finding.facts["why"])

    def test_a_damaged_one(self, configure: Configure) -> None:
        settings = configure()
        SqliteOutbox(settings.outbox_directory, CLOCK).close()
        (settings.outbox_directory / "outbox.sqlite3").write_bytes(b"this is no database" * 500)
        assert ids(look_at_outbox(patient(settings))) == ["outbox.unusable"]

    def test_another_vigia_has_it(self, configure: Configure) -> None:
        settings = configure()
        with SqliteOutbox(settings.outbox_directory, CLOCK):
            told = look_at_outbox(patient(settings))
            assert ids(told) == ["outbox.taken", "outbox.ready"]
            assert told[0].facts["holder"] == str(os.getpid())
            running = {"pid": os.getpid()}
            assert ids(look_at_outbox(patient(settings, running=running))) == ["outbox.ready"]
        assert ids(look_at_outbox(patient(settings))) == ["outbox.ready"]

    def test_a_look_takes_no_lock(self, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not for a moment: a run that starts then would be told that its outbox is taken."""
        settings = configure()
        SqliteOutbox(settings.outbox_directory, CLOCK).close()
        tried: list[int] = []
        monkeypatch.setattr(fcntl, "flock", lambda _file, operation: tried.append(operation))
        assert ids(look_at_outbox(patient(settings))) == ["outbox.ready"]
        assert tried == []

    def test_a_system_that_tells_nothing_of_locks(self, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = configure()
        monkeypatch.setattr("vigia.bootstrap.doctor.outbox.LOCKS", settings.data_dir / "nothing")
        with SqliteOutbox(settings.outbox_directory, CLOCK):
            assert ids(look_at_outbox(patient(settings))) == ["outbox.ready"]

    def test_who_holds_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "lock").touch()
        facts = (tmp_path / "lock").stat()
        here = f"{os.major(facts.st_dev):02x}:{os.minor(facts.st_dev):02x}:{facts.st_ino}"
        other = f"ff:ff:{facts.st_ino}"
        for line, noted, holder in (
            (f"1: FLOCK  ADVISORY  WRITE 77 {here} 0 EOF", "77", "77"),
            (f"1: FLOCK  ADVISORY  WRITE 77 {here} 0 EOF", "", "77"),
            (f"1: FLOCK  ADVISORY  WRITE 77 {other} 0 EOF", "77", "77"),  # the device of an overlay
            (f"1: FLOCK  ADVISORY  WRITE 77 {other} 0 EOF", "78", None),  # another file of that number
            (f"1: FLOCK  ADVISORY  READ 77 {here} 0 EOF", "77", None),
            (f"1: -> FLOCK  ADVISORY  WRITE 77 {here} 0 EOF", "77", None),  # waits for it
            (f"1: POSIX  ADVISORY  WRITE 77 {here} 0 EOF", "77", None),
            (f"1: FLOCK  ADVISORY  WRITE 77 {here}1 0 EOF", "77", None),
            ("", "77", None),
        ):
            assert holder_in(f"9: OFDLCK ADVISORY  READ -1 00:06:1 0 EOF\n{line}\n", facts, noted=noted) == holder, line

    def test_on_postgresql(self, configure: Configure, tmp_path: Path) -> None:
        rig = PostgresRig(tmp_path, SimClock())
        rig.schema = SCHEMA  # where the program looks
        try:
            settings = configure(outbox__url=rig.url, outbox__encryption_keys=KEY_A)
            assert ids(look_at_outbox(patient(settings))) == ["outbox.new"]
            with PostgresOutbox(rig.url, CLOCK, codec=picture_sealer(settings)) as outbox:
                outbox.commit(capture_of(1))
            (ready,) = look_at_outbox(patient(settings))
            assert (ready.kind.id, ready.facts["waiting"]) == ("outbox.ready", 1)
            told = look_at_outbox(patient(configure(outbox__url=rig.url, outbox__encryption_keys=KEY_B)))
            told += look_at_outbox(patient(configure(outbox__url=rig.url.replace(URL_PASSWORD, "wr0ng-0ne"))))
            assert ids(told) == ["outbox.keys", "outbox.unreachable"]
            assert "wr0ng" not in " ".join(str(finding.facts["why"]) for finding in told)
        finally:
            rig.close()

    def test_a_postgresql_that_is_away(self, configure: Configure) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            url = f"postgresql://vigia:s3cret-word@127.0.0.1:{closed.getsockname()[1]}/vigia"
            (finding,) = look_at_outbox(patient(configure(outbox__url=url)))
        assert finding.kind.id == "outbox.unreachable"
        assert "s3cret-word" not in str(finding.facts["why"])


class TestWeb:
    def test_a_port_that_is_taken(self, configure: Configure) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            (finding,) = look_at_web(patient(configure(web__port=port)))
            assert finding.kind.id == "web.port-taken"
            beside = look_at_web(patient(configure(web__port=port), running={"pid": 1}))
            assert ids(beside) == ["web.local"], "it is the running one's"
        assert ids(look_at_web(patient(configure(web__port=port)))) == ["web.local"]

    @pytest.mark.parametrize("turned", [False, True])
    def test_a_port_that_is_taken_at_one_address_of_a_name(
        self, configure: Configure, monkeypatch: pytest.MonkeyPatch, *, turned: bool
    ) -> None:
        """The server listens at all of them; ``localhost`` is IPv4 and IPv6."""
        addresses = ["127.0.0.1", "127.0.0.2"][:: -1 if turned else 1]
        monkeypatch.setattr(socket, "getaddrinfo", answers(addresses))
        with socket.create_server(("127.0.0.2", 0)) as taken:
            settings = configure(web__host="localhost", web__port=str(taken.getsockname()[1]))
            assert ids(look_at_web(patient(settings))) == ["web.port-taken"]
        assert ids(look_at_web(patient(settings))) == ["web.local"]

    def test_an_address_that_this_machine_lacks_is_done_without(
        self, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", answers(["192.0.2.1", "127.0.0.1"]))
        assert ids(look_at_web(patient(configure(web__host="localhost")))) == ["web.local"]
        monkeypatch.setattr(socket, "getaddrinfo", answers(["192.0.2.1"]))
        assert ids(look_at_web(patient(configure(web__host="localhost")))) == ["web.cannot-listen"]

    def test_an_address_of_another_machine(self, configure: Configure) -> None:
        assert ids(look_at_web(patient(configure(web__host="192.0.2.1"))))[-1] == "web.cannot-listen"

    @pytest.mark.parametrize(
        ("days", "told"),
        [(-1, "web.certificate-expired"), (5, "web.certificate-expiring"), (300, "web.certificate")],
    )
    def test_certificates(self, configure: Configure, tmp_path: Path, days: int, told: str) -> None:
        until = datetime.now(UTC) + timedelta(days=days, hours=1)  # noqa: TID251 - a certificate counts in real time
        cert = trustme.CA().issue_cert("127.0.0.1", not_after=until)
        cert.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        settings = configure(web__tls_cert=str(tmp_path / "cert.pem"), web__tls_key=str(tmp_path / "key.pem"))
        assert ids(look_at_web(patient(settings))) == ["web.local", told]

    def test_users_that_others_may_read(self, configure: Configure) -> None:
        settings = configure()
        users = UserFile(settings.web_users_file)
        users.set_password("vera", "a-good-password", now_utc=CLOCK.utc())
        assert ids(look_at_web(patient(settings))) == ["web.local"]
        settings.web_users_file.chmod(0o644)
        assert ids(look_at_web(patient(settings))) == ["web.local", "web.users-readable"]
        settings.web_users_file.write_text("no list")
        assert ids(look_at_web(patient(settings))) == ["web.unusable"]


class TestMachineAndSight:
    def test_the_machine(self, configure: Configure) -> None:
        told = ids(look_at_machine(patient(configure(), cameras=())))
        assert [name.partition(".")[0] for name in told] == ["machine"] * 3
        assert len(look_at_machine(patient(configure()))) == 1, "nothing is said of cameras that are not known"

    def test_model_and_decoder(self, configure: Configure) -> None:
        (model,) = look_at_model(patient(configure()))
        assert model.kind.id in {"model.ready", "model.slow"}
        assert model.facts["model"] == "centerface"
        assert ids(look_at_decoder(patient(configure()))) == ["decoder.ready", "decoder.network"]

    def test_a_model_that_is_not_there(self, configure: Configure, tmp_path: Path) -> None:
        (tmp_path / "other.onnx").write_bytes(b"no model")
        (finding,) = look_at_model(patient(configure(detector__model=str(tmp_path / "other.onnx"))))
        assert finding.kind.id == "model.missing"


class TestConfiguration:
    def look(self, tmp_path: Path) -> list[Finding]:
        config, env = tmp_path / "config.yaml", tmp_path / ".env"
        files = tuple(path for path in (config, env) if path.exists())
        where: dict[str, Any] = {"env_file": env if env.exists() else None, "environ": {}}
        settings = load_settings(config, **where)
        places = setting_places(config, **where)
        return look_at_configuration(Patient(settings, Origins(files, places), CLOCK))

    def test_files_with_passwords_that_others_may_read(self, tmp_path: Path) -> None:
        config, env = tmp_path / "config.yaml", tmp_path / ".env"
        config.write_text("cameras: [{id: a, url: 'rtsp://10.0.0.5/1'}]\n")
        config.chmod(0o644)
        assert ids(self.look(tmp_path)) == ["configuration.valid"], "it holds no password"
        config.write_text("cameras: [{id: a, url: 'rtsp://u:p@10.0.0.5/1'}]\n")
        env.write_text("FINDFACE_PASSWORD=s3cret-word\n")
        env.chmod(0o640)
        told = self.look(tmp_path)
        assert [(finding.kind.id, finding.point) for finding in told[1:]] == [
            ("configuration.readable", str(env)),
            ("configuration.readable", str(config)),
        ]
        config.chmod(0o600)
        env.chmod(0o600)
        assert ids(self.look(tmp_path)) == ["configuration.valid"]


def test_beside_a_run_its_cameras_are_told_as_it_sees_them(configure: Configure, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    settings = configure(cameras=f"[{{id: gate, url: '{tmp_path}/no.mp4', findface_id: 1, token: t}}]")
    page = {"cameras": [{"id": "gate", "state": "live", "codec": "h264", "width": 640, "height": 360, "fps": 15.0}]}
    StatusFile(settings.status_file, clock=CLOCK).write(page)
    areas = {Area.MACHINE, Area.CAMERAS, Area.CAPACITY}
    findings = examine(settings, Origins(), clock=CLOCK, areas=areas)
    told = ids(findings)
    assert told[0] == "machine.running"
    assert told[-2:] == ["cameras.watched", "capacity.skipped"]
    settings.status_file.unlink()
    told = ids(examine(settings, Origins(), clock=CLOCK, areas=areas))
    assert told[-1:] == ["cameras.file"], "and without one they are opened"


def test_a_look_that_breaks_off_is_told_and_the_others_go_on(
    configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise PermissionError(13, "not here")

    monkeypatch.setattr("vigia.bootstrap.doctor.machine.psutil.virtual_memory", broken)
    settings = configure(camera_list="config")
    findings = examine(settings, Origins(), clock=CLOCK, areas={Area.MACHINE, Area.DECODER})
    assert ids(findings) == ["any.look-broke", "decoder.ready", "decoder.network"]
    assert "PermissionError" in str(findings[0].facts["why"])
