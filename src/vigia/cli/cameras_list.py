"""How ``vigia cameras list`` shows cameras: what a running vigia says of them, or else what the lists say."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.table import Table

from vigia.application.camera_health import STATE_NAMES
from vigia.application.camera_status import LoadState
from vigia.application.ports import Clock
from vigia.application.use_cases.stream_camera import CameraState
from vigia.cli.camera_states import LOAD_LABELS
from vigia.cli.tables import add_row
from vigia.infrastructure.i18n import mark, translate, translate_template

LIVE_TITLES = (
    mark("id"),
    mark("name"),
    mark("group"),
    mark("state"),
    mark("since"),
    mark("stream"),
    mark("frames/s"),
    mark("bit rate"),
    mark("last frame"),
    mark("reconnects"),
    mark("load"),
    mark("why"),
)
STYLES = {
    CameraState.LIVE: "green",
    CameraState.DEGRADED: "yellow",
    CameraState.CONNECTING: "cyan",
    CameraState.DISABLED: "dim",
    CameraState.ENDED: "dim",
}
_STEPS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "min"))


def live_table(cameras: Sequence[Mapping[str, Any]], *, clock: Clock) -> Table:
    """What a running vigia says of its cameras.

    Args:
        cameras: from its status file.
        clock: for how long they have been so.
    """
    table = Table(box=None, padding=(0, 2))
    for title in LIVE_TITLES:
        table.add_column(translate(title))
    for camera in cameras:
        state = CameraState(camera["state"])
        cells = (
            str(camera["id"]),
            str(camera["name"]),
            str(camera["group"]),
            translate(STATE_NAMES[state].template),
            _since(camera.get("since_utc"), clock),
            _stream(camera),
            _number(camera.get("fps"), "{:.1f}"),
            _bit_rate(camera.get("bit_rate_bps")),
            _age(camera.get("last_packet_age_s")),
            _number(camera.get("reconnects"), "{}"),
            _load(camera),
            told_reason(camera),
        )
        add_row(table, cells, style=STYLES.get(state, "bold red"))
    return table


def told_reason(camera: Mapping[str, Any]) -> str:
    """Why a camera is not well, in the operator's language; empty when it is."""
    reason, alarms = camera.get("reason"), camera.get("alarms") or []
    texts = [] if reason is None else [translate_template(reason["template"], reason["facts"])]
    latest: dict[str, str] = {}
    for event in camera.get("history") or []:
        if event.get("alarm") in alarms and event.get("raised") and event.get("reason"):
            latest[event["alarm"]] = translate_template(event["reason"]["template"], event["reason"]["facts"])
    return "; ".join([*texts, *latest.values()])


def duration(seconds: float) -> str:
    """A length of time in its largest unit: ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    for length_s, unit in _STEPS:
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def _since(at: str | None, clock: Clock) -> str:
    return "" if at is None else duration(max(0.0, (clock.utc() - datetime.fromisoformat(at)).total_seconds()))


def _stream(camera: Mapping[str, Any]) -> str:
    return f"{camera['codec']} {camera['width']}x{camera['height']}" if camera.get("codec") else ""


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _bit_rate(bps: float | None) -> str:
    return "" if not bps else f"{bps / 1e6:.1f} Mbit/s" if bps >= 1e6 else f"{bps / 1e3:.0f} kbit/s"


def _age(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s" if seconds < 10.0 else duration(seconds)


def _load(camera: Mapping[str, Any]) -> str:
    if "load" not in camera:
        return ""
    text = f"{camera['cost_share']:.0%} k={camera['k']}"
    state = LoadState(camera["load"])
    return text if state is LoadState.FULL else f"{text} {translate(LOAD_LABELS[state])}"
