"""The application's errors: what a use case may meet at a port. Whether to try again is a type.

VigiaError
└── ApplicationError
├── ConfigurationError               the operator must change something; exit code 2
│   └── ModelUnavailable             no detector weights where they were looked for
├── RetryableError                   the same call may succeed later
│   ├── SourceError                  a camera's stream
│   │   ├── SourceUnreachable        no answer, refused, not found, time-out on open
│   │   ├── SourceAuthFailed         the camera refused the credentials
│   │   ├── SourceStalled            open, but no packet in time
│   │   └── SourceEnded              the stream closed: for a live camera a disconnect
│   ├── RecognizerUnavailable        it failed and said so: surely not delivered
│   │   ├── RecognizerUnreachable    nobody answered, and nothing was sent
│   │   ├── RecognizerBusy           429, 503: it asks for less
│   │   └── RecognizerMisaddressed   something else answers at its address: a web page, a redirect
│   ├── DeliveryAmbiguous            sent, no answer: it may have arrived
│   ├── LookUpDeferred               whether it arrived is not asked, or not known, before some time has passed
│   ├── SessionRejected              401: the session's token is no longer good
│   ├── CredentialsRejected          log-in refused: wrong user or password
│   ├── LicenseRejected              401 LICENSE_ERROR: no token will help
│   ├── CameraTokenRejected          403: the camera's own token is stale; the list must be read again
│   └── OutboxUnavailable            disk full, database locked
└── PermanentError                   the same call will never succeed
├── DeliveryGivenUp              tried as often as the settings say; kept for a person
├── CaptureRefused               the recogniser answered no (it saw no face, a field is invalid)
├── LeaseLost                    somebody else holds the capture now
├── CaptureUnknown               no capture of that id is kept
├── PictureGone                  the picture was given up: there is nothing left to send
└── OutboxCorrupt                a row without its picture, a picture that is cut off
"""

from vigia.domain.errors import VigiaError


class ApplicationError(VigiaError):
    """Something at a port went wrong, told in the application's words. The cause is chained."""


class ConfigurationError(ApplicationError):
    """The operator must change something: says what is wrong, where, and what would be right."""


class ModelUnavailable(ConfigurationError):
    """No usable detector weights."""


class RetryableError(ApplicationError):
    """The same call may succeed later.

    Args:
        template, **facts: as in VigiaError.
        retry_after_s: what the other side asked for, if it did.
    """

    def __init__(self, template: str, /, *, retry_after_s: float | None = None, **facts: object) -> None:
        super().__init__(template, **facts)
        self.retry_after_s = retry_after_s


class PermanentError(ApplicationError):
    """The same call will never succeed."""


class SourceError(RetryableError):
    """A camera's stream failed."""


class SourceUnreachable(SourceError):
    """It could not be opened."""


class SourceAuthFailed(SourceError):
    """The camera refused the credentials."""


class SourceStalled(SourceError):
    """It is open, but no packet came in time."""


class SourceEnded(SourceError):
    """It closed. A file played once ends so too."""


class SourceAbandoned(SourceError):
    """Its thread was stuck in a native call and was left behind; another one has its work. Never told to anybody."""

    def __init__(self) -> None:
        super().__init__("left behind inside a native call")


class RecognizerUnavailable(RetryableError):
    """The request surely had no effect: never sent, or answered with a temporary failure."""


class RecognizerUnreachable(RecognizerUnavailable):
    """Nobody answered, and nothing was sent that could matter: no connection, or a mere question without an answer."""


class RecognizerBusy(RecognizerUnavailable):
    """It answers that it has too much to do: fewer requests at once are in place."""


class RecognizerMisaddressed(RecognizerUnavailable):
    """What answers at the recogniser's address is not the recogniser. A person must act, so it is asked slowly."""


class DeliveryAmbiguous(RetryableError):
    """The request was sent and no answer came: it may have arrived."""


class LookUpDeferred(RetryableError):
    """Whether a capture arrived is told later, after ``retry_after_s``; nothing is wrong with the recogniser."""


class SessionRejected(RetryableError):
    """The session's token is not accepted any more; a log-in may help."""


class CredentialsRejected(RetryableError):
    """The log-in was refused. Only a person can mend it, so it is tried again slowly."""


class LicenseRejected(RetryableError):
    """The recogniser's licence forbids it. No log-in will help; a person must act."""


class CameraTokenRejected(RetryableError):
    """The camera's own token is stale: the camera list must be read again first."""


class NoCameras(ConfigurationError):
    """The camera list could be read and holds no camera to watch."""


class OutboxUnavailable(RetryableError):
    """The outbox cannot be written or read just now."""


class DeliveryGivenUp(PermanentError):
    """A capture is not tried any more: says why, to the person who decides about it."""


class CaptureRefused(PermanentError):
    """The recogniser answered and will never take this capture.

    Args:
        reason: a short machine word such as ``no_face``, ``bad_param``, ``too_large``.
        template, **facts: as in VigiaError.
    """

    def __init__(self, reason: str, template: str, /, **facts: object) -> None:
        super().__init__(template, **facts)
        self.reason = reason


class LeaseLost(PermanentError):
    """The capture is not leased by this holder any more."""


class OutboxCorrupt(PermanentError):
    """A stored capture cannot be used: its picture is missing or cut off."""


class CaptureUnknown(PermanentError):
    """No capture of that id is in the outbox, or it is no longer kept."""


class PictureGone(PermanentError):
    """The capture's picture is not kept any more: there is nothing left to send."""
