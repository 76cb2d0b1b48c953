"""Videos through the whole hot path into their reports: what they hold, and what happens to those that fail."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from long_clip import repeated
from vigia.application.errors import ConfigurationError
from vigia.bootstrap import video_process
from vigia.bootstrap.video_job import ProcessOptions, VideoJob
from vigia.bootstrap.video_process import VideoFate, VideoOutcome, VideoProcess
from vigia.cli.process_command import _exit_code
from vigia.domain.errors import VigiaError
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings, load_settings
from vigia.infrastructure.demo import DemoClip
from vigia.infrastructure.report.directory import ReportDirectory
from vigia.infrastructure.report.records import read_lines
from vigia.infrastructure.video.video_file import read_facts

FASTER = {"detector.min_face_px": "60", "tracks.filter_min_size": "50", "tracks.track_miss_interval_s": "0.5"}
SURE_UTC = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)


def settings_with(**overrides: str) -> Settings:
    own = FASTER | {name.replace("__", "."): value for name, value in overrides.items()}
    return load_settings(Path(os.devnull), env_file=None, environ={}, overrides=own)


def processed(
    videos: list[Path],
    out: Path,
    *,
    options: ProcessOptions | None = None,
    settings: Settings | None = None,
    stop: threading.Event | None = None,
    on_progress: Callable[[float], None] = lambda _seconds: None,
) -> list[VideoOutcome]:
    outcomes: list[VideoOutcome] = []
    run = VideoProcess(
        settings if settings is not None else settings_with(),
        options if options is not None else ProcessOptions(),
        videos,
        out,
        clock=SystemClock(),
        stop=stop if stop is not None else threading.Event(),
    )
    run.run(outcomes.append, on_progress=on_progress)
    return outcomes


def summary_of(outcome: VideoOutcome) -> dict[str, Any]:
    assert outcome.fate is VideoFate.DONE, outcome.error
    assert outcome.summary is not None
    return outcome.summary


def test_a_report_holds_every_track_and_capture(clips: list[DemoClip], tmp_path: Path) -> None:
    passed: list[float] = []
    options = ProcessOptions(start_utc=SURE_UTC)
    outcome = processed([clips[0].path], tmp_path, options=options, on_progress=passed.append)[0]

    summary, report = summary_of(outcome), outcome.report
    tracks, captures = list(read_lines(report / "tracks.jsonl")), list(read_lines(report / "captures.jsonl"))
    assert summary["ledger"]["received"] == sum(summary["ledger"]["frames"].values()) == 60
    assert summary["video"]["duration_s"] == pytest.approx(4.0, abs=0.1)
    assert summary["cadence_k"] == 2, "15 pictures a second, looked at about eight times"
    assert len(tracks) == summary["tracks"]["started"] > 0
    assert len(captures) == summary["captures"] == summary["tracks"]["captured"] == 2, "two people pass"
    assert len({capture["id"] for capture in captures}) == 2
    owners = {number: track["track"] for track in tracks for number in track["captures"]}
    for capture in captures:
        assert owners[capture["capture"]] == capture["track"]
        at_utc = datetime.fromisoformat(capture["at_utc"])
        assert abs(at_utc - SURE_UTC - timedelta(seconds=capture["at_s"])) < timedelta(milliseconds=2)
        assert capture["frame"] == round(capture["at_s"] * 15)
        assert 0.0 < capture["quality"] <= 1.0
        assert set(capture["quality_parts"]) >= {"sharpness", "yaw"}
        with av.open(str(report / capture["picture"])) as picture:
            assert picture.streams.video[0].width > capture["size_px"]
    assert sorted(path.name for path in report.iterdir()) == [
        ".vigia-report", "captures.csv", "captures.jsonl", "faces", "report.html", "report.json", "tracks.jsonl",
    ]  # fmt: skip
    assert passed == sorted(passed)
    assert passed[-1] == pytest.approx(4.0, abs=0.2)


def test_results_do_not_depend_on_speed_or_threads(clips: list[DemoClip], tmp_path: Path) -> None:
    options = ProcessOptions(start_utc=SURE_UTC, annotate=True)
    run = VideoProcess(settings_with(), options, [clips[0].path], tmp_path, clock=SystemClock(), stop=threading.Event())
    machinery = run._machinery
    texts = []
    for threads in (1, 3):
        directory = ReportDirectory(tmp_path / f"threads-{threads}")
        job = VideoJob(clips[0].path, directory, replace(machinery, options=options))
        job.run(threads=threads)
        texts.append(
            [(directory.place / name).read_bytes() for name in ("tracks.jsonl", "captures.jsonl", "captures.csv")]
        )
    assert texts[0] == texts[1]


def test_tracks_that_were_not_worth_it_say_why(clips: list[DemoClip], tmp_path: Path) -> None:
    outcome = processed([clips[0].path], tmp_path, settings=settings_with(tracks__filter_min_size="150"))[0]
    tracks = list(read_lines(outcome.report / "tracks.jsonl"))
    missed = [track for track in tracks if track["reason"] == "too_small"]
    assert summary_of(outcome)["captures"] == 0
    assert len(missed) >= 2
    for track in missed:
        told = {one["setting"]: one["value"] for one in track["would_have_passed_with"]}
        assert told["tracks.filter_min_size"] <= track["best"]["size_px"] < 150
        assert (outcome.report / track["picture"]).stat().st_size > 500
    page = (outcome.report / "report.html").read_text(encoding="utf-8")
    assert page.count("tracks.filter_min_size: ") == len(missed)


def test_the_annotated_video_keeps_the_times(clips: list[DemoClip], tmp_path: Path) -> None:
    outcome = processed([clips[1].path], tmp_path, options=ProcessOptions(annotate=True))[0]
    with av.open(str(clips[1].path)) as source, av.open(str(outcome.report / "annotated.mp4")) as drawn:
        times = [frame.time for frame in source.decode(video=0)]
        frames = list(drawn.decode(video=0))
        assert [frame.time for frame in frames] == pytest.approx(times, abs=1e-3)
        capture = next(read_lines(outcome.report / "captures.jsonl"))
        frame = frames[capture["frame"]].to_ndarray(format="rgb24").astype(int)
        left, top, right, bottom = (round(edge) for edge in capture["box_xyxy"])
        edge = frame[(top + bottom) // 2, max(left - 4, 0) : left + 5]
        spread = edge.max(axis=1) - edge.min(axis=1)
        assert spread.max() > 80, "a line of a bright colour near the face's left edge"
    assert right > left


def test_what_is_done_is_skipped_and_what_changed_is_not(clips: list[DemoClip], tmp_path: Path) -> None:
    video, out = tmp_path / "clip.mp4", tmp_path / "out"
    shutil.copy(clips[0].path, video)
    assert processed([video], out)[0].fate is VideoFate.DONE
    made = (out / "clip" / "report.json").stat().st_mtime_ns
    known = processed([video], out)[0]
    assert known.fate is VideoFate.KNOWN
    assert known.summary is not None
    assert (out / "clip" / "report.json").stat().st_mtime_ns == made
    assert processed([video], out, options=ProcessOptions(force=True))[0].fate is VideoFate.DONE
    assert processed([video], out, settings=settings_with(tracks__events_min="3"))[0].fate is VideoFate.DONE
    assert processed([video], out, options=ProcessOptions(annotate=True))[0].fate is VideoFate.DONE
    assert processed([video], out, options=ProcessOptions(annotate=True))[0].fate is VideoFate.KNOWN
    os.utime(video, ns=(1, 1))
    assert processed([video], out, options=ProcessOptions(annotate=True))[0].fate is VideoFate.DONE
    assert [path.name for path in out.iterdir() if path.is_dir()] == ["clip"]


def test_one_that_fails_does_not_keep_the_others(clips: list[DemoClip], tmp_path: Path) -> None:
    whole = clips[0].path.read_bytes()
    bad = {
        "empty.mp4": b"",
        "noise.avi": bytes(range(256)) * 400,
        "text.mp4": b"hello\n" * 1000,
        "cut.mp4": whole[: len(whole) // 2],
    }
    for name, content in bad.items():
        (tmp_path / name).write_bytes(content)
    good = tmp_path / "good.mp4"
    shutil.copy(clips[0].path, good)
    outcomes = processed([*(tmp_path / name for name in bad), good], tmp_path / "out")
    fates = {outcome.path.name: outcome.fate for outcome in outcomes}
    assert fates == dict.fromkeys(bad, VideoFate.FAILED) | {"good.mp4": VideoFate.DONE}
    assert all(isinstance(outcome.error, VigiaError) for outcome in outcomes if outcome.fate is VideoFate.FAILED)
    assert [path.name for path in (tmp_path / "out").iterdir() if path.is_dir()] == ["good"]


def test_a_video_that_is_cut_off_is_told_as_damaged(clips: list[DemoClip], tmp_path: Path) -> None:
    stream = repeated(clips[0].path, tmp_path / "whole.mkv", times=2)
    whole = stream.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 6 // 10])
    summary = summary_of(processed([cut], tmp_path / "out")[0])
    assert summary["damage"]
    assert 2.0 < summary["video"]["duration_s"] < 7.0
    assert summary_of(processed([stream], tmp_path / "out2")[0])["damage"] is None


def test_the_time_of_day_comes_from_the_file(clips: list[DemoClip], tmp_path: Path) -> None:
    video = repeated(clips[0].path, tmp_path / "dated.mp4", times=1, creation_time="2025-06-01T12:00:00Z")
    assert read_facts(video).created_utc == datetime(2025, 6, 1, 12, tzinfo=UTC)
    told = summary_of(processed([video], tmp_path / "out")[0])["video"]
    assert (told["clock"], told["start_utc"]) == ("metadata", "2025-06-01T12:00:00.000+00:00")
    plain = tmp_path / "plain.mp4"
    shutil.copy(clips[0].path, plain)
    os.utime(plain, (SURE_UTC.timestamp(), SURE_UTC.timestamp()))
    told = summary_of(processed([plain], tmp_path / "out")[0])["video"]
    assert told["clock"] == "file"
    begins = SURE_UTC - timedelta(seconds=read_facts(plain).duration_s)
    assert datetime.fromisoformat(told["start_utc"]) == pytest.approx(begins, abs=timedelta(milliseconds=1))


def test_a_stop_takes_back_what_is_half_done(clips: list[DemoClip], tmp_path: Path) -> None:
    video = repeated(clips[0].path, tmp_path / "long.mp4", times=10)
    later = tmp_path / "later.mp4"
    shutil.copy(clips[1].path, later)
    stop = threading.Event()

    def soon(done_s: float) -> None:
        if done_s > 0.0:
            stop.set()

    out = tmp_path / "out"
    outcomes = processed([video], out, stop=stop, on_progress=soon)
    assert [outcome.fate for outcome in outcomes] == [VideoFate.STOPPED]
    assert not [path for path in out.iterdir() if path.is_dir()]
    assert processed([later], out)[0].fate is VideoFate.DONE


def test_a_worker_that_hangs_is_told_and_is_no_success(
    clips: list[DemoClip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, release = threading.Event(), threading.Event()

    def hang(_job: VideoJob, *, threads: int) -> dict[str, Any]:
        stop.set()
        assert release.wait(30.0)
        return {"threads": threads}

    monkeypatch.setattr(VideoJob, "run", hang)
    monkeypatch.setattr(video_process, "STOP_S", 0.2)
    try:
        outcomes = processed([clips[0].path], tmp_path, stop=stop)
    finally:
        release.set()
    assert [outcome.fate for outcome in outcomes] == [VideoFate.FAILED]
    assert "did not stop within" in str(outcomes[0].error)
    assert _exit_code(outcomes, 0, stop) == 1


def test_two_processes_do_not_write_to_one_folder(clips: list[DemoClip], tmp_path: Path) -> None:
    def again(_done_s: float) -> None:
        with pytest.raises(ConfigurationError, match="another vigia process"):
            processed([clips[1].path], tmp_path)

    assert processed([clips[0].path], tmp_path, on_progress=again)[0].fate is VideoFate.DONE
    assert json.loads((tmp_path / clips[0].path.stem / "report.json").read_text())["captures"] >= 1
