"""Feeding shards from memory: what is read, what is counted, and that threads and processes find the same."""

from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import pytest

from vigia.application.errors import ApplicationError
from vigia.application.use_cases.commit_captures import CaptureRequest
from vigia.bench.context import BenchContext
from vigia.bench.flat_out import (
    FlatResult,
    FlatStream,
    WorkerReport,
    endless,
    flat_streams,
    found_passages,
    packets_of,
    result_of,
    share_out,
)
from vigia.bench.flat_workers import FlatWorkers, WorkersKind
from vigia.domain.passages import DeliveredCapture
from vigia.infrastructure.config import Settings
from vigia.infrastructure.demo import DemoClip, load_truth
from vigia.infrastructure.video.decoder import AvVideoDecoder

FRAMES = 30


@pytest.fixture
def streams(clips: list[DemoClip]) -> tuple[FlatStream, ...]:
    return flat_streams(clips, frames=FRAMES, count=3)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return BenchContext(tmp_path).settings(
        detector__model="centerface", detector__cadence_k=2, detector__input_width=320, detector__motion_gate="false"
    )


class Counter:
    def __init__(self) -> None:
        self.taken = 0
        self.finished = 0

    def offer(self, request: CaptureRequest) -> None:
        assert request.event.picture is not None
        self.taken += 1

    def finish(self) -> None:
        self.finished += 1


def test_fewer_clips_than_streams_are_shown_again_with_packets_of_their_own(clips: list[DemoClip]) -> None:
    first, second, again = flat_streams(clips, frames=FRAMES, count=3)
    assert (first.path, second.path, again.path) == (clips[0].path, clips[1].path, clips[0].path)
    assert len({stream.camera.id for stream in (first, second, again)}) == 3
    shared = {id(packet.payload) for packet in packets_of(first)} & {id(packet.payload) for packet in packets_of(again)}
    assert not shared


def test_a_stretch_begins_with_a_key_frame_and_is_complete(streams: tuple[FlatStream, ...]) -> None:
    with pytest.raises(ApplicationError, match="key frame"):
        packets_of(replace(streams[0], first=1))
    with pytest.raises(ApplicationError, match="key frame"):
        packets_of(replace(streams[0], frames=100_000))


def test_packets_without_end_decode_across_the_seam_and_their_time_goes_on(streams: tuple[FlatStream, ...]) -> None:
    packets = packets_of(streams[0])
    laps = list(islice(endless(packets), 2 * FRAMES + 1))
    assert [packet.index for packet in laps] == list(range(2 * FRAMES + 1))
    gaps_s = [second.at_mono_s - first.at_mono_s for first, second in pairwise(laps)]
    assert gaps_s == pytest.approx([1.0 / packets[0].stream.fps] * len(gaps_s))
    assert all(packet.stream is packets[0].stream for packet in laps)
    decoder = AvVideoDecoder(packets[0].stream)
    assert sum(len(decoder.decode(packet).frames) for packet in laps) + len(decoder.flush().frames) == len(laps)


def test_workers_take_streams_in_turn_and_none_is_left_without(streams: tuple[FlatStream, ...]) -> None:
    tasks = share_out(streams, None, workers=2)
    assert [[stream.number for stream in task.streams] for task in tasks] == [[0, 2], [1]]
    assert len(share_out(streams[:1], None, workers=2)) == 1


def test_a_measurement_lasts_from_the_first_start_to_the_last_end(streams: tuple[FlatStream, ...]) -> None:
    reports = [
        WorkerReport(started_s=10.0, ended_s=12.0, cpu_s=1.5, frames=30, faces=3, tracks=1),
        WorkerReport(started_s=10.5, ended_s=14.0, cpu_s=2.5, frames=50, faces=4, tracks=2),
    ]
    result = result_of(reports, streams, judged=False)
    assert result == FlatResult(frames=80, wall_s=4.0, cpu_s=4.0, faces=7, tracks=3)
    assert (result.fps, result.cores) == (20.0, 1.0)


def test_passages_are_found_by_the_clips_own_truth(clips: list[DemoClip]) -> None:
    truth = load_truth(clips[0].truth_path)
    stream = FlatStream(0, clips[0].path, clips[0].truth_path, 0, len(truth.frames))
    all_of_them = [
        DeliveredCapture(stream.camera.id, index, 0, face.box_xyxy)
        for index, faces in enumerate(truth.frames)
        for face in faces
    ]
    nothing = found_passages([stream], [], min_face_px=8.0)
    everything = found_passages([stream], all_of_them, min_face_px=8.0)
    assert nothing.truth > 0
    assert (nothing.delivered, everything.delivered, everything.missed) == (0, nothing.truth, ())


def test_threads_and_processes_do_the_same_work(streams: tuple[FlatStream, ...], settings: Settings) -> None:
    found = {}
    for kind in WorkersKind:
        with FlatWorkers(kind=kind) as workers:
            decoded, whole = workers.measure(streams, None), workers.measure(streams, settings)
        assert (decoded.frames, decoded.faces, decoded.passages) == (3 * FRAMES, 0, None)
        assert whole.frames == 3 * FRAMES
        assert min(whole.faces, whole.tracks, whole.captures) > 0
        found[kind] = (whole.faces, whole.tracks, whole.captures, whole.passages)
    assert found[WorkersKind.THREADS] == found[WorkersKind.PROCESSES]


def test_captures_go_to_whoever_takes_them_and_the_end_is_told_once(
    streams: tuple[FlatStream, ...], settings: Settings
) -> None:
    counter = Counter()
    result = FlatWorkers().measure(streams, settings, taker=counter, finish=counter.finish)
    assert result.captures > 0
    assert (counter.taken, counter.finished) == (result.captures, 1)


def test_a_worker_that_fails_ends_the_measurement_with_its_own_error(
    streams: tuple[FlatStream, ...], settings: Settings
) -> None:
    broken = (streams[0], replace(streams[1], first=1))
    for kind in WorkersKind:
        with FlatWorkers(kind=kind) as workers, pytest.raises(ApplicationError, match="key frame"):
            workers.measure(broken, settings)


def test_workers_without_a_stream_are_refused(streams: tuple[FlatStream, ...]) -> None:
    with pytest.raises(ApplicationError, match="a stream each"):
        FlatWorkers(4).measure(streams, None)
