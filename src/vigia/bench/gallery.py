"""One page that shows what was chosen: every candidate of some passages, its score, its parts and its truth.

Self-contained: pictures are embedded, nothing is fetched, no script runs.
"""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from vigia.bench.context import BenchContext
from vigia.bench.quality_choice import Observation, Rule, cadences_of, observe
from vigia.bench.quality_tracks import Candidate, scenes
from vigia.bench.quality_views import Shot, Sitter
from vigia.infrastructure.i18n import translate

PASSAGES = 20
CANDIDATES_MAX = 24
"""Of a passage; more are shown as every second, third, … one, and always the chosen and the truly best one."""
TILE_PX = 112
MARGIN = 0.35
"""Around the box, in its sides."""
JPEG_QUALITY = 80
STYLE = """
body{font:14px/1.4 system-ui,sans-serif;margin:1.5rem;background:#f6f6f4;color:#222}
h2{font-size:1rem;margin:1.4rem 0 .4rem}
.row{display:flex;flex-wrap:wrap;gap:6px}
figure{margin:0;padding:4px;background:#fff;border:2px solid #ddd;border-radius:4px;width:112px;font-size:11px}
figure.chosen{border-color:#1a7f37;background:#e7f6ea}
figure.best{box-shadow:0 0 0 2px #c2a83e}
figure.unfound{opacity:.45}
img{display:block;width:112px;height:112px}
summary{cursor:pointer;white-space:nowrap;font-size:10px}
b{color:#1a7f37}
table{border-collapse:collapse;width:100%;font-size:10px}
td{padding:0}td+td{text-align:right}
td.low{color:#b3001b;font-weight:bold}
"""


def write_gallery(context: BenchContext, path: Path, *, seed: int, min_face_px: float, model: str | None = None) -> str:
    """Draw the passages, judge them, and write the page.

    Args:
        context: finds the models.
        path: of the page.
        seed: of the passages.
        min_face_px: sets the detector's input.
        model: whose finds are shown; the first one that is here when not given.

    Returns:
        The model's name.

    Raises:
        OSError: the page cannot be written.
    """
    name = model if model is not None else next(iter(context.models()))
    observations = observe(context, count=PASSAGES, seed=seed, min_face_px=min_face_px)
    scenery = scenes()
    sections = []
    for observation in observations:
        shown = shown_candidates(observation, name)
        plan = observation.plan
        sitter = Sitter(plan.look, seed=plan.number)
        tiles = {one.index: _tile(sitter.shoot(one.view, scenery[plan.scene])) for one in shown}
        sections.append(_section(observation, name, shown, tiles))
    path.write_text(_page(name, observations, sections), encoding="utf-8")
    return name


def shown_candidates(observation: Observation, model: str) -> list[Candidate]:
    """The frames to show, in time order."""
    candidates = observation.candidates
    every = -(-len(candidates) // CANDIDATES_MAX)
    keep = {candidate.index for candidate in candidates[::every]}
    keep.add(max(candidates, key=lambda one: one.truth).index)
    chosen = _chosen(observation, model)
    if chosen is not None:
        keep.add(chosen.index)
    return [candidate for candidate in candidates if candidate.index in keep]


def _chosen(observation: Observation, model: str) -> Candidate | None:
    """What vigia chooses of all frames that the model looks at."""
    return observation.chosen(model, min(cadences_of(model)), Rule.VIGIA)


def _page(model: str, observations: Sequence[Observation], sections: Sequence[str]) -> str:
    chosen = [(one, found) for one in observations if (found := _chosen(one, model)) is not None]
    good = sum(one.good(found) for one, found in chosen)
    lines = [
        "<!doctype html>",
        f'<meta charset="utf-8"><title>{escape(translate("Chosen shots"))}</title><style>{STYLE}</style>',
        f"<h1>{escape(translate('Chosen shots'))}</h1>",
        "<p>",
        escape(
            translate("Model %(model)s. In %(good)d of %(all)d passages the chosen frame is among the best tenth.")
            % {"model": model, "good": good, "all": len(chosen)}
        ),
        escape(
            translate(
                "Green: chosen, by the score and a closer look at the two best. Golden rim: truly the best. Pale: the "
                "model did not find it. Red: a part below 0.5."
            )
        ),
        "</p>",
        *sections,
    ]
    return "\n".join(lines) + "\n"


def _section(observation: Observation, model: str, shown: Sequence[Candidate], tiles: dict[int, str]) -> str:
    chosen = _chosen(observation, model)
    best = max(observation.candidates, key=lambda one: one.truth)
    plan = observation.plan
    title = translate("Passage %(number)d: %(who)s, %(duration).1f s") % {
        "number": plan.number + 1,
        "who": plan.look.portrait,
        "duration": plan.duration_s,
    }
    if chosen is not None:
        title += "; " + translate("chosen %(chosen).2f of at best %(best).2f") % {
            "chosen": chosen.truth,
            "best": best.truth,
        }
    figures = [_figure(one, model, tiles[one.index], is_chosen=one is chosen, is_best=one is best) for one in shown]
    return f'<h2>{escape(title)}</h2>\n<div class="row">{"".join(figures)}</div>'


def _figure(candidate: Candidate, model: str, tile: str, *, is_chosen: bool, is_best: bool) -> str:
    find = candidate.finds.get(model)
    classes = [name for name, on in (("chosen", is_chosen), ("best", is_best), ("unfound", find is None)) if on]
    truth = f"{escape(translate('truth'))} {candidate.truth:.2f}"
    if find is None:
        words = truth
    else:
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td{' class=low' if value < 0.5 else ''}>{value:.2f}</td></tr>"
            for name, value in find.quality.parts.items()
        )
        score = f"<b>{find.quality.score:.2f}</b>" if is_chosen else f"{find.quality.score:.2f}"
        words = f"<details><summary>{score} · {truth}</summary><table>{rows}</table></details>"
    image = f'<img alt="{candidate.index}" src="data:image/jpeg;base64,{tile}">'
    return f'<figure class="{" ".join(classes)}">{image}{words}</figure>'


def _tile(shot: Shot) -> str:
    """The face with some room around it, JPEG, base64; grey beyond the frame."""
    width = shot.size_wh[0]
    stacked = np.concatenate([plane.reshape(-1, width) for plane in shot.planes])
    rgb = cv2.cvtColor(stacked, cv2.COLOR_YUV2RGB_I420)
    left, top, right, bottom = shot.face_xyxy
    half = (0.5 + MARGIN) * max(right - left, bottom - top)
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    scale = TILE_PX / (2.0 * half)
    turn = np.array([[scale, 0.0, -scale * (x - half)], [0.0, scale, -scale * (y - half)]])
    tile = cv2.warpAffine(
        rgb,
        turn,
        (TILE_PX, TILE_PX),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128, 128, 128),
    )
    data: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(tile), quality=JPEG_QUALITY, colorspace="RGB")
    return b64encode(data).decode("ascii")
