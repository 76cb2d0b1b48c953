"""Why a sender gives a capture up: what is written down for the person who decides, and told in the log."""

from vigia.application.errors import DeliveryGivenUp
from vigia.domain.camera import redact_url
from vigia.domain.capture import LeasedCapture


def error_text(error: Exception) -> str:
    """What an operator may read of an error: never empty, never a secret of a URL."""
    return redact_url(str(error)) or type(error).__name__


def no_findface_id(capture: LeasedCapture) -> DeliveryGivenUp:
    """FindFace does not know the camera."""
    return DeliveryGivenUp(
        "camera %(camera)s has no FindFace id: its captures cannot be sent", camera=capture.camera_id
    )


def spent_unsent(attempts: int) -> DeliveryGivenUp:
    """All attempts were used up, and a look-up found that none arrived."""
    return DeliveryGivenUp("given up after %(count)d failures; it did not arrive", count=attempts)


def spent(attempts: int, error: Exception, *, maybe_sent: bool) -> DeliveryGivenUp:
    """All attempts were used up; ``error`` was the last. ``maybe_sent``: one of them may have arrived."""
    why = error_text(error)
    if maybe_sent:
        return DeliveryGivenUp(
            "given up after %(count)d failures; the last: %(why)s; it may have arrived", count=attempts, why=why
        )
    return DeliveryGivenUp("given up after %(count)d failures; the last: %(why)s", count=attempts, why=why)
