"""Turns what pydantic found into lines for an operator: where, which key, what would be right. Never a secret."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from vigia.application.errors import ConfigurationError
from vigia.domain.camera import redact_url
from vigia.infrastructure.config.keys import KeyFacts, KeyTable, dotted
from vigia.infrastructure.config.layer import NOWHERE, KeyPath, Layer, Place, Problem, shown
from vigia.infrastructure.config.section import CONFIGURATION_ERROR

PROBLEMS_MAX = 20
"""More are counted, not listed: the rest usually follows from the first."""
NEAREST_MAX = 100
"""So many unknown keys get a nearest name: a file that is no settings file must not take minutes to refuse."""
HIDDEN = "***"


def problems_of(error: ValidationError, keys: KeyTable, layers: Sequence[Layer]) -> list[Problem]:
    """One problem for each key that pydantic rejected, however many variants of its type it tried.

    Args:
        error: from validating the merged layers.
        keys: of the model that was validated.
        layers: the most important first.
    """
    problems: dict[KeyPath, Problem] = {}
    for details in error.errors(include_url=False):
        context: Mapping[str, Any] = details.get("ctx", {})
        path = _known_part((*details["loc"], *context.get("path", ())), details["type"], keys)
        if path in problems:
            continue
        if details["type"] == CONFIGURATION_ERROR:
            told = context["problem"](dotted(path))
        elif details["type"] == "extra_forbidden":
            told = _unknown_key(path, keys, suggest=len(problems) < NEAREST_MAX)
        elif details["type"] == "missing":
            told = ConfigurationError("%(key)s is missing", key=dotted(path))
        else:
            told = _wrong_value(path, details["input"], keys.get(path))
        problems[path] = Problem(_place(path, layers), told)
    return list(problems.values())


def combined(problems: Sequence[Problem]) -> ConfigurationError:
    """All problems as one error, one line each, in the order of the file; ``problems`` is not empty."""
    ordered = sorted(problems, key=lambda problem: (problem.place.order, problem.place.line))
    errors = [problem.place.locate(problem.error) for problem in ordered]
    told = errors[:PROBLEMS_MAX]
    if len(errors) > len(told):
        told.append(ConfigurationError("… and %(count)d more", count=len(errors) - len(told)))
    result = told.pop()
    while told:
        # Each part is an error of its own, so that each can be told in another language.
        result = ConfigurationError("%(first)s\n%(others)s", first=told.pop(), others=result)
    return result


def shown_url(url: str) -> str:
    """``url`` without credentials, or ``***`` when they cannot be told apart from the rest."""
    redacted = redact_url(url)
    return HIDDEN if "@" in redacted.replace(f"{HIDDEN}@", "") else redacted


def _known_part(loc: KeyPath, kind: str, keys: KeyTable) -> KeyPath:
    """Cut off what pydantic adds to a place for the variants of a type; an unknown key keeps its own name."""
    if kind == "extra_forbidden":
        return loc
    while loc and keys.get(loc) is None:
        loc = loc[:-1]
    return loc


def _place(path: KeyPath, layers: Sequence[Layer]) -> Place:
    """Where the value stands that counted; for a missing one, what it is missing from."""
    for length in range(len(path), 0, -1):
        for layer in layers:
            place = layer.places.get(path[:length])
            if place is not None:
                return place
    return NOWHERE


def _unknown_key(path: KeyPath, keys: KeyTable, *, suggest: bool) -> ConfigurationError:
    nearest = keys.nearest(path) if suggest else ""
    if nearest:
        return ConfigurationError("unknown key %(key)s; did you mean %(nearest)s?", key=dotted(path), nearest=nearest)
    return ConfigurationError(
        "unknown key %(key)s; known here are %(known)s", key=dotted(path), known=", ".join(keys.siblings(path))
    )


def _shown_value(value: object, facts: KeyFacts) -> str:
    if facts.secret:
        return HIDDEN
    text = redact_url(value) if isinstance(value, str) else value
    if facts.path[-1] in {"url", "user", "uuid"} or (isinstance(text, str) and "@" in text):
        return HIDDEN  # what was typed wrongly is not recognised as a credential either
    return shown(text)


def _wrong_value(  # noqa: PLR0911 - a table of texts
    path: KeyPath, value: object, facts: KeyFacts | None
) -> ConfigurationError:
    """What would be right; type and range are told together, because both are needed to mend it."""
    key = dotted(path)
    if facts is None:
        return ConfigurationError("expected keys and values, such as language: pt_BR")
    text = _shown_value(value, facts)
    match facts.kind:
        case "section":
            return ConfigurationError("%(key)s must hold keys of its own, not %(value)s", key=key, value=text)
        case "list":
            return ConfigurationError(
                "%(key)s must be a list, each item begun with a dash, not %(value)s", key=key, value=text
            )
        case "truth":
            return ConfigurationError("%(key)s must be true or false, not %(value)s", key=key, value=text)
        case "choice":
            choices = ", ".join(facts.choices)
            return ConfigurationError(
                "%(key)s must be one of %(choices)s, not %(value)s", key=key, choices=choices, value=text
            )
        case "whole" | "number":
            return _wrong_number(key, text, facts)
        case "text" if facts.high is None:
            return ConfigurationError("%(key)s must be text, not %(value)s", key=key, value=text)
        case "text":
            return ConfigurationError(
                "%(key)s must be text of %(low)d to %(high)d characters, not %(value)s",
                key=key,
                low=facts.low or 0,
                high=facts.high,
                value=text,
            )


def _wrong_number(key: str, text: str, facts: KeyFacts) -> ConfigurationError:
    low, high = f"{facts.low:.12g}", f"{facts.high:.12g}"
    words = ", ".join(facts.choices)
    if facts.kind == "number":
        return ConfigurationError(
            "%(key)s must be a number from %(low)s to %(high)s, not %(value)s", key=key, low=low, high=high, value=text
        )
    if words:
        return ConfigurationError(
            "%(key)s must be %(words)s or a whole number from %(low)s to %(high)s, not %(value)s",
            key=key,
            words=words,
            low=low,
            high=high,
            value=text,
        )
    return ConfigurationError(
        "%(key)s must be a whole number from %(low)s to %(high)s, not %(value)s",
        key=key,
        low=low,
        high=high,
        value=text,
    )
