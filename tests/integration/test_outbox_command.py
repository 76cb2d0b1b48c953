"""``vigia outbox`` on a real outbox, at rest and beside the vigia that holds it: what it says, does, and ends with."""

import io
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from outbox_rigs import capture_id_of, capture_of
from vigia.cli import main
from vigia.domain.capture import CaptureId, CaptureState
from vigia.domain.outbox_policy import GivenUp
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.i18n import catalogue
from vigia.infrastructure.outbox import SqliteOutbox
from vigia.infrastructure.outbox.sealing import KeySource, key_id_of, sealed_with

Captured = pytest.CaptureFixture[str]
OLD_KEY, NEW_KEY = "00112233445566778899aabbccddeeff" * 2, "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
OUTBOX = Path("data/outbox")
PENDING, YOUNG, DELIVERED, REFUSED, DEAD, BARE = range(1, 7)
"""The captures of ``filled``, by number. All but YOUNG are three hours old."""


class LateClock(SystemClock):
    """It is three hours behind."""

    def utc(self) -> datetime:
        return super().utc() - timedelta(hours=3)


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in os.environ:
        if name.startswith(("VIGIA_", "FINDFACE_")) or name in {"FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIGIA_LANGUAGE", "en")
    monkeypatch.chdir(tmp_path)
    before = catalogue._Active.state
    yield
    catalogue._Active.state = before


def opened(*, keys: str = "", clock: SystemClock | None = None) -> SqliteOutbox:
    codec = KeySource.of(keys, None).sealer()
    return SqliteOutbox(OUTBOX, clock if clock is not None else SystemClock(), codec=codec, free_bytes_min=0)


def fill(*, keys: str = "") -> None:
    with closing(opened(keys=keys, clock=LateClock())) as outbox:
        for number in (DELIVERED, REFUSED, DEAD, BARE):
            outbox.commit(capture_of(number, "dock" if number == REFUSED else "gate"))
            (leased,) = outbox.lease(limit=1, duration_s=60.0)
            match number:
                case n if n == DELIVERED:
                    outbox.mark_delivered(leased, ["4611686018427387905"])
                case n if n == REFUSED:
                    outbox.mark_refused(leased, "no_face: no face was found")
                case _:
                    outbox.mark_dead(leased, "given up after 20 failures")
        outbox.commit(capture_of(PENDING))
        (picture,) = (OUTBOX / "pictures").glob(f"{capture_id_of(BARE)}*")
        picture.unlink()
        outbox.verify(repair=True)
    with closing(opened(keys=keys)) as outbox:
        outbox.commit(capture_of(YOUNG))


@pytest.fixture(params=["at rest", "beside a vigia"])
def filled(request: pytest.FixtureRequest) -> Iterator[None]:
    """Six captures in the outbox of the working directory; perhaps somebody holds it."""
    fill()
    with ExitStack() as held:
        if request.param == "beside a vigia":
            held.enter_context(closing(opened()))
        yield


def ids(*numbers: int) -> list[str]:
    return [capture_id_of(number) for number in numbers]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def state_of(number: int) -> CaptureState | None:
    with SqliteOutbox(OUTBOX, SystemClock(), beside=True) as outbox:
        entry = outbox.entry(capture_id_of(number))
    return None if entry is None else entry.state


def run(*arguments: str) -> int:
    return main(["outbox", *arguments])


@pytest.mark.usefixtures("filled")
def test_the_numbers(capsys: Captured) -> None:
    assert run("stats", "--json") == 0
    stats = json.loads(capsys.readouterr().out)
    assert stats["kept"] == {"pending": 2, "leased": 0, "delivered": 1, "refused": 1, "dead": 2}
    assert stats["in_all"] == stats["kept"]
    assert stats["unsent"] == 2
    assert 3 * 3600.0 <= stats["oldest_pending_age_s"] < 4 * 3600.0
    assert stats["picture_bytes"] == 4 * 102
    assert set(stats["given_up"]) == {code.value for code in GivenUp}
    assert run("stats") == 0
    out = capsys.readouterr().out
    assert ["pending", "2", "2"] in [line.split() for line in out.splitlines()]
    assert "3 h" in out
    assert "\x1b" not in out


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ([], [DELIVERED, REFUSED, DEAD, BARE, PENDING, YOUNG]),
        (["--state", "dead"], [DEAD, BARE]),
        (["--camera", "dock"], [REFUSED]),
        (["--older-than", "2h"], [DELIVERED, REFUSED, DEAD, BARE, PENDING]),
        (["--newer-than", "2h"], [YOUNG]),
        (["--newer-than", "4h", "--older-than", "2h", "--state", "pending"], [PENDING]),
        (["--older-than", "2000-01-01"], []),
        (["--limit", "2"], [DELIVERED, REFUSED]),
    ],
)
def test_a_list_for_programs_and_for_people(capsys: Captured, arguments: list[str], numbers: list[int]) -> None:
    assert run("list", "--json", *arguments) == 0
    assert [line["id"] for line in lines_of(capsys.readouterr().out)] == ids(*numbers)
    assert run("list", *arguments) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "camera", "state", "age", "attempts", "KB", "reason"]
    assert [row.split()[0] for row in rows] == ids(*numbers)


def test_a_long_list_says_that_it_goes_on(capsys: Captured) -> None:
    with closing(opened()) as outbox:
        for number in range(101):
            outbox.commit(capture_of(number))
    assert run("list") == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 101
    assert "--limit" in err
    assert run("list", "--limit", "101") == 0
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), err) == (102, "")


@pytest.mark.usefixtures("filled")
def test_one_capture_and_its_picture(capsys: Captured) -> None:
    assert run("show", capture_id_of(DEAD), "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["state"], shown["code"], shown["reason"]) == ("dead", "delivery", "given up after 20 failures")
    assert Path(shown["picture"]).read_bytes() == capture_of(DEAD).jpeg
    assert shown["sealed_by"] is None
    assert shown["details"] == capture_of(DEAD).details
    assert datetime.fromisoformat(shown["at"]) == capture_of(DEAD).at_utc
    assert run("show", capture_id_of(DEAD)) == 0
    assert shown["picture"] in capsys.readouterr().out
    assert run("show", capture_id_of(DELIVERED)) == 0
    out = capsys.readouterr().out
    assert "4611686018427387905" in out
    assert "not kept any more" in out


def test_a_sealed_picture_is_said_to_be_sealed(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(keys=NEW_KEY)
    key_id = KeySource.of(NEW_KEY, None).sealer().key_ids[0]
    assert run("show", capture_id_of(DEAD)) == 0
    assert f"sealed with the key {key_id}" in capsys.readouterr().out
    monkeypatch.setenv("VIGIA_OUTBOX_KEYS", NEW_KEY)
    assert run("show", capture_id_of(DEAD), "--json") == 0
    out = capsys.readouterr().out
    assert json.loads(out)["sealed_by"] == key_id
    assert NEW_KEY not in out


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["show", "0000"], "begins 6 captures"),
        (["show", "ffffff"], "there is no capture ffffff"),
        (["show", "dead!"], "dead! is no capture"),
        (["list", "--older-than", "2 hours"], "--older-than 2 hours"),
        (["list", "--state", "gone"], "--state"),
        (["list", "--limit", "0"], "--limit"),
        (["retry"], "say which captures"),
        (["retry", "0000", "--state", "dead"], "not by both"),
        (["retry", "--state", "pending"], "only refused and dead"),
        (["drop", "--yes"], "say which captures"),
        (["drop", "--yes", "--camera", "gate"], "--state"),
        (["drop", "--yes", "--state", "leased"], "being sent"),
        (["drop", "--state", "dead"], "--yes"),
        (["reseal"], "VIGIA_OUTBOX_KEYS"),
        (["export", "data"], "is not empty"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    states = [state_of(number) for number in (PENDING, YOUNG, DELIVERED, REFUSED, DEAD, BARE)]
    assert states == ["pending", "pending", "delivered", "refused", "dead", "dead"]


@pytest.mark.parametrize("command", [["stats"], ["list"], ["show", "0000"], ["verify"], ["export", "out"]])
def test_where_there_is_no_outbox_none_is_made(capsys: Captured, command: list[str]) -> None:
    assert run(*command) == 2
    assert "there is no outbox in" in capsys.readouterr().err
    assert not OUTBOX.exists()


def test_a_vigia_that_runs_takes_what_is_put_back_beside_it(capsys: Captured) -> None:
    fill()
    with closing(opened()) as running:
        assert {capture.id for capture in running.lease(limit=9, duration_s=60.0)} == set(ids(PENDING, YOUNG))
        assert run("retry", "--all", "--json") == 0
        assert json.loads(capsys.readouterr().out) == {
            "matched": 3, "put_back": 2, "without_picture": 1, "failed": 0,
        }  # fmt: skip
        leased = running.lease(limit=9, duration_s=60.0)
        assert {capture.id for capture in leased} == set(ids(REFUSED, DEAD))
        assert all(capture.maybe_sent for capture in leased), "they may have arrived: looked up first"
        assert running.tally().put_back == 2


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("arguments", "put_back"),
    [(["--state", "dead"], [DEAD]), (["--camera", "dock"], [REFUSED]), (["--older-than", "1h"], [REFUSED, DEAD])],
)
def test_filters_say_what_is_put_back(arguments: list[str], put_back: list[int]) -> None:
    assert run("retry", *arguments) == 0
    assert {n for n in (REFUSED, DEAD) if state_of(n) is CaptureState.PENDING} == set(put_back)


@pytest.mark.usefixtures("filled")
def test_named_captures_that_cannot_be_put_back_are_told_one_by_one(capsys: Captured) -> None:
    assert run("retry", *ids(DELIVERED, BARE, DEAD, PENDING)) == 1
    out, err = capsys.readouterr()
    assert out == "1 of 4 captures put back\n"
    assert len(err.splitlines()) == 3
    for number, told in ((DELIVERED, "is delivered"), (BARE, "no picture"), (PENDING, "is pending")):
        assert any(capture_id_of(number) in line and told in line for line in err.splitlines())
    assert state_of(DEAD) is CaptureState.PENDING


@pytest.mark.usefixtures("filled")
def test_what_is_dropped_is_gone_with_its_picture(capsys: Captured) -> None:
    assert run("drop", *ids(PENDING), "--yes") == 0
    assert run("drop", "--state", "dead", "--yes", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"matched": 2, "dropped": 2, "failed": 0}
    assert [state_of(number) for number in (PENDING, DEAD, BARE)] == [None, None, None]
    assert {file.name[:32] for file in (OUTBOX / "pictures").iterdir()} == set(ids(YOUNG, REFUSED))


class Terminal(io.StringIO):
    """Somebody sits there."""

    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize(
    ("answer", "code", "left"),
    [("y\n", 0, None), ("SIM\n", 0, None), ("n\n", 1, "dead"), ("\n", 1, "dead"), ("", 1, "dead")],
)
def test_a_person_is_asked_first(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, left: str | None
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    assert run("drop", *ids(DEAD)) == code
    assert "1 dead" in capsys.readouterr().err
    assert state_of(DEAD) == left


def test_what_is_being_sent_is_not_dropped(capsys: Captured) -> None:
    fill()
    with closing(opened()) as running:
        assert len(running.lease(limit=9, duration_s=60.0)) == 2
        assert run("drop", *ids(PENDING, DEAD), "--yes") == 1
        out, err = capsys.readouterr()
        assert out == "1 of 2 captures removed\n"
        assert f"capture {capture_id_of(PENDING)} is being sent" in err
        assert state_of(PENDING) is CaptureState.LEASED


@pytest.mark.usefixtures("filled")
def test_an_export_has_every_line_and_every_picture(capsys: Captured) -> None:
    assert run("export", "out/today", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": "out/today", "captures": 6, "pictures": 4, "without_picture": 2, "failed": 0,
    }  # fmt: skip
    folder = Path("out/today")
    lines = lines_of((folder / "captures.jsonl").read_text(encoding="utf-8"))
    assert [line["id"] for line in lines] == ids(DELIVERED, REFUSED, DEAD, BARE, PENDING, YOUNG)
    for line in lines:
        number = int(line["id"], 16)
        if number in {DELIVERED, BARE}:
            assert line["picture"] is None
        else:
            assert (folder / line["picture"]).read_bytes() == capture_of(number).jpeg
    assert len(list(folder.iterdir())) == 5
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


@pytest.mark.usefixtures("filled")
def test_an_export_takes_filters_and_tells_a_picture_that_is_damaged(capsys: Captured) -> None:
    (picture,) = (OUTBOX / "pictures").glob(f"{capture_id_of(DEAD)}*")
    picture.write_bytes(b"\xff\xd8" + b"?" * 100)
    assert run("export", "out", "--state", "dead", "--limit", "1") == 1
    out, err = capsys.readouterr()
    assert "1 captures, 0 pictures" in out
    assert capture_id_of(DEAD) in err
    (line,) = lines_of(Path("out/captures.jsonl").read_text(encoding="utf-8"))
    assert (line["picture"], "damaged" in line["problem"]) == (None, True)


def test_sealed_pictures_are_exported_open_with_the_key_only(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(keys=NEW_KEY)
    assert run("export", "without", "--state", "dead", "--limit", "1") == 1
    assert KeySource.of(NEW_KEY, None).sealer().key_ids[0] in capsys.readouterr().err
    monkeypatch.setenv("VIGIA_OUTBOX_KEYS", f"{OLD_KEY},{NEW_KEY}")
    assert run("export", "with", "--state", "dead", "--limit", "1") == 0
    assert (Path("with") / f"{capture_id_of(DEAD)}.jpg").read_bytes() == capture_of(DEAD).jpeg
    assert list(Path("without").glob("*.jpg")) == []


def test_a_long_job_tells_its_progress_in_lines_where_there_is_no_terminal(capsys: Captured) -> None:
    with closing(opened()) as outbox:
        for number in range(30):
            outbox.commit(capture_of(number))
    assert run("export", "out") == 0
    assert "captures exported: 100 %" in capsys.readouterr().err
    assert run("drop", "--state", "pending", "--limit", "25", "--yes") == 0
    assert "captures removed: 100 %" in capsys.readouterr().err
    assert run("drop", "--state", "pending", "--yes") == 0
    assert capsys.readouterr().err == "", "five are no long job"


@pytest.mark.usefixtures("filled")
def test_verifying_finds_and_with_repair_puts_right(capsys: Captured) -> None:
    assert run("verify", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["checked"], report["sound"], report["findings"]) == (4, True, [])
    (OUTBOX / "pictures" / "notes.txt").write_text("mine")
    assert run("verify") == 0
    assert "notes.txt" in capsys.readouterr().out
    (picture,) = (OUTBOX / "pictures").glob(f"{capture_id_of(PENDING)}*")
    picture.write_bytes(picture.read_bytes()[:-1])
    assert run("verify", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert report["counts"] == {"missing": 0, "truncated": 1, "wrong_hash": 0, "orphan": 0, "foreign": 1}
    (cut,) = [finding for finding in report["findings"] if finding["damage"] == "truncated"]
    assert (cut["capture"], cut["repaired"]) == (capture_id_of(PENDING), False)
    assert run("verify", "--repair") == 0
    assert "picture cut off" in capsys.readouterr().out
    assert state_of(PENDING) is CaptureState.DEAD
    assert run("verify") == 0


def test_a_missing_key_is_no_damage(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(keys=OLD_KEY)
    for keys in ("", NEW_KEY):
        monkeypatch.setenv("VIGIA_OUTBOX_KEYS", keys)
        assert run("verify", "--repair") == 2
        assert KeySource.of(OLD_KEY, None).sealer().key_ids[0] in capsys.readouterr().err
        assert state_of(PENDING) is CaptureState.PENDING
    monkeypatch.setenv("VIGIA_OUTBOX_KEYS", f"{NEW_KEY},{OLD_KEY}")
    assert run("verify", "--repair") == 0


def test_sealing_anew_needs_the_outbox_at_rest(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(keys=OLD_KEY)
    monkeypatch.setenv("VIGIA_OUTBOX_KEYS", f"{NEW_KEY},{OLD_KEY}")
    with closing(opened(keys=f"{NEW_KEY},{OLD_KEY}")):
        assert run("reseal") == 2
        err = capsys.readouterr().err
        assert f"process {os.getpid()}" in err
        assert "stop it first" in err
    assert run("reseal", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"resealed": 4, "already": 0, "unreadable": 0}
    new_id = KeySource.of(NEW_KEY, None).sealer().key_ids[0]
    assert sealed_with(OUTBOX / "pictures") == {new_id: 4}
    (picture,) = (OUTBOX / "pictures").glob(f"{capture_id_of(DEAD)}*")
    picture.write_bytes(picture.read_bytes()[:-1])
    assert key_id_of(picture.read_bytes()) == new_id
    monkeypatch.setenv("VIGIA_OUTBOX_KEYS", f"{OLD_KEY},{NEW_KEY}")
    assert run("reseal") == 1
    assert "3 pictures sealed anew" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("language", "titles", "told"),
    [
        ("pt_BR", ["id", "câmera", "estado", "idade", "tentativas", "KB", "motivo"], "1 de 1 capturas removidas\n"),
        ("en", ["id", "camera", "state", "age", "attempts", "KB", "reason"], "1 of 1 captures removed\n"),
    ],
)
def test_both_languages(
    capsys: Captured, monkeypatch: pytest.MonkeyPatch, language: str, titles: list[str], told: str
) -> None:
    fill()
    monkeypatch.setenv("VIGIA_LANGUAGE", language)
    assert run("list") == 0
    assert capsys.readouterr().out.splitlines()[0].split() == titles
    assert run("drop", *ids(DEAD), "--yes") == 0
    assert capsys.readouterr().out == told


def test_the_ids_of_a_pipe_are_whole(capsys: Captured) -> None:
    fill()
    assert run("list", "--state", "refused") == 0
    assert CaptureId(capsys.readouterr().out.splitlines()[1].split()[0]) == capture_id_of(REFUSED)
