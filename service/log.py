"""The log: one line for each thing that happened, `action=` first, to standard error.

Names and texts that come from outside are quoted, so that nobody can write a line of their own into it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

#: Longest foreign text in a line.
MAX_TEXT = 200
#: Lines that are no warning may wait this long for others, in seconds: one write for all of them instead of one
#: for each event. An event itself never waits for the log, nor the log for an event.
WRITE_EVERY = 0.2


class _LinesHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic in the stubs only
    """Writes warnings at once, and everything else when `flush` is called."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream.write(self.format(record) + self.terminator)
        if record.levelno >= logging.WARNING:
            self.flush()


def configure(level: str) -> None:
    """Send the service's log to standard error."""
    # A stream of its own, because Python's standard error writes every line at once.
    handler = _LinesHandler(open(sys.stderr.fileno(), "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("service", "handlers"):
        logging.getLogger(name).setLevel(level.upper())


async def write_regularly() -> None:
    """Write what is waiting, for ever; to be cancelled. The interpreter writes the rest at its end."""
    while True:
        await asyncio.sleep(WRITE_EVERY)
        for handler in logging.getLogger().handlers:
            handler.flush()


def quoted(text: str) -> str:
    """A foreign text as one JSON string in ASCII: no line break or control character survives."""
    return json.dumps(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")
