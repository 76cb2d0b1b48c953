"""The root of every error vigia raises, and the domain's own branch.

VigiaError
├── DomainError
│   ├── ShapeError          an array is not what its name promises
│   └── TransitionError     a state change that the domain does not know
└── ApplicationError        (application/errors.py)
"""


class VigiaError(Exception):
    """Anything that vigia raises on purpose. Its text is for an operator and holds no secret."""


class DomainError(VigiaError):
    """A rule of the domain was broken by the caller."""


class ShapeError(DomainError, ValueError):
    """An array has the wrong shape, or holds NaN or infinity."""


class TransitionError(DomainError):
    """A track, capture or ledger entry was asked for a change that its state does not allow."""
