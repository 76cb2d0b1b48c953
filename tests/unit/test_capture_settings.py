"""Settings of the posted picture: the defaults are within FindFace's limits, and what contradicts itself is told."""

from pathlib import Path

import pytest

from vigia.application.errors import ConfigurationError
from vigia.domain.posted_picture import PictureMode, PictureRules
from vigia.infrastructure.config import Settings, load_settings


def loaded(path: Path, text: str) -> Settings:
    file = path / "c.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, env_file=None, environ={})


def test_defaults_are_those_of_the_rules() -> None:
    chosen, rules = Settings().capture, PictureRules()
    assert PictureMode(chosen.picture) is rules.mode
    assert (chosen.crop_margin, chosen.roi_margin) == (rules.crop_margin, rules.roi_margin)
    assert (chosen.max_side_px, chosen.max_bytes) == (rules.max_side_px, rules.max_bytes) == (6000, 10_000_000)
    assert chosen.jpeg_quality == rules.jpeg_quality


def test_a_crop_that_does_not_hold_the_region_is_refused(tmp_path: Path) -> None:
    wrong = "capture: {picture: crop, crop_margin: 0.2, roi_margin: 0.6}"
    with pytest.raises(ConfigurationError, match=r"capture.crop_margin \(0.2\) must not be less than .* \(0.6\)"):
        loaded(tmp_path, wrong)
    assert loaded(tmp_path, wrong.replace("picture: crop, ", "")).capture.crop_margin == 0.2, "of crops only"


@pytest.mark.parametrize("text", ["picture: part", "max_side_px: 639", "max_bytes: 99999", "crop_margin: 11"])
def test_values_out_of_range_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match=f"capture.{text.split(':', maxsplit=1)[0]} must be"):
        loaded(tmp_path, f"capture: {{{text}}}")
