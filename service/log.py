"""The log: one line for each thing that happened, `action=` first, to standard error.

Names and texts that come from outside are quoted, so that nobody can write a line of their own into it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
import threading
import time
import traceback
from pathlib import Path

#: Longest foreign text in a line.
MAX_TEXT = 200
#: Lines that are no warning may wait this long for others, in seconds: one write for all of them instead of one
#: for each event. An event itself never waits for the log, nor the log for an event.
WRITE_EVERY = 0.2
#: Lines that wait at most.
MAX_WAITING = 1000


class LinesHandler(logging.Handler):
    """Writes to a file descriptor: warnings at once, everything else when `flush` is called.

    A log that cannot be written (its disk is full) is dropped: it must never keep an event from being answered.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line, and write it if it is a warning."""
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING or len(self._lines) >= MAX_WAITING:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        with self.lock or contextlib.nullcontext():
            lines, self._lines = self._lines, []
            data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
            with contextlib.suppress(OSError):
                while data:
                    data = data[os.write(self._descriptor, data) :]


def configure(level: str) -> None:
    """Send the service's log to standard error."""
    if sys.stderr is None:  # somebody closed it; there is nothing to log to
        return
    handler = LinesHandler(sys.stderr.fileno())
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Log the service's lines of this level and above; before `configure` and any time after."""
    for name in ("service", "handlers"):
        logging.getLogger(name).setLevel(level.upper())


async def write_regularly() -> None:
    """Write what is waiting, for ever; to be cancelled. The interpreter writes the rest at its end."""
    while True:
        await asyncio.sleep(WRITE_EVERY)
        for handler in logging.getLogger().handlers:
            handler.flush()


def write_regularly_in_thread() -> None:
    """The same for a process without an event loop, on a thread that ends with the process."""

    def write() -> None:
        while True:
            time.sleep(WRITE_EVERY)
            for handler in logging.getLogger().handlers:
                handler.flush()

    threading.Thread(target=write, name="log", daemon=True).start()


def quoted(text: str) -> str:
    """A foreign text as one JSON string in ASCII: no line break or control character survives."""
    return json.dumps(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")


def place_of(error: BaseException) -> str:
    """File and line where an error was raised, for the log where its message may hold what an event says."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "unknown"
