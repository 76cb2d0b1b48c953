"""The truth that the score is held against: more of a known fault is worth less, wherever the face is."""

from dataclasses import replace

import numpy as np
import pytest

from vigia.bench.quality_truth import TruthMeter
from vigia.bench.quality_views import LANDMARKS, Shot, Sitter, View
from vigia.infrastructure.demo.portraits import PORTRAITS, Look

PLAIN = View(120.0, (320.0, 200.0), noise=0.0)
GREY = (np.full((480, 640), 110, np.uint8), np.full((240, 320), 128, np.uint8), np.full((240, 320), 128, np.uint8))
SITTERS = {name: Sitter(Look(name)) for name in PORTRAITS}
METERS = {name: TruthMeter(sitter) for name, sitter in SITTERS.items()}
each = pytest.mark.parametrize("name", sorted(PORTRAITS))


def shot(name: str, **changes: object) -> Shot:
    return SITTERS[name].shoot(replace(PLAIN, **changes), GREY)  # type: ignore[arg-type]


def truth(name: str, **changes: object) -> float:
    return METERS[name].truth(shot(name, **changes))


@each
def test_the_clean_portrait_is_worth_nearly_everything(name: str) -> None:
    assert truth(name) > 0.9
    assert truth(name, face_px=180.0) > 0.9


@each
@pytest.mark.parametrize(
    ("fault", "values"),
    [
        ("defocus", (0.0, 0.01, 0.02, 0.04)),
        ("motion", (0.0, 0.06, 0.12, 0.25)),
        ("yaw_deg", (0.0, 15.0, 30.0, 45.0)),
        ("yaw_deg", (0.0, -15.0, -30.0, -45.0)),
        ("pitch_deg", (0.0, 12.0, 24.0)),
        ("roll_deg", (0.0, 15.0, 40.0)),
        ("face_px", (120.0, 60.0, 36.0, 20.0)),
        ("gain", (1.0, 0.5, 0.2, 0.05)),
        ("side_light", (0.0, 0.5, 1.0)),
        ("noise", (0.0, 8.0, 25.0)),
        ("centre_xy", ((320.0, 200.0), (20.0, 200.0), (-20.0, 200.0))),
    ],
)
def test_more_of_a_fault_is_worth_less(name: str, fault: str, values: tuple[object, ...]) -> None:
    found = [truth(name, **{fault: value}) for value in values]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.93 * found[0]


@each
def test_landmarks_go_along_with_the_head(name: str) -> None:
    upright, turned, tilted = shot(name), shot(name, yaw_deg=30.0), shot(name, roll_deg=20.0)
    nose = 2
    assert turned.landmarks[nose, 0] > upright.landmarks[nose, 0] + 10.0
    eyes = turned.landmarks[1, 0] - turned.landmarks[0, 0]
    assert eyes < upright.landmarks[1, 0] - upright.landmarks[0, 0]
    across = tilted.landmarks[1] - tilted.landmarks[0]
    before = upright.landmarks[1] - upright.landmarks[0]
    angle = np.degrees(np.arctan2(across[1], across[0]) - np.arctan2(before[1], before[0]))
    assert angle == pytest.approx(20.0, abs=0.5)


@each
def test_a_flipped_person_has_right_and_left_changed_over(name: str) -> None:
    flipped = Sitter(Look(name, flipped=True)).shoot(PLAIN, GREY)
    assert flipped.landmarks[0, 0] < flipped.landmarks[1, 0]
    mirrored = 2.0 * PLAIN.centre_xy[0] - shot(name).landmarks[:, 0]
    np.testing.assert_allclose(flipped.landmarks[[1, 0, 2, 4, 3], 0], mirrored, atol=0.01)
    assert set(LANDMARKS) == set(PORTRAITS)


@each
def test_what_is_outside_is_not_visible(name: str) -> None:
    assert shot(name).visible == pytest.approx(1.0)
    assert shot(name, centre_xy=(0.0, 200.0)).visible == pytest.approx(0.5, abs=0.05)
    gone = shot(name, centre_xy=(-500.0, -500.0))
    assert gone.visible == 0.0
    assert METERS[name].truth(gone) == pytest.approx(0.0, abs=0.02)


@each
def test_the_background_is_left_alone(name: str) -> None:
    before = [plane.copy() for plane in GREY]
    shot(name, gain=0.3)
    for plane, kept in zip(GREY, before, strict=True):
        np.testing.assert_array_equal(plane, kept)
