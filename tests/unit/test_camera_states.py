"""Each camera's state is visible, with its reason; among many only those that are not well."""

from collections.abc import Iterator
from io import StringIO
from types import MappingProxyType

import pytest
from rich.console import Console

from vigia.application.camera_status import CameraLoad, CameraStatus, LoadReason, LoadState
from vigia.application.use_cases.stream_camera import CameraState
from vigia.cli.camera_states import ROWS_MAX, camera_table, why
from vigia.domain.camera import CameraId
from vigia.domain.ledger import FrameFate, LedgerPage
from vigia.infrastructure.i18n import catalogue, set_language


@pytest.fixture(autouse=True)
def _english_and_then_as_before() -> Iterator[None]:
    before = catalogue._Active.state
    set_language("en")
    yield
    catalogue._Active.state = before


def status(name: str, load: CameraLoad, *, source: CameraState = CameraState.LIVE, skipped: int = 0) -> CameraStatus:
    frames = MappingProxyType(dict.fromkeys(FrameFate, 0) | {FrameFate.SKIPPED: skipped})
    return CameraStatus(CameraId(name), name, source, "shard-0", load, LedgerPage(frames=frames))


def shown(*details: CameraStatus) -> str:
    out = StringIO()
    Console(file=out, width=160).print(camera_table(details))
    return out.getvalue()


def test_state_reason_and_figures_of_each() -> None:
    slow = CameraLoad(LoadState.REDUCED, LoadReason.FRAMES_WAIT, 0.213, k=6, input_width=256, cost_share=0.25)
    text = shown(status("[red]Doca", slow, skipped=7), status("Saída", CameraLoad(), source=CameraState.AUTH_FAILED))
    doca, saida = text.splitlines()[1:3]
    assert doca.split() == ["[red]Doca", "live", "reduced", "6", "25%", "7", "frames", "waited", "213", "ms"]
    assert "password refused" in saida
    assert "full" in saida


def test_of_many_only_those_that_are_not_well() -> None:
    skipping = CameraLoad(LoadState.SKIPPING, LoadReason.QUEUE_FULL, k=8)
    well = [status(f"camera {n}", CameraLoad()) for n in range(ROWS_MAX + 5)]
    text = shown(*well, status("late", skipping), status("gone", CameraLoad(), source=CameraState.UNREACHABLE))
    assert "late" in text
    assert "queue full" in text
    assert "gone" in text
    assert "camera 3" not in text
    assert f"{ROWS_MAX + 5} others are well" in text


def test_no_more_rows_than_a_screen_holds() -> None:
    unwell = [status(f"c{n}", CameraLoad(LoadState.SKIPPING)) for n in range(ROWS_MAX + 9)]
    text = shown(*unwell)
    assert "9 more that are not well" in text
    assert len(text.splitlines()) == ROWS_MAX + 2


def test_every_reason_has_its_words() -> None:
    words = {why(CameraLoad(reason=reason)) for reason in LoadReason}
    assert len(words) == len(LoadReason)
    assert why(CameraLoad()) == ""
