"""Each camera's state as a person sees it: what its source does, how thoroughly it is looked at, and why not more."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from vigia.application.camera_health import STATE_NAMES
from vigia.application.camera_status import CameraLoad, CameraStatus, LoadReason, LoadState
from vigia.application.use_cases.stream_camera import CameraState
from vigia.domain.ledger import FrameFate
from vigia.infrastructure.i18n import mark, translate, translate_error

ROWS_MAX = 16
"""More cameras than this: those that are well are counted, not listed."""
LOAD_LABELS: dict[LoadState, str] = {
    LoadState.FULL: mark("full"),
    LoadState.REDUCED: mark("reduced"),
    LoadState.SKIPPING: mark("skipping"),
}
STYLES = {LoadState.FULL: "green", LoadState.REDUCED: "yellow", LoadState.SKIPPING: "bold red"}
TITLES = (mark("camera"), mark("source"), mark("looked at"), mark("k"), mark("load"), mark("skipped"), mark("why"))


def why(load: CameraLoad) -> str:
    """Why a camera is not looked at in full, in the operator's words; empty when it is."""
    if load.reason is LoadReason.FRAMES_WAIT:
        return translate("frames waited %(age).0f ms") % {"age": load.waited_s * 1000.0}
    if load.reason is LoadReason.PREDICTED:
        return translate("more work than time")
    if load.reason is LoadReason.QUEUE_FULL:
        return translate("queue full")
    if load.reason is LoadReason.MEMORY:
        return translate("memory limit")
    return ""


def camera_table(details: Sequence[CameraStatus]) -> Table:
    """A row a camera; of many, only those that are not well."""
    table = Table(show_header=True, box=None, padding=(0, 2))
    for number, title in enumerate(TITLES):
        table.add_column(translate(title), justify="left" if number in {0, len(TITLES) - 1} else "right")
    shown = details if len(details) <= ROWS_MAX else [camera for camera in details if not _well(camera)]
    for camera in shown[:ROWS_MAX]:
        load = camera.load
        table.add_row(
            Text(camera.name),
            translate(STATE_NAMES[camera.source].template),
            Text(translate(LOAD_LABELS[load.state]), style=STYLES[load.state]),
            str(load.k),
            f"{load.cost_share:.0%}",
            str(camera.page.frames[FrameFate.SKIPPED]),
            why(load) if camera.reason is None else translate_error(camera.reason.as_error()),
        )
    if len(shown) > ROWS_MAX:
        table.add_row(translate("%(count)d more that are not well") % {"count": len(shown) - ROWS_MAX})
    if len(shown) < len(details):
        table.add_row(translate("%(count)d others are well") % {"count": len(details) - len(shown)})
    return table


def _well(camera: CameraStatus) -> bool:
    return camera.source is CameraState.LIVE and camera.load.state is LoadState.FULL
