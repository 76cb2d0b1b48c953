"""``vigia process``: a report on any video, without cameras and, unless asked for, without FindFace."""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from vigia.application.errors import ConfigurationError
from vigia.application.ports import ProgressTask
from vigia.bootstrap.parts import running_logger
from vigia.bootstrap.video_delivery import video_delivery
from vigia.bootstrap.video_files import find_videos, shown
from vigia.bootstrap.video_job import ProcessOptions
from vigia.bootstrap.video_process import Delivery, VideoFate, VideoOutcome, VideoProcess
from vigia.cli.options import ConfigOption, EnvFileOption, JsonOption, SetOption, read_settings
from vigia.cli.progress import RichProgress
from vigia.infrastructure.clock import SystemClock
from vigia.infrastructure.config import DEFAULT_ENV_FILE, Settings
from vigia.infrastructure.i18n import mark, translate, translate_error
from vigia.infrastructure.logging.sinks import console_safe
from vigia.infrastructure.report.texts import number

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
DEFAULT_OUT = Path("vigia-report")
PROGRESS_LABEL = mark("seconds of video")


def process(  # noqa: PLR0913 - one option each
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files, and folders with videos.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="Where the reports go, one folder a video.")] = DEFAULT_OUT,
    annotate: Annotated[
        bool, typer.Option("--annotate", help="Also write the video with boxes and track numbers drawn on it.")
    ] = False,
    send: Annotated[bool, typer.Option("--send", help="Also deliver the captures to FindFace.")] = False,
    camera: Annotated[
        str | None, typer.Option("--camera", help="With --send: id or name of the camera that the videos are of.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--start", metavar="ISO-TIME", help="When the video begins: 2026-01-31T08:00:00-03:00."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make reports anew that are done already.")] = False,
    config: ConfigOption = None,
    env_file: EnvFileOption = DEFAULT_ENV_FILE,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> int:
    """Find the faces in video files and write a report on each, as fast as this machine can.

    What is done already is skipped; interrupted, it goes on with the video that was under way.
    """
    settings = _quietly(read_settings(config, env_file=env_file, overrides=overrides))
    found = find_videos(videos)
    options = ProcessOptions(annotate=annotate, start_utc=_moment(start, len(found)), force=force)
    if camera is not None and not send:
        raise ConfigurationError("--camera says as which camera captures are sent; it needs --send")
    clock, stop = SystemClock(), threading.Event()
    outcomes: list[VideoOutcome] = []
    unsent = 0
    with running_logger(settings, clock=clock), _signals(stop):
        if send:
            with video_delivery(settings, camera, clock=clock) as delivery:
                options = replace(options, camera=delivery.camera)
                to = Delivery(delivery.outbox, delivery.wake)
                run = VideoProcess(settings, options, found, out, clock=clock, stop=stop, delivery=to)
                outcomes = _watched(run, as_json=as_json)
                stats, unsent = delivery.finish(stop)
                _tell_sent(stats.delivered, stats.refused + stats.dead, unsent)
        else:
            run = VideoProcess(settings, options, found, out, clock=clock, stop=stop)
            outcomes = _watched(run, as_json=as_json)
    if as_json:
        typer.echo(json.dumps({"videos": [_as_json(one) for one in outcomes], "unsent": unsent}, ensure_ascii=False))
    return _exit_code(outcomes, unsent, stop)


def _quietly(settings: Settings) -> Settings:
    """No log file, and on the screen only what is wrong: what is done is told by the progress."""
    log = settings.log.model_copy(update={"file_enabled": False, "console_level": "WARNING"})
    return settings.model_copy(update={"log": log})


def _moment(text: str | None, videos: int) -> datetime | None:
    """The time of ``--start``; without a zone it is that of this machine."""
    if text is None:
        return None
    if videos > 1:
        raise ConfigurationError("--start is when one video begins; there are %(count)d", count=videos)
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigurationError(
            "--start %(value)s: write date and time as in 2026-01-31T08:00:00-03:00", value=text
        ) from error


def _watched(run: VideoProcess, *, as_json: bool) -> list[VideoOutcome]:
    """Run it with a bar or lines on standard error; a line for each video when it is done."""
    outcomes: list[VideoOutcome] = []

    def tell(outcome: VideoOutcome) -> None:
        outcomes.append(outcome)
        line = console_safe(_line(outcome))
        typer.echo(line, err=as_json or outcome.fate in {VideoFate.FAILED, VideoFate.STOPPED})

    progress = _Progress()
    try:
        run.run(tell, progress.begin, progress.reach)
    finally:
        progress.close()
    return outcomes


class _Progress:
    """A bar of whole seconds of video. Owner: the main thread."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._task: ProgressTask | None = None
        self._done_s = self._total_s = 0

    def begin(self, length_s: float) -> None:
        """So much there is to do."""
        self._total_s = round(length_s)
        if self._total_s:
            self._task = self._stack.enter_context(RichProgress().task(PROGRESS_LABEL, self._total_s))

    def reach(self, done_s: float) -> None:
        """So much of it is done."""
        whole_s = min(int(done_s), self._total_s)
        if self._task is not None and whole_s > self._done_s:
            self._task.advance(whole_s - self._done_s)
            self._done_s = whole_s

    def close(self) -> None:
        """Take the bar away."""
        self._stack.close()


def _line(outcome: VideoOutcome) -> str:
    """What came of one video, for people."""
    name, summary = shown(outcome.path), outcome.summary
    if outcome.fate is VideoFate.STOPPED:
        return translate("%(video)s: stopped; it starts over the next time") % {"video": name}
    if outcome.fate is VideoFate.FAILED or summary is None:
        why = "" if outcome.error is None else translate_error(outcome.error)
        return translate("%(video)s: %(why)s") % {"video": name, "why": why}
    page = shown(outcome.report / "report.html")
    if outcome.fate is VideoFate.KNOWN:
        return translate("%(video)s: done before, see %(page)s") % {"video": name, "page": page}
    text = translate(
        "%(video)s: %(captures)d captures of %(tracks)d passages, %(speed)s times real time, see %(page)s"
    ) % {
        "video": name,
        "captures": summary["captures"],
        "tracks": summary["tracks"]["started"],
        "speed": number(summary["times_real_time"], 1),
        "page": page,
    }
    damage = summary["damage"]
    return text if damage is None else text + "\n  " + translate("The video is damaged:") + f" {damage}"


def _tell_sent(delivered: int, not_taken: int, unsent: int) -> None:
    text = translate("FindFace: %(delivered)d captures delivered, %(not_taken)d not taken, %(unsent)d wait on disk") % {
        "delivered": delivered,
        "not_taken": not_taken,
        "unsent": unsent,
    }
    typer.echo(text, err=True)


def _as_json(outcome: VideoOutcome) -> dict[str, Any]:
    error = outcome.error
    return {
        "video": shown(outcome.path),
        "fate": outcome.fate.value,
        "report": shown(outcome.report),
        "error": None if error is None else str(error),
        "summary": outcome.summary,
    }


def _exit_code(outcomes: list[VideoOutcome], unsent: int, stop: threading.Event) -> int:
    if stop.is_set() and any(one.fate is VideoFate.STOPPED for one in outcomes):
        return EXIT_INTERRUPTED
    failed = any(one.fate is VideoFate.FAILED for one in outcomes)
    return EXIT_FAILED if failed or unsent else 0


@contextmanager
def _signals(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl+C or SIGTERM stops cleanly, the second ends the process at once."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(EXIT_INTERRUPTED)
        stop.set()
        sys.stderr.write("\n" + translate("Stopping… press Ctrl+C again to end at once.") + "\n")

    before = {which: signal.signal(which, handle) for which in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)
