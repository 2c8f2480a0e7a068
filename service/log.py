"""The log: one line for each thing that happened, `action=` first, to standard error.

Names and texts that come from outside are quoted, so that nobody can write a line of their own into it.
"""

from __future__ import annotations

import json
import logging
import sys

#: Longest foreign text in a line.
MAX_TEXT = 200


def configure(level: str) -> None:
    """Send the service's log to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for name in ("service", "handlers"):
        logging.getLogger(name).setLevel(level.upper())


def quoted(text: str) -> str:
    """A foreign text as one JSON string in ASCII: no line break or control character survives."""
    return json.dumps(text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…")
