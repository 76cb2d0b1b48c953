"""Where to look sharply: regions lie in the frame, cover it, and everybody gets a turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.regions import Region, RegionSearch, cut_by, region_around, tile, unseen

FRAMES = st.tuples(st.integers(64, 4200), st.integers(64, 2400))
TILES = st.tuples(st.integers(32, 1600), st.integers(32, 1600))
EDGES = st.floats(-3000, 6000, allow_nan=False)
NOBODY = np.zeros((0, 4), np.float32)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def assert_inside(region: Region, frame_wh: tuple[int, int]) -> None:
    assert region.left >= 0
    assert region.top >= 0
    assert region.right <= frame_wh[0]
    assert region.bottom <= frame_wh[1]
    assert all(value % 2 == 0 for value in (region.left, region.top, region.width, region.height))
    assert region.width >= 2
    assert region.height >= 2


@given(frame_wh=FRAMES, tile_wh=TILES, overlap_px=st.floats(0, 400))
def test_tiles_lie_in_the_frame_have_one_size_and_cover_it(
    frame_wh: tuple[int, int], tile_wh: tuple[int, int], overlap_px: float
) -> None:
    tiles = tile(frame_wh, tile_wh, overlap_px=overlap_px)
    covered = np.zeros((frame_wh[1] - frame_wh[1] % 2, frame_wh[0] - frame_wh[0] % 2), dtype=bool)
    for one in tiles:
        assert_inside(one, frame_wh)
        covered[one.top : one.bottom, one.left : one.right] = True
    assert covered.all()
    assert len({(one.width, one.height) for one in tiles}) == 1


@given(
    frame_wh=st.tuples(st.integers(640, 3840), st.integers(360, 2160)),
    share=st.floats(0.3, 0.9),
    side_px=st.floats(8, 40),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_a_small_box_lies_whole_in_some_tile(
    frame_wh: tuple[int, int], share: float, side_px: float, place: tuple[float, float]
) -> None:
    width, height = (side - side % 2 for side in frame_wh)
    tiles = tile(frame_wh, (int(width * share), int(height * share)), overlap_px=side_px)
    left, top = place[0] * (width - side_px), place[1] * (height - side_px)
    assert any(
        one.left <= left and left + side_px <= one.right and one.top <= top and top + side_px <= one.bottom
        for one in tiles
    )


@given(box=st.tuples(EDGES, EDGES, EDGES, EDGES), frame_wh=FRAMES, tile_wh=TILES)
def test_a_region_around_anything_lies_in_the_frame(
    box: tuple[float, float, float, float], frame_wh: tuple[int, int], tile_wh: tuple[int, int]
) -> None:
    assert_inside(region_around(box, frame_wh, tile_wh), frame_wh)


def test_a_region_has_its_face_in_the_middle_where_there_is_room() -> None:
    assert region_around((400, 300, 440, 360), (1920, 1080), (320, 180)) == Region(260, 240, 320, 180)
    assert region_around((0, 0, 40, 60), (1920, 1080), (320, 180)) == Region(0, 0, 320, 180)
    assert region_around((1900, 1050, 1920, 1080), (1920, 1080), (320, 180)) == Region(1600, 900, 320, 180)


def test_a_box_at_an_inner_edge_is_cut_one_at_the_frames_own_is_not() -> None:
    corner, middle = Region(0, 0, 400, 300), Region(400, 300, 400, 300)
    found = boxes((0, 0, 40, 50), (355, 100, 400, 160), (100, 100, 150, 160), (100, 250, 150, 299))
    assert cut_by(corner, found, (1920, 1080), slack_px=2.0).tolist() == [False, True, False, True]
    found = boxes((401, 350, 450, 400), (500, 350, 550, 400), (500, 301, 550, 350))
    assert cut_by(middle, found, (1920, 1080), slack_px=2.0).tolist() == [True, False, True]
    assert cut_by(middle, found, (800, 600), slack_px=2.0).tolist() == [True, False, True]
    assert cut_by(Region(0, 0, 1920, 1080), boxes((0, 0, 1920, 1080)), (1921, 1081), slack_px=2.0).tolist() == [False]


def test_another_look_at_the_same_face_is_no_new_one() -> None:
    seen = boxes((100, 100, 160, 180))
    assert unseen(boxes((104, 98, 166, 184), (300, 100, 360, 180)), seen, iou_max=0.3).tolist() == [False, True]
    assert unseen(seen, NOBODY, iou_max=0.3).tolist() == [True]
    assert unseen(NOBODY, seen, iou_max=0.3).tolist() == []


@given(
    faces=st.integers(0, 6),
    place=st.tuples(st.integers(0, 239), st.integers(0, 134)),
    before=st.integers(0, 40),
)
def test_a_face_in_the_moving_part_is_looked_at_within_twice_as_many_looks_as_there_are_tiles(
    faces: int, place: tuple[int, int], before: int
) -> None:
    frame_wh, side = (1920, 1080), 60.0
    search = RegionSearch(frame_wh, (720, 404), overlap_px=140.0)
    others = boxes(*((50.0 * n, 20.0, 50.0 * n + 40, 70.0) for n in range(faces)))
    for _ in range(before):
        search.choose(others, np.ones((135, 240), dtype=bool))
    left, top = min(place[0] * 8.0, 1920 - side), min(place[1] * 8.0, 1080 - side)
    changed = np.zeros((135, 240), dtype=bool)
    changed[int(top / 8) : int(top / 8) + 8, int(left / 8) : int(left / 8) + 8] = True
    for _ in range(2 * len(search.tiles)):
        region = search.choose(others, changed)
        if region is None:
            continue
        if region.left <= left and left + side <= region.right and region.top <= top and top + side <= region.bottom:
            return
    pytest.fail("never looked at")


def test_nothing_small_and_nothing_moving_is_no_reason_to_look() -> None:
    search = RegionSearch((1920, 1080), (720, 404), overlap_px=140.0)
    still = np.zeros((135, 240), dtype=bool)
    assert [search.choose(NOBODY, still) for _ in range(5)] == [None] * 5
    noise = still.copy()
    noise[10, 10] = noise[90, 200] = True
    assert search.choose(NOBODY, noise) is None


def test_small_faces_and_the_moving_part_take_turns() -> None:
    search = RegionSearch((1920, 1080), (720, 404), overlap_px=140.0)
    known = boxes((1500, 800, 1540, 850), (300, 200, 340, 250))
    around = [region_around(row.tolist(), (1920, 1080), (720, 404)) for row in known]
    chosen = [search.choose(known, None) for _ in range(6)]
    assert chosen[0::2] == [around[1], around[0], around[1]], "from left to right, each in its turn"
    assert chosen[1::2] == list(search.tiles[:3])


def test_where_nothing_moves_the_known_faces_have_every_turn() -> None:
    search = RegionSearch((1920, 1080), (720, 404), overlap_px=140.0)
    known = boxes((1500, 800, 1540, 850))
    around = region_around(known[0].tolist(), (1920, 1080), (720, 404))
    assert [search.choose(known, np.zeros((135, 240), dtype=bool)) for _ in range(4)] == [around] * 4


def test_neighbours_share_a_look_as_far_as_they_fit() -> None:
    search = RegionSearch((1920, 1080), (720, 404), overlap_px=140.0)
    still = np.zeros((135, 240), dtype=bool)
    known = boxes((100, 100, 140, 150), (500, 300, 540, 350), (900, 100, 940, 150), (1500, 900, 1540, 950))
    first, second, third, again = (search.choose(known, still) for _ in range(4))
    assert first == again == region_around((100, 100, 540, 350), (1920, 1080), (720, 404))
    assert second == region_around((900, 100, 940, 150), (1920, 1080), (720, 404))
    assert third == region_around((1500, 900, 1540, 950), (1920, 1080), (720, 404))
