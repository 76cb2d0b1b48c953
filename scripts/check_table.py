"""Keep the tables of findings in docs/check.md: ``check_table.py check | update``.

They are rendered from what the doctor may say: ``bootstrap/doctor/kinds.py``.
"""

import argparse
import sys
from pathlib import Path

from vigia.application.diagnosis import Area, FindingKind, Status
from vigia.bootstrap.doctor.kinds import KINDS

DOC = Path(__file__).parents[1] / "docs" / "check.md"
BEGIN = "<!-- Rendered by scripts/check_table.py from the code: edit there. -->"
END = "<!-- End of the rendered tables. -->"
ANY = "any"
"""Of every area: told by looks that could not be made."""
SIGNS = {Status.OK: "✓", Status.WARNING: "! warning", Status.ERROR: "✗ error"}


def render() -> str:
    """A table in Markdown for each area, in the order in which the command tells them."""
    areas = [*(area.value for area in Area), ANY]
    by_area = {area: [kind for kind in KINDS.values() if kind.id.partition(".")[0] == area] for area in areas}
    return "\n\n".join(_table(area, kinds) for area, kinds in by_area.items())


def _table(area: str, kinds: list[FindingKind]) -> str:
    lines = [f"### `{area}`", "", "| Id | | Says | What to do |", "|---|---|---|---|"]
    lines += [
        " | ".join(("| `" + kind.id + "`", SIGNS[kind.status], _cell(kind.text), _cell(kind.remedy) + " |"))
        for kind in kinds
    ]
    return "\n".join(lines)


def _cell(template: str) -> str:
    """Places are shown as dots; ``%%`` as it is told."""
    words: list[str] = []
    for number, part in enumerate(template.replace("%%", "\0").split("%(")):
        name, bracket, rest = part.partition(")")
        words.append(part if number == 0 or not bracket else f"*{name}*{rest.lstrip('+.0123456789')[1:]}")
    return "".join(words).replace("\0", "%").replace("|", "\\|").replace("<", "&lt;")


def with_tables(text: str) -> str:
    """The document with the tables of now between its marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{DOC.name} lacks the marks of the tables")
    return f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}"


def main() -> int:
    """Check or update; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["check", "update"])
    action = parser.parse_args().action
    text = DOC.read_text(encoding="utf-8")
    new = with_tables(text)
    if action == "update":
        DOC.write_text(new, encoding="utf-8")
    elif new != text:
        print("docs/check.md is not what the code says: run scripts/check_table.py update")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
