"""The root of every error vigia raises, and the domain's own branch.

VigiaError
├── DomainError
│   ├── ShapeError          an array is not what its name promises
│   └── TransitionError     a state change that the domain does not know
└── ApplicationError        (application/errors.py)
"""


class VigiaError(Exception):
    """Anything that vigia raises on purpose. Its text is for an operator and holds no secret.

    Args:
        template: English text with ``%(name)s`` places; also the message id that the catalogue translates.
        **facts: what goes into the places, kept so that the text can be told in another language.

    >>> str(VigiaError("camera %(camera)s does not answer", camera="gate"))
    'camera gate does not answer'
    """

    def __init__(self, template: str, /, **facts: object) -> None:
        super().__init__(template % facts if facts else template)
        self.template = template
        self.facts = facts


class DomainError(VigiaError):
    """A rule of the domain was broken by the caller."""


class ShapeError(DomainError, ValueError):
    """An array has the wrong shape, or holds NaN or infinity."""


class TransitionError(DomainError):
    """A track, capture or ledger entry was asked for a change that its state does not allow."""
