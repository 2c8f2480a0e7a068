"""A process that outlives the command that started it, and is found again by later commands.

It holds the lock of its PID file for as long as it lives, because it inherits the open file. So a PID file that a
dead process left behind, whose number may be somebody else's by now, is never taken for a running one.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tools.target.errors import TargetError

_LOOK_EVERY = 0.02

#: The project, from which `python -m tools.target...` finds its modules.
ROOT = Path(__file__).resolve().parents[2]


class Detached:
    """The process of one PID file."""

    def __init__(self, name: str, pid_file: Path) -> None:
        self.name = name
        self._pid_file = pid_file

    def start(
        self, command: Sequence[str], output: int | IO[bytes], environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it; what it says goes to `output`.

        Raises:
            TargetError: it runs already.
        """
        descriptor = os.open(self._pid_file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[descriptor],
                start_new_session=True,
            )
            os.write(descriptor, str(process.pid).encode())
        finally:
            os.close(descriptor)
        return process

    def pid(self) -> int | None:
        """Its number; None if it does not run."""
        try:
            descriptor = os.open(self._pid_file, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            while not _try(descriptor, fcntl.LOCK_SH):
                if written := os.pread(descriptor, 20, 0):
                    return int(written)
                time.sleep(_LOOK_EVERY)  # it is being started just now
            return None
        finally:
            os.close(descriptor)

    def require_pid(self) -> int:
        """Its number.

        Raises:
            TargetError: it does not run.
        """
        if (pid := self.pid()) is None:
            raise TargetError(f"{self.name} does not run ({self._pid_file})")
        return pid

    def end(self, how: signal.Signals, *, within: float) -> bool:
        """Send a signal and wait until the process is gone; False if it was not there.

        Raises:
            TargetError: it is still there after `within` seconds.
        """
        if (pid := self.pid()) is None:
            return False
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return False  # it ended by itself in this very moment
        deadline = time.monotonic() + within
        while self.pid() is not None:
            if time.monotonic() > deadline:
                raise TargetError(f"{self.name} (process {pid}) still runs {within:.0f} s after {how.name}")
            time.sleep(_LOOK_EVERY)
        return True

    def _lock(self, descriptor: int) -> None:
        # Somebody who only looks holds the lock too, for a moment.
        for _ in range(25):
            if _try(descriptor, fcntl.LOCK_EX):
                return
            time.sleep(_LOOK_EVERY)
        raise TargetError(f"{self.name} runs already (process {self.pid()})")


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
