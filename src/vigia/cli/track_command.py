"""``vigia track``: MOTChallenge detections in, MOTChallenge results out, by vigia's own tracker."""

import math
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from vigia.application.errors import ConfigurationError
from vigia.bootstrap.track_boxes import track_boxes
from vigia.cli.options import ConfigOption, SetOption, read_settings
from vigia.infrastructure.i18n import translate
from vigia.infrastructure.mot import MotFrames, format_mot, read_mot

SIDE_MAX_PX = 65_535


def track(
    *,
    mot: Annotated[Path, typer.Option("--mot", help="Detections: frame,id,left,top,width,height,confidence a line.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to; standard output by default.")] = None,
    fps: Annotated[float, typer.Option("--fps", min=0.1, max=1000.0, help="Frames a second of the sequence.")] = 30.0,
    size: Annotated[
        str | None, typer.Option("--size", metavar="WxH", help="Of the picture, pixels; else as far as boxes reach.")
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, max=1000, help="Take frames 1, 1+K, 1+2K … only.")] = 1,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> int:
    """Track detections of a file and write which box belongs to which track.

    The settings' section tracks decides, as in a run; a track of fewer than tracks.events_min boxes is not written.
    """
    settings = read_settings(config, overrides=overrides)
    size_wh = None if size is None else _size(size)
    found = read_mot(mot)
    frames = {frame: boxes for frame, boxes in found.items() if (frame - 1) % every == 0}
    result = track_boxes(settings, frames, fps=fps, size_wh=size_wh or _reach(found))
    text = format_mot(result)
    if out is None:
        sys.stdout.write(text)
    else:
        _write(out, text)
    _tell(frames, result)
    return 0


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d{0,4})[xX]([1-9]\d{0,4})", text.strip())
    if found is None or max(int(side) for side in found.groups()) > SIDE_MAX_PX:
        raise ConfigurationError("--size %(value)s: write width and height in pixels, such as 1920x1080", value=text)
    return int(found[1]), int(found[2])


def _reach(frames: MotFrames) -> tuple[int, int]:
    """As far as the boxes reach to the right and downwards, pixels; at least one pixel."""
    right = max((float(boxes.boxes_xyxy[:, 2].max()) for boxes in frames.values()), default=1.0)
    bottom = max((float(boxes.boxes_xyxy[:, 3].max()) for boxes in frames.values()), default=1.0)
    return max(1, math.ceil(right)), max(1, math.ceil(bottom))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            "%(path)s cannot be written: %(why)s", path=path, why=error.strerror or type(error).__name__
        ) from error


def _tell(frames: MotFrames, result: MotFrames) -> None:
    """What became of the boxes, and whether confidences were clipped; standard output is for the result."""
    boxes, kept = (sum(len(one) for one in some.values()) for some in (frames, result))
    tracks = {owner for one in result.values() for owner in one.ids.tolist()}
    text = translate("%(boxes)d boxes in %(frames)d frames: %(tracks)d tracks with %(kept)d boxes")
    typer.echo(text % {"boxes": boxes, "frames": len(frames), "tracks": len(tracks), "kept": kept}, err=True)
    beyond = sum(int(((one.confidences < 0.0) | (one.confidences > 1.0)).sum()) for one in frames.values())
    if beyond:
        text = translate("%(count)d confidences beyond 0 to 1 counted as 0 or 1")
        typer.echo(text % {"count": beyond}, err=True)
