"""An HTTP transport that notes when log-ins were sent."""

import threading
from itertools import pairwise

from vigia.application.ports import Clock
from vigia.infrastructure.clients.findface_wire import LOG_IN_PATH
from vigia.infrastructure.clients.http_transport import HttpRequest, HttpResponse, HttpTransport


class LogInCounter:
    """The ``HttpTransport`` port around another one. Any thread."""

    def __init__(self, inner: HttpTransport, clock: Clock) -> None:
        self.inner = inner
        self._clock = clock
        self._lock = threading.Lock()  # guards the counts
        self._log_ins_mono_s: list[float] = []
        self._requests = 0

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def log_ins(self) -> int:
        with self._lock:
            return len(self._log_ins_mono_s)

    @property
    def requests(self) -> int:
        with self._lock:
            return self._requests

    @property
    def gap_min_s(self) -> float:
        """The shortest time between two log-ins, seconds."""
        with self._lock:
            return min((later - earlier for earlier, later in pairwise(self._log_ins_mono_s)), default=float("inf"))

    def request(self, request: HttpRequest) -> HttpResponse:
        with self._lock:
            self._requests += 1
            if request.path == LOG_IN_PATH:
                self._log_ins_mono_s.append(self._clock.mono_s())
        return self.inner.request(request)

    def close(self) -> None:
        self.inner.close()
