"""How this very program is called again, for what is printed to be copied."""

from __future__ import annotations

import sys
from pathlib import Path


def python() -> str:
    """The Python that runs, as short as it can be named from here."""
    running = Path(sys.executable)
    try:
        return str(running.relative_to(Path.cwd()))
    except ValueError:
        return str(running)
