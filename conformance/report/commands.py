"""How a reader calls the suite again: by which interpreter, and how the run is called there."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

#: Where `conformance curl` finds a run by the name of its folder alone.
RUNS = Path(".conformance/runs")
#: For a page that others read later, in the main folder of a checkout.
INSTALLED = ".venv/bin/python"


def interpreter() -> str:
    """The one that is running, quoted for a shell; as a path from here if it lies below."""
    return shlex.quote(_from_here(Path(sys.executable)))


def run_name(folder: Path) -> str:
    """What the commands call a run, quoted for a shell; never `last`, which is another run tomorrow."""
    place = folder.resolve()
    return shlex.quote(place.name if place.parent == RUNS.resolve() else _from_here(place))


def curl_call(folder: Path, result_id: str, python: str) -> str:
    """The command that prints the curl line of a result and runs it."""
    return f"{python} -m conformance curl {run_name(folder)} {result_id} | sh"


def _from_here(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
