"""Everything that the doctor may say, by id: what ``docs/check.md`` is rendered from."""

from types import ModuleType

from vigia.application.diagnosis import FindingKind
from vigia.bootstrap.doctor import kinds_machine, kinds_place, kinds_sites


def _kinds_of(*modules: ModuleType) -> dict[str, FindingKind]:
    found: dict[str, FindingKind] = {}
    for module in modules:
        for kind in vars(module).values():
            if isinstance(kind, FindingKind):
                if kind.id in found:
                    raise ValueError(f"two kinds are called {kind.id}")
                found[kind.id] = kind
    return found


KINDS = _kinds_of(kinds_place, kinds_machine, kinds_sites)
"""In the order in which they are written."""
