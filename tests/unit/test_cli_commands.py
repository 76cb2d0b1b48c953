"""Commands as an operator types them: what they say in both languages, and the exit code."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from vigia import __version__
from vigia.cli import main
from vigia.infrastructure.i18n import catalogue

SECRET = "pl4nted-s3cret"
LANGUAGES = ("pt_BR", "en")
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no variables, no terminal; the language restored."""
    for name in os.environ:
        if name.startswith(("VIGIA_", "FINDFACE_")) or name in {"FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIGIA_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


def speak(monkeypatch: pytest.MonkeyPatch, language: str) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", language)


def write_cameras() -> None:
    Path("config.yaml").write_text(
        f"""\
cameras:
  - id: gate
    name: "[red]Portão[/red]"
    url: rtsp://admin:{SECRET}@192.0.2.7/live
    findface_id: 7
    token: {SECRET}
  - id: dock
    url: {Path("no-such.mp4").absolute()}
""",
        encoding="utf-8",
    )


def test_the_version(capsys: Captured) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vigia {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["models", "list", "--help"]])
def test_help_is_no_error(capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 0
    assert "Usage: vigia" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["nonsense"], ["run", "--no-option"], ["run", "--duration", "0"], ["demo", "--cameras", "0"], ["findface-stub"]],
)
def test_usage_errors_end_with_2(capsys: Captured, arguments: list[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Error" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("pt_BR", "Erro: --set cadence_k: escreva chave=valor, como detector.cadence_k=3\n"),
        ("en", "Error: --set cadence_k: write key=value, such as detector.cadence_k=3\n"),
    ],
)
@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_wrong_override(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, told: str, command: str
) -> None:
    speak(monkeypatch, language)
    assert main([command, "--set", "cadence_k"]) == 2
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(("language", "label"), [("pt_BR", "Erro"), ("en", "Error")])
def test_every_missing_variable_has_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, label: str
) -> None:
    speak(monkeypatch, language)
    assert main(["cameras", "list"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert [line.split(":")[0] for line in lines] == [label] * 3
    for line, name in zip(lines, ("FINDFACE_URL", "FINDFACE_USER", "FINDFACE_PASSWORD"), strict=True):
        assert name in line


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("pt_BR", "Erro: config.yaml, linha 2: chave desconhecida detector.cadense_k; quis dizer detector.cadence_k?"),
        ("en", "Error: config.yaml, line 2: unknown key detector.cadense_k; did you mean detector.cadence_k?"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["check"], ["cameras", "list"], ["models", "list"]])
def test_an_unknown_key(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, told: str, command: list[str]
) -> None:
    speak(monkeypatch, language)
    Path("config.yaml").write_text("detector:\n  cadense_k: 3\n", encoding="utf-8")
    assert main(command) == 2
    out, err = capsys.readouterr()
    assert (out, err.replace(f"{Path.cwd()}/", "")) == ("", f"{told}\n")


@pytest.mark.parametrize(
    ("language", "told"), [("pt_BR", "Erro: FindFace inacessível: "), ("en", "Error: FindFace cannot be reached: ")]
)
def test_what_may_work_later_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, told: str
) -> None:
    speak(monkeypatch, language)
    monkeypatch.setenv("FINDFACE_USER", "vigia")
    monkeypatch.setenv("FINDFACE_PASSWORD", SECRET)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        monkeypatch.setenv("FINDFACE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        assert main(["cameras", "list"]) == 1
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(told)
    assert SECRET not in out + err


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("pt_BR", "Erro: não existe o modelo nonesuch; escolha auto, "),
        ("en", "Error: there is no model nonesuch; choose auto, "),
    ],
)
@pytest.mark.parametrize("command", ["pull", "prepare"])
def test_an_unknown_model(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, told: str, command: str
) -> None:
    speak(monkeypatch, language)
    assert main(["models", command, "nonesuch"]) == 2
    assert capsys.readouterr().err.startswith(told)


@pytest.mark.parametrize(
    ("language", "titles", "state"),
    [
        ("pt_BR", ["modelo", "licença", "menor rosto", "estado"], "execute 'vigia models pull yunet-n'"),
        ("en", ["model", "licence", "smallest face", "state"], "run 'vigia models pull yunet-n'"),
    ],
)
def test_the_models(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, titles: list[str], state: str
) -> None:
    speak(monkeypatch, language)
    assert main(["models", "list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "\x1b" not in out
    head, *rows = out.splitlines()
    assert [head.find(title) for title in titles] == sorted(head.index(title) for title in titles)
    (row,) = [row for row in rows if row.split()[0] == "yunet-n"]
    assert row.endswith(state)
    assert all(row == row.rstrip() for row in rows)


def test_the_models_for_a_program(capsys: Captured) -> None:
    assert main(["models", "list", "--json"]) == 0
    models = {model["name"]: model for model in json.loads(capsys.readouterr().out)}
    assert models["yunet-n"]["path"] is None
    assert models["yunet-n"]["problem"]
    assert len(models["yunet-n"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("language", "titles"),
    [("pt_BR", ["id", "nome", "grupo", "FindFace", "estado", "URL"]),
     ("en", ["id", "name", "group", "FindFace", "state", "URL"])],
)  # fmt: skip
def test_the_cameras_without_their_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, titles: list[str]
) -> None:
    speak(monkeypatch, language)
    write_cameras()
    assert main(["cameras", "list"]) == 0
    out, err = capsys.readouterr()
    head, gate, dock = out.splitlines()
    assert head.split() == titles
    assert "[red]Portão[/red]" in gate
    assert gate.endswith("rtsp://***@192.0.2.7/live")
    assert "no-such.mp4" in dock
    assert SECRET not in out + err
    assert "\x1b" not in out


def test_the_cameras_for_a_program(capsys: Captured) -> None:
    write_cameras()
    assert main(["cameras", "list", "--json"]) == 0
    out = capsys.readouterr().out
    gate, dock = json.loads(out)
    assert (gate["id"], gate["name"], gate["findface_id"]) == ("gate", "[red]Portão[/red]", 7)
    assert dock["id"] == "dock"
    assert SECRET not in out


@pytest.mark.parametrize(
    ("language", "points", "texts"),
    [
        (
            "pt_BR",
            ["configuração", "diretório de dados", "fila", "modelo", "servidor web", "FindFace", "câmeras"],
            [
                "válida",
                "GB livres",
                "outbox",
                "só esta máquina",
                "falta FINDFACE_URL",
                "não se conhecem sem o FindFace",
            ],
        ),
        (
            "en",
            ["configuration", "data directory", "outbox", "model", "web server", "FindFace", "cameras"],
            ["valid", "GB free", "outbox", "only this machine", "FINDFACE_URL is missing", "not known without"],
        ),
    ],
)
def test_a_check_names_every_point_and_tells_one_cause_once(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str, points: list[str], texts: list[str]
) -> None:
    speak(monkeypatch, language)
    monkeypatch.setenv("VIGIA_DETECTOR__MODEL", "centerface")
    monkeypatch.setenv("VIGIA_WEB__PORT", "0")
    assert main(["check", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    findings = {finding["area"]: finding for finding in reversed(document["findings"])}  # the first of each area
    areas = ["configuration", "disk", "outbox", "model", "web", "findface", "cameras"]
    assert [findings[area]["point"] for area in areas] == points
    oks = [findings[area]["ok"] for area in areas]
    assert oks == [True, True, True, True, True, False, False]
    assert (document["ok"], document["errors"]) == (False, 2)
    told = [findings[area]["text"] for area in areas if area != "model"]
    for finding, text in zip(told, texts, strict=True):
        assert text in finding
    assert all(bool(finding["remedy"]) is (finding["status"] != "ok") for finding in document["findings"])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--only", "decoder"], 0),
        (["--only", "decoder", "--strict"], 0),
        (["--only", "configuration"], 0),
        (["--only", "configuration", "--strict"], 1),
        (["--only", "findface"], 1),
        (["--only", "fndface"], 2),
    ],
)
def test_a_check_of_some_areas(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, arguments: list[str], code: int
) -> None:
    monkeypatch.setenv("VIGIA_FINDFACE__READ_TIMEOUT_S", "20")  # valid, and a warning
    assert main(["check", "--json", *arguments]) == code
    out = capsys.readouterr().out
    if code != 2:
        document = json.loads(out)
        assert {finding["area"] for finding in document["findings"]} == {arguments[1]}
        assert document["ok"] is (code == 0)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_check_in_a_pipe_has_no_colours_and_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, language: str
) -> None:
    speak(monkeypatch, language)
    monkeypatch.setenv("VIGIA_DETECTOR__MODEL", "centerface")
    monkeypatch.setenv("VIGIA_WEB__PORT", "0")
    Path("in-the-way").touch()
    monkeypatch.setenv("VIGIA_DATA_DIR", str(Path("in-the-way").absolute() / "data"))
    Path("config.yaml").write_text(
        f"cameras:\n  - {{id: dock, url: {Path('no-such.mp4').absolute()}, token: {SECRET}}}\n", encoding="utf-8"
    )
    assert main(["check"]) == 1
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert SECRET not in out + err
    assert out.count("✗") == 3  # the directory, FindFace, the camera
    assert "in-the-way" in out
    assert "no-such.mp4" in out


@pytest.mark.parametrize("wanted", ["", "de_DE", "pt_BR"])
def test_until_the_settings_are_read_it_is_portuguese_unless_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, wanted: str
) -> None:
    monkeypatch.setenv("VIGIA_LANGUAGE", wanted)
    assert main(["run", "--set", "x"]) == 2
    assert capsys.readouterr().err.startswith("Erro: ")
