"""``report.html``: one page that holds all it shows, asks nobody for anything, and runs no script.

Written as it is made, a card at a time, from the lines of JSON beside it: hours of video take no more memory than a
minute. Everything that comes from a video or from its name is escaped; besides, the page's own policy forbids scripts
and addresses.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from vigia.infrastructure.i18n import language
from vigia.infrastructure.report.directory import THUMBS_NAME
from vigia.infrastructure.report.records import read_lines
from vigia.infrastructure.report.texts import FATES, PARTS, REASONS, clock_time, number, page_texts, told
from vigia.infrastructure.report.timeline import lay_out

CAPTURES_MAX = 1500
"""Cards with a best shot; a page with more would be too heavy for a phone. The rest is in the files."""
FILTERED_MAX = 500
TEMPLATE = "report.html.j2"


@dataclass(frozen=True, slots=True)
class PageData:
    """Where a page's content is."""

    part: Path
    """The report's directory."""
    tracks: Path
    captures: Path
    summary: dict[str, Any]
    """As in ``report.json``."""


def write_page(path: Path, data: PageData) -> None:
    """Make the page in the language in use."""
    environment = Environment(
        loader=PackageLoader("vigia.infrastructure.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    summary = data.summary
    tracks = summary["tracks"]
    stream = environment.get_template(TEMPLATE).stream(
        t=page_texts(),
        lang=language().replace("_", "-"),
        summary=summary,
        lines=lay_out(read_lines(data.tracks), duration_s=summary["video"]["duration_s"]),
        captures=_captures(data),
        captures_left=max(0, summary["captures"] - CAPTURES_MAX),
        missed=_missed(data),
        missed_count=tracks["filtered"] + tracks["lost"],
        missed_left=max(0, tracks["filtered"] + tracks["lost"] - FILTERED_MAX),
        settings=_flat(summary["settings"]),
        clock=clock_time,
        number=number,
        fate=lambda name: told(FATES, name),
        part=lambda name: told(PARTS, name),
        reason=lambda track: told(REASONS, track["reason"] or track["fate"]),
        reason_of=lambda name: told(REASONS, name),
        value=_value,
        wall=_wall,
    )
    with path.open("w", encoding="utf-8") as file:
        file.writelines(stream)


def _captures(data: PageData) -> Iterator[dict[str, Any]]:
    """In the order of the video; in the file they are in the order in which passages ended."""
    seen = set[int]()
    for capture in sorted(islice(read_lines(data.captures), CAPTURES_MAX), key=lambda capture: capture["at_s"]):
        picture = _embedded(data.part / THUMBS_NAME / Path(capture["picture"]).name)
        yield capture | {"data": picture, "is_first": capture["track"] not in seen}
        seen.add(capture["track"])


def _missed(data: PageData) -> Iterator[dict[str, Any]]:
    missed = (track for track in read_lines(data.tracks) if track["fate"] != "captured")
    for track in islice(missed, FILTERED_MAX):
        picture = track["picture"]
        yield track | {"data": _embedded(data.part / THUMBS_NAME / Path(picture).name) if picture else None}


def _embedded(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _flat(settings: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _value(value)


def _value(value: object) -> str:
    """As it is written in the configuration file."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _wall(text: str) -> str:
    """A moment in the form ``2026-01-31 12:00:00``, UTC."""
    return text[:19].replace("T", " ")
