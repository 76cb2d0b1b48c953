"""What FindFace's ``external_detector_settings`` become: the plausible is read, the rest refused, nothing guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.domain.camera import CameraOverride, OverrideOrigin
from vigia.domain.picture_region import PictureRegion
from vigia.infrastructure.clients.findface_overrides import SHOWN_MAX, external_overrides

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["left", "x", "w", "k"]), inner, max_size=5)
    ),
    max_leaves=8,
)


def values_of(**settings: Any) -> dict[str, object]:
    found, refused = external_overrides(settings)
    assert refused == ()
    assert all(override.origin is OverrideOrigin.FINDFACE for override in found)
    return {override.name: override.value for override in found}


def test_sizes_and_quality() -> None:
    assert values_of(filter_min_size=90, filter_max_size=600, filter_min_quality=0.45) == {
        "filter_min_size": 90.0,
        "filter_max_size": 600.0,
        "filter_min_quality": 0.45,
    }


@pytest.mark.parametrize(
    "untouched",
    [
        {},
        {"filter_min_size": 0, "filter_max_size": 8192, "filter_min_quality": 0.0, "roi": {}},
        {"filter_min_size": None, "filter_max_size": 0, "filter_min_quality": None, "roi": None},
        {"roi": []},
        {"roi": ""},
        {"roi": {"left": 0, "top": 0, "right": 0, "bottom": 0}},
        {"something_else": 7},
    ],
)
def test_what_nobody_set_says_nothing(untouched: dict[str, Any]) -> None:
    assert external_overrides(untouched) == ((), ())


@pytest.mark.parametrize(
    "roi",
    [
        {"left": 100, "top": 50, "right": 740, "bottom": 410},
        {"LEFT": 100, "Top": 50, "right": 740, "bottom": 410, "unit": "px"},
        {"x": 100, "y": 50, "width": 640, "height": 360},
        {"x": 100, "y": 50, "w": 640, "h": 360},
        {"left": 100, "top": 50, "width": 640, "height": 360},
        {"x1": 100, "y1": 50, "x2": 740, "y2": 410},
        {"left": 100.4, "top": 50.9, "right": 739.2, "bottom": 409.5},
        [100, 50, 740, 410],
        "640x360+100+50",
    ],
)
def test_regions_as_they_may_be_written(roi: object) -> None:
    assert values_of(roi=roi) == {"roi": "640x360+100+50"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("filter_min_size", -1),
        ("filter_min_size", "90"),
        ("filter_min_size", True),
        ("filter_max_size", float("nan")),
        ("filter_max_size", [1]),
        ("filter_min_quality", 1.2),
        ("filter_min_quality", -2),
        ("filter_min_quality", 10**400),
        ("roi", {"left": 1, "top": 2}),
        ("roi", {"left": "1", "top": 2, "right": 30, "bottom": 40}),
        ("roi", {"left": 30, "top": 2, "right": 1, "bottom": 40}),
        ("roi", {"left": -5, "top": 2, "right": 100, "bottom": 40}),
        ("roi", {"x": 0.1, "y": 0.1, "width": 0.5, "height": 0.5}),
        ("roi", [1, 2, 3]),
        ("roi", [[0, 0], [10, 0], [10, 10]]),
        ("roi", "everything"),
        ("roi", 7),
        ("roi", {"left": 0, "top": 0, "right": 10**30, "bottom": 40}),
    ],
)
def test_what_cannot_be_used_is_refused_and_the_rest_counts(name: str, value: object) -> None:
    other, good = ("filter_min_size", 90.0) if name != "filter_min_size" else ("filter_min_quality", 0.5)
    found, refused = external_overrides({name: value, other: good})
    assert found == (CameraOverride(other, good, OverrideOrigin.FINDFACE),)
    assert [refusal.name for refusal in refused] == [name]
    assert 0 < len(refused[0].shown) <= SHOWN_MAX


@given(
    settings=st.dictionaries(
        st.sampled_from(["filter_min_size", "filter_max_size", "filter_min_quality", "roi", "other"]), json_values
    )
)
def test_whatever_comes_is_read_or_refused(settings: dict[str, Any]) -> None:
    found, refused = external_overrides(settings)
    names = [*(one.name for one in found), *(one.name for one in refused)]
    assert len(set(names)) == len(names)
    for override in found:
        if override.name == "roi":
            PictureRegion.parse(str(override.value))
        else:
            assert isinstance(override.value, float)
            assert override.value > 0.0
    assert all(refusal.shown.isprintable() for refusal in refused)
