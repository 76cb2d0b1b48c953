"""The traces of a run: made where the settings want them, else nothing is wired at all."""

import logging
import os
from typing import TYPE_CHECKING

from vigia import __version__
from vigia.application.errors import ConfigurationError
from vigia.application.ports import Clock, Outbox, Recognizer
from vigia.application.traced_delivery import CaptureTelling, TracedOutbox, TracedRecognizer
from vigia.infrastructure.config import Settings

if TYPE_CHECKING:
    from vigia.infrastructure.tracing.otel import OtelTracer

logger = logging.getLogger("vigia.bootstrap")

FLUSH_MAX_S = 2.0
"""At the end, what waits may be sent for so long, of what is left of the stop's deadline …"""
FLUSH_MIN_S = 0.5
"""… and for so long when nothing is left."""
DISABLED = "OTEL_SDK_DISABLED"
"""OpenTelemetry's own switch, the one variable of its that counts: the SDK would obey it in silence."""


class RunTraces:
    """The traces of one run. Without a tracer the outbox and the recogniser stay what they are.

    Owner: the thread that makes and runs the system.
    """

    def __init__(self, tracer: "OtelTracer | None", *, clock: Clock) -> None:
        self._tracer = tracer
        self._clock = clock
        self._telling = None if tracer is None else CaptureTelling(tracer, clock=clock)

    def outbox(self, outbox: Outbox) -> Outbox:
        """What commits and senders use."""
        return outbox if self._telling is None else TracedOutbox(outbox, self._telling)

    def recognizer(self, recognizer: Recognizer) -> Recognizer:
        """What senders ask."""
        return recognizer if self._telling is None else TracedRecognizer(recognizer, self._telling)

    def start(self) -> None:
        """Begin to send."""
        if self._tracer is not None:
            self._tracer.service.start()

    def stop(self, *, deadline_mono_s: float) -> None:
        """Send what waits, within the deadline of the whole stop, or half a second."""
        if self._tracer is not None:
            left_s = deadline_mono_s - self._clock.mono_s()
            self._tracer.stop(timeout_s=min(FLUSH_MAX_S, max(FLUSH_MIN_S, left_s)))


def run_traces(settings: Settings, *, clock: Clock) -> RunTraces:
    """The traces that these settings want, not started.

    Raises:
        ConfigurationError: they need an extra that is not installed.
    """
    chosen = settings.tracing
    if not chosen.enabled:
        return RunTraces(None, clock=clock)
    if os.environ.get(DISABLED, "").strip().lower() == "true":
        logger.warning("No traces are sent: %s is set", DISABLED)
        return RunTraces(None, clock=clock)
    try:
        from vigia.infrastructure.tracing.otel import OtelTracer, TraceTarget  # noqa: PLC0415 - an optional extra
    except ImportError as error:
        raise ConfigurationError(
            "tracing.enabled needs %(package)s: install vigia[otel]", package=error.name or "opentelemetry"
        ) from error
    target = TraceTarget(
        endpoint=chosen.endpoint,
        headers=chosen.header_fields,
        ca_file=None if chosen.ca_file is None else str(chosen.ca_file),
        sample=chosen.sample,
        service_name=chosen.service_name,
        version=__version__,
    )
    logger.info("Traces of captures go to %s", chosen.endpoint)
    return RunTraces(OtelTracer(target, clock=clock), clock=clock)
