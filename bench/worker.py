"""The worker under measurement: a process of its own, its memory, what the inbox says of its work. Linux only."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType

from bench.credentials import PASSWORD, USER
from bench.subjects import ROOT, StartError

PATIENCE_SECONDS = 600.0

SETTINGS = f"""
[auth.basic.main]
username = "{USER}"
password = "{PASSWORD}"
[server]
host = "127.0.0.1"
port = {{port}}
behind_proxy = true
[worker]
enabled = {{enabled}}
"""

TAKING = """
[destinations.taking]
type = "python"
class = "bench.destination:Taking"
concurrency = 16
"""
NOTES = """
[destinations.taking.options]
notes_file = "{notes}"
"""


def settings(
    folder: Path, *, port: int = 1, enabled: bool = True, destinations: str = TAKING, notes: Path | None = None
) -> Path:
    """The settings file; `notes` is where the destination `taking` notes what comes."""
    config = folder / "webhooks.toml"
    text = SETTINGS.format(port=port, enabled=str(enabled).lower()) + destinations
    config.write_text(text + (NOTES.format(notes=notes) if notes else ""), encoding="utf-8")
    return config


class Inbox:
    """Looks into a database file from outside."""

    def __init__(self, folder: Path) -> None:
        self._connection = sqlite3.connect(folder / "data" / "inbox.db", timeout=30)

    def done(self) -> int:
        """Events that came to their end."""
        return int(self._one("SELECT count(*) FROM event WHERE state = 'done'"))

    def seconds_of_work(self) -> float:
        """From the first event that was merged to the last that was taken."""
        began = datetime.fromisoformat(self._one("SELECT min(applied_at) FROM event"))
        ended = datetime.fromisoformat(self._one("SELECT max(finished_at) FROM handover"))
        return (ended - began).total_seconds()

    def wait(self, worker: WorkerAlone, count: int) -> None:
        """Until so many events are done.

        Raises:
            StartError: they never are.
        """
        if not until(lambda: bool(worker.memory()) and self.done() >= count):
            raise StartError(f"only {self.done()} of {count} events came to their end")

    def _one(self, query: str) -> str:
        (value,) = self._connection.execute(query).fetchone()
        return str(value)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class WorkerAlone:
    """`webhooks work`, from its start to its end; a context manager."""

    def __init__(self, config: Path) -> None:
        self._log = config.parent / "worker.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(Path(sys.executable).with_name("webhooks")), "work", "--config", str(config)],
                cwd=config.parent,
                env=environment | {"PYTHONPATH": str(ROOT)},
                stdout=log,
                stderr=log,
            )

    def memory(self) -> int:
        """Resident memory in bytes.

        Raises:
            StartError: the worker is not there any more.
        """
        return resident(self._process.pid)

    def __enter__(self) -> WorkerAlone:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if error is not None:
            error.add_note(self._log.read_text(errors="replace")[-2000:])


def resident(pid: int) -> int:
    """Memory of a process that is in use, in bytes.

    Raises:
        StartError: there is no such process.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError as error:
        raise StartError("the worker has ended") from error
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    if not found:
        raise StartError("the worker has ended")
    return int(found[1]) * 1024


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS, pause: float = 0.1) -> bool:
    """Whether it became true in that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(pause)
    return condition()
