"""Each camera, opened as a run opens it, some side by side; beside a vigia that runs, as that one sees it.

What went wrong with a camera is known by the template of its error: that is what chooses the remedy.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from vigia.application.diagnosis import Area, Finding, FindingKind, Word
from vigia.application.errors import SourceAuthFailed, SourceStalled
from vigia.bootstrap.camera_probe import CameraProbe, probe_camera
from vigia.bootstrap.doctor import kinds_machine
from vigia.bootstrap.doctor import kinds_sites as kinds
from vigia.bootstrap.doctor.bounded import Outcome, call_all
from vigia.bootstrap.doctor.patient import Patient
from vigia.domain.camera import Camera
from vigia.domain.errors import VigiaError
from vigia.infrastructure.config import Settings
from vigia.infrastructure.config.camera_overrides import settings_for
from vigia.infrastructure.video.source_options import SourceKind, source_kind

AT_ONCE = 8
PROBE_S = 4.0
"""Long enough to see that key frames are far apart."""
SLACK_S = 15.0
"""A camera's own time-outs end before its limit does."""
LARGE_PIXELS = 3_000_000
FULL_HD_PIXELS = 1920 * 1080
KEY_S_MAX = 3.5
DAMAGED_SHARE = 0.02
WELL = frozenset({"live"})
WAITING = frozenset({"connecting"})

KIND_OF_TEMPLATE: dict[str, FindingKind] = {
    "%(url)s refused the user or password": kinds.CAMERA_REFUSED,
    "%(url)s forbids this user to look (403)": kinds.CAMERA_FORBIDDEN,
    "%(url)s: the camera answers, but knows no such path (404)": kinds.CAMERA_NO_PATH,
    "%(url)s: the camera has a fault, or too many viewers (5xx)": kinds.CAMERA_BUSY,
    "%(url)s: nothing listens at that address and port (connection refused)": kinds.CAMERA_CLOSED_PORT,
    "%(url)s: there is no way to that address (%(why)s)": kinds.CAMERA_NO_ROUTE,
    "%(url)s: the name %(host)s is not known to this network": kinds.CAMERA_UNKNOWN_HOST,
    "%(url)s: the camera's certificate is not accepted: %(why)s": kinds.CAMERA_TLS,
    "%(url)s: it does not speak TLS there (%(why)s)": kinds.CAMERA_TLS,
    "%(url)s: there is no file %(file)s of authorities": kinds.CAMERA_TLS,
    "%(url)s did not answer within %(limit).0f s": kinds.CAMERA_SILENT,
    "%(url)s has no video stream": kinds.CAMERA_NO_VIDEO,
    "%(url)s holds no pictures": kinds.CAMERA_NO_VIDEO,
    "%(url)s sent nothing for %(limit).0f s": kinds.CAMERA_NO_PICTURES,
    "%(url)s is open, but sent no picture within %(limit).0f s": kinds.CAMERA_NO_PICTURES,
    "%(url)s sent no key frame for %(seconds).0f s, and without one there is no picture": kinds.CAMERA_NO_PICTURES,
    "%(url)s sent nothing that could be decoded to a whole picture": kinds.CAMERA_NO_PICTURES,
    "%(url)s closed the stream before the first picture": kinds.CAMERA_BUSY,
    "no decoder for codec %(codec)s": kinds.CAMERA_NO_VIDEO,
    "codec %(codec)s is not video": kinds.CAMERA_NO_VIDEO,
}
"""Of what has no line here the general one is told, or a file's."""


def look_at_cameras(patient: Patient) -> list[Finding]:
    """Every active camera: one finding of how it is, and what else is amiss."""
    cameras = patient.cameras or ()
    if patient.running is not None:
        pages = {page.get("id"): page for page in patient.running.get("cameras", ())}
        return [*judge_list(cameras), *(watched(camera, pages.get(camera.id)) for camera in cameras)]
    return [*judge_list(cameras), *_opened(patient, cameras)]


def working(cameras: Sequence[Camera], findings: Sequence[Finding]) -> list[Camera]:
    """Those that delivered."""
    good = {finding.point for finding in findings if finding.kind is kinds.CAMERA_WORKS}
    return [camera for camera in cameras if camera.name in good]


def judge_list(cameras: Sequence[Camera]) -> Iterator[Finding]:
    """What is amiss with the cameras together, without opening any."""
    addresses: dict[str, str] = {}
    ids: dict[int, str] = {}
    for camera in cameras:
        address = _address(camera.url)
        other = addresses.setdefault(address, camera.name)
        if other is not camera.name and source_kind(camera.url) is not SourceKind.FILE:
            yield kinds.CAMERA_SAME_URL.of(camera.name, other=other)
        if camera.findface_id is None or not camera.token:
            yield kinds.CAMERA_UNSENDABLE.of(camera.name)
        elif (other := ids.setdefault(camera.findface_id, camera.name)) is not camera.name:
            yield kinds.CAMERA_SAME_ID.of(camera.name, id=camera.findface_id, other=other)


def _address(url: str) -> str:
    """Without who asks: the same stream is the same for everybody."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2].lower()).geturl()


def _opened(patient: Patient, cameras: Sequence[Camera]) -> Iterator[Finding]:
    settings = patient.settings
    looks = [(f"check-{camera.id}", partial(_probe, settings, camera, patient)) for camera in cameras]
    limit_s = max((_limit_s(settings, camera) for camera in cameras), default=0.0)
    outcomes = call_all(looks, at_once=AT_ONCE, limit_s=limit_s, clock=patient.clock)
    for camera, outcome in zip(cameras, outcomes, strict=True):
        yield from _judge(settings, camera, outcome, limit_s=limit_s)


def _probe(settings: Settings, camera: Camera, patient: Patient) -> CameraProbe:
    return probe_camera(settings, camera, seconds=PROBE_S, clock=patient.clock, inspect=False)


def _limit_s(settings: Settings, camera: Camera) -> float:
    chosen = settings_for(settings, camera).source
    return chosen.open_timeout_s + chosen.first_frame_timeout_s + chosen.read_timeout_s + PROBE_S + SLACK_S


def _judge(settings: Settings, camera: Camera, outcome: Outcome[CameraProbe], *, limit_s: float) -> Iterator[Finding]:
    if outcome.result is not None:
        yield from judge_probe(settings, outcome.result)
    elif isinstance(outcome.failure, VigiaError):
        yield kind_of(camera, outcome.failure).of(camera.name, why=outcome.failure)
    elif outcome.failure is not None:
        yield kinds_machine.LOOK_BROKE.of(camera.name, area=Area.CAMERAS, why=type(outcome.failure).__name__)
    else:
        yield kinds_machine.LOOK_HUNG.of(camera.name, area=Area.CAMERAS, name=Area.CAMERAS, seconds=limit_s)


def kind_of(camera: Camera, error: VigiaError) -> FindingKind:
    """Which remedy helps a camera that failed so."""
    known = KIND_OF_TEMPLATE.get(error.template)
    if known is not None:
        return known
    if isinstance(error, SourceAuthFailed):
        return kinds.CAMERA_REFUSED
    if isinstance(error, SourceStalled):
        return kinds.CAMERA_NO_PICTURES
    return kinds.CAMERA_FAILS if source_kind(camera.url) is SourceKind.NETWORK else kinds.CAMERA_FILE


def judge_probe(settings: Settings, probe: CameraProbe) -> Iterator[Finding]:
    """A camera that delivers: what it delivers, and what of that is not as it should be."""
    name, picture, figures = probe.camera.name, probe.first.picture, probe.figures
    yield kinds.CAMERA_WORKS.of(
        name,
        codec=probe.stream.codec,
        width=picture.width,
        height=picture.height,
        fps=figures.fps if figures.fps is not None else probe.stream.fps,
        seconds=probe.first_picture_s,
    )
    if picture.width * picture.height > LARGE_PIXELS:
        times = picture.width * picture.height / FULL_HD_PIXELS
        face = settings_for(settings, probe.camera).detector.min_face_px
        yield kinds.CAMERA_LARGE.of(name, width=picture.width, height=picture.height, times=times, face=face)
    if source_kind(probe.camera.url) is not SourceKind.NETWORK:
        return  # a file or a device of this machine
    key_s = figures.gop_s if figures.gop_s is not None else (figures.seconds if figures.key_frames == 1 else 0.0)
    if key_s > KEY_S_MAX:
        yield kinds.CAMERA_KEY_FRAMES.of(name, seconds=key_s)
    if figures.packets and probe.damaged > DAMAGED_SHARE * figures.packets:
        yield kinds.CAMERA_DAMAGED.of(name, damaged=probe.damaged, packets=figures.packets)
    off_s, alarm_s = probe.clock_off_s, settings.health.clock_off_alarm_s
    if off_s is not None and 0.0 < alarm_s < abs(off_s):
        direction = Word(kinds_machine.AHEAD_OF if off_s > 0.0 else kinds_machine.BEHIND)
        yield kinds.CAMERA_CLOCK.of(name, seconds=abs(off_s), direction=direction)


def watched(camera: Camera, page: Mapping[str, Any] | None) -> Finding:
    """A camera as the vigia that runs tells of it in its status file."""
    state = "" if page is None else str(page.get("state", ""))
    if page is None or state in WAITING:
        return kinds.CAMERA_NOT_TAKEN_UP.of(camera.name)
    if state in WELL:
        return kinds.CAMERA_WATCHED.of(
            camera.name, codec=page["codec"], width=page["width"], height=page["height"], fps=page["fps"]
        )
    reason = page.get("reason")
    if reason is None:
        return kinds.CAMERA_TROUBLED.of(camera.name, why=state)
    error = VigiaError(reason["template"], **reason["facts"])
    known = KIND_OF_TEMPLATE.get(error.template)
    return (known if known is not None else kinds.CAMERA_TROUBLED).of(camera.name, why=error)
