"""Progress of long jobs: a bar on a terminal, a line every tenth elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from vigia.application.ports import ProgressTask
from vigia.infrastructure.i18n import mark, translate

LABELS = (mark("demo cameras"),)
"""What the jobs call themselves; they know no language."""


class RichProgress:
    """Implements the ``ProgressSink`` port on standard error."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[ProgressTask]:
        """One job of ``total`` units; its label is told in the language in use."""
        label = translate(label)
        if not self._console.is_terminal:
            yield _Lines(label, total)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self._console) as progress:
            yield _Bar(progress, progress.add_task(label, total=total))


class _Bar:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: int = 1) -> None:
        self._progress.advance(self._task, amount)


class _Lines:
    def __init__(self, label: str, total: int) -> None:
        self._label, self._total = label, max(total, 1)
        self._done = 0
        self._told = -1

    def advance(self, amount: int = 1) -> None:
        self._done += amount
        tenth = min(self._done * 10 // self._total, 10)
        if tenth > self._told:
            self._told = tenth
            sys.stderr.write(f"{self._label}: {tenth * 10} %\n")
