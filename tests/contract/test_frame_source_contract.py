"""FrameSource: one suite for the scripted fake and for PyAV on a generated clip."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from vigia.application.errors import SourceEnded, SourceUnreachable
from vigia.application.ports import FrameSource
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Packet
from vigia.infrastructure.video.source import AvFrameSource, Pace, SourceOptions
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedPacket, ScriptedSource

GATE = CameraId("gate")
FRAMES = 12


@dataclass(frozen=True)
class Rig:
    """Makes sources: a good one that can be opened twice, and one that cannot be opened."""

    source: Callable[[], FrameSource]
    broken: Callable[[], FrameSource]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 160, 120, "yuv420p", 6
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.full((180, 160), 20 + 10 * number, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 30)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(params=["scripted", "av-flat-out", "av-paced"])
def rig(request: pytest.FixtureRequest, clip: Path) -> Rig:
    clock = SimClock()
    if request.param == "scripted":
        run = ([ScriptedPacket()] * FRAMES, SourceEnded("over"))
        return Rig(
            lambda: ScriptedSource(GATE, [run, run], clock=clock),
            lambda: ScriptedSource(GATE, [SourceUnreachable("nobody there")], clock=clock),
        )
    options = SourceOptions(pace=Pace.FLAT_OUT if request.param == "av-flat-out" else Pace.TIMESTAMPS)
    return Rig(
        lambda: AvFrameSource(Camera(GATE, "Gate", str(clip)), clock=clock, options=options),
        lambda: AvFrameSource(Camera(GATE, "Gate", str(clip) + ".gone"), clock=clock, options=options),
    )


def read_to_the_end(source: FrameSource) -> list[Packet]:
    taken: list[Packet] = []

    def read() -> None:
        for packet in source.packets():
            taken.append(packet)  # noqa: PERF402 - what came before the error must be kept

    with pytest.raises(SourceEnded):
        read()
    return taken


def test_open_tells_of_the_stream_and_every_packet_names_it(rig: Rig) -> None:
    source = rig.source()
    stream = source.open()
    assert stream.codec
    assert stream.width > 0
    assert stream.height > 0
    assert stream.fps == pytest.approx(30.0)
    packets = read_to_the_end(source)
    assert len(packets) == FRAMES
    assert all(packet.stream is stream and packet.camera_id == GATE for packet in packets)
    assert all(packet.size_bytes > 0 for packet in packets)


def test_packets_are_numbered_in_order_and_only_the_first_is_a_new_beginning(rig: Rig) -> None:
    source = rig.source()
    source.open()
    packets = read_to_the_end(source)
    assert [packet.index for packet in packets] == list(range(FRAMES))
    assert [packet.discontinuity for packet in packets] == [True] + [False] * (FRAMES - 1)
    assert packets[0].is_key


def test_times_never_go_back_and_are_aware(rig: Rig) -> None:
    source = rig.source()
    source.open()
    packets = read_to_the_end(source)
    assert all(packet.at_utc.tzinfo is not None for packet in packets)
    for before, after in itertools.pairwise(packets):
        assert before.received_mono_s <= after.received_mono_s
        assert before.at_mono_s <= after.at_mono_s


def test_a_second_open_counts_on_and_begins_anew(rig: Rig) -> None:
    source = rig.source()
    source.open()
    first = read_to_the_end(source)
    source.close()
    source.open()
    second = read_to_the_end(source)
    assert [packet.index for packet in second] == list(range(len(first), len(first) + FRAMES))
    assert [packet.discontinuity for packet in second] == [True] + [False] * (FRAMES - 1)


def test_a_good_stream_has_no_bad_stamps_and_tells_nothing_of_its_clock(rig: Rig) -> None:
    source = rig.source()
    assert (source.bad_stamps, source.clock_off_s) == (0, None)
    source.open()
    read_to_the_end(source)
    assert (source.bad_stamps, source.clock_off_s) == (0, None)


def test_what_cannot_be_opened_says_so(rig: Rig) -> None:
    source = rig.broken()
    with pytest.raises(SourceUnreachable):
        source.open()
    source.close()


def test_close_and_interrupt_may_come_at_any_time_and_twice(rig: Rig) -> None:
    source = rig.source()
    source.close()
    source.open()
    source.close()
    source.close()
    source.interrupt()
    source.interrupt()
    source.close()
