"""The choreography's promises, checked on the truth itself: no picture is drawn here."""

from dataclasses import replace
from functools import cache
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.domain.geometry import as_boxes_xyxy, iou_matrix
from vigia.domain.ground_truth import ClipTruth
from vigia.infrastructure.demo import DemoSpec, camera_name, plan_clip
from vigia.infrastructure.demo.choreography import MOTIONS, Path, Stage, Walker, crossing_pair
from vigia.infrastructure.demo.plan import ClipPlan

DEFAULT = DemoSpec()
CLIPS = range(3)


@cache
def plan_of(spec: DemoSpec, index: int) -> tuple[ClipPlan, ClipTruth]:
    plan = plan_clip(spec, index)
    return plan, plan.truth()


def test_the_same_spec_gives_the_same_truth() -> None:
    assert plan_clip(DEFAULT, 0).truth() == plan_of(DEFAULT, 0)[1]


def test_another_seed_or_number_gives_other_people() -> None:
    tiny = DemoSpec.tiny()
    truths = [plan_of(tiny, 0)[1], plan_of(tiny, 1)[1], plan_of(replace(tiny, seed=8), 0)[1]]
    assert truths[0] != truths[1]
    assert truths[0] != truths[2]


def test_a_clip_does_not_depend_on_how_many_there_are() -> None:
    tiny, one = DemoSpec.tiny(), DemoSpec.tiny(count=1)
    assert tiny.key == one.key
    assert plan_of(tiny, 0)[1] == plan_of(one, 0)[1]


@pytest.mark.parametrize("index", CLIPS)
def test_nobody_is_seen_at_either_end(index: int) -> None:
    frames = plan_of(DEFAULT, index)[1].frames
    assert len(frames) == 660
    margin = int(0.7 * 30)
    assert not any(frames[:margin])
    assert not any(frames[-margin:])


@pytest.mark.parametrize("index", CLIPS)
def test_every_figure_starts_and_ends_outside_the_picture(index: int) -> None:
    for passage in plan_of(DEFAULT, index)[0].passages:
        for offset in (0, -1):
            x, y = passage.origins[offset]
            scale = 1.01 ** passage.steps[offset]
            assert x >= 1280 or y >= 720 or x + scale * passage.figure.alpha.shape[1] <= 0


@pytest.mark.parametrize("index", CLIPS)
def test_a_passage_is_one_stay_of_one_person(index: int) -> None:
    plan, truth = plan_of(DEFAULT, index)
    assert 4 <= len(plan.passages) <= 8
    identities = {p.passage_id: p.identity for p in plan.passages}
    assert len(identities) == len(plan.passages)
    for passage_id, identity in identities.items():
        shown = [n for n, faces in enumerate(truth.frames) for f in faces if f.passage_id == passage_id]
        assert shown == list(range(shown[0], shown[-1] + 1))
        assert {f.identity for faces in truth.frames for f in faces if f.passage_id == passage_id} == {identity}


@pytest.mark.parametrize("index", CLIPS)
def test_boxes_lie_in_the_picture_and_have_the_sizes_asked_for(index: int) -> None:
    plan, truth = plan_of(DEFAULT, index)
    for face in (f for faces in truth.frames for f in faces):
        left, top, right, bottom = face.box_xyxy
        assert 0.0 <= left < right <= 1280.0
        assert 0.0 <= top < bottom <= 720.0
        assert 0.0 <= face.visible <= 1.0
    for passage in plan.passages:
        widths = passage.boxes_xyxy[:, 2] - passage.boxes_xyxy[:, 0]
        assert 34.0 <= widths.min() <= widths.max() <= 263.0


def test_sizes_vary() -> None:
    widths = [
        float((p.boxes_xyxy[:, 2] - p.boxes_xyxy[:, 0]).max())
        for i in range(8)
        for p in plan_of(DEFAULT, i)[0].passages
    ]
    assert min(widths) < 50.0
    assert max(widths) > 200.0
    assert sum(80.0 <= w <= 200.0 for w in widths) > len(widths) / 2


@pytest.mark.parametrize("index", CLIPS)
def test_nobody_is_hidden_for_long(index: int) -> None:
    plan, truth = plan_of(DEFAULT, index)
    for passage in plan.passages:
        faces = [f for faces in truth.frames for f in faces if f.passage_id == passage.passage_id]
        whole = [f.box_xyxy[0] > 0 and f.box_xyxy[2] < 1280 and f.box_xyxy[3] < 720 for f in faces]
        hidden = [inside and f.visible < 0.05 for f, inside in zip(faces, whole, strict=True)]
        assert max((len(list(run)) for flag, run in groupby(hidden) if flag), default=0) < 0.7 * 30


@pytest.mark.parametrize("index", CLIPS)
def test_two_people_share_a_place_for_a_moment_only(index: int) -> None:
    truth = plan_of(DEFAULT, index)[1]
    together: dict[tuple[int, int], int] = {}
    for faces in truth.frames:
        boxes = as_boxes_xyxy([f.box_xyxy for f in faces])
        for a, b in np.argwhere(np.triu(iou_matrix(boxes, boxes) > 0.3, k=1)):
            pair = (faces[int(a)].passage_id, faces[int(b)].passage_id)
            together[pair] = together.get(pair, 0) + 1
    assert max(together.values(), default=0) <= 0.9 * 30


@pytest.mark.parametrize("index", CLIPS)
def test_a_crossing_hides_somebody(index: int) -> None:
    truth = plan_of(DEFAULT, index)[1]
    inside = [f for faces in truth.frames for f in faces if f.box_xyxy[0] > 0 and f.box_xyxy[2] < 1280]
    assert min(f.visible for f in inside if f.box_xyxy[3] < 720) < 0.5


@pytest.mark.parametrize("motion", [motion for motion, _ in MOTIONS])
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.floats(20.0, 260.0), seconds=st.floats(2.0, 20.0))
def test_every_path_fits_in_and_comes_from_outside(motion: object, seed: int, width: float, seconds: float) -> None:
    assert callable(motion)
    stage = Stage(1280, 720, 30, int(30 * seconds), (40.0, 400.0), 20.0)
    walker = Walker(width, (1.6, 1.4, 1.1))
    path = motion(np.random.default_rng(seed), stage, walker)
    assert isinstance(path, Path)
    assert 2 <= len(path) <= stage.frames
    assert 20.0 <= path.face_width.min() <= path.face_width.max() <= width + 1e-9
    for end in (0, -1):
        x, y, size = path.x[end], path.y[end], path.face_width[end]
        assert x <= -1.4 * size or x >= 1280.0 + 1.6 * size or y >= 720.0 + 1.1 * size


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_crossing_pair_meets_in_the_picture(seed: int) -> None:
    stage = Stage(1280, 720, 30, 600, (40.0, 400.0), 35.0)
    near, far = Walker(150.0, (1.6, 1.4, 1.1)), Walker(100.0, (1.6, 1.4, 1.1))
    first, second, lag = crossing_pair(np.random.default_rng(seed), stage, near, far)
    together = range(max(0, lag), min(len(first), lag + len(second)))
    gaps = [abs(first.x[t] - second.x[t - lag]) for t in together]
    meeting = together[int(np.argmin(gaps))]
    assert min(gaps) < 40.0
    assert 0.3 * 1280 < first.x[meeting] < 0.7 * 1280


def test_knobs_of_a_spec() -> None:
    busy = DemoSpec(passages=(3, 3), crossings=0, face_px=(60.0, 60.0), posters=2)
    plan, _ = plan_of(busy, 0)
    assert len(plan.passages) == 3
    assert len(plan.posters) == 2
    assert {round(float(p.boxes_xyxy[0, 2] - p.boxes_xyxy[0, 0])) for p in plan.passages} <= {59, 60, 61}
    assert plan_of(replace(busy, passages=(0, 0)), 0)[1].frames == ((),) * 660


def test_faces_grow_with_the_picture() -> None:
    small, large = (
        plan_of(DemoSpec(width=16 * lines // 9, height=lines, passages=(3, 3), crossings=0), 0)[0]
        for lines in (360, 720)
    )
    for a, b in zip(small.passages, large.passages, strict=True):
        ratio = float(b.boxes_xyxy[:, 2].max() - b.boxes_xyxy[:, 0].max())
        assert ratio == pytest.approx(2.0 * float(a.boxes_xyxy[:, 2].max() - a.boxes_xyxy[:, 0].max()), rel=0.1)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"width": 641},
        {"height": 32},
        {"fps": 0},
        {"duration_s": 2.0},
        {"gop_s": 0.0},
        {"bit_rate_bps": 5},
        {"passages": (3, 2)},
        {"crossings": -1},
        {"face_px": (90.0, 60.0)},
        {"speed_px_s": (0.0, 10.0)},
        {"posters": 5},
        {"margin_s": -1.0},
        {"noise": 9.0},
        {"light_drift": 0.5},
    ],
)
def test_a_value_without_sense_is_named(change: dict[str, object]) -> None:
    name = next(iter(change))
    with pytest.raises(ConfigurationError, match=name):
        replace(DEFAULT, **change)  # type: ignore[arg-type] # any field may be changed


def test_every_value_but_the_count_changes_the_key() -> None:
    changes: list[dict[str, object]] = [
        {"width": 1920},
        {"height": 1080},
        {"fps": 25},
        {"duration_s": 20.0},
        {"seed": 1},
        {"gop_s": 1.0},
        {"bit_rate_bps": 1_000_000},
        {"passages": (2, 3)},
        {"crossings": 0},
        {"face_px": (50.0, 60.0)},
        {"speed_px_s": (50.0, 60.0)},
        {"posters": 1},
        {"margin_s": 1.0},
        {"noise": 0.0},
        {"light_drift": 0.0},
    ]
    keys = {replace(DEFAULT, **change).key for change in changes}  # type: ignore[arg-type] # as above
    assert len(keys | {DEFAULT.key}) == len(changes) + 1
    assert replace(DEFAULT, count=3).key == DEFAULT.key


def test_bit_rates_follow_the_size() -> None:
    assert DEFAULT.rate_bps == 3_000_000
    assert replace(DEFAULT, width=1920, height=1080).rate_bps == 4_000_000
    assert replace(DEFAULT, width=640, height=360).rate_bps == 750_000
    assert replace(DEFAULT, bit_rate_bps=123_456).rate_bps == 123_456


def test_camera_names() -> None:
    assert [camera_name(i) for i in (0, 1, 7, 8, 17)] == ["Entrada", "Recepção", "Saída", "Entrada 2", "Recepção 3"]
