"""Choosing from a passage, the figures of ``vigia bench quality``, the fit, and the gallery page."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vigia.bench import gallery, quality
from vigia.bench.context import BenchContext
from vigia.bench.quality_choice import Observation, Rule, seen
from vigia.bench.quality_fit import Candidates, candidates_of, fit, held_out
from vigia.bench.quality_tracks import FPS, HEIGHT, WIDTH, Candidate, Find, TrackPlan, plan_tracks, scenes, shots_of
from vigia.bench.quality_views import View
from vigia.bootstrap.parts import detector_factory
from vigia.domain.event import Quality
from vigia.domain.posting import RIVAL_SHARE
from vigia.domain.quality import WEIGHTS
from vigia.infrastructure.demo.portraits import Look


def find(score: float, *, side: float = 50.0, confidence: float = 0.9) -> Find:
    parts = dict.fromkeys(WEIGHTS, 1.0) | {"sharpness": score}
    box = np.array([0.0, 0.0, side, side], np.float32)
    return Find(box, np.zeros((5, 2), np.float32), confidence, Quality(score, parts))


def passage(truths: list[float], scores: dict[int, float], portrait: str = "astronaut") -> Observation:
    view = View(60.0, (100.0, 100.0))
    candidates = tuple(
        Candidate(
            index, truth, view, {"m": find(scores[index], side=50.0 + index, confidence=1.0 - index / 100)}
            if index in scores
            else {},
        )
        for index, truth in enumerate(truths)
    )  # fmt: skip
    return Observation(TrackPlan(0, Look(portrait), 0, (view,) * len(truths)), candidates)


def test_each_rule_chooses_what_it_says() -> None:
    one = passage([0.1, 0.5, 0.9, 0.3], {0: 0.2, 1: 0.8, 2: 0.4, 3: 0.1})
    chosen = {rule: one.chosen("m", 1, rule) for rule in Rule}
    indexes = {rule: candidate.index for rule, candidate in chosen.items() if candidate is not None}
    assert indexes[Rule.SCORE] == 1
    assert indexes[Rule.LARGEST] == 3
    assert indexes[Rule.CONFIDENCE] == 0
    assert indexes[Rule.FIRST] == 0
    assert indexes[Rule.MIDDLE] == 2
    assert one.chosen("m", 1, Rule.RANDOM) is one.chosen("m", 1, Rule.RANDOM)


def test_vigia_chooses_what_its_track_chose_and_nothing_where_that_was_not_tried() -> None:
    one = replace(passage([0.1, 0.5, 0.9], {0: 0.2, 1: 0.8, 2: 0.4}), picks={("m", 1): 2})
    chosen = one.chosen("m", 1, Rule.VIGIA)
    assert chosen is not None
    assert chosen.index == 2
    assert one.chosen("m", 3, Rule.VIGIA) is None


def test_a_passage_is_looked_at_once_and_chosen_from_at_every_cadence(tmp_path: Path) -> None:
    detector = detector_factory(BenchContext(tmp_path).settings(detector__model="centerface"))()
    plan = plan_tracks(1, seed=5)[0]
    short = replace(plan, views=plan.views[:30])
    one = seen(short, {"centerface": detector, "quick": detector}, min_face_px=60.0)
    looked_at = {
        name: [each.index for each in one.candidates if name in each.finds] for name in ("centerface", "quick")
    }
    assert looked_at["centerface"] == [index for index in looked_at["quick"] if index % 3 == 0], "a slow model"
    assert set(one.picks) == {("centerface", 3), ("quick", 1), ("quick", 3)}
    assert one.picks["centerface", 3] == one.picks["quick", 3]
    for (model, k), index in one.picks.items():
        found = one.found(model, k)
        assert index in {candidate.index for candidate, _ in found}
        best = max(find.quality.score for _, find in found)
        assert one.candidates[index].finds[model].quality.score >= RIVAL_SHARE * best


def test_only_frames_that_are_looked_at_and_found_can_be_chosen() -> None:
    one = passage([0.1] * 7, {0: 0.1, 1: 0.9, 3: 0.5})
    chosen = one.chosen("m", 3, Rule.SCORE)
    assert chosen is not None
    assert chosen.index == 3
    assert one.chosen("m", 4, Rule.SCORE) is None  # one event is not sent
    assert one.chosen("another", 1, Rule.SCORE) is None


def test_the_best_tenth_is_of_all_frames_and_at_least_one() -> None:
    truths = [number / 20 for number in range(20)]
    one = passage(truths, {})
    assert [one.good(candidate) for candidate in one.candidates] == [False] * 18 + [True] * 2
    assert one.place(one.candidates[-1]) == 0.0
    assert one.loss(one.candidates[-1]) == 0.0
    assert one.loss(one.candidates[0]) == pytest.approx(1.0)
    short = passage([0.2, 0.3, 0.1], {})
    assert [short.good(candidate) for candidate in short.candidates] == [False, True, False]


def test_shares_count_tracks_that_have_events() -> None:
    good = passage([0.1, 0.9, 0.2], {0: 0.1, 1: 0.9, 2: 0.3})
    bad = passage([0.1, 0.9, 0.2], {0: 0.9, 1: 0.1, 2: 0.3})
    unseen = passage([0.1, 0.9, 0.2], {})
    tracks, share, near, loss = quality.shares([good, bad, unseen], "m", 1, Rule.SCORE)
    assert (tracks, share, near) == (2, 0.5, 0.5)
    assert loss == pytest.approx((0.0 + 8 / 9) / 2)
    assert quality.shares([unseen], "m", 1, Rule.SCORE) == (0, 0.0, 0.0, 1.0)


def test_the_same_seed_gives_the_same_passages_and_more_of_them_change_none() -> None:
    assert plan_tracks(3, seed=5) == plan_tracks(6, seed=5)[:3]
    assert plan_tracks(3, seed=5) != plan_tracks(3, seed=6)
    for plan in plan_tracks(9, seed=5):
        assert 2.0 - 1 / FPS <= plan.duration_s <= 6.0 + 1 / FPS
        assert all(view.face_px > 30.0 and abs(view.yaw_deg) <= 46.0 for view in plan.views)


def test_shots_are_pictures_of_the_scene_with_a_truth() -> None:
    plan = plan_tracks(1, seed=5)[0]
    short = replace(plan, views=plan.views[::12])
    for shot, truth in shots_of(short, scenes()):
        assert 0.0 <= truth <= 1.0
        assert shot.size_wh == (WIDTH, HEIGHT)
        assert [plane.shape for plane in shot.planes] == [(HEIGHT, WIDTH), *[(HEIGHT // 2, WIDTH // 2)] * 2]


def synthetic(portrait: str, seed: int) -> Candidates:
    """Frames whose loss follows their sharpness, and whose other parts are noise."""
    rng = np.random.default_rng(seed)
    parts = rng.uniform(0.9, 1.0, (20, len(WEIGHTS)))
    truth = parts[:, list(WEIGHTS).index("sharpness")] = rng.uniform(0.3, 1.0, 20)
    loss = 1.0 - truth / truth.max()
    return Candidates(portrait, np.log(parts), loss, (loss < np.quantile(loss, 0.1)).astype(float))


def test_the_fit_finds_the_part_that_tells() -> None:
    candidates = [synthetic("a" if seed % 2 else "b", seed) for seed in range(20)]
    weights = fit(candidates)
    assert max(weights, key=lambda name: weights[name]) == "sharpness"
    assert all(weight > 0.0 for weight in weights.values())
    assert fit(candidates) == weights
    tried = held_out(candidates)
    assert set(tried) == {"a", "b"}
    assert all(good >= 0.5 and loss < 0.1 for good, loss in tried.values())
    with pytest.raises(ValueError, match="no passage"):
        fit([])


def test_candidates_come_from_every_phase_of_a_cadence() -> None:
    one = passage([0.1, 0.9, 0.5, 0.2, 0.3, 0.4], dict.fromkeys(range(6), 0.5))
    found = candidates_of([one, passage([0.5, 0.5], {})], ["m"])
    assert [len(each.loss) for each in found] == [6, 2, 2, 2]
    assert found[0].logarithms.shape == (6, len(WEIGHTS))
    assert found[0].good.tolist() == [0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_the_page_holds_everything_and_asks_for_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "PASSAGES", 1)
    page = tmp_path / "gallery.html"
    context = BenchContext(tmp_path)
    name = gallery.write_gallery(context, page, seed=5, min_face_px=80.0, model="centerface")
    text = page.read_text(encoding="utf-8")
    assert name == "centerface"
    assert text.count('<div class="row">') == 1
    assert len(re.findall(r'<figure class="[^"]*\bchosen\b', text)) == 1
    assert len(re.findall(r'<figure class="[^"]*\bbest\b', text)) == 1
    assert text.count("data:image/jpeg;base64,") == text.count("<figure") >= 10
    assert not re.search(r"(?:src|href)=\"(?!data:)|https?://|url\(|<script", text)
    assert all(f"<td>{part}</td>" in text for part in WEIGHTS)
