"""Ending with one's parent, so that a killed demo leaves no server behind."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux prctl(2): the signal that this process gets when its parent's thread ends."""


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent ends, kill -9 included. Linux only; elsewhere nothing."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:  # it ended in between
        os.kill(os.getpid(), signal.SIGTERM)
