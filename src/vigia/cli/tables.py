"""Tables on standard output: fitted to a terminal, one line a row elsewhere.

What a camera or a server says of itself is shown as it is: it is no markup, and cannot move the cursor.
"""

import io
import sys
from collections.abc import Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from vigia.infrastructure.logging.sinks import console_safe

WIDE_COLUMNS = 1000
"""Room for any row where nobody looks at the width: in a file or a pipe a row that is broken up is hard to search."""


def print_table(table: RenderableType) -> None:
    """Print ``table``, or several together.

    Without colour, wrapping and blanks at the lines' ends where standard output is no terminal.
    """
    console = Console(markup=False, emoji=False, highlight=False)
    if console.is_terminal:
        console.print(table)
        return
    text = io.StringIO()
    plain = Console(file=text, width=WIDE_COLUMNS, color_system=None, markup=False, emoji=False, highlight=False)
    plain.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def is_narrow() -> bool:
    """Whether ``print_table`` will fit what it prints to a terminal."""
    return Console().is_terminal


def add_row(table: Table, cells: Sequence[str], *, style: str | None = None) -> None:
    """Add a row of texts from anywhere."""
    table.add_row(*(console_safe(cell) for cell in cells), style=style)
