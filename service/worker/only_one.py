"""One worker at a time for an inbox: order for each order could not be kept by two that do not know each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

_NAME = "worker.lock"


class Turn:
    """The right to work; given back when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Nothing is claimed yet.

        Raises:
            OSError: the file of the lock cannot be made.
        """
        self._descriptor = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT, 0o600)

    def take(self, wait: Callable[[], bool]) -> bool:
        """Wait until it is ours; `wait` waits a moment and says whether to go on. Whether it is ours now."""
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if not wait():
                return False


def somebody_works(folder: Path) -> bool:
    """Whether a worker works on the inbox in this folder now."""
    try:
        descriptor = os.open(folder / _NAME, os.O_RDWR)
    except OSError:
        return False  # none ever did
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)  # gives it back
    return False
