"""Keep the table of failures in docs/delivery.md: ``delivery_table.py check | update``.

It is rendered from the code's own: ``infrastructure/clients/findface_rules.py`` (which failure is which error) joined
with ``application/retry_table.py`` (what follows from each error).
"""

import argparse
import sys
from pathlib import Path

from vigia.application.retry_table import Blame, Next, Outcome, outcome_of_kind
from vigia.infrastructure.clients.findface_rules import RULES, Answered, Call, Phase, Rule

DOC = Path(__file__).parents[1] / "docs" / "delivery.md"
BEGIN = "<!-- Rendered by scripts/delivery_table.py from the code: edit there. -->"
END = "<!-- End of the rendered table. -->"
_HEAD = ("Request", "When", "Status", "Answer", "Becomes", "Capture", "Then", "Log")


def render() -> str:
    """The table in Markdown, one line a rule, in the order in which they are tried."""
    lines = ["| " + " | ".join(_HEAD) + " |", "|" + "---|" * len(_HEAD)]
    lines += ["| " + " | ".join(_cells(rule)) + " |" for rule in RULES]
    return "\n".join(lines)


def _cells(rule: Rule) -> tuple[str, ...]:
    outcome = outcome_of_kind(rule.error)
    kind = f"refused: `{rule.kind}`" if isinstance(rule.kind, str) else f"`{rule.kind.__name__}`"
    is_capture = Call.POST_EVENT in rule.calls
    return (
        "any" if set(rule.calls) == set(Call) else ", ".join(call.value for call in rule.calls),
        _when(rule),
        _statuses(rule),
        _answer(rule),
        kind,
        outcome.then.value if is_capture else "stays as it was",
        _then(outcome),
        rule.text % {"status": "N", "detail": "…", "location": "…"},
    )


def _when(rule: Rule) -> str:
    # That an answer came after sending goes without saying; that it came before the request was sent whole does not.
    if set(rule.phases) == {Phase.WHILE, Phase.AFTER}:
        return "while or after sending" if rule.answer is Answered.NOTHING else "any"
    return ", ".join(phase.value for phase in rule.phases)


def _statuses(rule: Rule) -> str:
    if rule.answer is Answered.NOTHING:
        return "none"
    shown = []
    for span in rule.statuses:
        if len(span) == 1:
            shown.append(str(span.start))
        elif span == range(1000):
            shown.append("any")
        elif span.stop == 1000:
            shown.append("5xx")
        else:
            shown.append(f"{span.start // 100}xx")
    return ", ".join(shown)


def _answer(rule: Rule) -> str:
    if rule.answer is Answered.NOTHING:
        return "none"
    words = [f"`{code}`" for code in rule.codes]
    if rule.param:
        words.append(f"about `{rule.param}`")
    return " ".join(words) or rule.answer.value or ("unreadable" if range(200, 300) in rule.statuses else "any")


def _then(outcome: Outcome) -> str:
    words = [outcome.remedy.value] if outcome.remedy.value else []
    if outcome.blame is Blame.RECOGNIZER:
        least = f" for {outcome.pause_min_s:.0f} s or longer" if outcome.pause_min_s else ""
        words.append(f"open the circuit{least}")
    if outcome.narrows:
        words.append("half as many senders")
    if outcome.suspect and outcome.then is not Next.REFUSE:
        words.append("another capture first")
    return ", ".join(words) or "-"


def with_table(text: str) -> str:
    """The document with the table of now between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{DOC.name} lacks the marks of the table")
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


def main() -> int:
    """Check or update; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["check", "update"])
    action = parser.parse_args().action
    text = DOC.read_text(encoding="utf-8")
    new = with_table(text)
    if action == "update":
        DOC.write_text(new, encoding="utf-8")
    elif new != text:
        print("docs/delivery.md is not what the code does: run scripts/delivery_table.py update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
