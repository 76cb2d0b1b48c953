"""The settings of posting: their checks, and what the pipeline is made of them."""

from typing import Any

import pytest

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.posting_parts import passage_rules, posting_policy, track_filter
from vigia.domain.passage_memory import PassageRules
from vigia.domain.picture_region import PictureRegion
from vigia.domain.posting import PostingPolicy
from vigia.domain.track_filter import TrackFilter
from vigia.infrastructure.config import TracksSettings, load_settings


def settings_of(**values: str) -> TracksSettings:
    overrides = {f"tracks.{name}": value for name, value in values.items()}
    return load_settings(None, env_file=None, environ={}, overrides=overrides).tracks


def test_the_defaults_are_those_of_the_policy() -> None:
    chosen = settings_of()
    assert posting_policy(chosen) == PostingPolicy()
    assert track_filter(chosen) == TrackFilter(movement_min_percent=1.0)
    assert passage_rules(chosen) == PassageRules()
    assert passage_rules(settings_of(suppress_duplicates="false")) is None


def test_every_setting_reaches_its_place() -> None:
    policy = posting_policy(
        settings_of(
            overall_only="false", realtime_post_interval_s="2", realtime_post_first_immediately="true",
            realtime_post_every_interval="true", silence_after_send_s="5", post_first_track_frame="true",
            post_last_track_frame="true", number_of_best_shots="3", best_shots_gap_s="0.5", best_shots_pose="0.2",
        )
    )  # fmt: skip
    assert policy == PostingPolicy(
        overall_only=False, interval_s=2.0, first_immediately=True, every_interval=True, silence_after_send_s=5.0,
        post_first=True, post_last=True, best_shots=3, best_shots_gap_s=0.5, best_shots_pose=0.2,
    )  # fmt: skip
    regions = track_filter(settings_of(roi="640x360+10+20", rot=" 800x600+0+0 "))
    assert (regions.roi, regions.rot) == (PictureRegion(10, 20, 640, 360), PictureRegion(0, 0, 800, 600))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"post_best_track_frame": "false"}, "nothing would ever be sent"),
        ({"number_of_best_shots": "2", "post_best_track_frame": "false", "overall_only": "false"}, "has no effect"),
        ({"roi": "640x480"}, r"tracks\.roi: a region is written WxH\+X\+Y"),
        ({"rot": "0x480+0+0"}, r"tracks\.rot: a region is at least 1x1"),
        ({"roi": "640x480+0+0", "rot": "640x480+640+0"}, r"roi \(640x480\+0\+0\) and .* no face would ever be sent"),
        ({"number_of_best_shots": "11"}, "whole number from 1 to 10"),
        ({"realtime_post_interval_s": "0"}, r"number from 0\.1 to 3600"),
    ],
)
def test_mistakes_are_told_with_what_would_be_right(values: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        settings_of(**values)


def test_without_the_best_at_the_end_real_time_still_sends() -> None:
    policy = posting_policy(settings_of(post_best_track_frame="false", overall_only="false"))
    assert not policy.post_best
    assert policy.pictures_max == 2
