"""``vigia cameras probe``: what a camera's stream is, what it will cost, and its first picture."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from vigia.application.errors import SourceAuthFailed, SourceEnded, SourceError, SourceStalled
from vigia.bootstrap import detector_factory
from vigia.bootstrap.camera_probe import CameraProbe, jpeg_of, probe_camera, probe_cost, with_transport
from vigia.bootstrap.capacity import Capacity
from vigia.bootstrap.parts import WEAK_SHARE
from vigia.cli.camera_target import TargetArgument, TransportOption, checked_transport, target_camera
from vigia.cli.cameras_snapshot import check_writable
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, read_settings
from vigia.cli.tables import add_row, print_table
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.domain.stream_clock import StampVerdict
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import mark, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.private_file import write_private

EXIT_FAILED = 1
K_SHOWN = range(1, 6)
STAMPS: dict[StampVerdict, str] = {
    StampVerdict.OK: mark("good"),
    StampVerdict.MISSING: mark("missing"),
    StampVerdict.REPEATED: mark("repeated"),
    StampVerdict.BACKWARD: mark("backward"),
    StampVerdict.JUMP: mark("jumping"),
    StampVerdict.DRIFT: mark("at another pace than time"),
}
SecondsOption = Annotated[float, typer.Option("--seconds", min=1.0, max=120.0, help="How long it is measured.")]
PictureOption = Annotated[
    Path | None, typer.Option("--picture", help="Save the first whole picture as this JPEG file.")
]
CostOption = Annotated[bool, typer.Option("--cost/--no-cost", help="Measure for 5 s what it costs on this machine.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace a picture that is there.")]


def probe(  # noqa: PLR0913 - a command has its options
    target: TargetArgument,
    *,
    seconds: SecondsOption = 5.0,
    picture: PictureOption = None,
    force: ForceOption = False,
    cost: CostOption = True,
    transport: TransportOption = None,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    as_json: JsonOption = False,
) -> int:
    """Open a camera as a run would: what its stream is, and what it will cost."""
    settings, clock = read_settings(config, env_file=env_file), SystemClock()
    camera = with_transport(target_camera(settings, target), checked_transport(transport))
    if picture is not None:
        check_writable(picture, force=force)
    try:
        found = probe_camera(settings, camera, seconds=seconds, clock=clock)
    except SourceError as error:
        if not as_json:
            raise
        typer.echo(json.dumps(_failure(camera, error), ensure_ascii=False))
        return EXIT_FAILED
    if picture is not None:
        write_private(picture, jpeg_of(settings, camera, found.first.picture), replace=force)
    capacity = _capacity(settings, found) if cost else None
    if as_json:
        typer.echo(json.dumps(_document(found, capacity, picture), ensure_ascii=False))
        return 0
    print_table(_stream_table(found, picture))
    if capacity is not None:
        facts = {"frame": 1e3 * capacity.decode_s, "look": 1e3 * capacity.detect_s, "shards": capacity.shards}
        typer.echo(
            translate(
                "Cost: %(frame).2f ms a frame for decoding and the rest, %(look).2f ms a detection (%(shards)d shards)"
            )
            % facts
        )
        print_table(_cost_table(capacity))
    return 0


def _capacity(settings: Settings, found: CameraProbe) -> Capacity | None:
    """What it costs; without a model, say, that is told and the rest is shown all the same."""
    try:
        make_detector = detector_factory(settings, weak_share=WEAK_SHARE)
        capacity = probe_cost(settings, found, make_detector, clock=SystemClock())
    except VigiaError as error:
        _tell(translate("the cost is not known: %(why)s") % {"why": translate_error(error)})
        return None
    if capacity is None:
        _tell(translate("too few pictures came to measure the cost with; give more --seconds"))
    return capacity


def _stream_table(found: CameraProbe, picture: Path | None) -> Table:
    stream, figures, inspection = found.stream, found.figures, found.inspection
    profile = "" if inspection is None or not inspection.profile else f" ({inspection.profile})"
    rows = [
        ("URL", found.camera.url_redacted),
        (translate("codec"), f"{stream.codec}{profile}, {found.pixel_format or '?'}"),
        (translate("picture"), f"{stream.width}x{stream.height}"),
        (translate("frames a second"), _fps(found)),
        (translate("bit rate"), _bit_rate(figures.bit_rate_bps)),
        (translate("key frames"), _gop(found)),
        (translate("B-frames"), translate("yes") if figures.b_frames else translate("no")),
        (translate("time stamps"), _stamps(found)),
        (translate("other streams"), _others(found)),
        (
            translate("until open / packet / picture"),
            f"{found.open_s:.2f} / {found.first_packet_s:.2f} / {found.first_picture_s:.2f} s",
        ),
        (translate("damaged"), str(found.damaged)),
    ]
    if picture is not None:
        rows.append((translate("first picture"), str(picture)))
    table = Table(box=None, padding=(0, 2), show_header=False)
    for row in rows:
        add_row(table, row)
    return table


def _cost_table(capacity: Capacity) -> Table:
    table = Table(box=None, padding=(0, 2))
    for title in (mark("detection on"), mark("share of a core"), mark("such cameras on this machine")):
        table.add_column(translate(title))
    for k in K_SHOWN:
        every = translate("every frame") if k == 1 else translate("every %(k)d frames") % {"k": k}
        add_row(table, (every, f"{100 * capacity.core_share(k):.0f} %", str(capacity.cameras(k))))
    return table


def _fps(found: CameraProbe) -> str:
    measured = "?" if found.figures.fps is None else f"{found.figures.fps:.2f}"
    told = f"{found.stream.fps:.2f}" if found.stream.fps > 0.0 else "?"
    return translate("%(measured)s measured, %(told)s declared") % {"measured": measured, "told": told}


def _bit_rate(bits_per_s: float | None) -> str:
    return "?" if bits_per_s is None else f"{bits_per_s / 1e6:.2f} Mbit/s"


def _gop(found: CameraProbe) -> str:
    figures = found.figures
    if figures.gop_frames is None or figures.gop_s is None:
        return translate("%(count)d in %(seconds).1f s") % {"count": figures.key_frames, "seconds": figures.seconds}
    return translate("every %(frames)d frames, %(seconds).2f s") % {
        "frames": figures.gop_frames,
        "seconds": figures.gop_s,
    }


def _stamps(found: CameraProbe) -> str:
    bad = [
        f"{count} {translate(STAMPS[verdict])}"
        for verdict, count in found.figures.stamps.items()
        if verdict is not StampVerdict.OK and count
    ]
    word = translate("good") if found.figures.stamps_sane else translate("no use: pictures are timed by their arrival")
    return f"{word} ({', '.join(bad)})" if bad else word


def _others(found: CameraProbe) -> str:
    if found.inspection is None:
        return translate("not known: it did not let itself be opened again")
    told = [f"{o.kind} {o.codec} {o.detail}".strip() for o in found.inspection.others]
    return ", ".join(told) or translate("none")


def _failure(camera: Camera, error: SourceError) -> dict[str, Any]:
    kind = "unreachable"
    if isinstance(error, SourceAuthFailed):
        kind = "auth_failed"
    elif isinstance(error, SourceStalled | SourceEnded):
        kind = "no_picture"
    elif error.template == "%(url)s has no video stream":
        kind = "no_video"
    return {"id": camera.id, "url": camera.url_redacted, "error": {"kind": kind, "text": str(error)}}


def _document(found: CameraProbe, capacity: Capacity | None, picture: Path | None) -> dict[str, Any]:
    stream, figures, inspection = found.stream, found.figures, found.inspection
    return {
        "id": found.camera.id,
        "url": found.camera.url_redacted,
        "codec": stream.codec,
        "profile": inspection.profile if inspection is not None else "",
        "pixel_format": found.pixel_format,
        "width": stream.width,
        "height": stream.height,
        "fps_declared": stream.fps or None,
        "fps": figures.fps,
        "fps_arrived": figures.fps_arrived,
        "bit_rate_bps": figures.bit_rate_bps,
        "bit_rate_declared_bps": (inspection.bit_rate_bps if inspection is not None else 0) or None,
        "packets": figures.packets,
        "seconds": figures.seconds,
        "key_frames": figures.key_frames,
        "gop_frames": figures.gop_frames,
        "gop_s": figures.gop_s,
        "b_frames": figures.b_frames,
        "stamps_sane": figures.stamps_sane,
        "stamps": {verdict.value: count for verdict, count in figures.stamps.items()},
        "damaged": found.damaged,
        "open_s": found.open_s,
        "first_packet_s": found.first_packet_s,
        "first_picture_s": found.first_picture_s,
        "other_streams": None
        if inspection is None
        else [{"kind": o.kind, "codec": o.codec, "detail": o.detail} for o in inspection.others],
        "picture": None if picture is None else str(picture),
        "cost": None if capacity is None else _cost(capacity),
    }


def _cost(capacity: Capacity) -> dict[str, Any]:
    return {
        "decode_ms": 1e3 * capacity.decode_s,
        "look_ms": 1e3 * capacity.detect_s,
        "shards": capacity.shards,
        "core_share": {str(k): capacity.core_share(k) for k in K_SHOWN},
        "cameras": {str(k): capacity.cameras(k) for k in K_SHOWN},
    }


def _tell(text: str) -> None:
    typer.echo(console_safe(text), err=True)
