"""``vigia web``, and what ``vigia check`` says of the web server."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.web_entry import FirstPassword, first_password
from vigia.cli.app import main
from vigia.cli.web_command import tell_first_password
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.web.users import UserFile

USERS = Path("data/web-users.json")
FIRST = Path("data/first-password.txt")


@pytest.fixture(autouse=True)
def english_and_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")


@pytest.fixture
def passwd(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Passwd":
    return Passwd(monkeypatch, capsys)


class Passwd:
    """Calls the command with a text on its input."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, text: str, *arguments: str) -> tuple[int, str]:
        self.monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        code = main(["web", "passwd", *arguments])
        told = self.capsys.readouterr()
        return code, told.out + told.err


def test_users_are_made_by_hand_and_listed_without_hashes(passwd: Passwd, capsys: pytest.CaptureFixture[str]) -> None:
    assert passwd("a-good-password\n", "--user", "vera")[0] == 0
    assert passwd("another-password\nrest")[0] == 0  # the operator
    assert main(["web", "users", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["users"]
    assert [(user["user"], user["role"]) for user in listed] == [("operator", "operator"), ("vera", "viewer")]
    assert main(["web", "users"]) == 0
    shown = capsys.readouterr().out
    assert "vera" in shown
    assert "argon2" not in shown
    assert UserFile(USERS).check("operator", "another-password") is not None
    code, told = passwd("a-third-password\n", "--user", "vera", "--role", "operator")
    assert (code, "vera (operator) has a new password" in told) == (0, True)
    assert "a-third-password" not in told


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("hunter2\n", ["--user", "vera"], "a password has 10 to 256 characters"),
        ("", ["--user", "vera"], "there is no password in the input"),
        ("a-good-password\n", ["--user", "no spaces"], "must have 1 to 64 letters"),
        ("a-good-password\n", ["--role", "root"], "root"),
    ],
)
def test_what_will_not_do_is_told_and_makes_nothing(passwd: Passwd, text: str, arguments: list[str], told: str) -> None:
    code, said = passwd(text, *arguments)
    assert code == 2
    assert told in said
    assert "hunter2" not in said
    assert not USERS.exists()


def first(*, has_screen: bool) -> FirstPassword | None:
    return first_password(Settings(), clock=SystemClock(), has_screen=has_screen)


def test_the_first_password_goes_to_the_screen_only(capsys: pytest.CaptureFixture[str]) -> None:
    made = first(has_screen=True)
    assert made is not None
    tell_first_password(made)
    told = capsys.readouterr()
    assert told.out == ""
    assert "operator" in told.err
    assert made.password in told.err
    assert made.password not in repr(made)
    assert [path.name for path in Path("data").iterdir()] == ["web-users.json"]
    assert first(has_screen=True) is None


def test_where_there_is_no_screen_it_is_in_a_private_file_until_it_is_changed(
    passwd: Passwd, capsys: pytest.CaptureFixture[str]
) -> None:
    made = first(has_screen=False)
    assert made is not None
    tell_first_password(made)
    told = capsys.readouterr()
    assert made.password not in told.out + told.err
    assert str(FIRST) in told.err
    assert FIRST.read_text() == f"{made.password}\n"
    assert FIRST.stat().st_mode & 0o777 == 0o600
    assert UserFile(USERS).check("operator", made.password) is not None
    assert passwd("a-good-password\n", "--user", "vera")[0] == 0
    assert FIRST.exists()
    assert passwd("a-good-password\n")[0] == 0
    assert not FIRST.exists()


def test_no_user_is_made_whose_password_nobody_could_read() -> None:
    FIRST.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="first-password"):
        first(has_screen=False)
    assert not USERS.exists()


@pytest.mark.parametrize(
    ("variables", "ok", "told"),
    [
        ({}, True, "HTTP, only this machine"),
        ({"HOST": "0.0.0.0"}, False, "listens on 0.0.0.0 without TLS"),  # noqa: S104 - what is warned of
        ({"ENABLED": "false", "HOST": "0.0.0.0"}, True, "switched off"),  # noqa: S104
        ({"TLS_CERT": "no.pem", "TLS_KEY": "no.key"}, False, "cannot be used"),
    ],
)
def test_the_doctor_looks_at_the_web_server(
    variables: dict[str, str],
    ok: bool,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("VIGIA_DETECTOR__MODEL", "centerface")
    for name, value in {"PORT": "0", **variables}.items():
        monkeypatch.setenv(f"VIGIA_WEB__{name}", value)
    main(["check", "--json", "--only", "web"])
    point = next(f for f in json.loads(capsys.readouterr().out)["findings"] if f["point"] == "web server")
    assert (point["ok"], told in point["text"]) == (ok, True), point


def test_a_worker_process_loads_no_web_framework() -> None:
    code = (
        "import sys, vigia.bootstrap.worker_main; print({'fastapi', 'uvicorn', 'prometheus_client'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"
