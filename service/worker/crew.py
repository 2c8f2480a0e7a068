"""The threads that make attempts."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Crew:
    """So many threads at most. None of them keeps the process from ending, however long an attempt hangs: with the
    pool of the standard library a worker that was told to stop, or whose loop has failed, would stay."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._started = 0
        self._dismissed = False
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def submit(self, task: Callable[[], None]) -> None:
        """Do it on one of the threads, as soon as one is free; `task` never raises. From one thread only."""
        self._tasks.put(task)
        if self._started < self._size:
            self._started += 1
            threading.Thread(target=self._run, name=f"attempt-{self._started}", daemon=True).start()

    def dismiss(self) -> None:
        """Each thread ends with what it does now; what waits for one is not done."""
        self._dismissed = True
        for _ in range(self._started):
            self._tasks.put(None)

    def _run(self) -> None:
        while (task := self._tasks.get()) is not None and not self._dismissed:
            task()
