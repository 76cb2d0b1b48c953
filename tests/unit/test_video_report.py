"""A report's files: a table that spreadsheets open as it is, a page that holds all it shows, a place that is safe."""

import csv
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ApplicationError
from vigia.infrastructure.i18n import language, set_language
from vigia.infrastructure.report.directory import MARKER_NAME, ReportDirectory
from vigia.infrastructure.report.page import PageData, write_page
from vigia.infrastructure.report.records import JsonLines, read_lines
from vigia.infrastructure.report.table import write_table
from vigia.infrastructure.report.texts import COLUMNS, clock_time, number
from vigia.infrastructure.report.timeline import LANES_MAX, LINES_MAX, lay_out

HOSTILE = "<script>alert(1)</script>\"' onerror=x &amp; ]]> =1+1.mp4"


class Tags(HTMLParser):
    """What a browser would take for tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(params=["pt_BR", "en"])
def spoken(request: pytest.FixtureRequest) -> Any:
    before = language()
    yield set_language(request.param)
    set_language(before)


def shot(at_s: float = 1.0) -> dict[str, Any]:
    return {
        "at_s": at_s,
        "at_utc": "2026-01-31T08:00:01.000+00:00",
        "frame": 30,
        "box_xyxy": [1.5, 2.0, 81.5, 92.0],
        "frame_size_wh": [640, 360],
        "size_px": 80.0,
        "confidence": 0.91,
        "quality": 0.5,
        "quality_parts": {"size": 0.5, "<b>new</b>": 0.25},
    }


def capture(index: int, track: int) -> dict[str, Any]:
    return {"capture": index, "id": "a" * 32, "track": track, "chosen_as": "best"} | shot(float(index)) | {
        "picture": f"faces/capture-{index:05}.jpg"
    }  # fmt: skip


def track(index: int, *, reason: str | None = None, from_s: float = 0.0, to_s: float = 2.0) -> dict[str, Any]:
    return {
        "track": index,
        "fate": "captured" if reason is None else "filtered",
        "reason": reason,
        "from_s": from_s,
        "to_s": to_s,
        "duration_s": to_s - from_s,
        "events": 3,
        "picture": None if reason is None else f"faces/track-{index:05}.jpg",
        "best": shot(),
        "would_have_passed_with": [] if reason is None else [{"setting": "tracks.roi", "value": ""}],
    }


def summary(*, captured: int, filtered: int) -> dict[str, Any]:
    fates = {"captured": captured, "filtered": filtered, "lost": 0}
    return {
        "vigia": "0",
        "video": {
            "name": HOSTILE, "start_utc": "2026-01-31T08:00:00.000+00:00", "clock": "file", "duration_s": 60.0,
            "width": 640, "height": 360, "fps": 15.0, "codec": "h264",
        },
        "model": "yunet-n",
        "cadence_k": 2,
        "settings": {"tracks": {"roi": HOSTILE, "events_min": 2}},
        "tracks": {"started": captured + filtered} | fates,
        "captures": captured,
        "faces": 1234,
        "ledger": {
            "frames": {"detected": 9, "skipped": 1}, "skip_reasons": {HOSTILE: 1}, "tracks": fates,
            "filter_reasons": {"too_small": filtered},
        },
        "damage": HOSTILE,
        "sent_as": HOSTILE,
        "times_real_time": 12.34,
        "made_at_utc": "2026-02-01T08:00:00+00:00",
    }  # fmt: skip


def page_of(tmp_path: Path, *, captured: int, filtered: int) -> str:
    directory = ReportDirectory(tmp_path / "report")
    directory.begin()
    data = PageData(
        directory.part,
        directory.part / "tracks.jsonl",
        directory.part / "captures.jsonl",
        summary(captured=captured, filtered=filtered),
    )
    with JsonLines(data.captures) as captures, JsonLines(data.tracks) as tracks:
        for index in range(1, captured + 1):
            captures.write(capture(index, index))
            tracks.write(track(index))
            (directory.thumbs / f"capture-{index:05}.jpg").write_bytes(b"\xff\xd8jpeg")
        for index in range(captured + 1, captured + filtered + 1):
            tracks.write(track(index, reason="too_small"))
            (directory.thumbs / f"track-{index:05}.jpg").write_bytes(b"\xff\xd8jpeg")
    write_page(directory.part / "report.html", data)
    return (directory.part / "report.html").read_text(encoding="utf-8")


def test_the_page_holds_everything_and_asks_for_nothing(tmp_path: Path, spoken: str) -> None:
    page = page_of(tmp_path, captured=3, filtered=2)

    tags = Tags()
    tags.feed(page)
    assert not tags.names & {"script", "iframe", "object", "embed", "form"}
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5  # title, heading, damage, settings, reason, camera
    assert "&lt;b&gt;new&lt;/b&gt;" in page
    assert not re.search(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:|#)[a-z/]""", page)
    assert page.count("data:image/jpeg;base64,") == 5
    assert "default-src 'none'" in page
    assert ("Melhores imagens" in page, "Best shots" in page) == (spoken == "pt_BR", spoken == "en")
    assert ("1.234" if spoken == "pt_BR" else "1,234") in page
    ids = re.findall(r'id="(t\d+)"', page)
    assert sorted(ids) == ["t1", "t2", "t3", "t4", "t5"]
    assert {link.removeprefix("#") for link in re.findall(r'href="(#t\d+)"', page)} <= set(ids)


def test_an_empty_video_has_a_page_too(tmp_path: Path, spoken: str) -> None:
    page = page_of(tmp_path, captured=0, filtered=0)
    assert ("Nenhum rosto foi acompanhado" if spoken == "pt_BR" else "No face was followed") in page


def test_the_table_is_one_that_a_spreadsheet_opens(tmp_path: Path) -> None:
    for comma, delimiter, quality in ((True, ";", "0,5"), (False, ",", "0.5")):
        path = tmp_path / "captures.csv"
        write_table(path, [capture(1, 7)], video="=cmd|' /C calc'!A0", headers=COLUMNS, decimal_comma=comma)
        raw = path.read_bytes()
        assert raw.startswith(b"\xef\xbb\xbf")
        rows = list(csv.reader(raw.decode("utf-8-sig").splitlines(), delimiter=delimiter))
        assert rows[0] == list(COLUMNS)
        row = dict(zip(*rows, strict=True))
        assert row["video"] == "'=cmd|' /C calc'!A0"
        assert (row["track"], row["quality"]) == ("7", quality)


def test_lines_are_read_back_as_they_were(tmp_path: Path) -> None:
    values = [capture(1, 1), track(2, reason="too_small")]
    with JsonLines(tmp_path / "x.jsonl") as lines:
        for value in values:
            lines.write(value)
    assert list(read_lines(tmp_path / "x.jsonl")) == values


def test_a_report_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    directory = ReportDirectory(tmp_path / "clip")
    directory.begin()
    (directory.part / "half").touch()
    assert directory.summary() is None
    assert not directory.place.exists()
    directory.begin()  # an earlier process was killed
    assert not (directory.part / "half").exists()
    directory.publish({"fingerprint": "1"})
    assert directory.summary() == {"fingerprint": "1"}
    assert directory.place.stat().st_mode & 0o777 == 0o700
    directory.begin()
    assert directory.summary() == {"fingerprint": "1"}, "the done one stays until there is another"
    directory.publish({"fingerprint": "2"})
    assert directory.summary() == {"fingerprint": "2"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip"]


def test_a_report_has_its_name_only_when_all_of_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = ReportDirectory(tmp_path / "clip")
    directory.begin()
    for name in ("report.html", "faces/1.jpg", "captures.jsonl"):
        (directory.part / name).write_text("content")
    synced: list[Path] = []
    sync = os.fsync

    def recorded(handle: int) -> None:
        sync(handle)
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())

    monkeypatch.setattr(os, "fsync", recorded)
    directory.publish({"fingerprint": "1"})
    inside = {directory.place, *directory.place.rglob("*")}
    assert {path.relative_to(directory.part) for path in synced[:-1]} == {
        p.relative_to(directory.place) for p in inside
    }
    assert synced[-1] == tmp_path  # the name itself


def test_a_report_killed_between_two_renames_is_put_back(tmp_path: Path) -> None:
    directory = ReportDirectory(tmp_path / "clip")
    directory.begin()
    directory.publish({"fingerprint": "1"})
    directory.place.rename(tmp_path / ".clip.old")
    directory.begin()
    assert directory.summary() == {"fingerprint": "1"}


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "clip"
    place.mkdir()
    (place / "wedding.txt").write_text("dear")
    with pytest.raises(ApplicationError, match="no report of vigia"):
        ReportDirectory(place).begin()
    assert (place / "wedding.txt").read_text() == "dear"
    (place / "wedding.txt").unlink()
    ReportDirectory(place).begin()  # an empty one may be used
    part = tmp_path / ".other.part"
    part.mkdir()
    (part / "wedding.txt").write_text("dear")
    other = ReportDirectory(tmp_path / "other")
    with pytest.raises(ApplicationError, match="no report of vigia"):
        other.begin()
    other.abandon()
    assert (part / "wedding.txt").read_text() == "dear"
    link = tmp_path / "link"
    target = tmp_path / "target"
    target.mkdir()
    (target / MARKER_NAME).touch()
    link.symlink_to(target)
    with pytest.raises(ApplicationError, match="no report of vigia"):
        ReportDirectory(link).begin()


@given(
    duration_s=st.floats(0.1, 1e10),
    spans=st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)), max_size=40),
)
def test_bars_lie_inside_their_lines(duration_s: float, spans: list[tuple[float, float]]) -> None:
    tracks = [
        track(index, from_s=min(span) * duration_s, to_s=max(span) * duration_s)
        for index, span in enumerate(spans, start=1)
    ]
    lines = lay_out(tracks, duration_s=duration_s)
    assert 1 <= len(lines) <= LINES_MAX
    assert lines[0].from_s == 0.0
    assert lines[-1].to_s >= duration_s * 0.999
    assert {bar.track for line in lines for bar in line.bars} == {one["track"] for one in tracks}
    for line in lines:
        assert 1 <= line.lanes <= LANES_MAX
        for bar in line.bars:
            assert 0.0 <= bar.left_percent <= 100.0
            assert bar.width_percent > 0.0
            assert bar.left_percent + bar.width_percent <= 100.0 + 1e-9
            assert 0 <= bar.lane < line.lanes


def test_times_and_numbers_are_told_as_people_write_them(spoken: str) -> None:
    portuguese = spoken == "pt_BR"
    assert clock_time(3723.46) == ("1:02:03,5" if portuguese else "1:02:03.5")
    assert clock_time(59.97) == ("0:01:00,0" if portuguese else "0:01:00.0")
    assert clock_time(3723.4, tenths=False) == "1:02:03"
    assert number(1234.5, 1) == ("1.234,5" if portuguese else "1,234.5")
    assert json.dumps(number(0)) == '"0"'
