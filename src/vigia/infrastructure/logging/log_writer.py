"""The worker's side: entries become lines, lines go to every sink, and no sink's failure goes anywhere else."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vigia.application.ports import Clock
from vigia.infrastructure.i18n import mark, translate
from vigia.infrastructure.logging.emergency import Emergency
from vigia.infrastructure.logging.lines import Line, LineFormatter
from vigia.infrastructure.logging.redaction import Redactor
from vigia.infrastructure.logging.sinks import Sink
from vigia.infrastructure.logging.snapshot import Entry

OWN_LOGGER: Final = "vigia.logging"
SLICE: Final = 16
"""Records that are formatted in one go: some 0.2 ms in which the worker holds the interpreter."""
DROP_NOTICE_INTERVAL_S: Final = 1.0

_DROPPED: Final = mark("%d log records dropped since %s: the queue was full")
_SINK_FAILED: Final = mark("log sink %s failed: %s (shown once; failures are counted)")
_SINK_RECOVERED: Final = mark("%d records were lost here: log sink %s had failed")


@dataclass(slots=True)
class _SinkState:
    sink: Sink
    failing: bool = False
    lost: int = 0
    """Lines that it did not write since it began to fail."""
    shown: bool = False


class LogWriter:
    """Formats entries and hands the lines to the sinks, in batches.

    Owner: the worker's thread; the counters may be read from any.
    """

    def __init__(self, sinks: Sequence[Sink], *, clock: Clock, redactor: Redactor, emergency: Emergency) -> None:
        self._states = [_SinkState(sink) for sink in sinks]
        self._clock = clock
        self._formatter = LineFormatter(redactor)
        self._emergency = emergency
        self._drops_told = 0
        self._drops_told_at_mono_s = float("-inf")
        self._drops_told_at_utc = clock.utc()
        self.written = 0
        """Records that were handed to every sink that wants them, failed writes included."""
        self.sink_errors = 0
        self.in_hand = 0
        """Records that were taken from the queue and are not with the sinks yet."""

    @property
    def misfits(self) -> int:
        """Messages whose arguments did not fit their places."""
        return self._formatter.misfits

    def write(self, entries: Sequence[Entry], breathe: Callable[[], None] = lambda: None) -> None:
        """Write a batch; ``breathe`` is called between slices, so that other threads get their turn. Never raises."""
        self.in_hand = len(entries)
        lines: list[Line] = []
        for start in range(0, len(entries), SLICE):
            if start:
                breathe()
            lines.extend(self._formatter.line(entry) for entry in entries[start : start + SLICE])
        self._hand_out(lines)
        self.written += len(entries)
        self.in_hand = 0

    def tell(self, level: int, template: str, *args: object) -> None:
        """Write a line of the logger's own, past the queue. ``template`` is a marked message id."""
        self._hand_out([self._own_line(level, template, *args)])

    def tell_drops(self, dropped: int, *, at_once: bool = False) -> None:
        """Say how many records were dropped since the last time, once a second at most."""
        now_s = self._clock.mono_s()
        if dropped == self._drops_told or (not at_once and now_s - self._drops_told_at_mono_s < DROP_NOTICE_INTERVAL_S):
            return
        since = self._drops_told_at_utc.astimezone().strftime("%H:%M:%S")
        fresh = dropped - self._drops_told
        self._drops_told, self._drops_told_at_mono_s, self._drops_told_at_utc = dropped, now_s, self._clock.utc()
        self.tell(logging.WARNING, _DROPPED, fresh, since)

    def close(self) -> None:
        """Close every sink."""
        for state in self._states:
            try:
                state.sink.close()
            except Exception as error:  # noqa: BLE001 - a sink's failure is its own
                self._failed(state, error, lost=0)

    def _hand_out(self, lines: Sequence[Line]) -> None:
        for state in self._states:
            wanted = [line for line in lines if line.levelno >= state.sink.level_min]
            if not wanted:
                continue
            try:
                state.sink.write([*self._recovery_note(state), *wanted])
            except Exception as error:  # noqa: BLE001 - a sink's failure is its own
                self._failed(state, error, lost=len(wanted))
            else:
                state.failing, state.lost = False, 0

    def _recovery_note(self, state: _SinkState) -> Iterator[Line]:
        """What a sink that failed is told first: it is written only if it works again."""
        if state.failing:
            yield self._own_line(logging.WARNING, _SINK_RECOVERED, state.lost, state.sink.name)

    def _failed(self, state: _SinkState, error: Exception, *, lost: int) -> None:
        self.sink_errors += 1
        state.failing = True
        state.lost += lost
        if not state.shown:
            state.shown = True
            self._emergency.notice(_SINK_FAILED, state.sink.name, str(error) or type(error).__name__)

    def _own_line(self, level: int, template: str, *args: object) -> Line:
        return Line(
            created_s=self._clock.utc().timestamp(),
            levelno=level,
            level=logging.getLevelName(level),
            logger=OWN_LOGGER,
            message=translate(template) % args,
            msgid=template,
            thread=OWN_LOGGER,
        )
