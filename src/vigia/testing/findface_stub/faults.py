"""How a call can go wrong, and failures on order: the next calls get a status of the test's choice, or no answer."""

import json as json_codec
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from vigia.testing.findface_stub.errors import code_of, error_body

ADD_EVENT_PATH = "/events/faces/add/"
MAX_FAULTS = 1000
ON_ORDER = "on order"
_NEVER_FAIL = ("/_stub/", "/uploads/")
_NUMBER = re.compile(r"/[0-9]+(?=/|$)")


class Way(Enum):
    """In which way a call fails."""

    ANSWER = auto()
    """With ``Fault.status`` and ``Fault.body``."""
    CLOSE = auto()
    """The request is read, then the connection is closed without an answer."""
    RESET = auto()
    """The request is read, then the connection is reset (RST)."""
    RESET_AT_HEAD = auto()
    """Reset as soon as the request's head is there; its body is not read."""
    RESET_IN_BODY = auto()
    """Reset when ``Fault.read_share`` of the body has been read."""
    SILENCE = auto()
    """The request is read and never answered; closed when the caller leaves, or after ``Fault.hold_s``."""
    CUT = auto()
    """Half of the answer, then the connection is closed: the caller knows that something is missing."""
    SPOIL = auto()
    """Half of the answer as if it were all of it: complete by HTTP, and no JSON."""
    END_SESSIONS = auto()
    """Every session ends, then the call goes on as any other."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """What shall go wrong, and how often."""

    times: int = 1
    path: str | None = None
    """Exact path with its slashes, without a leading ``/api``; None: any call of the API."""
    name: str = ON_ORDER
    """Under which it is counted."""
    way: Way = Way.CLOSE
    status: int = 500
    body: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_store: bool = False
    """The call takes effect first, then fails: what an ambiguous failure is made of."""
    read_share: float = 0.5
    hold_s: float = 60.0


class FaultQueue:
    """Faults in the order they were asked for.

    The lock guards the list: tests fill it from their thread, the server's thread takes from it.
    Bounds: ``MAX_FAULTS`` entries; one more is refused.
    """

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._taken = 0
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Append a fault; ValueError when there are too many or it would never happen."""
        if fault.times < 1:
            raise ValueError(f"a fault must happen at least once, not {fault.times} times")
        with self._lock:
            if len(self._faults) >= MAX_FAULTS:
                raise ValueError(f"more than {MAX_FAULTS} faults are waiting")
            self._faults.append(fault)

    def take(self, path: str) -> Fault | None:
        """The first fault for this path, used up by one; None when there is none."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                if fault.path is None or fault.path == path:
                    fault.times -= 1
                    self._taken += 1
                    if fault.times == 0:
                        del self._faults[position]
                    return fault
        return None

    def clear(self) -> None:
        """Forget all that have not happened."""
        with self._lock:
            self._faults.clear()

    @property
    def waiting(self) -> int:
        """How many calls will still fail."""
        with self._lock:
            return sum(fault.times for fault in self._faults)

    @property
    def taken(self) -> int:
        """How many calls were made to fail."""
        with self._lock:
            return self._taken


def answer_fault(
    status: int,
    *,
    json: object = None,
    text: str | None = None,
    headers: Mapping[str, str] | None = None,
    times: int = 1,
    path: str | None = None,
    after_store: bool = False,
    name: str = ON_ORDER,
) -> Fault:
    """A fault that answers ``status`` with ``text`` as HTML, ``json``, or FindFace's body for that status."""
    if text is not None:
        body, media_type = text.encode(), "text/html; charset=utf-8"
    else:
        content = error_body(code_of(status), desc="a fault on order") if json is None else json
        body, media_type = json_codec.dumps(content).encode(), "application/json"
    return Fault(
        times=times,
        path=path,
        name=name,
        way=Way.ANSWER,
        status=status,
        body=body,
        media_type=media_type,
        headers=dict(headers or {}),
        after_store=after_store,
    )


def api_path(path: str) -> str | None:
    """The path as faults know it, without ``/api``; None for the page and its facts, which never fail."""
    if path == "/" or path.startswith(_NEVER_FAIL):
        return None
    return path.removeprefix("/api")


def path_pattern(path: str) -> str:
    """``/cameras/{id}/`` for ``/cameras/17/``."""
    return _NUMBER.sub("/{id}", path)
