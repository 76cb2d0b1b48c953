"""Looking at services: what failed is told once, and the first failure of a main one is kept."""

import logging
from collections.abc import Iterable

from vigia.application.service import Service

logger = logging.getLogger("vigia.orchestrator")


class ServiceWatch:
    """Owner: the thread that looks; ``failure`` may be read by any."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self.failure: BaseException | None = None
        """What ended a main service, the first one that was found."""

    def look(self, *, main: Iterable[Service], side: Iterable[Service]) -> BaseException | None:
        """Look at every service once.

        Args:
            main: without these going on would lose faces in silence.
            side: their failure is told, and stops nothing.

        Returns:
            The first failure of a main service, now or earlier.
        """
        for service in main:
            if service.failure is not None and self.failure is None:
                self.failure = service.failure
                logger.critical("%s failed: %s", service.name, cause(service.failure), exc_info=service.failure)
        for service in side:
            if service.failure is not None and service.name not in self._told:
                self._told.add(service.name)
                logger.error("%s failed: %s", service.name, cause(service.failure), exc_info=service.failure)
        return self.failure


def cause(error: BaseException) -> str:
    """An error in a line: its kind and its text."""
    return f"{type(error).__name__}: {error}"
