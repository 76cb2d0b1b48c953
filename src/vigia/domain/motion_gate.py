"""The motion gate: is there anything in this picture worth a detector's time?

Every eighth luma pixel of every eighth row is compared with the picture that was last found moving. Comparing with
that reference, not with the picture before, lets slow movement add up until it is seen. Cost: 0.02 ms a frame.
"""

import numpy as np
from numpy.typing import NDArray

from vigia.domain.frame import Luma

STRIDE = 8
NOISE_LEVELS = 18
"""Grey levels that sensor noise and coding may change a pixel by without meaning movement."""
HOLD_S = 1.0
"""The gate stays open this long after the last movement, so that who stops is still looked at."""


class MotionGate:
    """Says whether a camera's picture moves. Owner: the camera's shard.

    Args:
        threshold: share of sampled pixels that must have changed, in [0, 1] (``imotion_threshold``); 0 = always open.
    """

    def __init__(self, *, threshold: float) -> None:
        self._threshold = threshold
        self._reference: NDArray[np.int16] | None = None
        self._open_until_s = float("-inf")
        self._changed: NDArray[np.bool_] | None = None

    @property
    def threshold(self) -> float:
        """Share of sampled pixels that must have changed; 0 = always open."""
        return self._threshold

    @property
    def is_always_open(self) -> bool:
        """True when no picture has to be looked at to know that it is open."""
        return self._threshold <= 0.0

    @property
    def changed(self) -> NDArray[np.bool_] | None:
        """Where the last picture differs from the one last found moving: bool (rows, columns), one for STRIDE x STRIDE
        pixels; None where there was nothing to compare, and where no picture is looked at.
        """
        return self._changed

    def is_open(self, luma: Luma, *, at_s: float) -> bool:
        """Look at one picture.

        Args:
            luma: uint8 (height, width), a view; only a 64th of it is read.
            at_s: when it was taken, seconds on the camera's monotonic time.
        """
        if self._threshold <= 0.0:
            return True
        sample = luma[::STRIDE, ::STRIDE].astype(np.int16)
        if self._reference is None or self._reference.shape != sample.shape:
            moved, self._changed = True, None
        else:
            self._changed = changed = np.abs(sample - self._reference) > NOISE_LEVELS
            moved = float(np.count_nonzero(changed)) > self._threshold * changed.size
        if moved:
            self._reference = sample
            self._open_until_s = at_s + HOLD_S
        return at_s <= self._open_until_s

    def reset(self) -> None:
        """Forget the reference: the next picture opens the gate."""
        self._reference, self._changed = None, None
