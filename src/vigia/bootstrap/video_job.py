"""One video, from its file to its report: the hot path of a run, fed by hand.

The same shard, pipeline, tracker and commit use case as for a camera, with three differences that make the result
depend on the file alone, and on no machine's speed: packets are handed over one at a time, by the thread that works on
them; detection has a fixed cadence; and the clock of the hot path stands still, so that all its times are the file's.
"""

import itertools
import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from vigia import __version__
from vigia.application.call_guard import CallGuard
from vigia.application.errors import ApplicationError, SourceEnded, SourceUnreachable
from vigia.application.ports import CaptureStore, Clock, DecoderFactory, FaceDetector
from vigia.bootstrap.hot_path import HotPath
from vigia.bootstrap.posting_parts import camera_parts
from vigia.bootstrap.track_boxes import track_manager
from vigia.bootstrap.video_annotation import VideoAnnotation
from vigia.bootstrap.video_files import shown
from vigia.bootstrap.video_sink import VideoIdentity, VideoSink
from vigia.domain.camera import Camera, CameraId
from vigia.domain.frame import Frame
from vigia.domain.ledger import LedgerPage, TrackFate
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.i18n import language, translate, translate_error
from vigia.infrastructure.report.directory import ReportDirectory
from vigia.infrastructure.report.page import PageData, write_page
from vigia.infrastructure.report.records import read_lines
from vigia.infrastructure.report.table import write_table
from vigia.infrastructure.report.texts import COLUMNS, clock_time, decimal_comma
from vigia.infrastructure.video.decoder import AvVideoDecoder
from vigia.infrastructure.video.source import AvFrameSource, Pace
from vigia.infrastructure.video.threaded_decoder import ThreadedVideoDecoder
from vigia.infrastructure.video.video_file import VideoFacts, read_facts

FORMAT = 1
"""Of reports. Raise it when what they hold changes: older ones are made anew."""
LOOKS_HZ = 8.0
"""Unless ``detector.cadence_k`` says otherwise, a video is looked at about so often."""
K_MAX = 10
CUT_SHORT_S = 2.0
CUT_SHORT_SHARE = 0.03
"""A file that ends so much before its own length is told as damaged."""
SETTINGS_SHOWN = ("detector", "tracks", "capture")
THREADS_MAX = 4


class Interrupted(ApplicationError):
    """The person wants to stop."""


@dataclass(frozen=True, slots=True)
class ProcessOptions:
    """What is asked for beyond the settings."""

    annotate: bool = False
    start_utc: datetime | None = None
    """When the video begins; None = as the file says."""
    force: bool = False
    """Make reports anew that are done."""
    camera: Camera | None = None
    """Whose videos they are, where captures are sent."""


@dataclass(frozen=True, slots=True)
class Machinery:
    """What all videos of a run share."""

    settings: Settings
    options: ProcessOptions
    make_detector: Callable[[], FaceDetector]
    model: str
    model_digest: str
    clock: Clock
    stop: threading.Event
    outbox: CaptureStore | None = None
    wake_senders: Callable[[], None] = lambda: None


class _FileClock:
    """Stands still at the beginning of a video: times of the hot path are then the file's. Any thread."""

    def __init__(self, start_utc: datetime) -> None:
        self._start_utc = start_utc

    def mono_s(self) -> float:
        """The beginning."""
        return 0.0

    def utc(self) -> datetime:
        """When the video begins."""
        return self._start_utc

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        """Wait in real time."""
        return event.wait(timeout_s)


class VideoJob:
    """Processes one video. Owner: one thread; ``position_s`` may be read by any.

    Args:
        path: the file.
        directory: its report's.
        machinery: what all videos share.

    Raises:
        ApplicationError: when it is made: the file is no video.
    """

    def __init__(self, path: Path, directory: ReportDirectory, machinery: Machinery) -> None:
        self.path = path
        self.directory = directory
        self.position_s = 0.0
        """How far it is, seconds of the video."""
        self._machinery = machinery
        try:
            self._stat = path.stat()
        except OSError as error:
            raise SourceUnreachable("it cannot be read: %(why)s", why=_why(error)) from error
        options = machinery.options
        own = options.camera if options.camera is not None else Camera(CameraId("video"), self.name, "")
        self._camera = replace(own, url=str(path), token="")  # what decodes strangers' files knows no secret
        self._own_settings = settings_for(machinery.settings, self._camera)
        self._facts: VideoFacts | None = None

    @property
    def name(self) -> str:
        """Of the file, as it may be shown."""
        return shown(Path(self.path.name))

    @property
    def facts(self) -> VideoFacts:
        """What the file says of itself; read when it is asked for first. Raises SourceUnreachable."""
        if self._facts is None:
            self._facts = read_facts(self.path)
        return self._facts

    def is_done(self) -> bool:
        """Whether its report is there already, of this file and these settings."""
        summary = self.directory.summary()
        return summary is not None and summary.get("fingerprint") == self._fingerprint()

    def run(self, *, threads: int) -> dict[str, Any]:
        """Make the report; return its summary. ``threads``: of the decoder.

        Raises:
            Interrupted: a stop was asked for; nothing is left of the report.
            ApplicationError: the video or the disk failed; nothing is left of the report.
        """
        try:
            self.directory.begin()
            return self._made(threads)
        except OSError as error:
            self.directory.abandon()
            raise ApplicationError("the report cannot be written: %(why)s", why=_why(error)) from error
        except BaseException:
            self.directory.abandon()
            raise

    def _made(self, threads: int) -> dict[str, Any]:
        machinery, directory, facts = self._machinery, self.directory, self.facts
        began_s = machinery.clock.mono_s()
        start_utc, clock_name = self._start()
        settings = self._fixed_settings()
        parts = camera_parts(settings_for(settings, self._camera))
        sink = VideoSink(
            directory,
            identity=VideoIdentity(self._camera.id, self._stat.st_size, self._stat.st_mtime_ns),
            outbox=machinery.outbox,
            picture=parts.picture,
            track_filter=parts.track_filter,
            clock=machinery.clock,
            stop=machinery.stop,
            wake_senders=machinery.wake_senders,
        )
        try:
            page, damage = self._processed(settings, sink, _FileClock(start_utc), threads=threads)
        finally:
            sink.close()
        length_s = self.position_s
        passed_s = max(machinery.clock.mono_s() - began_s, 1e-3)
        summary: dict[str, Any] = {
            "vigia": __version__,
            "format": FORMAT,
            "fingerprint": self._fingerprint(),
            "video": {
                "name": self.name,
                "path": shown(self.path),
                "size_bytes": self._stat.st_size,
                "start_utc": start_utc.isoformat(timespec="milliseconds"),
                "clock": clock_name,
                "duration_s": round(length_s, 3),
                "width": facts.width,
                "height": facts.height,
                "fps": round(facts.fps, 3),
                "codec": facts.codec,
            },
            "model": machinery.model,
            "cadence_k": settings.detector.cadence_k,
            "settings": _settings_shown(settings_for(settings, self._camera)),
            **_figures(page),
            "damage": damage,
            "sent_as": self._camera.name if machinery.outbox is not None else None,
            "annotated": machinery.options.annotate,
            "processing_s": round(passed_s, 3),
            "times_real_time": round(length_s / passed_s, 2),
            "made_at_utc": machinery.clock.utc().isoformat(timespec="seconds"),
        }
        write_table(
            directory.part / "captures.csv",
            read_lines(sink.captures_path),
            video=self.name,
            headers=[translate(header) for header in COLUMNS],
            decimal_comma=decimal_comma(),
        )
        write_page(
            directory.part / "report.html", PageData(directory.part, sink.tracks_path, sink.captures_path, summary)
        )
        directory.publish(summary)
        return summary

    def _processed(
        self, settings: Settings, sink: VideoSink, clock: _FileClock, *, threads: int
    ) -> tuple[LedgerPage, str | None]:
        """Feed the hot path to the end; return the books, and what was wrong with the file."""
        facts, machinery = self.facts, self._machinery
        tracks = track_manager(settings, ids=itertools.count(1))
        annotation: VideoAnnotation | None = None
        if machinery.options.annotate:
            annotation = VideoAnnotation(self.directory.part / "annotated.mp4", tracks, self._camera.id, fps=facts.fps)

        def see(frame: Frame) -> None:
            self.position_s = max(self.position_s, frame.at_mono_s + 1.0 / facts.fps)
            if annotation is not None:
                annotation.see(frame)

        decoders: DecoderFactory = AvVideoDecoder
        if threads > 1:
            decoders = partial(ThreadedVideoDecoder, threads=min(threads, THREADS_MAX))
        hot_path = HotPath(settings, clock=clock, on_frame=see, decoders=decoders, tracks=tracks)
        shard, detect = hot_path.shard("video", machinery.make_detector(), cameras=1)
        line = hot_path.line(self._camera, shard, detect=detect, captures=sink)
        shard.add(line.pipeline)
        options = replace(hot_path.source_options(self._camera), pace=Pace.FLAT_OUT, loop=False)
        source = AvFrameSource(self._camera, clock=clock, options=options, guard=CallGuard(machinery.clock))
        broke: SourceEnded | None = None
        try:
            source.open()
            for packet in source.packets():
                self._check(sink)
                line.pipeline.queue.put(packet)
                shard.step()
        except SourceEnded as ended:
            broke = ended if ended.__cause__ is not None else None
        finally:
            source.close()
        shard.drain(deadline_mono_s=math.inf)
        self._check(sink)
        if annotation is not None:
            annotation.close()
        page = line.ledger.snapshot()
        if not page.frames_decoded:
            raise SourceUnreachable("no picture in this file can be decoded")
        if not page.balanced:
            raise AssertionError("every packet and every track has one end")
        return page, self._damage(page, broke)

    def _check(self, sink: VideoSink) -> None:
        if self._machinery.stop.is_set():
            raise Interrupted("stopped")
        if sink.failure is not None:
            raise ApplicationError("a capture could not be made: %(why)s", why=sink.failure) from sink.failure

    def _damage(self, page: LedgerPage, broke: SourceEnded | None) -> str | None:
        if broke is not None:
            return translate_error(broke)
        told_s = self.facts.duration_s
        if told_s - self.position_s > max(CUT_SHORT_S, CUT_SHORT_SHARE * told_s):
            text = translate("it ends after %(end)s of %(length)s")
            return text % {"end": clock_time(self.position_s), "length": clock_time(told_s)}
        bad = page.frames_booked - page.frames_decoded
        if bad:
            return translate("%(count)d pictures of %(total)d could not be decoded") % {
                "count": bad,
                "total": page.received,
            }
        return None

    def _start(self) -> tuple[datetime, str]:
        """When the video begins, and who says so."""
        given = self._machinery.options.start_utc
        if given is not None:
            return given, "option"
        facts = self.facts
        if facts.created_utc is not None:
            return facts.created_utc, "metadata"
        changed_utc = datetime.fromtimestamp(self._stat.st_mtime, UTC)
        return changed_utc - timedelta(seconds=facts.duration_s), "file"

    def _fixed_settings(self) -> Settings:
        """The settings, with a cadence that does not follow the load."""
        detector = self._machinery.settings.detector
        k = detector.cadence_k
        if k == "auto":
            k = min(max(1, round(self.facts.fps / LOOKS_HZ)), K_MAX)
        fixed = detector.model_copy(update={"cadence_k": k, "cadence_k_max": K_MAX, "min_face_px_overload": None})
        return self._machinery.settings.model_copy(update={"detector": fixed})

    def _fingerprint(self) -> str:
        """Changes with the file and with everything that a report depends on."""
        machinery = self._machinery
        start = machinery.options.start_utc
        told = {
            "vigia": __version__,
            "format": FORMAT,
            "file": [shown(self.path), self._stat.st_size, self._stat.st_mtime_ns],
            "settings": _settings_shown(self._own_settings),
            "model": [machinery.model, machinery.model_digest],
            "annotate": machinery.options.annotate,
            "start": None if start is None else start.isoformat(),
            "sent_as": None if machinery.outbox is None else str(self._camera.id),
            "language": language(),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _settings_shown(settings: Settings) -> dict[str, Any]:
    dump = settings.redacted_dump()
    return {name: dump[name] for name in SETTINGS_SHOWN}


def _figures(page: LedgerPage) -> dict[str, Any]:
    return {
        "tracks": {"started": page.tracks_started} | {fate.value: page.tracks[fate] for fate in TrackFate},
        "captures": page.captures,
        "faces": page.faces,
        "ledger": {
            "received": page.received,
            "frames": {fate.value: count for fate, count in page.frames.items()},
            "skip_reasons": dict(page.skip_reasons),
            "tracks": {fate.value: count for fate, count in page.tracks.items()},
            "filter_reasons": dict(page.filter_reasons),
        },
    }


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
