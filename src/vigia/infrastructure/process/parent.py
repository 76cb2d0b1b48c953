"""Ending with one's parent, so that a killed demo leaves no server behind."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux prctl(2): the signal that this process gets when its parent's thread ends."""


def end_with_parent(number: signal.Signals = signal.SIGTERM, *, parent: int | None = None) -> None:
    """Have the kernel send a signal when the parent ends, kill -9 included. Linux only; elsewhere nothing.

    Args:
        number: which signal.
        parent: the parent's process id, where it is known; it may have ended before this is called.
    """
    if not sys.platform.startswith("linux"):
        return
    expected = parent if parent is not None else os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != expected:  # it ended in between
        os.kill(os.getpid(), number)
