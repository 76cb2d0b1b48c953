"""A scenario of faults: a YAML file that says what goes wrong, on which path, how often and when. Strictly checked.

Two sorts of rules. *Slowing* ones (``latency``, ``slow-read``) add up and go with anything. Of the *failing* ones at
most one happens to a call. ``docs/faults.md`` has an example with every kind.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from vigia.application.errors import ConfigurationError
from vigia.infrastructure.config.keys import KeyTable
from vigia.infrastructure.config.problems import combined, problems_of
from vigia.infrastructure.config.section import Section, invalid
from vigia.infrastructure.config.yaml_layer import read_yaml
from vigia.testing.findface_stub.faults import Fault, Way, answer_fault

FaultKind = Literal[
    "latency",
    "slow-read",
    "server-error",
    "bad-gateway",
    "forbidden",
    "too-large",
    "too-many-requests",
    "license-error",
    "status",
    "session-expired",
    "reset-before",
    "reset-during",
    "reset-after",
    "answer-lost",
    "invalid-json",
    "truncated",
]
FaultPath = Literal[
    "/auth/login/",
    "/auth/logout/",
    "/camera-groups/",
    "/camera-groups/{id}/",
    "/cameras/",
    "/cameras/{id}/",
    "/events/faces/add/",
    "/events/faces/",
    "/events/faces/{id}/",
]
PATHS: tuple[FaultPath, ...] = get_args(FaultPath)
RULES_MAX = 100
SLOWING: frozenset[FaultKind] = frozenset({"latency", "slow-read"})
_WHEN = frozenset({"kind", "name", "path", "share", "every", "times", "from_s", "to_s"})
_OWN: Mapping[FaultKind, frozenset[str]] = {
    "latency": frozenset({"distribution", "delay_s", "delay_min_s", "delay_max_s", "delay_median_s", "delay_sigma"}),
    "slow-read": frozenset({"bytes_per_s"}),
    "server-error": frozenset({"takes_effect"}),
    "bad-gateway": frozenset({"takes_effect"}),
    "too-many-requests": frozenset({"retry_after_s"}),
    "status": frozenset({"status", "html", "retry_after_s", "takes_effect"}),
    "reset-during": frozenset({"read_share"}),
    "answer-lost": frozenset({"hold_s", "takes_effect"}),
    "invalid-json": frozenset({"takes_effect"}),
    "truncated": frozenset({"takes_effect"}),
}
"""Keys of a kind beside those of every rule; a kind that is not here has none."""
_NEEDED: Mapping[FaultKind, frozenset[str]] = {"slow-read": frozenset({"bytes_per_s"}), "status": frozenset({"status"})}
_OF_DISTRIBUTION: Mapping[str, frozenset[str]] = {
    "fixed": frozenset({"delay_s"}),
    "uniform": frozenset({"delay_min_s", "delay_max_s"}),
    "log-normal": frozenset({"delay_median_s", "delay_sigma", "delay_max_s"}),
}
_ALREADY_TAKEN: frozenset[FaultKind] = frozenset({"answer-lost", "invalid-json", "truncated"})
"""Kinds whose call takes effect unless the rule says otherwise."""
_BAD_GATEWAY_HTML = (
    "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>\n<center><h1>502 Bad Gateway</h1></center>\n"
    "<hr><center>nginx</center>\n</body>\n</html>\n"
)
_LICENSE_ERROR = {
    "traceback": "",
    "code": "LICENSE_ERROR",
    "desc": "License error.",
    "original_error": "no valid license found",
}
DelayS = Annotated[float, Field(ge=0.0, le=600.0)]


class FaultRule(Section):
    """One thing that goes wrong."""

    kind: FaultKind
    """What."""
    name: Annotated[str, Field(max_length=64)] = ""
    """Under which it is counted; empty = the kind, numbered from the second on."""
    path: FaultPath | None = None
    """On which path, ``{id}`` for any number; empty = every call of the API."""
    share: Annotated[float, Field(ge=0.0001, le=1.0)] | None = None
    """To which share of the calls, drawn by the seed; neither share nor every = to each."""
    every: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """To each n-th call instead."""
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """No more often than this; empty = no limit."""
    from_s: Annotated[float, Field(ge=0.0, le=1e7)] = 0.0
    """Not before so many seconds after the start."""
    to_s: Annotated[float, Field(ge=0.001, le=1e7)] | None = None
    """Not from so many seconds after the start on; empty = no end."""
    takes_effect: bool | None = None
    """The call does what it should, only its caller does not learn so; empty = as the kind has it."""
    distribution: Literal["fixed", "uniform", "log-normal"] = "fixed"
    """How a latency is drawn."""
    delay_s: DelayS | None = None
    """A fixed latency, seconds."""
    delay_min_s: DelayS | None = None
    """Shortest of a uniform one, seconds."""
    delay_max_s: DelayS | None = None
    """Longest, seconds."""
    delay_median_s: DelayS | None = None
    """Median of a log-normal one, seconds."""
    delay_sigma: Annotated[float, Field(ge=0.0, le=5.0)] | None = None
    """Standard deviation of its logarithm: 0.5 is mild, 1.5 has a long tail."""
    bytes_per_s: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """How fast a request's body is read."""
    status: Annotated[int, Field(ge=400, le=599)] | None = None
    """HTTP status of the answer."""
    html: bool = False
    """The answer is a proxy's page and not FindFace's JSON."""
    retry_after_s: Annotated[int, Field(ge=0, le=86_400)] | None = None
    """Sent as ``Retry-After``, seconds."""
    read_share: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    """Share of the body that is read before the reset."""
    hold_s: Annotated[float, Field(ge=0.0, le=3600.0)] = 60.0
    """How long a connection without an answer is held open, seconds."""

    @property
    def slows(self) -> bool:
        """True for what adds up with anything."""
        return self.kind in SLOWING

    @property
    def end_s(self) -> float:
        """``to_s``, or infinity."""
        return float("inf") if self.to_s is None else self.to_s

    def covers(self, pattern: str, since_start_s: float) -> bool:
        """True when calls of this path (ids as ``{id}``) at this time are its business."""
        return self.path in {None, pattern} and self.from_s <= since_start_s < self.end_s

    def fault(self, name: str) -> Fault:  # noqa: PLR0911 - a table of answers
        """The fault of a failing rule."""
        after = self.takes_effect if self.takes_effect is not None else self.kind in _ALREADY_TAKEN
        retry = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        match self.kind:
            case "server-error":
                return answer_fault(500, after_store=after, name=name)
            case "bad-gateway":
                return answer_fault(502, text=_BAD_GATEWAY_HTML, after_store=after, name=name)
            case "forbidden":
                return answer_fault(403, name=name)
            case "too-large":
                return answer_fault(413, text="<html><h1>413 Request Entity Too Large</h1></html>\n", name=name)
            case "too-many-requests":
                return answer_fault(429, headers=retry or {"Retry-After": "5"}, name=name)
            case "license-error":
                return answer_fault(401, json=_LICENSE_ERROR, name=name)
            case "status":
                status = self.status or 500
                text = f"<html><h1>{status}</h1></html>\n" if self.html else None
                return answer_fault(status, text=text, headers=retry, after_store=after, name=name)
            case "reset-after":
                return Fault(name=name, way=Way.RESET, after_store=True)
            case _:
                way = _WAYS[self.kind]
                return Fault(name=name, way=way, after_store=after, read_share=self.read_share, hold_s=self.hold_s)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for problem in self._problems():
            raise problem
        return self

    def _problems(self) -> Iterator[PydanticCustomError]:
        given = self.model_fields_set
        known = _WHEN | _OWN.get(self.kind, frozenset())
        needed = _NEEDED.get(self.kind, frozenset())
        what: str = self.kind
        if self.kind == "latency":
            of_distribution = _OF_DISTRIBUTION[self.distribution]
            known = _WHEN | {"distribution"} | of_distribution
            needed = of_distribution if self.distribution != "log-normal" else of_distribution - {"delay_max_s"}
            what = f"{self.distribution} latency"
        for key in sorted(given - known):
            yield invalid(partial(_not_its_key, what, known - _WHEN), key)
        for key in sorted(needed - given):
            yield invalid(partial(_needed, what), key)
        if self.share is not None and self.every is not None:
            yield invalid(_both, "every")
        if self.to_s is not None and self.to_s <= self.from_s:
            yield invalid(partial(_not_after, "from_s", self.from_s), "to_s")
        if self.distribution == "uniform" and (self.delay_max_s or 0.0) < (self.delay_min_s or 0.0):
            yield invalid(partial(_not_after, "delay_min_s", self.delay_min_s or 0.0), "delay_max_s")


_WAYS: Mapping[FaultKind, Way] = {
    "session-expired": Way.END_SESSIONS,
    "reset-before": Way.RESET_AT_HEAD,
    "reset-during": Way.RESET_IN_BODY,
    "answer-lost": Way.SILENCE,
    "invalid-json": Way.SPOIL,
    "truncated": Way.CUT,
}


class FaultScenario(Section):
    """What goes wrong, all of it from one seed."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """The same seed and the same calls of a path in the same order: the same faults."""
    faults: Annotated[tuple[FaultRule, ...], Field(max_length=RULES_MAX)]
    """The rules; of the failing ones the first that applies happens."""

    @property
    def names(self) -> list[str]:
        """Under which the rules are counted, in their order; unique."""
        names: list[str] = []
        taken = {rule.name for rule in self.faults}
        for rule in self.faults:
            name, number = rule.name or rule.kind, 1
            while not rule.name and name in {*names, *taken}:
                number += 1
                name = f"{rule.kind}-{number}"
            names.append(name)
        return names

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.faults:
            raise invalid(lambda key: ConfigurationError("%(key)s must hold at least one rule", key=key), "faults")
        names = Counter(rule.name for rule in self.faults if rule.name)
        for index, rule in enumerate(self.faults):
            if names[rule.name] > 1:
                raise invalid(partial(_name_taken, rule.name), "faults", index, "name")
            if _share_at_start_of(rule, self.faults) > 1.0 + 1e-9:
                raise invalid(
                    lambda key: ConfigurationError(
                        "%(key)s: the shares of the failing rules that meet here add up to more than 1", key=key
                    ),
                    "faults",
                    index,
                    "share",
                )
        return self


def load_scenario(path: Path) -> FaultScenario:
    """Read a scenario file.

    Raises:
        ConfigurationError: every mistake in it, one line each: where, what, what would be right.
    """
    layer = read_yaml(path)
    try:
        scenario = FaultScenario.model_validate(layer.data)
    except ValidationError as error:
        raise combined([*layer.problems, *problems_of(error, KeyTable(FaultScenario), [layer])]) from error
    if layer.problems:
        raise combined(layer.problems)
    return scenario


def _share_at_start_of(rule: FaultRule, rules: tuple[FaultRule, ...]) -> float:
    """The largest sum of shares that one call meets when this rule sets in: sums are largest where a rule begins."""
    if rule.share is None or rule.slows:
        return 0.0
    paths = PATHS if rule.path is None else (rule.path,)
    return max(
        sum(other.share or 0.0 for other in rules if not other.slows and other.covers(path, rule.from_s))
        for path in paths
    )


def _both(key: str) -> ConfigurationError:
    return ConfigurationError("%(key)s: a rule takes share or every, not both", key=key)


def _not_its_key(kind: str, known: frozenset[str], key: str) -> ConfigurationError:
    if not known:
        return ConfigurationError(
            "%(key)s does not belong to %(kind)s, which has no keys of its own", key=key, kind=kind
        )
    return ConfigurationError(
        "%(key)s does not belong to %(kind)s, whose own keys are %(known)s",
        key=key,
        kind=kind,
        known=", ".join(sorted(known)),
    )


def _needed(kind: str, key: str) -> ConfigurationError:
    return ConfigurationError("%(key)s is missing: %(kind)s needs it", key=key, kind=kind)


def _not_after(other: str, low: float, key: str) -> ConfigurationError:
    return ConfigurationError("%(key)s must be larger than %(other)s (%(low)g)", key=key, other=other, low=low)


def _name_taken(name: str, key: str) -> ConfigurationError:
    return ConfigurationError("%(key)s: another rule is called %(name)s too", key=key, name=name)
