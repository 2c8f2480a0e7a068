"""A bar on the terminal while a scenario runs; nothing where nobody looks."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.delivery.summary import Summary, counted


class Bar:
    """Shows a summary that grows."""

    def __init__(self, total: int) -> None:
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("repeated {task.fields[repeated]}  dropped {task.fields[dropped]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("events", total=total, repeated=0, dropped=0)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, summary: Summary) -> None:
        """The latest counts."""
        dropped = summary.dropped.total()
        self._progress.update(
            self._task,
            completed=summary.delivered + dropped,
            repeated=counted(summary.repeated),
            dropped=counted(summary.dropped),
        )
