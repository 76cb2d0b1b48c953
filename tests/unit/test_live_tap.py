"""Live pictures in the shard and at the reader: nothing without a watch, one picture with it, none after it."""

import gc
import weakref

import pytest

from lone_pipeline import GATE, LonePipeline
from vigia.application.live_pictures import LivePictures, small_size, width_class
from vigia.application.live_tap import WATCH_S, LiveSlot, LiveTap
from vigia.domain.camera import CameraId
from vigia.domain.frame import Picture
from vigia.testing.sim_clock import SimClock
from vigia.testing.video import ScriptedDecoder, ScriptedPacket, ScriptedPicture, packet, walk

FRAME_S = 1.0 / 30.0
FPS = 3.0


class Rig:
    """A camera whose pictures are put in by hand."""

    def __init__(self, *, fps: float = FPS) -> None:
        self.clock = SimClock()
        self.tap = LiveTap(self.clock, fps=fps)
        self.slot = self.tap.slot(GATE.id)
        self.lone = LonePipeline(decoders=ScriptedDecoder, clock=self.clock, live=self.slot)
        self.alive: list[weakref.ref[ScriptedPicture]] = []
        self._next = 0

    def play(self, frames: int) -> None:
        """A face that walks; the pictures are kept by nobody here."""
        for picture in walk(start_xy=(40, 60), step_xy=(2, 1), side_px=90, frames=frames):
            self.alive.append(weakref.ref(picture))
            self.lone.take(packet(GATE.id, self._next, clock=self.clock, script=ScriptedPacket(picture)))
            self._next += 1
            self.lone.frames.clear()
            del picture
            self.clock.advance(FRAME_S)

    def rest(self, seconds: float) -> None:
        """No packet comes; the shard ticks."""
        for _ in range(round(seconds / 0.1)):
            self.clock.advance(0.1)
            self.lone.pipeline.tick(self.clock.mono_s())

    def watch(self, width_px: int = 480) -> bool:
        return GATE.id in self.tap.watch([GATE.id], width_px=width_px)

    def seq(self) -> int:
        shot = self.tap.latest(GATE.id)
        return 0 if shot is None else shot.seq

    def kept(self) -> int:
        """Pictures that are alive although nobody's track needs them."""
        self.lone.pipeline.stop()
        self.lone.shots.clear()
        gc.collect()
        return sum(1 for ref in self.alive if ref() is not None)


def test_nothing_is_left_while_nobody_watches() -> None:
    rig = Rig()
    rig.play(60)
    assert rig.tap.latest(GATE.id) is None
    assert rig.tap.watched() == []


def test_who_watches_gets_the_next_picture_and_then_so_many_a_second() -> None:
    rig = Rig()
    assert rig.watch()
    rig.play(1)
    assert rig.seq() == 1
    seen = set()
    for _ in range(90):
        rig.watch()
        rig.play(1)
        seen.add(rig.seq())
    assert len(seen) in {8, 9, 10}, "three seconds, three a second"


def test_boxes_are_where_the_faces_are_with_their_quality() -> None:
    rig = Rig()
    rig.watch()
    rig.play(12)
    shot = rig.tap.latest(GATE.id)
    assert shot is not None
    (box,) = shot.boxes
    assert box.track_id == 1
    assert 0.0 < box.quality <= 1.0
    assert box.confidence == pytest.approx(0.9)
    assert box.unseen_s == 0.0
    assert isinstance(shot.picture, ScriptedPicture)
    assert box.box_xyxy == pytest.approx(shot.picture.faces_xyxy[0], abs=6.0)
    assert shot.size_wh == (640, 360)


def test_a_watch_ends_with_its_picture_whether_pictures_come_or_not() -> None:
    for silent in (False, True):
        rig = Rig()
        rig.watch()
        rig.play(3)
        assert rig.seq() == 1
        if silent:
            rig.rest(WATCH_S + 0.2)
        else:
            rig.play(round(WATCH_S / FRAME_S) + 3)
        assert rig.tap.latest(GATE.id) is None
        assert not rig.slot.watched


def test_a_reader_lets_go_where_the_shard_is_stuck() -> None:
    rig = Rig()
    rig.watch()
    rig.play(3)
    assert rig.tap.sweep()
    rig.clock.advance(WATCH_S + 0.1)  # no tick: the shard waits for a disk
    assert not rig.tap.sweep()
    assert rig.tap.latest(GATE.id) is None


def test_one_picture_is_held_at_most_and_none_after_the_watch() -> None:
    rig = Rig()
    for _ in range(60):
        rig.watch()
        rig.play(1)
    assert sum(1 for ref in rig.alive if ref() is not None) <= 1 + 3, "beside those of the open track"
    rig.play(round(WATCH_S / FRAME_S) + 3)
    assert rig.kept() == 0


def test_a_camera_that_is_no_more_keeps_nothing_and_is_not_known() -> None:
    rig = Rig()
    rig.watch()
    rig.play(3)
    assert rig.kept() == 0
    assert not rig.watch()
    again = rig.tap.slot(GATE.id)
    assert rig.watch()
    assert again.watched
    assert rig.tap.watch([CameraId("nobody")], width_px=480) == set()


def test_switched_off_there_are_none() -> None:
    rig = Rig(fps=0.0)
    rig.watch()
    rig.play(10)
    assert rig.tap.latest(GATE.id) is None
    assert rig.tap.interval_s == 0.0


def test_a_word_that_comes_while_the_watch_ends_is_not_lost() -> None:
    slot = LiveSlot(interval_s=0.3)
    slot.extend(10.0, width_px=320)
    seen = []
    for now_s in (9.9, 10.0):
        slot.tick(now_s)
        seen.append(slot.watched)
    slot.extend(12.0, width_px=320)
    assert [*seen, slot.watched] == [True, False, True]


def test_the_widest_that_is_asked_for_counts_while_the_watch_lasts() -> None:
    rig = Rig()
    rig.watch(960)
    rig.watch(320)
    assert rig.slot.width_px == 960
    rig.rest(WATCH_S + 0.2)
    rig.watch(320)
    assert rig.slot.width_px == 320


class CountingMaker:
    """Notes what is asked of it."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def small_jpeg(self, picture: Picture, *, size_wh: tuple[int, int], quality: int) -> bytes:
        assert quality == 70
        assert picture.width >= size_wh[0]
        self.sizes.append(size_wh)
        return b"\xff\xd8" + bytes(len(self.sizes))


def test_a_picture_is_made_once_for_all_who_ask_and_let_go() -> None:
    rig, maker = Rig(), CountingMaker()
    pictures = LivePictures(rig.tap, maker, clock=rig.clock)
    rig.watch()
    rig.play(2)
    shot = rig.tap.latest(GATE.id)
    assert shot is not None
    made = [pictures.jpeg(shot, width) for width in (480, 470, 480, 320)]
    assert maker.sizes == [(480, 270), (320, 180)]
    assert pictures.made == 2
    assert made[0] is made[1] is made[2]
    assert pictures.age_s(shot) == pytest.approx(2 * FRAME_S)
    assert pictures.sweep(), "somebody asked a moment ago"
    del shot
    rig.rest(WATCH_S + 0.2)
    assert not pictures.sweep()


@pytest.mark.parametrize(
    ("size_wh", "width_px", "small"),
    [
        ((1280, 720), 480, (480, 270)),
        ((1920, 1080), 320, (320, 180)),
        ((640, 481), 1280, (640, 480)),
        ((321, 241), 480, (320, 240)),
        ((720, 1280), 480, (480, 854)),
        ((4000, 2), 320, (320, 2)),
    ],
)
def test_sizes_are_even_and_of_the_same_shape(size_wh: tuple[int, int], width_px: int, small: tuple[int, int]) -> None:
    assert small_size(size_wh, width_px) == small


@pytest.mark.parametrize(("asked", "given"), [(16, 320), (320, 320), (321, 480), (1280, 1280), (5000, 1280)])
def test_widths_are_a_few(asked: int, given: int) -> None:
    assert width_class(asked) == given
