"""What a report says, in the language in use. English ids by short names; the catalogue has the translations."""

from collections.abc import Mapping

from vigia.domain.ledger import FilterReason, FrameFate, TrackFate
from vigia.infrastructure.i18n import language, mark, translate
from vigia.infrastructure.i18n.numbers import has_decimal_comma, number_text

COLUMNS = (
    mark("video"),
    mark("capture"),
    mark("track"),
    mark("time in the video"),
    mark("date and time (UTC)"),
    mark("picture number"),
    mark("left"),
    mark("top"),
    mark("right"),
    mark("bottom"),
    mark("size (px)"),
    mark("confidence"),
    mark("quality"),
    mark("chosen as"),
    mark("file"),
)
"""Of ``captures.csv``."""

PAGE: Mapping[str, str] = {
    "report": mark("Faces in a video"),
    "passages": mark("passages"),
    "sent": mark("passages captured"),
    "not_sent": mark("passages not captured"),
    "captures": mark("captures"),
    "looks": mark("sightings of faces"),
    "speed": mark("times real time"),
    "timeline": mark("When somebody passed"),
    "sheet": mark("Best shots"),
    "why_not": mark("Not captured, and why"),
    "would_pass": mark("It would have passed with"),
    "and": mark("and"),
    "everywhere": mark("everywhere"),
    "nothing_missed": mark("Everybody who was followed was captured."),
    "nobody": mark("No face was captured in this video."),
    "nobody_followed": mark("No face was followed in this video."),
    "settings": mark("Settings used"),
    "ledger": mark("Where everything ended"),
    "frames": mark("Pictures of the video"),
    "tracks": mark("Passages"),
    "model": mark("model"),
    "looked_every": mark("looked at every n-th picture, n ="),
    "quality": mark("quality"),
    "details": mark("details"),
    "size": mark("size"),
    "confidence": mark("confidence"),
    "seen": mark("found in pictures"),
    "duration": mark("duration"),
    "track": mark("track"),
    "more": mark("%(count)d more are in %(file)s."),
    "damaged": mark("The video is damaged:"),
    "files": mark("Beside this page: tracks.jsonl, captures.jsonl, captures.csv and the faces as files."),
    "private": mark("This page shows people's faces: personal data. Keep it, share it and delete it accordingly."),
    "made_by": mark("Made by vigia %(version)s on %(date)s."),
    "clock_option": mark("The time of day is as given with --start."),
    "clock_metadata": mark("The time of day is that of the file's own creation time."),
    "clock_file": mark("The time of day follows from when the file was last changed: that may be the time of a copy."),
    "sent_to": mark("Handed on to FindFace as camera %(camera)s."),
}

REASONS: Mapping[str, str] = {
    FilterReason.TOO_FEW_EVENTS: mark("Found in too few pictures"),
    FilterReason.TOO_SMALL: mark("Too small"),
    FilterReason.TOO_LARGE: mark("Too large"),
    FilterReason.OUTSIDE_ROI: mark("Outside the region of interest"),
    FilterReason.POOR_QUALITY: mark("The best shot is too poor"),
    FilterReason.DID_NOT_MOVE: mark("Did not move: a picture on a wall, perhaps"),
    FilterReason.NO_PICTURE: mark("No shot could be used"),
    FilterReason.DUPLICATE: mark("The same passage was captured a moment before"),
    TrackFate.LOST: mark("Could not be written"),
}
"""Why a track was not captured."""

FATES: Mapping[str, str] = {
    FrameFate.DETECTED: mark("looked at by the detector"),
    FrameFate.TRACKED: mark("between two looks"),
    FrameFate.QUIET: mark("nothing moved"),
    FrameFate.SKIPPED: mark("skipped"),
    FrameFate.CORRUPT: mark("damaged"),
    TrackFate.CAPTURED: mark("captured"),
    TrackFate.FILTERED: mark("filtered"),
    TrackFate.LOST: mark("lost"),
}

PARTS: Mapping[str, str] = {
    "inter_eye": mark("distance between the eyes"),
    "size": mark("size"),
    "sharpness": mark("sharpness"),
    "detail": mark("detail"),
    "motion": mark("motion blur"),
    "contrast": mark("contrast"),
    "under_exposure": mark("not too dark"),
    "over_exposure": mark("not too bright"),
    "evenness": mark("even light"),
    "yaw": mark("turned to the side"),
    "pitch": mark("looking up or down"),
    "roll": mark("leaning"),
    "truncation": mark("whole in the picture"),
    "confidence": mark("confidence"),
}
"""Parts of a shot's quality."""


def page_texts() -> dict[str, str]:
    """The page's own texts in the language in use."""
    return {name: translate(text) for name, text in PAGE.items()}


def told(texts: Mapping[str, str], name: str) -> str:
    """One of REASONS, FATES or PARTS; a name that is not known stands for itself."""
    return translate(texts[name]) if name in texts else name


def decimal_comma() -> bool:
    """Whether numbers are written as in Portuguese."""
    return has_decimal_comma(language())


def number(value: float, digits: int = 0) -> str:
    """A number as people write it, thousands grouped."""
    return number_text(value, language(), digits=digits)


def clock_time(at_s: float, *, tenths: bool = True) -> str:
    """A time in a video: ``0:01:02.3``; with a comma where that is the manner."""
    tenth = round(max(at_s, 0.0) * 10)
    whole, part = divmod(tenth, 10)
    text = f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{text}{',' if decimal_comma() else '.'}{part}" if tenths else text
