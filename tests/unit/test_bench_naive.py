"""The naive design and what can be put in place of its parts: both must do the same work, or a comparison is none."""

import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
import pytest

from making import MakeEvent
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import FlatResult, FlatStream, flat_streams
from vigia.bench.https_receiver import HttpsReceiver
from vigia.bench.naive import Bgr, NaiveFace, naive_detectors, run_naive
from vigia.bench.naive_comparison import NaiveComparison
from vigia.bench.naive_parts import (
    COLLECT_EVERY_FRAMES,
    OneLockTracker,
    OptimisticTracker,
    PooledPoster,
    Poster,
    RequestsPoster,
    Stall,
    Tracker,
    async_log,
    collect_in_loop,
    file_log,
    leave_alone,
    overlap,
    pooled_client,
)
from vigia.domain.camera import Camera, CameraId
from vigia.domain.event import FaceEvent
from vigia.domain.geometry import iou_matrix
from vigia.domain.passages import VISIBLE_MIN, PassageKey, PassageReport
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.testing.video import landmarks_for

FRAMES = 20
JPEG = b"\xff\xd8" + bytes(2000)


def nothing(_message: object, *_args: object) -> None:
    """No log."""


@dataclass
class Posts:
    jpegs: list[bytes] = field(default_factory=list)
    rois: list[tuple[int, int, int, int]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def __call__(self, camera: Camera, jpeg: bytes, *, roi: tuple[int, int, int, int]) -> None:
        assert camera.findface_id
        with self.lock:
            self.jpegs.append(jpeg)
            self.rois.append(roi)


class TruthDetector:
    """Finds what was drawn: it counts its frames."""

    def __init__(self, stream: FlatStream) -> None:
        self._frames = load_truth(stream.truth_path).frames
        self._next = stream.first

    def detect(self, frame: Bgr) -> list[NaiveFace]:
        assert frame.ndim == 3
        faces = [face for face in self._frames[self._next] if face.visible >= VISIBLE_MIN]
        self._next += 1
        boxes = np.array([face.box_xyxy for face in faces], dtype=np.float32).reshape(-1, 4)
        return [NaiveFace(box, points, 0.9) for box, points in zip(boxes, landmarks_for(boxes), strict=True)]


@pytest.mark.parametrize("make", [OneLockTracker, OptimisticTracker])
def test_both_trackers_tell_faces_cameras_and_silences_apart(
    make: type[OneLockTracker] | type[OptimisticTracker], make_event: MakeEvent
) -> None:
    told: list[str] = []
    tracker: Tracker = make(lambda message, *args: told.append(message % args))
    events: dict[str, list[FaceEvent]] = {
        "first": [make_event(100.0 + 2.0 * n, frame=n) for n in range(4)],
        "second": [make_event(700.0, frame=n) for n in range(4)],
        "other camera": [make_event(100.0, frame=n, camera="yard") for n in range(4)],
        "first's place, much later": [make_event(100.0, frame=n) for n in range(60, 64)],
    }
    tracks: defaultdict[str, set[int]] = defaultdict(set)
    for name, event in sorted(
        ((name, event) for name, found in events.items() for event in found), key=lambda pair: pair[1].frame_index
    ):
        tracks[name].add(tracker.follow(event))
    assert [len(numbers) for numbers in tracks.values()] == [1, 1, 1, 1]
    assert len(set.union(*tracks.values())) == 4
    assert len(told) == 16
    assert sum("started" in line for line in told) == 4


def test_the_plain_overlap_is_the_vectorised_one() -> None:
    boxes = np.random.default_rng(5).uniform(0.0, 60.0, (40, 4)).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    plain = [[overlap(a.tolist(), b.tolist()) for b in boxes] for a in boxes]
    assert np.allclose(plain, iou_matrix(boxes, boxes), atol=1e-5)


def test_every_line_is_written_by_both_logs_and_the_asynchronous_one_writes_batches(tmp_path: Path) -> None:
    naive, ours = Stall(), Stall()
    with file_log(tmp_path / "naive.log", naive) as info:
        for number in range(50):
            info("line %d", number)
    with async_log(tmp_path / "ours.log", ours, SystemClock()) as info:
        for number in range(50):
            info("line %d", number)
    for name in ("naive.log", "ours.log"):
        written = (tmp_path / name).read_text(encoding="utf-8")
        assert [f"line {n}" in written for n in range(50)] == [True] * 50
    assert (naive.lines, naive.writes) == (50, 50)
    assert 50 <= ours.lines <= 52  # with its own greeting and goodbye
    assert ours.writes < ours.lines
    assert not logging.getLogger("naive").handlers


def test_the_loop_collects_once_in_so_many_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    collections: list[int] = []
    monkeypatch.setattr("vigia.bench.naive_parts.gc.collect", lambda: collections.append(1))
    tidy, other = collect_in_loop(), collect_in_loop()
    for _ in range(COLLECT_EVERY_FRAMES * 2):
        tidy()
    other()
    leave_alone()()
    assert len(collections) == 2


def test_both_posters_deliver_and_only_the_pooled_one_keeps_its_connection() -> None:
    camera = Camera(CameraId("gate"), "gate", "memory", 1, token="t")
    opened = {}
    with HttpsReceiver() as receiver, pooled_client(receiver.url, receiver.ca_file, SystemClock()) as client:
        posters: dict[str, Poster] = {
            "naive": RequestsPoster(receiver.url, receiver.ca_file),
            "pooled": PooledPoster(client, SystemClock()),
        }
        for name, post in posters.items():
            before = receiver.counts()
            for _ in range(3):
                post(camera, JPEG, roi=(0, 0, 10, 10))
            after = receiver.counts()
            assert after["events"] - before["events"] == 3
            opened[name] = after["handshakes"] - before["handshakes"]
    assert opened == {"naive": 3, "pooled": 1}


def test_the_naive_design_reads_every_frame_and_posts_each_better_shot(clips: list[DemoClip]) -> None:
    streams = flat_streams(clips, frames=FRAMES, first=30, count=2)
    left = {stream.number: stream for stream in streams}
    posts = Posts()
    result = run_naive(
        streams,
        make_detector=lambda: TruthDetector(left.pop(min(left))),
        tracker=OneLockTracker(nothing),
        info=nothing,
        post=posts,
        make_tidy=leave_alone,
        clock=SystemClock(),
    )
    frames = [faces for stream in streams for faces in load_truth(stream.truth_path).frames[30 : 30 + FRAMES]]
    drawn = sum(face.visible >= VISIBLE_MIN for faces in frames for face in faces)
    assert (result.frames, result.faces) == (2 * FRAMES, drawn)
    assert result.captures == len(posts.jpegs) >= result.tracks > 0
    assert result.passages is not None
    assert (result.passages.missed, result.passages.false_captures) == ((), 0)
    for jpeg, (x, y, right, bottom) in zip(posts.jpegs, posts.rois, strict=True):
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (360, 640, 3)
        assert 0 <= x < right <= 640
        assert 0 <= y < bottom <= 360


def test_the_naive_detector_finds_the_faces_of_a_full_frame(tmp_path: Path, clips: list[DemoClip]) -> None:
    settings = BenchContext(tmp_path).settings(detector__model="centerface")
    makers = naive_detectors(settings)
    assert list(makers) == ["onnxruntime"]  # OpenCV's own class is for YuNet
    truth = load_truth(clips[0].truth_path)
    index = max(range(len(truth.frames)), key=lambda i: sum(face.visible == 1.0 for face in truth.frames[i]))
    capture = cv2.VideoCapture(str(clips[0].path))
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    frame = np.asarray(capture.read()[1], dtype=np.uint8)
    capture.release()
    found = makers["onnxruntime"]().detect(frame)
    boxes = np.array([face.box_xyxy for face in found])
    shown = np.array([face.box_xyxy for face in truth.frames[index] if face.visible == 1.0], dtype=np.float32)
    assert (iou_matrix(shown, boxes).max(axis=1) > 0.4).all()


def _result(fps: float, *missed: int) -> FlatResult:
    keys = tuple(PassageKey(CameraId("gate"), 0, number) for number in missed)
    report = PassageReport(
        truth=5,
        delivered=5 - len(keys),
        captures=5 - len(keys),
        small_captures=0,
        false_captures=0,
        unjudged=0,
        missed=keys,
    )
    return FlatResult(frames=1000, wall_s=1000.0 / fps, cpu_s=1.0, passages=report)


def test_the_quickest_cadence_that_finds_all_that_the_other_found_is_compared() -> None:
    vigia = {1: _result(200.0), 2: _result(320.0, 4), 3: _result(500.0, 4, 5)}
    made = NaiveComparison("yunet-s", {"onnxruntime": 20.0}, "onnxruntime", _result(20.0, 4), vigia, {1: 5, 2: 4, 3: 3})
    assert (made.chosen_k, made.held) == (2, True)
    assert made.ratio == pytest.approx(16.0)
    assert not replace(made, naive=_result(20.0)).held  # k=1 finds them all, and is too slow
    assert not replace(made, vigia={3: vigia[3]}).held  # quick, and misses one
    assert len(made.table().rows) == 4
