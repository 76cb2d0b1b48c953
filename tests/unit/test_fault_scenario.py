"""Scenarios of faults: what a file may say, what is told when it is wrong, and that draws repeat and keep to shares."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.application.errors import ConfigurationError
from vigia.testing.findface_stub.fault_deck import FaultDeck
from vigia.testing.findface_stub.fault_scenario import FaultScenario, load_scenario
from vigia.testing.findface_stub.faults import Way
from vigia.testing.sim_clock import SimClock

ADD = "/events/faces/add/"
DOCS = Path(__file__).parents[2] / "docs" / "faults.md"


def scenario_of(tmp_path: Path, text: str) -> FaultScenario:
    path = tmp_path / "scenario.yaml"
    path.write_text(text, encoding="utf-8")
    return load_scenario(path)


def scenario(*rules: dict[str, Any], seed: int = 0) -> FaultScenario:
    return FaultScenario.model_validate({"seed": seed, "faults": list(rules)})


def drawn(deck: FaultDeck, count: int, path: str = ADD) -> list[str | None]:
    faults = [deck.draw(path).fault for _ in range(count)]
    return [None if fault is None else fault.name for fault in faults]


def test_the_documented_example_loads_and_has_every_kind(tmp_path: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    (example,) = re.findall(r"(?s)```yaml\n(.*?)```", text)
    loaded = scenario_of(tmp_path, example)
    kinds = {rule.kind for rule in loaded.faults}
    table = set(re.findall(r"(?m)^\| `([a-z-]+)` \|", text.partition("## Kinds")[2]))
    assert kinds == table
    for rule in loaded.faults:
        if not rule.slows:
            rule.fault("x")
    assert loaded.names[:3] == ["latency", "slow-lists", "latency-2"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("kind: latancy", r'line 2: faults\[0\].kind must be one of latency, slow-read, .*, not "latancy"'),
        ("share: 0.1", r"line 2: faults\[0\].kind is missing"),
        ("{kind: forbidden, shore: 0.1}", r"unknown key faults\[0\].shore; did you mean faults\[0\].share\?"),
        ("{kind: forbidden, share: 0}", r"faults\[0\].share must be a number from"),
        ("{kind: forbidden, share: often}", r'faults\[0\].share must be a number from .*, not "often"'),
        ("{kind: forbidden, share: .nan}", r"faults\[0\].share must be a number"),
        ("{kind: forbidden, every: 0}", r"faults\[0\].every must be a whole number from 1"),
        ("{kind: forbidden, every: 2, share: 0.5}", r"faults\[0\].every: a rule takes share or every, not both"),
        ("{kind: forbidden, path: /events/faces/ad/}", r"faults\[0\].path must be one of /auth/login/, "),
        ("{kind: forbidden, from_s: 9, to_s: 9}", r"faults\[0\].to_s must be larger than from_s \(9\)"),
        ("{kind: forbidden, status: 500}", r"faults\[0\].status does not belong to forbidden, which has no keys"),
        ("{kind: bad-gateway, hold_s: 1}", r"hold_s does not belong to bad-gateway, whose own keys are takes_effect"),
        ("{kind: latency}", r"faults\[0\].delay_s is missing: fixed latency needs it"),
        ("{kind: latency, distribution: uniform, delay_min_s: 1}", r"delay_max_s is missing: uniform latency needs"),
        ("{kind: latency, distribution: uniform, delay_min_s: 2, delay_max_s: 1}", r"delay_max_s must be larger than"),
        ("{kind: latency, delay_s: 1, delay_sigma: 1}", r"delay_sigma does not belong to fixed latency"),
        ("{kind: slow-read}", r"faults\[0\].bytes_per_s is missing: slow-read needs it"),
        ("{kind: status, status: 200}", r"faults\[0\].status must be a whole number from 400 to 599"),
        ("{kind: status}", r"faults\[0\].status is missing: status needs it"),
        ("5", r'faults\[0\] must hold keys of its own, not "5"'),
    ],
)
def test_a_wrong_rule_is_told_by_line_key_and_what_is_right(tmp_path: Path, rule: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        scenario_of(tmp_path, f"faults:\n  - {rule}\n")
    assert str(caught.value).startswith(f"{tmp_path / 'scenario.yaml'}, line 2: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "faults is missing"),
        ("faults: []", "line 1: faults must hold at least one rule"),
        ("seed: x\nfaults: [{kind: forbidden}]", "seed must be a whole number from 0 to"),
        ("faults: [{kind: forbidden}]\nfaults: []", "line 2: key faults is given twice, first on line 1"),
        ("faults: [", "not valid YAML"),
        ("- kind: forbidden", "expected keys and values"),
        ("faults: [{kind: forbidden, name: a}, {kind: too-large, name: a}]", "another rule is called a too"),
        (
            "faults:\n  - {kind: forbidden, share: 0.6}\n  - {kind: too-large, path: /cameras/, share: 0.5}",
            r"line \d: faults\[\d\].share: the shares of the failing rules that meet here add up to more than 1",
        ),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        scenario_of(tmp_path, text)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_scenario(tmp_path / "none.yaml")


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        scenario_of(tmp_path, "seed: -1\nfaults:\n  - kind: nothing\n  - {kind: forbidden, share: 2}\n")
    assert [line.split(": ")[0][-6:] for line in str(caught.value).splitlines()] == ["line 1", "line 3", "line 4"]


def test_shares_that_never_meet_may_add_up_to_more_than_one() -> None:
    scenario(
        {"kind": "forbidden", "share": 0.9, "to_s": 10},
        {"kind": "too-large", "share": 0.9, "from_s": 10, "path": "/cameras/"},
        {"kind": "too-large", "share": 0.9, "from_s": 10, "path": ADD},
        {"kind": "latency", "share": 0.9, "delay_s": 0},
    )


@given(seed=st.integers(0, 2**63 - 1), share=st.floats(0.05, 0.5), other=st.floats(0.05, 0.5))
def test_a_seed_repeats_whatever_other_paths_do(seed: int, share: float, other: float) -> None:
    rules = ({"kind": "forbidden", "share": share}, {"kind": "too-large", "share": other})
    first = FaultDeck(scenario(*rules, seed=seed), clock=SimClock())
    again = FaultDeck(scenario(*rules, seed=seed), clock=SimClock())
    expected = drawn(first, 100)
    found: list[str | None] = []
    for _ in range(100):
        again.draw("/cameras/")
        found += drawn(again, 1)
    assert found == expected
    happened = Counter(name for name in expected if name is not None)
    assert first.counts() == {"forbidden": happened["forbidden"], "too-large": happened["too-large"]}


def test_two_seeds_differ() -> None:
    rules = {"kind": "forbidden", "share": 0.5}
    first, second = (FaultDeck(scenario(rules, seed=seed), clock=SimClock()) for seed in (1, 2))
    assert drawn(first, 100) != drawn(second, 100)


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_exclusive_and_add_up(seed: int) -> None:
    deck = FaultDeck(
        scenario({"kind": "forbidden", "share": 0.2}, {"kind": "reset-after", "share": 0.1}, seed=seed),
        clock=SimClock(),
    )
    names = Counter(drawn(deck, 10_000))
    # Five standard deviations of a binomial of 10 000.
    assert abs(names["forbidden"] - 2000) < 200
    assert abs(names["reset-after"] - 1000) < 150


def test_every_nth_call_of_its_path_and_no_more_often_than_wanted() -> None:
    deck = FaultDeck(scenario({"kind": "forbidden", "every": 3, "path": ADD, "times": 2}), clock=SimClock())
    assert drawn(deck, 2, "/cameras/") == [None, None]
    assert drawn(deck, 12) == [None, None, "forbidden"] * 2 + [None] * 6
    assert deck.report()["rules"] == [
        {"name": "forbidden", "kind": "forbidden", "path": ADD, "covered": 12, "happened": 2}
    ]


def test_a_window_counts_from_the_start() -> None:
    clock = SimClock()
    deck = FaultDeck(scenario({"kind": "forbidden", "from_s": 10, "to_s": 20}), clock=clock)
    deck.start()
    found = []
    for _ in range(5):
        found += drawn(deck, 1)
        clock.advance(5.0)
        deck.start()
    assert found == [None, None, "forbidden", "forbidden", None]


def test_the_first_failing_rule_happens_and_slowing_rules_add_up() -> None:
    deck = FaultDeck(
        scenario(
            {"kind": "latency", "delay_s": 1},
            {"kind": "latency", "delay_s": 2},
            {"kind": "latency", "delay_s": 4, "path": "/cameras/"},
            {"kind": "slow-read", "bytes_per_s": 50},
            {"kind": "slow-read", "bytes_per_s": 20},
            {"kind": "too-large", "every": 2},
            {"kind": "forbidden"},
        ),
        clock=SimClock(),
    )
    first, second = deck.draw(ADD), deck.draw(ADD)
    assert (first.delay_s, first.read_bytes_per_s) == (3.0, 20)
    assert first.slowed_by == ("latency", "latency-2", "slow-read", "slow-read-2")
    assert [draw.fault.status for draw in (first, second) if draw.fault is not None] == [403, 413]


@given(st.integers(0, 1000))
def test_latencies_keep_their_limits(seed: int) -> None:
    deck = FaultDeck(
        scenario(
            {"kind": "latency", "distribution": "uniform", "delay_min_s": 1, "delay_max_s": 2, "path": "/cameras/"},
            {
                "kind": "latency",
                "distribution": "log-normal",
                "delay_median_s": 1,
                "delay_sigma": 2,
                "delay_max_s": 3,
                "path": ADD,
            },
            seed=seed,
        ),
        clock=SimClock(),
    )
    assert all(1.0 <= deck.draw("/cameras/").delay_s <= 2.0 for _ in range(20))
    assert all(0.0 < deck.draw(ADD).delay_s <= 3.0 for _ in range(20))


def test_a_log_normal_latency_has_the_median_asked_for() -> None:
    rule = {"kind": "latency", "distribution": "log-normal", "delay_median_s": 0.5, "delay_sigma": 1}
    deck = FaultDeck(scenario(rule), clock=SimClock())
    below = sum(deck.draw(ADD).delay_s < 0.5 for _ in range(10_000))
    assert abs(below - 5000) < 250  # five standard deviations


@pytest.mark.parametrize(
    ("rule", "after_store", "way"),
    [
        ({"kind": "server-error"}, False, Way.ANSWER),
        ({"kind": "bad-gateway", "takes_effect": True}, True, Way.ANSWER),
        ({"kind": "answer-lost"}, True, Way.SILENCE),
        ({"kind": "answer-lost", "takes_effect": False}, False, Way.SILENCE),
        ({"kind": "truncated"}, True, Way.CUT),
        ({"kind": "invalid-json"}, True, Way.SPOIL),
        ({"kind": "reset-after"}, True, Way.RESET),
        ({"kind": "reset-before"}, False, Way.RESET_AT_HEAD),
        ({"kind": "reset-during"}, False, Way.RESET_IN_BODY),
        ({"kind": "session-expired"}, False, Way.END_SESSIONS),
    ],
)
def test_which_kinds_take_effect(rule: dict[str, Any], after_store: bool, way: Way) -> None:
    fault = scenario(rule).faults[0].fault("x")
    assert (fault.after_store, fault.way) == (after_store, way)
