"""The states that a target can be put into, each by a real condition and none by a pretence."""

from __future__ import annotations

import signal
import subprocess
import sys

from service.maintenance import Maintenance
from tools.target.detached import Detached
from tools.target.errors import TargetError
from tools.target.folder import Folder

_END_SECONDS = 10.0


class Overloaded:
    """Every delivery is answered 503: what `webhooks maintenance on` does."""

    def __init__(self, folder: Folder) -> None:
        self._maintenance = Maintenance(folder.data)

    @property
    def is_on(self) -> bool:
        """Whether it is on."""
        return self._maintenance.on

    def on(self) -> None:
        """Turn it on; the service has noticed on return."""
        self._maintenance.switch(on=True)

    def off(self) -> None:
        """Turn it off; the service has noticed on return."""
        self._maintenance.switch(on=False)


class StoreDown:
    """The store cannot write, because another process holds the locks of the database. Reading is possible."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._holder = Detached("the holder of the lock", folder.path / "store-down.pid")

    @property
    def is_on(self) -> bool:
        """Whether it is on."""
        return self._holder.pid() is not None

    def on(self) -> None:
        """Take the lock; nothing happens if it is taken already.

        Raises:
            TargetError: the lock cannot be had.
        """
        if self.is_on:
            return
        _start(self._holder, "tools.target.lock_holder", str(self._folder.inbox), says="held")

    def off(self) -> None:
        """Give the lock back; nothing happens if nobody has it."""
        self._holder.end(signal.SIGTERM, within=_END_SECONDS)


class ErpDown:
    """Nobody listens where the ERP was: its stand-in does not run."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process = Detached("the ERP", folder.path / "erp.pid")

    def on(self) -> None:
        """End the stand-in; connections to it are refused on return. Nothing happens if it does not run."""
        self._process.end(signal.SIGTERM, within=_END_SECONDS)

    def off(self) -> None:
        """Start it, at the same port as ever; it listens on return. Nothing happens if it runs.

        Raises:
            TargetError: it does not start.
        """
        if self._process.pid() is None:
            _start(self._process, "tools.target.erp", str(self._folder.path), says="ready")


class ErpSlow:
    """The ERP takes events as ever, and its answers come half a minute late."""

    def __init__(self, folder: Folder) -> None:
        self._switch = folder.path / "erp-slow"

    def on(self) -> None:
        """From the next event on."""
        self._switch.touch()

    def off(self) -> None:
        """At once, also for those that wait for an answer."""
        self._switch.unlink(missing_ok=True)


class StoreFull:
    """The operating system refuses every write of the service to a file, as it does on a disk without space.

    The log of the service is a file as well, so it has no lines of this time. A new process begins without it.
    """

    def __init__(self, service: Detached) -> None:
        self._service = service

    def on(self) -> None:
        """Let no file grow, or change.

        Raises:
            TargetError: this system cannot do it, or the service does not run.
        """
        self._limit(0)

    def off(self) -> None:
        """Let files grow again.

        Raises:
            TargetError: as above.
        """
        self._limit(None)

    def _limit(self, size: int | None) -> None:
        import resource

        if sys.platform != "linux":
            raise TargetError("only Linux can limit the files of a running process; use store-down")
        pid = self._service.require_pid()
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most if size is None else size, most))


def _start(process: Detached, module: str, about: str, *, says: str) -> None:
    """Start a module of ours, which says this word when it has begun.

    Raises:
        TargetError: it ended instead.
    """
    said = process.start([sys.executable, "-m", module, about], subprocess.PIPE).stdout
    assert said is not None  # noqa: S101 - it is a pipe
    with said:
        lines = [said.readline()]
        if lines[0].decode().strip() != says:
            lines += said.readlines()
            raise TargetError(f"{process.name} did not start ({about}): {lines[-1].decode().strip()}")
