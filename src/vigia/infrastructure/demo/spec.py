"""What to generate: size, length, seed and how busy the demo cameras are. Nothing is drawn here."""

from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps
from math import sqrt

from vigia.application.errors import ConfigurationError

GENERATOR_VERSION = 1
"""Part of the cache key. Raise it whenever the same spec would give another picture or another truth."""
CAMERA_NAMES = ("Entrada", "Recepção", "Corredor", "Doca", "Estacionamento", "Elevador", "Refeitório", "Saída")
REFERENCE_HEIGHT = 720
"""Sizes and speeds are described for a picture this high, and grow and shrink with it."""
FACE_PX_REFERENCE = (35.0, 260.0)
SPEED_PX_S_REFERENCE = (40.0, 400.0)
BITS_PER_S_720P = 3_000_000
BITS_PER_S_1080P = 4_000_000


def camera_name(index: int) -> str:
    """The friendly name of clip ``index``: Entrada, Recepção, … and, from the ninth on, ``Entrada 2`` and so forth."""
    lap, place = divmod(index, len(CAMERA_NAMES))
    return CAMERA_NAMES[place] if lap == 0 else f"{CAMERA_NAMES[place]} {lap + 1}"


@dataclass(frozen=True, slots=True)
class DemoSpec:
    """A set of clips. The same spec gives the same people on the same paths, frame by frame.

    Raises:
        ConfigurationError: a value makes no sense; the text names it.
    """

    count: int = 8
    """Clips. A clip depends on its number and on the other values, not on how many clips there are."""
    width: int = 1280
    """Pixels, even."""
    height: int = 720
    """Pixels, even."""
    fps: int = 30
    duration_s: float = 22.0
    seed: int = 2024
    gop_s: float = 2.0
    """Seconds from one key frame to the next."""
    bit_rate_bps: int | None = None
    """Bits a second; ``None`` chooses 3 Mbit/s at 720p, 4 Mbit/s at 1080p, and in between and beyond by the pixels."""
    passages: tuple[int, int] = (5, 8)
    """Fewest and most people passing in a clip, crossing pairs included."""
    crossings: int = 1
    """Pairs in a clip that walk towards each other and meet."""
    face_px: tuple[float, float] | None = None
    """Smallest and largest face, pixels wide in this clip, all sizes equally likely; ``None`` gives 35 to 260 at 720
    lines (scaled with the height), most of them between 80 and 200."""
    speed_px_s: tuple[float, float] | None = None
    """Slowest and fastest walk, pixels a second in this clip; ``None`` gives 40 to 400 at 720 lines. Who would not
    leave the picture in time walks faster than that."""
    posters: int = 0
    """Portraits that hang on the wall and never move: no passages, but faces to a detector."""
    margin_s: float = 0.7
    """Nobody is in the picture for so long at both ends, so that the clip loops without a jump."""
    noise: float = 1.6
    """Standard deviation of the sensor's noise, grey levels; at most 3."""
    light_drift: float = 0.08
    """How much the light comes and goes, as a share of the brightness; at most 0.3."""

    def __post_init__(self) -> None:
        """Check every value."""
        self._require("count", self.count >= 1)
        self._require("width", self.width >= 64 and self.width % 2 == 0)
        self._require("height", self.height >= 64 and self.height % 2 == 0)
        self._require("fps", 1 <= self.fps <= 120)
        self._require("margin_s", self.margin_s >= 0.0)
        self._require("duration_s", 2.0 * self.margin_s + 1.0 <= self.duration_s <= 600.0)
        self._require("gop_s", self.gop_s > 0.0)
        self._require("bit_rate_bps", self.bit_rate_bps is None or self.bit_rate_bps >= 10_000)
        self._require("passages", 0 <= self.passages[0] <= self.passages[1] <= 100)
        self._require("crossings", self.crossings >= 0)
        self._require("face_px", self.face_px is None or 8.0 <= self.face_px[0] <= self.face_px[1] <= self.height / 2)
        self._require("speed_px_s", self.speed_px_s is None or 0.0 < self.speed_px_s[0] <= self.speed_px_s[1])
        self._require("posters", 0 <= self.posters <= 4)
        self._require("noise", 0.0 <= self.noise <= 3.0)
        self._require("light_drift", 0.0 <= self.light_drift <= 0.3)

    def _require(self, name: str, condition: bool) -> None:
        if not condition:
            raise ConfigurationError(
                "demo cameras: %(name)s cannot be %(value)s", name=name, value=repr(getattr(self, name))
            )

    @classmethod
    def tiny(cls, *, count: int = 2, seed: int = 7) -> "DemoSpec":
        """Clips for tests, made in a second or two: 640 x 360, 15 fps, 4 s, two people each, faces of 70 to 100 px."""
        return cls(
            count=count,
            width=640,
            height=360,
            fps=15,
            duration_s=4.0,
            seed=seed,
            passages=(2, 2),
            crossings=0,
            face_px=(70.0, 100.0),
            margin_s=0.2,
        )

    @property
    def frame_count(self) -> int:
        """Frames in each clip."""
        return round(self.duration_s * self.fps)

    @property
    def gop_frames(self) -> int:
        """Frames from one key frame to the next."""
        return max(1, round(self.gop_s * self.fps))

    @property
    def scale(self) -> float:
        """How large things are drawn, relative to 720 lines."""
        return self.height / REFERENCE_HEIGHT

    @property
    def rate_bps(self) -> int:
        """The bit rate to code at, bits a second."""
        if self.bit_rate_bps is not None:
            return self.bit_rate_bps
        size = sqrt(self.width * self.height / (1280 * 720))
        if size < 1.0:
            return max(250_000, round(BITS_PER_S_720P * size * size))
        return round(BITS_PER_S_720P + (BITS_PER_S_1080P - BITS_PER_S_720P) * (size - 1.0) / 0.5)

    @property
    def speeds_px_s(self) -> tuple[float, float]:
        """Slowest and fastest walk, pixels a second in this clip."""
        if self.speed_px_s is not None:
            return self.speed_px_s
        return SPEED_PX_S_REFERENCE[0] * self.scale, SPEED_PX_S_REFERENCE[1] * self.scale

    @property
    def key(self) -> str:
        """12 hexadecimal digits that differ wherever the clips would: the name of their folder in the cache."""
        values = {name: value for name, value in asdict(self).items() if name != "count"}
        text = dumps({"version": GENERATOR_VERSION, **values}, sort_keys=True)
        return sha256(text.encode()).hexdigest()[:12]
