"""From a CSV list to cameras and YAML: the configuration's rules, all mistakes at once, nothing lost on the way."""

import csv
import io
import json
import string
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from running import SECRET
from vigia.application.errors import ConfigurationError
from vigia.bootstrap.camera_import import column_kinds, holds_secrets, read_camera_list, with_credentials
from vigia.infrastructure.config import CameraSettings, load_settings
from vigia.infrastructure.config.yaml_layer import read_yaml
from vigia.infrastructure.yaml_text import cameras_block


def write(directory: Path, text: str) -> Path:
    file = directory / "list.csv"
    file.write_text(text, encoding="utf-8")
    return file


def mistakes(directory: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        read_camera_list(write(directory, text))
    assert SECRET not in str(refused.value)
    return str(refused.value).splitlines()


def test_a_brazilian_list(tmp_path: Path) -> None:
    text = (
        "id;Nome;Endereço;Grupo;Usuário;Senha;Ativo;findface_id;token;filter_min_size;filter_min_quality;jpeg_quality\n"
        "gate;Portão;rtsp://10.0.0.5:554/s?c=1;Loja;ana;p@ss:/#;sim;7;0a1b;80;0,5;90\n"
        "007;no;/dev/video0;;;;não;;;;;\n"
    )
    gate, second = read_camera_list(write(tmp_path, text))
    assert gate.settings.url == "rtsp://ana:p%40ss%3A%2F%23@10.0.0.5:554/s?c=1"
    assert gate.settings.token is not None
    assert gate.settings.settings.values() == {"filter_min_size": 80.0, "filter_min_quality": 0.5, "jpeg_quality": 90}
    assert (second.settings.id, second.settings.name, second.settings.active) == ("007", "no", False)
    assert yaml.safe_load(cameras_block([gate.document, second.document])) == {
        "cameras": [
            {
                "id": "gate", "name": "Portão", "url": gate.settings.url, "group": "Loja", "active": True,
                "findface_id": 7, "token": "0a1b",
                "settings": {"filter_min_size": 80, "filter_min_quality": 0.5, "jpeg_quality": 90},
            },
            {"id": "007", "name": "no", "url": "/dev/video0", "active": False},
        ]
    }  # fmt: skip


def test_all_mistakes_at_once_with_row_and_column(tmp_path: Path) -> None:
    text = (
        "id,endereco,ativo,filter_min_size,usuario,senha,token,colour\n"
        "g 1,rtspx://a,maybe,-3,,,,\n"
        "a,10.0.0.4,,,,,,\n"
        "a,rtsp://x,,,,,,\n"
        f"b,rtsp://h/s,,,,{SECRET},,\n"
        f"c,rtsp://u:{SECRET}@h/s,,,u,{SECRET},,\n"
        f"d,,,,,,{SECRET},\n"
        ",rtsp://h,,,,,,\n"
        f"e,rtsp://h/s,,,,,,,,{SECRET}\n"
        f"f,/dev/video0,,,ana,{SECRET},,\n"
    )
    found = mistakes(tmp_path, text)
    assert found[0].endswith("list.csv:")
    assert found[1:] == [
        "row 1, column colour: unknown column; known are " + ", ".join(column_kinds()),
        (
            "row 2, column id: id must be 1 to 64 letters, digits, dots, dashes or underscores, "
            "the first a letter or digit"
        ),
        "row 2, column endereco: url: unknown protocol rtspx; did you mean rtsp?",
        'row 2, column ativo: active must be true or false, not "maybe"',
        'row 2, column filter_min_size: filter_min_size must be a number from 0 to 8192, not "-3"',
        "row 3, column endereco: an address begins with its protocol, such as rtsp://",
        "row 4, column id: row 3 has the same id",
        "row 5, column senha: a password without a user",
        "row 6, column usuario: user and password are in the address already: leave them out of it, or of the columns",
        "row 7: url is missing",
        "row 8: id is missing",
        "row 9: more cells than columns; quote a cell that holds a separator",
        "row 10, column usuario: a user goes with an address such as rtsp://10.0.0.5/stream",
    ]


def test_settings_that_contradict_each_other_are_told_with_their_row(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "id,url,filter_min_size,filter_max_size\na,rtsp://h/s,80,90\nb,rtsp://h/s,80,70\n")
    assert len(found) == 2
    assert found[1].startswith("row 3")


def test_a_list_is_judged_by_the_configuration_that_it_goes_into(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text("tracks: {filter_max_size: 50, filter_min_size: 20}\n", encoding="utf-8")
    file = write(tmp_path, "id,url,filter_min_size\na,rtsp://h/s,60\n")
    assert len(read_camera_list(file)) == 1
    with pytest.raises(ConfigurationError, match="row 2"):
        read_camera_list(file, base=read_yaml(base))


def test_a_broken_configuration_is_told_as_such(tmp_path: Path) -> None:
    base = tmp_path / "config.yaml"
    base.write_text("trucks: {}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"config.yaml, line 1: unknown key trucks"):
        read_camera_list(write(tmp_path, "id,url\na,rtsp://h/s\n"), base=read_yaml(base))


def test_secrets_are_noticed(tmp_path: Path) -> None:
    def secret(text: str) -> bool:
        return holds_secrets(read_camera_list(write(tmp_path, text)))

    assert not secret("id,url\na,rtsp://h/s\n")
    assert secret("id,url\na,rtsp://u:p@h/s\n")
    assert secret("id,url,token\na,rtsp://h/s,t\n")


@pytest.mark.parametrize("password", ["p@ss", "a:b/c?d#e", "%41", "ção", "π ≠ 3", ""])
def test_passwords_are_percent_encoded(password: str) -> None:
    url = with_credentials("rtsp://h:554/s", "ana", password)
    userinfo = url.removeprefix("rtsp://").rpartition("@")[0]
    assert userinfo == "ana" + (f":{quote(password, safe='')}" if password else "")


PRINTABLE = st.characters(min_codepoint=32, max_codepoint=0x2FFFF, exclude_categories=("C", "Z"))
NAMES = st.text(st.sampled_from(" ") | PRINTABLE, max_size=30).map(str.strip)
SECRETS = st.text(st.sampled_from("@:/?#%; ,'\"\\") | PRINTABLE, min_size=1, max_size=20).map(str.strip).filter(bool)
IDS = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
HOSTS = st.sampled_from(["10.0.0.5", "cam.example", "[fe80::1]", "10.0.0.5:8554"])
PATHS = st.text(string.ascii_letters + string.digits + "/?=&;,'", max_size=15)
OWN = st.fixed_dictionaries(
    {},
    optional={
        "filter_min_size": st.integers(0, 100) | st.floats(0, 100).map(lambda x: round(x, 3)),
        "filter_max_size": st.integers(200, 8000),
        "filter_min_quality": st.floats(0, 1).map(lambda x: round(x, 4)),
        "overall_only": st.booleans(),
        "jpeg_quality": st.integers(1, 100),
        "roi": st.sampled_from(["640x480+0+0", "100x100+20+30"]),
        "picture": st.sampled_from(["full", "crop"]),
        "rtsp_transport": st.sampled_from(["tcp", "udp"]),
    },
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, str]:
    row: dict[str, object] = {"id": draw(IDS), "url": f"rtsp://{draw(HOSTS)}/{draw(PATHS)}", "name": draw(NAMES)}
    row["group"] = draw(NAMES)
    if draw(st.booleans()):
        row["user"], row["password"] = draw(SECRETS), draw(st.just("") | SECRETS)
    if draw(st.booleans()):
        row["findface_id"], row["token"] = draw(st.integers(1, 10**6)), draw(st.text("0123456789abcdef", min_size=32))
    row["active"] = draw(st.booleans())
    row |= draw(OWN)
    return {key: str(value) for key, value in row.items()}


def expected(row: dict[str, str]) -> CameraSettings:
    """The camera that a row stands for, made without any of the code under test."""
    own = {key: value for key, value in row.items() if key not in CameraSettings.model_fields}
    user, password = own.pop("user", ""), own.pop("password", "")
    given = {key: value for key, value in row.items() if key in CameraSettings.model_fields and value}
    if user:
        userinfo = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        given["url"] = row["url"].replace("://", f"://{userinfo}@")
    return CameraSettings.model_validate({**given, "settings": own})


def as_csv(listed: list[dict[str, str]], separator: str) -> bytes:
    columns = list(dict.fromkeys(key for row in listed for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", delimiter=separator)
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue().encode("utf-8-sig")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    listed=st.lists(rows(), min_size=1, max_size=4, unique_by=lambda row: row["id"]), separator=st.sampled_from(",;\t")
)
def test_any_cameras_written_as_csv_and_imported_are_the_same_cameras(
    tmp_path: Path, listed: list[dict[str, str]], separator: str
) -> None:
    file, yaml_file = tmp_path / "list.csv", tmp_path / "config.yaml"
    file.write_bytes(as_csv(listed, separator))
    imported = read_camera_list(file)
    assert [camera.settings for camera in imported] == [expected(row) for row in listed]

    yaml_file.write_text(cameras_block([camera.document for camera in imported]), encoding="utf-8")
    loaded = load_settings(yaml_file, env_file=None, environ={})
    assert list(loaded.cameras) == [expected(row) for row in listed]
    assert json.dumps(yaml.safe_load(yaml_file.read_text(encoding="utf-8"))), "any reader of YAML takes it"
