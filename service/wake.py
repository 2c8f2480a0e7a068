"""Waking the worker: a named pipe beside the inbox.

The receiver and the command line write one byte after they have stored something; the worker waits for bytes.
A pipe and not a socket, because the name of a socket may have no more than about 100 characters.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
from pathlib import Path
from typing import Protocol

_NAME = "worker.wake"


def wake(folder: Path) -> None:
    """Wake the worker of the inbox in this folder; nothing happens if none is running."""
    with contextlib.suppress(OSError):  # nobody reads, or there is no pipe yet: the worker looks when it starts
        descriptor = os.open(folder / _NAME, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)


class Waker:
    """The receiver's end, kept open: waking costs one system call."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _NAME
        self._descriptor: int | None = None

    def wake(self) -> None:
        """Wake the worker, if there is one; never fails and never waits."""
        for _ in range(2):  # the worker may have made a new pipe
            try:
                if self._descriptor is None:
                    self._descriptor = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK)
                os.write(self._descriptor, b"!")
            except BlockingIOError:
                return  # full of bytes that it has not read yet
            except OSError:
                self.close()
            else:
                return

    def close(self) -> None:
        """Let go of the pipe."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = None


class Waking(Protocol):
    """What the worker sleeps by."""

    def wait(self, seconds: float) -> bool:
        """Wait until somebody wakes, at most so long; whether somebody did."""

    def wake(self) -> None:
        """Wake the one who waits, from another thread."""

    def close(self) -> None:
        """Let go of it."""


class WakeUp:
    """The worker's end of the pipe."""

    def __init__(self, folder: Path) -> None:
        """Make the pipe.

        Raises:
            OSError: it cannot be made.
        """
        path = folder / _NAME
        with contextlib.suppress(FileNotFoundError):
            if not stat.S_ISFIFO(path.lstat().st_mode):
                path.unlink()
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # For reading and writing, so that it never comes to its end while no writer is there.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def wait(self, seconds: float) -> bool:
        """Wait until somebody wakes, at most so long; whether somebody did."""
        ready, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if ready:
            with contextlib.suppress(BlockingIOError):
                while len(os.read(self._descriptor, 65536)) == 65536:
                    pass
        return bool(ready)

    def wake(self) -> None:
        """Wake the one who waits, from another thread."""
        with contextlib.suppress(OSError):  # full: it is about to wake anyway
            os.write(self._descriptor, b"!")

    def close(self) -> None:
        """Let go of the pipe; it stays where it is, for the next worker."""
        os.close(self._descriptor)
