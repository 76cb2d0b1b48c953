"""Cameras: every camera of the list in one table, what it delivers and what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from nicegui.element import Element

from vigia.application.camera_health import DELIVERING
from vigia.infrastructure.i18n import mark
from vigia.infrastructure.web.dashboard.camera_card import ALARMS
from vigia.infrastructure.web.dashboard.camera_reload import reload_button
from vigia.infrastructure.web.dashboard.context import PageContext
from vigia.infrastructure.web.dashboard.elements import node
from vigia.infrastructure.web.dashboard.formats import DASH, TIMES, number, percent, seconds
from vigia.infrastructure.web.dashboard.parts import add_looks, locale
from vigia.infrastructure.web.dashboard.shell import every, off_loop, page_shell
from vigia.infrastructure.web.dashboard.states import LOOKS, UNKNOWN, told
from vigia.infrastructure.web.dashboard.troubles import DOWN_STATES, in_trouble

TITLE: Final = mark("Cameras")
COLUMNS: Final = (
    ("name", mark("Camera"), False, ""),
    ("state", mark("State"), False, ""),
    ("group", mark("Group"), False, ""),
    ("alarms", mark("Alarms"), False, ""),
    ("fps", mark("Frames/s"), True, mark("Frames that the camera delivers a second.")),
    ("age", mark("Last picture"), True, mark("How long ago the last frame came.")),
    ("size", mark("Picture"), True, ""),
    ("codec", mark("Codec"), False, ""),
    ("rate", mark("Mbit/s"), True, mark("What the stream takes on the network.")),
    ("look", mark("Looked at"), False, mark("In full, less closely, or with frames skipped.")),
    ("load", mark("Load"), True, mark("Share of its shard's time that the camera takes.")),
    ("reconnects", mark("Reconnects"), True, mark("Times that it was opened again.")),
    ("faces", mark("Faces"), True, mark("Faces found since the start, one in one frame.")),
    ("captures", mark("Captures"), True, mark("Shots handed on to be sent, since the start.")),
)
"""Key, title, whether it is a number, and what it means."""
TEXTS: Final = {
    "search": mark("Name, group or id"),
    "group": mark("Group"),
    "state": mark("State"),
    "any": mark("all"),
    "trouble": mark("with trouble"),
    "count": mark("{shown} of {all}"),
    "none": mark("No camera matches the filter."),
}
STEP_S: Final = 2.0
STEPS_OF_ALL: Final = 15
SHORT_S: Final = 10.0


def camera_address(camera_id: str) -> str:
    """Where one camera is shown."""
    return f"/cameras/{quote(camera_id, safe='')}"


class CameraTable(Element, component="assets/camera_table.js"):
    """The table; sorting and filters are the browser's."""

    def __init__(self, ctx: PageContext) -> None:
        super().__init__()
        self._ctx = ctx
        self._steps = 0
        say = ctx.say
        with self.props.suspend_updates():
            self.props["language"] = locale(ctx)
            self.props["texts"] = {key: say(text) for key, text in TEXTS.items()}
            self.props["columns"] = [
                {"key": key, "label": say(title), "num": numeric, "hint": say(hint) if hint else ""}
                for key, title, numeric, hint in COLUMNS
            ]
            self.props["states"] = []
            self.props["rows"] = []

    def tell(self, cameras: Sequence[Mapping[str, Any]]) -> None:
        """Show these; only rows that changed are sent, and now and then all: one may have been lost on the way."""
        rows = [row_of(self._ctx, camera) for camera in cameras]
        before = {row["id"]: row for row in self.props["rows"]}
        self._steps += 1
        if [row["id"] for row in rows] == list(before) and self._steps % STEPS_OF_ALL:
            changed = [row for row in rows if row != before[row["id"]]]
            if changed:
                with self.props.suspend_updates():
                    self.props["rows"] = rows
                self.run_method("patch", changed)
            return
        states = dict.fromkeys(str(camera["state"]) for camera in cameras)
        with self.props.suspend_updates():
            self.props["rows"] = rows
            self.props["states"] = [
                {"key": state, "label": self._ctx.say(LOOKS.get(state, UNKNOWN).name)} for state in states
            ]
        self.update()


def age_told(age_s: float | None, language: str) -> str:
    """How long ago the last picture came: to a tenth of a second, which does not flicker."""
    if age_s is None or age_s >= SHORT_S:
        return seconds(age_s, language)
    return f"{number(age_s, language, digits=1)}\N{NO-BREAK SPACE}s"


def row_of(ctx: PageContext, camera: Mapping[str, Any]) -> dict[str, Any]:
    """One camera as the table shows it, and by what it is sorted."""
    say, language = ctx.say, ctx.language
    look = LOOKS.get(camera["state"], UNKNOWN)
    delivers = camera["state"] in DELIVERING
    loaded = LOOKS.get(camera.get("load", "")) if delivers else None
    width, height, rate = camera.get("width", 0), camera.get("height", 0), camera.get("bit_rate_bps")
    alarms = [say(ALARMS[alarm]) for alarm in camera["alarms"] if alarm in ALARMS]
    values: dict[str, float | None] = {
        "fps": camera.get("fps"), "age": camera.get("last_packet_age_s"), "size": width * height or None,
        "rate": rate, "load": camera.get("cost_share"), "reconnects": camera.get("reconnects"),
        "faces": camera.get("faces"), "captures": camera.get("captures"),
    }  # fmt: skip
    cells = {
        "group": camera["group"] or DASH,
        "fps": number(values["fps"], language, digits=1),
        "age": age_told(values["age"], language),
        "size": f"{width}{TIMES}{height}" if width else DASH,
        "codec": str(camera.get("codec") or "").upper() or DASH,
        "rate": DASH if not rate else number(rate / 1e6, language, digits=2),
        "look": DASH if loaded is None else say(loaded.name),
        "load": percent(values["load"], language),
        "reconnects": number(values["reconnects"], language),
        "faces": number(values["faces"], language),
        "captures": number(values["captures"], language),
    }
    return {
        "id": camera["id"],
        "name": camera["name"],
        "group": camera["group"] or "",
        "href": camera_address(camera["id"]),
        "state": camera["state"],
        "trouble": 2 if camera["state"] in DOWN_STATES else int(in_trouble(camera)),
        "badge": {"kind": look.kind, "sign": look.sign, "word": say(look.name)},
        "why": told(ctx, camera.get("reason")),
        "alarms": alarms,
        "cells": cells,
        "sort": {
            "name": str(camera["name"]), "state": say(look.name), "group": camera["group"] or "",
            "alarms": " ".join(alarms), "codec": cells["codec"], "look": cells["look"], **values,
        },
    }  # fmt: skip


async def build(ctx: PageContext, asked: Mapping[str, str]) -> None:
    """The page at ``/cameras``."""
    del asked
    add_looks()
    with page_shell(ctx, title=ctx.say(TITLE), current="cameras"):
        if ctx.may_act:
            with node("div", classes="vg-row"):
                reload_button(ctx)
        table = CameraTable(ctx)

        async def step() -> None:
            table.tell(await off_loop(ctx.parts.view.cameras))

        await step()
        every(STEP_S, step)
