"""How far a camera's own clock is off: RTSP cameras tell their wall time in RTCP sender reports."""

import struct
from datetime import datetime
from typing import Any

EVERY_S = 1.0
"""Looked at so often: a clock does not change between two pictures."""
REFERENCE_TIME = "prft"
"""FFmpeg's producer reference time: microseconds since 1970 as the camera counts them, of the picture in the packet."""
_WALLCLOCK_US = struct.Struct("=q")


class CameraClock:
    """Compares the camera's wall time with ours. Owner: the source's thread; ``off_s`` may be read by any."""

    def __init__(self) -> None:
        self.off_s: float | None = None
        """Seconds that the camera is ahead, by the latest packet that told; None when none has."""
        self._next_look_s = float("-inf")

    def learn(self, coded: Any, at_utc: datetime, now_s: float) -> None:
        """Look at one packet.

        Args:
            coded: of PyAV.
            at_utc: when it was taken, by our clock.
            now_s: monotonic seconds.
        """
        if now_s < self._next_look_s:
            return
        self._next_look_s = now_s + EVERY_S
        if coded.has_sidedata(REFERENCE_TIME):
            told = bytes(coded.get_sidedata(REFERENCE_TIME))
            self.off_s = _WALLCLOCK_US.unpack_from(told)[0] / 1e6 - at_utc.timestamp()
