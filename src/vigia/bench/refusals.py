"""Refusals: how often FindFace finds no face, or another one, in what it is sent; by region, selector and picture.

The real stand-in is asked, over HTTP, with a detector of its own: each that is here, whichever found the face. Every
post asks for all faces of the region: what ``biggest`` would have taken is the largest of them, which is what the
stand-in does. The default settings are posted as they are, and their answers are what is judged.
"""

import statistics
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx

from vigia.application.errors import CaptureRefused
from vigia.application.picture_posting import make_posted_picture
from vigia.bench.context import BenchContext
from vigia.bench.part import BenchPart
from vigia.bench.refusal_counts import WHOLE, Cell, Finder, Findings, Post, Tally
from vigia.bench.refusal_shots import Shot, ShotKind, collect_shots, shot_streams
from vigia.bench.result import Table, Verdict, percent
from vigia.bench.site import USER, Site, open_site
from vigia.bootstrap.parts import findface_client
from vigia.domain.posted_picture import Box, Ltrb, PictureMode, PicturePlan, PictureRules, plan_picture
from vigia.infrastructure.clients.findface_async import FindfaceMultiAsync
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import Settings
from vigia.infrastructure.video.jpeg import SimpleJpegEncoder
from vigia.infrastructure.video.picture import AvPicture, av_frame

REFUSED_SHARE_MAX = 0.02
MARGINS = (0.2, 0.4, 0.6, 1.0)
QUICK_MARGINS = (0.2, 1.0)
FINDERS = ("yunet-n", "centerface", "yunet-s")
"""What the stand-in may look with, most thorough and most different first."""
STRICT_MODEL = "centerface"
STRICT_CONFIDENCE = 0.8
"""The generator's faces are clean: at its own threshold no model tells margins apart. A stricter server
refuses about as many as a real site did (18.5 %) at the same margin. The verdict is without it."""
COUNTED = ("posts", "refused", "wrong face", "neighbours")
POSTERS = 4
FIRST_UTC = datetime(2026, 1, 1, tzinfo=UTC)
"""Each post has a second of its own."""
ENCODE_REPEATS = 5

ABOUT = (
    "Shots that the product chose on the generator's clips, and hard ones: small faces, faces at the edge, two side by"
    " side. A post is refused when the stand-in's own detector finds no face of 50 px in the region. A wrong face: the"
    " largest in the region is not the one that was sent. Neighbours: faces beyond the one wanted that `all` makes"
    " events of. Regions keep clear of the other faces that were found in the frame; whole pictures cannot."
)


def refusal_part(context: BenchContext) -> BenchPart:
    """Post the shots in every way, to a stand-in with each finder."""
    models = context.models()
    finders = [Finder(name, models[name]) for name in FINDERS if name in models][: round(context.pick(2, 1))]
    if not context.quick:
        finders.append(Finder(STRICT_MODEL, models[STRICT_MODEL], STRICT_CONFIDENCE))
    used = {finder.name: models[finder.name] for finder in finders} if context.quick else models
    shots = collect_shots(context, used, shot_streams(context))
    findings = ask(context, finders, shots, margins=QUICK_MARGINS if context.quick else MARGINS)
    return _part(findings, shots, finders, encode_rows(shots))


def ask(
    context: BenchContext, finders: Sequence[Finder], shots: Sequence[Shot], *, margins: Sequence[float]
) -> Findings:
    """Post every shot in every way; to a strict finder as crops only, which differ from whole pictures in cost alone.

    Args:
        context: whose default settings are judged.
        finders: what stand-ins look with, one stand-in each.
        shots: what is posted.
        margins: of the regions, none above the margin of crops by default.
    """
    settings = context.settings()
    capture = settings.capture
    default = Cell(PictureMode(capture.picture), capture.roi_margin, settings.delivery.mf_selector)
    cells = _cells(margins, default)
    findings = Findings(default_cell=default)
    with ExitStack() as stack:
        sites = {
            one: stack.enter_context(open_site(context, model=one.setting, confidence_min=one.confidence_min))
            for one in finders
        }
        for post, boxes in _answers(context, sites, shots, cells):
            findings.add(post, boxes)
    return findings


def _cells(margins: Sequence[float], default: Cell) -> list[Cell]:
    """The grid, then the default settings as they are."""
    grid = [Cell(mode, margin, "all") for mode in PictureMode for margin in margins]
    return [*(cell for cell in [*grid, Cell(PictureMode.FULL, WHOLE, "all")] if cell != default), default]


def _answers(
    context: BenchContext, sites: dict[Finder, Site], shots: Sequence[Shot], cells: Sequence[Cell]
) -> Iterable[tuple[Post, dict[str, Box]]]:
    """Post everything to everybody; each post with the boxes of its finder's events."""
    posts: dict[Finder, list[Post]] = {}
    with ThreadPoolExecutor(POSTERS) as pool, ExitStack() as stack:
        numbers = count()
        tasks = []
        for finder, site in sites.items():
            client = stack.enter_context(closing(findface_client(_account(context, site), clock=SystemClock())))
            client.login()
            poster = _Poster(finder, client, token=site.tokens[0])
            asked = [one for one in cells if one.mode is PictureMode.CROP or not finder.is_strict]
            tasks += [pool.submit(poster.post_all, shot, asked, next(numbers) * len(cells)) for shot in shots]
        for task in tasks:
            for post in task.result():
                posts.setdefault(post.finder, []).append(post)
    for finder, done in posts.items():
        boxes = _event_boxes(sites[finder])
        for post in done:
            yield post, boxes


def _account(context: BenchContext, site: Site) -> Settings:
    return context.settings(
        findface__url=site.url, findface__user=USER, findface__password=site.password, findface__uuid="refusals"
    )


@dataclass(frozen=True, slots=True)
class _Poster:
    """Posts to one stand-in. Any thread."""

    finder: Finder
    client: FindfaceMultiAsync
    token: str = field(repr=False)

    def post_all(self, shot: Shot, cells: Sequence[Cell], first: int) -> list[Post]:
        """Post one shot in every way; the JPEG of a mode is made once."""
        posts = []
        made = {mode: _posted(shot, mode) for mode in {cell.mode for cell in cells}}
        for number, cell in enumerate(cells, first):
            plan, jpeg = _plan(shot, cell), made[cell.mode]
            try:
                event_ids = self.client.add_face_event(
                    1,
                    self.token,
                    fullframe_jpeg=jpeg,
                    roi=plan.roi_ltrb,
                    timestamp=FIRST_UTC + timedelta(seconds=number),
                    mf_selector=cell.selector,
                )
            except CaptureRefused as refusal:
                if refusal.reason != "no_face":
                    raise
                event_ids = ()
            posts.append(Post(cell, self.finder, shot, plan, event_ids))
        return posts


def _posted(shot: Shot, mode: PictureMode) -> bytes:
    rules = PictureRules(mode)
    return make_posted_picture(SimpleJpegEncoder(), shot.picture, shot.box_xyxy, rules=rules).jpeg


def _plan(shot: Shot, cell: Cell) -> PicturePlan:
    """Where the face and the region are in the picture of ``_posted``, which no margin of the region changes."""
    rules = PictureRules(cell.mode, roi_margin=cell.margin or 0.0)
    frame_wh = (shot.picture.width, shot.picture.height)
    plan = plan_picture(shot.box_xyxy, frame_wh=frame_wh, rules=rules, frame_boxes_xyxy=shot.frame_boxes_xyxy)
    if cell.margin is not WHOLE:
        return plan
    whole: Ltrb = (0, 0, *plan.size_wh)
    return replace(plan, roi_ltrb=whole)


def _event_boxes(site: Site) -> dict[str, Box]:
    """What the stand-in found, by the event's id; pixels of the posted picture."""
    answer = httpx.get(f"{site.url.rstrip('/')}/_stub/events", timeout=30.0)
    answer.raise_for_status()
    boxes: dict[str, Box] = {}
    for event in answer.json()["events"]:
        left, top, right, bottom = event["box"]
        boxes[event["id"]] = (left, top, right, bottom)
    return boxes


def encode_rows(shots: Sequence[Shot]) -> list[tuple[str, str, str, str]]:
    """What one posted picture costs: size of the camera's picture, mode, milliseconds, kilobytes."""
    by_height: dict[int, Shot] = {}
    for shot in shots:
        if shot.kind is ShotKind.CHOSEN:
            by_height.setdefault(shot.picture.height, shot)
    if not by_height:
        return []
    tallest = by_height[max(by_height)]
    factor = 2160 / tallest.picture.height
    enlarged = AvPicture(av_frame(tallest.picture).reformat(width=3840, height=2160))
    left, top, right, bottom = (edge * factor for edge in tallest.box_xyxy)
    by_height[2160] = replace(tallest, picture=enlarged, box_xyxy=(left, top, right, bottom))
    rows = []
    for height, shot in sorted(by_height.items()):
        for mode in PictureMode:
            times_s, size = [], 0
            for _ in range(ENCODE_REPEATS):
                started_s = time.thread_time()
                size = len(_posted(shot, mode))
                times_s.append(time.thread_time() - started_s)
            cost_ms = statistics.median(times_s) * 1e3
            rows.append((f"{height}p", mode.value, f"{cost_ms:.1f}", f"{size / 1e3:.0f}"))
    return rows


def _part(
    findings: Findings,
    shots: Sequence[Shot],
    finders: Sequence[Finder],
    encoded: Sequence[tuple[str, str, str, str]],
) -> BenchPart:
    found, default = findings.default, findings.default_cell
    measured = (
        f"{percent(found.refused_share)} of {found.posts} posts ({default.mode.value}, region + {default.margin_text}, "
        f"{default.selector}); a wrong face in {percent(found.wrong_share)}"
    )
    tables = [_grid("Refusals by the stand-in, by picture and margin of the region", findings.grid)]
    if findings.strict:
        title = f"A stricter server: {STRICT_MODEL} from a confidence of {STRICT_CONFIDENCE} on"
        tables.append(_grid(title, findings.strict))
    kinds = Table(
        "Default settings, by kind of shot",
        ("", *COUNTED),
        tuple((kind.value, *findings.by_kind[kind].cells()) for kind in ShotKind if kind in findings.by_kind),
    )
    pairs = Table(
        "Default settings, by who found the face and who looks again",
        ("found by", "looks again", *COUNTED),
        tuple((*names, *tally.cells()) for names, tally in findings.by_models.items()),
    )
    costs = Table("One posted picture, JPEG 95", ("camera", "picture", "CPU ms", "kB"), tuple(encoded))
    names = " and ".join(finder.name for finder in finders if not finder.is_strict)
    return BenchPart(
        tables=(*tables, kinds, pairs, costs),
        verdicts=(Verdict("refusals", measured, found.refused_share <= REFUSED_SHARE_MAX),),
        notes=(
            ABOUT,
            f"{len(shots)} shots; the stand-in looks with {names}, at regions up to 320 px in full",
            "2160p is a 1080p picture enlarged: its bytes are those of a soft picture",
        ),
        data={
            "grid": _rows(findings.grid),
            "strict": _rows(findings.strict),
            "default": _json(found),
            "kinds": {kind.value: _json(tally) for kind, tally in findings.by_kind.items()},
            "models": {" / ".join(names): _json(tally) for names, tally in findings.by_models.items()},
            "encode": [list(row) for row in encoded],
        },
    )


def _grid(title: str, grid: dict[Cell, Tally]) -> Table:
    rows = ((cell.mode.value, cell.margin_text, *tally.cells()) for cell, tally in grid.items())
    return Table(title, ("picture", "margin", *COUNTED), tuple(rows))


def _rows(grid: dict[Cell, Tally]) -> list[dict[str, object]]:
    return [{"picture": cell.mode.value, "margin": cell.margin, **_json(tally)} for cell, tally in grid.items()]


def _json(tally: Tally) -> dict[str, int]:
    return {
        "posts": tally.posts,
        "refused": tally.refused,
        "wrong_face": tally.wrong,
        "neighbours": tally.neighbours,
    }
