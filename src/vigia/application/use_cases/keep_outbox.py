"""The outbox's upkeep: what is too old to be sent or to be kept goes, bit by bit, beside the main path."""

import logging

from vigia.application.errors import OutboxUnavailable
from vigia.application.ports import OutboxDesk, SweepReport

logger = logging.getLogger("vigia.outbox")

INTERVAL_S = 60.0
"""Between two sweeps when the last one left nothing."""
GO_ON_S = 0.5
"""Between two sweeps when there is more: senders and commits go in between."""


class KeepOutboxUseCase:
    """Sweeps the outbox. Wiring: one ``LoopService`` around ``step``.

    Args:
        outbox: shared with everybody.

    Owner: the thread that calls ``step``.
    """

    def __init__(self, outbox: OutboxDesk) -> None:
        self._outbox = outbox
        self._failing = False

    def step(self) -> float:
        """Sweep once; seconds until the next sweep makes sense."""
        try:
            report = self._outbox.sweep()
        except OutboxUnavailable as error:
            if not self._failing:
                logger.error("the outbox cannot be tidied: %s", error)
            self._failing = True
            return INTERVAL_S
        self._failing = False
        _tell(report)
        return GO_ON_S if report.more else INTERVAL_S


def _tell(report: SweepReport) -> None:
    if report.expired:
        logger.warning("%d captures became too old to be sent and are kept for a person", report.expired)
    for state, count in report.forgotten.items():
        logger.info("outbox: %d captures (%s) are not kept any longer", count, state.value)
