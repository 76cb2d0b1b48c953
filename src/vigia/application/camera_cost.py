"""What one camera costs its shard: expected before the first frame, measured afterwards."""

from dataclasses import dataclass, field

SMOOTHING = 0.05
"""Share of the newest measurement in a running mean."""
WATCHED_FALL = 0.002
"""A scene that has fallen still is believed only slowly, in about 500 frames; one that moves is believed at once."""
RATE_SMOOTHING = 0.5
"""Of the frame rate, measured once a second."""
FPS_ASSUMED = 25.0
"""For streams that do not say."""
FPS_CREDIBLE_MAX = 120.0
"""Streams without a rate of their own are often said to have 1000 or 90000 frames a second: that is their clock."""
PIXELS_720P = 1280 * 720


@dataclass(frozen=True, slots=True)
class CostExpectation:
    """What a camera is expected to cost before it was measured, seconds."""

    decode_720p_s: float = 0.003
    """Decoding a frame of 1280x720; other sizes in proportion to their pixels."""
    detect_s: float = 0.003
    """One detection with matching, at the full input."""


@dataclass(slots=True)
class RunningMean:
    """A mean that follows: plain at first, exponential later."""

    value_s: float
    count: int = 0

    def add(self, sample_s: float) -> None:
        """Take one more sample, seconds; the first replaces what was expected."""
        self.count += 1
        self.value_s += max(SMOOTHING, 1.0 / self.count) * (sample_s - self.value_s)


@dataclass(slots=True)
class CameraCost:
    """Meters one camera. Owner: its shard's thread; the numbers may be read by any.

    Args:
        expected: until something was measured.
    """

    expected: CostExpectation = field(default_factory=CostExpectation)
    fps: float = FPS_ASSUMED
    decode: RunningMean = field(init=False)
    detect: RunningMean = field(init=False)
    watched: float = 1.0
    """Share of frames in which something moves or is followed: only those may be detected on."""

    def __post_init__(self) -> None:
        """Begin with what is expected."""
        self.decode = RunningMean(self.expected.decode_720p_s)
        self.detect = RunningMean(self.expected.detect_s)

    def expect(self, *, width: int, height: int, fps: float) -> None:
        """A stream begins: forget what the last one cost."""
        self.fps = fps if 0.0 < fps <= FPS_CREDIBLE_MAX else FPS_ASSUMED
        self.decode = RunningMean(self.expected.decode_720p_s * width * height / PIXELS_720P)
        self.detect = RunningMean(self.expected.detect_s)
        self.watched = 1.0

    def observe_rate(self, fps: float) -> None:
        """So many frames a second really come: many cameras say something else, and one that is gone costs nothing."""
        self.fps += RATE_SMOOTHING * (fps - self.fps)

    def record_frame(self, *, watched: bool) -> None:
        """One frame was decoded, and had to be looked at or not."""
        if watched:
            self.watched += SMOOTHING * (1.0 - self.watched)
        else:
            self.watched -= WATCHED_FALL * self.watched

    def record_detect(self, cost_s: float, *, scale: float) -> None:
        """What one detection with its matching cost, at this scale of the input."""
        self.detect.add(cost_s / (scale * scale))  # a network's time follows the area of its input

    def frame_s(self, *, k: int, scale: float = 1.0) -> float:
        """What a frame costs on average, seconds."""
        return self.decode.value_s + self.watched * self.detect.value_s * scale * scale / k

    def load(self, *, k: int, scale: float = 1.0) -> float:
        """Share of a shard's time that the camera takes."""
        return self.fps * self.frame_s(k=k, scale=scale)
