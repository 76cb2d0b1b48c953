"""What an operator reads when the settings are wrong: one line for each mistake, with its place, never a secret."""

import os
from collections.abc import Mapping
from pathlib import Path
from traceback import format_exception

import pytest

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config import load_settings

SECRET = "hunter2"


def lines_for(
    directory: Path,
    text: str | bytes = "",
    *,
    dotenv: str | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, str] | None = None,
) -> list[str]:
    """The lines told; asserts that nothing that could be printed of the error holds the planted secret."""
    path, env_file = directory / "c.yaml", None
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    if dotenv is not None:
        env_file = directory / "e.env"
        env_file.write_text(dotenv, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, env_file=env_file, environ=environ or {}, overrides=overrides)
    assert SECRET not in "".join(format_exception(caught.value))
    return str(caught.value).replace(f"{directory}/", "").splitlines()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "detector:\n  # a note\n  min_fce_px: 3\n",
            "c.yaml, line 3: unknown key detector.min_fce_px; did you mean detector.min_face_px?",
        ),
        ("langage: en", "c.yaml, line 1: unknown key langage; did you mean language?"),
        ("Language: en", "c.yaml, line 1: unknown key Language; did you mean language?"),
        ("min_face_px: 3", "c.yaml, line 1: unknown key min_face_px; did you mean detector.min_face_px?"),
        (
            "tracks: {jpeg-quality: 3}",
            "c.yaml, line 1: unknown key tracks.jpeg-quality; did you mean capture.jpeg_quality?",
        ),
        ("shards: {zzzzzz: 3}", "c.yaml, line 1: unknown key shards.zzzzzz; known here are count, mode"),
        (
            "cameras:\n- id: a\n  url: x\n  tokn: 1\n",
            "c.yaml, line 4: unknown key cameras[0].tokn; did you mean cameras[0].token?",
        ),
        (
            "detector: {cadence_k: 11}",
            'c.yaml, line 1: detector.cadence_k must be auto or a whole number from 1 to 10, not "11"',
        ),
        (
            "detector: {cadence_k: true}",
            'c.yaml, line 1: detector.cadence_k must be auto or a whole number from 1 to 10, not "true"',
        ),
        (
            "\nlog:\n  queue_size: 3.5",
            'c.yaml, line 3: log.queue_size must be a whole number from 100 to 1000000, not "3.5"',
        ),
        (
            "capture: {roi_margin: .nan}",
            'c.yaml, line 1: capture.roi_margin must be a number from 0 to 2, not ".nan"',
        ),
        ("capture: {roi_margin: nan}", 'c.yaml, line 1: capture.roi_margin must be a number from 0 to 2, not "nan"'),
        ("capture: {roi_margin: [1]}", "c.yaml, line 1: capture.roi_margin must be a number from 0 to 2, not […]"),
        ("detector: {motion_gate: si}", 'c.yaml, line 1: detector.motion_gate must be true or false, not "si"'),
        (
            "detector: {sharp_look: always}",
            'c.yaml, line 1: detector.sharp_look must be one of auto, off, not "always"',
        ),
        (
            "detector: {sharp_face_px: 4}",
            'c.yaml, line 1: detector.sharp_face_px must be a number from 8 to 2000, not "4"',
        ),
        ("language: pt", 'c.yaml, line 1: language must be one of pt_BR, en, auto, not "pt"'),
        ("detector: yunet-s", 'c.yaml, line 1: detector must hold keys of its own, not "yunet-s"'),
        (
            "cameras: {a: b}",
            "c.yaml, line 1: cameras must be a list, each item begun with a dash, not {…}",
        ),
        ("cameras:\n- a", 'c.yaml, line 2: cameras[0] must hold keys of its own, not "a"'),
        ("cameras:\n\n- id: a", "c.yaml, line 3: cameras[0].url is missing"),
        ("data_dir: {a: 1}", "c.yaml, line 1: data_dir must be text, not {…}"),
        ("data_dir: ''", "c.yaml, line 1: data_dir is not a usable path"),
        ("data_dir: ~nobody-at-all/x", "c.yaml, line 1: data_dir is not a usable path"),
        ('data_dir: "a\\0b"', "c.yaml, line 1: data_dir is not a usable path"),
        ("findface: {url: 'http://'}", "c.yaml, line 1: findface.url has no usable host and port"),
        ("findface: {url: 'ftp://face'}", "c.yaml, line 1: findface.url must begin with http:// or https://"),
        ("detector: {model: yunet}", "c.yaml, line 1: detector.model: unknown model; did you mean yunet-s?"),
        (
            "detector: {model: resnet}",
            (
                "c.yaml, line 1: detector.model must be one of auto, yunet-s, yunet-n, centerface, or the path of an "
                ".onnx file"
            ),
        ),
        (
            "detector:\n  cadence_k_max: 2\n  cadence_k: 3",
            "c.yaml, line 3: detector.cadence_k (3) must not be larger than detector.cadence_k_max (2)",
        ),
        (
            "detector:\n  min_face_px: 90\n  min_face_px_overload: 60",
            "c.yaml, line 3: detector.min_face_px_overload (60) must not be less than detector.min_face_px (90)",
        ),
        (
            "source: {retry_min_s: 40}",
            "c.yaml, line 1: source.retry_min_s (40) must not be larger than source.retry_max_s (3)",
        ),
        (
            "memory:\n  hard_limit_mb: 100\n  soft_limit_mb: 200",
            "c.yaml, line 3: memory.soft_limit_mb (200) must not be larger than memory.hard_limit_mb (100)",
        ),
        (
            "outbox: {lease_s: 60}",
            (
                "c.yaml, line 1: outbox.lease_s (60) must be more than three times all FindFace time-outs together "
                "(90), or a capture could be sent twice"
            ),
        ),
        (
            "findface: {max_connections: 2}\ndelivery: {senders: 3}",
            "c.yaml, line 2: delivery.senders (3) must not be more than findface.max_connections (2)",
        ),
        (
            "memory: {interval_s: 100}",
            "c.yaml, line 1: memory.overdue_s (60) must not be less than memory.interval_s (100)",
        ),
        (
            "tracks: {filter_max_size: 50}",
            "c.yaml, line 1: tracks.filter_max_size (50) must not be less than the smallest face sent (60)",
        ),
        (
            "cameras:\n- {id: a, url: x}\n- {id: b, url: x}\n- {url: y, id: a}",
            "c.yaml, line 4: cameras[2].id: another camera has the id a already",
        ),
        (
            "cameras: [{id: a b, url: x}]",
            (
                "c.yaml, line 1: cameras[0].id must be 1 to 64 letters, digits, dots, dashes or underscores, "
                "the first a letter or digit"
            ),
        ),
    ],
)
def test_one_mistake_is_one_line(tmp_path: Path, text: str, line: str) -> None:
    assert lines_for(tmp_path, text) == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", "c.yaml, line 1: not valid YAML at column 5: a colon too many; quote the value or mend the "),
        ("language: en\n log: {}", "c.yaml, line 2: not valid YAML at column 5: a colon too many; quote the value or"),
        (f"findface:\n  password: '{SECRET}", "c.yaml, line 2: not valid YAML at column 21: a quote is never closed"),
        ("log:\n\tlevel: INFO", "c.yaml, line 2: not valid YAML at column 1: indent with spaces, not tabs"),
        (f"findface:\n  password: @{SECRET}", "c.yaml, line 2: not valid YAML at column 13: quote a value that begins"),
        (f"findface:\n  password: *{SECRET}", "c.yaml, line 2: not valid YAML at column 13: quote a value that begins"),
        (f"findface:\n  password: %{SECRET}", "c.yaml, line 2: not valid YAML at column 13: quote a value that begins"),
        (f"findface:\n  password: !{SECRET}", "c.yaml, line 2: findface.password: a value that begins with ! must be "),
        (f'findface:\n  password: "\\y{SECRET}"', "c.yaml, line 2: not valid YAML at column 15: a backslash in double"),
        (f"findface:\n  {SECRET}\n  user: a", "c.yaml, line 3: not valid YAML at column 7: a colon too many"),
        ("log: {}\n- a", "c.yaml, line 2: not valid YAML at column 1: mend the indentation"),
        ("log: {level: INFO", "c.yaml, line 1: not valid YAML at column 18"),
        ("a\nb: 1", "c.yaml, line 2: not valid YAML at column 2: a colon too many"),
        ("? a\nb", "c.yaml, line 2: not valid YAML at column 2: a key without its colon"),
        ("log: {}\n---\nlog: {}", "c.yaml, line 2: not valid YAML at column 1: only one document is allowed"),
        ("- a", "c.yaml, line 1: expected keys and values, such as language: pt_BR"),
        ("\n\nhello", "c.yaml, line 3: expected keys and values, such as language: pt_BR"),
        ("? [a]\n: b", "c.yaml, line 1: a key must be a word, not a list or keys of its own"),
        (f"findface:\n  password: a\x07{SECRET}", "c.yaml, line 2: a character that YAML does not allow"),
        ('a: "\\UFFFFFFFF"', "c.yaml, line 1: a character that YAML does not allow"),
        ("a: &a [*a]", "c.yaml, line 1: the values are nested too deeply, or repeated too often by aliases"),
        ("[" * 2000, "c.yaml, line 1: the values are nested too deeply, or repeated too often by aliases"),
        ("!!python/object/apply:os.abort []", "c.yaml, line 1: expected keys and values, such as language: pt_BR"),
        ("data_dir: !!python/object/apply:os.abort []", "c.yaml, line 1: data_dir: a value that begins with ! must be"),
        (
            "log:\n  level: INFO\n  file_backups: 1\n  level: DEBUG",
            "c.yaml, line 4: key log.level is given twice, first on line 2",
        ),
        (b"log: {}\n# \xff", "c.yaml, line 2: not UTF-8 text"),
        (b"# " + b"x" * 1_000_000, "c.yaml is larger than 1000000 bytes: that is no settings file"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_place(tmp_path: Path, text: str | bytes, line: str) -> None:
    told = lines_for(tmp_path, text)
    assert told[0].startswith(line)


def test_repeated_aliases_do_not_grow_without_end(tmp_path: Path) -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(ord(n) + 1)}: &{chr(ord(n) + 1)} [{','.join([f'*{n}'] * 9)}]\n" for n in "abcdefgh"
    )
    assert lines_for(tmp_path, bomb)[0].endswith("repeated too often by aliases")


def test_all_mistakes_are_told_in_the_order_of_reading(tmp_path: Path) -> None:
    assert lines_for(
        tmp_path,
        "language: xx\ncapture: {jpeg_quality: 0}\nlanguage: en\n",
        dotenv="FINDFACE_URL=face.example\nVIGIA_LANGUGE=en\n",
        environ={"VIGIA_LOG__QUEUE_SIZE": "5"},
        overrides={"detector.cadnce_k": "1"},
    ) == [
        'c.yaml, line 1: language must be one of pt_BR, en, auto, not "xx"',
        'c.yaml, line 2: capture.jpeg_quality must be a whole number from 1 to 100, not "0"',
        "c.yaml, line 3: key language is given twice, first on line 1",
        "e.env, line 1: findface.url must begin with http:// or https://",
        "e.env, line 2: unknown variable VIGIA_LANGUGE; did you mean VIGIA_LANGUAGE?",
        'VIGIA_LOG__QUEUE_SIZE: log.queue_size must be a whole number from 100 to 1000000, not "5"',
        "unknown key detector.cadnce_k; did you mean detector.cadence_k?",
    ]


def test_no_more_lines_than_a_screen_holds(tmp_path: Path) -> None:
    told = lines_for(tmp_path, "".join(f"k{n}: 1\n" for n in range(500)))
    assert len(told) == 21
    assert told[-1] == "… and 480 more"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("VIGIA_DETECTOR_MODEL", "unknown variable VIGIA_DETECTOR_MODEL; did you mean VIGIA_DETECTOR__MODEL?"),
        ("VIGIA_FINDFACE__PASWORD", "unknown variable VIGIA_FINDFACE__PASWORD; did you mean VIGIA_FINDFACE__PASSWORD?"),
        ("VIGIA_ABC__XYZ", "unknown variable VIGIA_ABC__XYZ"),
    ],
)
def test_unknown_variables_are_told(tmp_path: Path, name: str, line: str) -> None:
    assert lines_for(tmp_path, environ={name: SECRET}) == [line]


def test_variables_that_orchestrators_invent_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("", encoding="utf-8")
    environ = {"VIGIA_SERVICE_HOST": "10.0.0.1", "VIGIA_PORT_8080_TCP": "tcp://10.0.0.1:8080", "VIGIA_PORT": "x"}
    load_settings(path, env_file=None, environ=environ)


def test_mistakes_in_a_variable_name_it(tmp_path: Path) -> None:
    assert lines_for(tmp_path, environ={"VIGIA_CAMERAS": f"[{{id: a, url: 'rtsp://u:{SECRET}@h', x: 1}}]"}) == [
        (
            "VIGIA_CAMERAS: unknown key cameras[0].x; known here are id, name, url, findface_id, token, group, active, "
            "loop, pace, settings"
        )
    ]
    assert lines_for(tmp_path, environ={"VIGIA_CAMERAS": f"[{{id: a, url: '{SECRET}"}) == [
        "VIGIA_CAMERAS: not valid YAML at column 23: a quote is never closed"
    ]
    assert lines_for(tmp_path, dotenv="\n# x\nVIGIA_CAMERAS=5\n") == [
        'e.env, line 3: cameras must be a list, each item begun with a dash, not "5"'
    ]


def test_a_line_of_dotenv_that_is_none_is_told(tmp_path: Path) -> None:
    told = lines_for(tmp_path, dotenv=f"FINDFACE_USER=a\n\nFINDFACE PASSWORD {SECRET}\n'open={SECRET}\n")
    assert told == ["e.env, line 3: expected NAME=value", "e.env, line 4: expected NAME=value"]


@pytest.mark.parametrize(
    "text",
    [
        f"findface: {{password: [{SECRET}]}}",
        f"findface: {{password: {'x' * 1100}{SECRET}}}",
        f"findface: {{url: 'admin:{SECRET}@face'}}",
        f"findface: {{url: 'https://admin:{SECRET}@face'}}",
        f"findface: {{url: 'https:/admin:{SECRET}@face'}}",
        f"findface: {{url: 'https://admin:{SECRET}'}}",
        f"findface: {{url: 'https://face/?token={SECRET}'}}",
        f"findface: {{url: ['https://admin:{SECRET}@face']}}",
        f"cameras: [{{id: a, url: 'rtsp:/u:{SECRET}@h/'}}]",
        f"cameras: [{{id: a, url: 'rtsp://u:{SECRET}#x@h/'}}]",
        f"cameras: [{{id: a, url: 'rtsp://u:{SECRET}/x@h/'}}]",
        f"cameras: [{{id: a, url: 'rtps://u:{SECRET}@h/'}}]",
        f"cameras: [{{id: a, url: 'quux://u:{SECRET}@h/'}}]",
        f"cameras: [{{id: a, url: 'webcam:{SECRET}'}}]",
        f'cameras: [{{id: a, url: "rtsp://u:{SECRET}@h/\\n"}}, {{id: a, url: "x\\ny{SECRET}"}}]',
        f"cameras: [{{id: a, url: x, token: {{a: {SECRET}}}}}]",
        f"cameras: [{{id: a, url: x, pace: 'rtsp://u:{SECRET}@h'}}]",
        f"language: 'rtsp://u:{SECRET}/@h'",
        f"cameras: 'rtsp://u:{SECRET}@h'",
    ],
)
def test_no_secret_is_ever_repeated(tmp_path: Path, text: str) -> None:
    assert len(lines_for(tmp_path, text)) == 1  # lines_for looks for the secret


def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    told = lines_for(tmp_path, 'language: "\\e[31mred\\nline"\n"k\\ney": 1\n')
    assert told[0] == 'c.yaml, line 1: language must be one of pt_BR, en, auto, not "\\x1b[31mred\\nline"'
    assert told[1].startswith("c.yaml, line 2: unknown key k\\ney; known here are language, ")
    assert len(told) == 2
    assert all(line.isprintable() for line in told)


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.yaml does not exist$"):
        load_settings(tmp_path / "no.yaml", environ={})
    with pytest.raises(ConfigurationError, match=r"no\.env does not exist$"):
        load_settings(env_file=tmp_path / "no.env", environ={})
    with pytest.raises(ConfigurationError, match=r"is a directory, not a file$"):
        load_settings(tmp_path, environ={})
    with pytest.raises(ConfigurationError, match=r"xxx cannot be read: File name too long$"):
        load_settings(tmp_path / ("x" * 300), environ={})
    with pytest.raises(ConfigurationError, match=r"a\\x00b is not a usable path$"):
        load_settings(tmp_path / "a\0b", environ={})


def test_a_default_file_that_leads_nowhere_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").symlink_to("gone.yaml")
    with pytest.raises(ConfigurationError, match=r"^config\.yaml does not exist$"):
        load_settings(environ={})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(ConfigurationError, match=r"^no permission to read"):
        load_settings(path, environ={})


def test_each_line_is_an_error_that_can_be_told_in_another_language(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("language: xx\ndata_dir: ''\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, env_file=None, environ={})
    first, others = caught.value.facts["first"], caught.value.facts["others"]
    assert isinstance(first, ConfigurationError)
    assert isinstance(others, ConfigurationError)
    assert first.template == "%(file)s, line %(line)d: %(problem)s"
    problem = others.facts["problem"]
    assert isinstance(problem, ConfigurationError)
    assert (problem.template, problem.facts) == ("%(key)s is not a usable path", {"key": "data_dir"})
