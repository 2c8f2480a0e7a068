"""The service of a target as a process: start, stop, hard kill, orderly restart."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import sys
import time

from tools.target.detached import Detached
from tools.target.errors import TargetError
from tools.target.folder import Folder
from tools.target.states import Overloaded, StoreDown

#: A start takes about two seconds; machines of a build farm may be busy.
START_SECONDS = 60.0
#: The service gives what is under way at most 9 s to finish, and itself a little for its store.
STOP_SECONDS = 20.0
KILL_SECONDS = 10.0
#: One question at the service.
ANSWER_SECONDS = 5.0


class Service:
    """The service of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process = process_of(folder)
        self._overloaded = Overloaded(folder)
        self._store_down = StoreDown(folder)

    def start(self, port: int, issuer: str) -> None:
        """Start it with an empty inbox and every state off; returns when it is ready.

        Raises:
            TargetError: it runs already, or does not start.
        """
        if (pid := self._process.pid()) is not None:
            stop = f"python -m tools.target stop --folder {self._folder.path}"
            raise TargetError(
                f"the service in {self._folder.path} runs already (process {pid}); end it with: {stop}"
            )
        self._store_down.off()
        self._folder.prepare(port, issuer)
        self._launch()

    def stop(self) -> bool:
        """End it in an orderly way, and every state with it; False if it did not run.

        Raises:
            TargetError: it does not end by itself; it was killed.
        """
        self._store_down.off()
        try:
            return self._process.end(signal.SIGTERM, within=STOP_SECONDS)
        except TargetError:
            self._process.end(signal.SIGKILL, within=KILL_SECONDS)
            raise

    def kill(self) -> None:
        """SIGKILL, and start again; returns when it is ready.

        Raises:
            TargetError: it does not run, cannot start while the store is down, or does not start.
        """
        self._again(signal.SIGKILL, KILL_SECONDS)

    def restart(self) -> None:
        """SIGTERM, wait for the end, and start again; returns when it is ready.

        As with any service manager there is a time of about two seconds in which nobody listens: the service takes
        no listener from another process, and two of it do not belong on one inbox.

        Raises:
            TargetError: it does not run, cannot start while the store is down, or does not start.
        """
        self._again(signal.SIGTERM, STOP_SECONDS)

    def _again(self, how: signal.Signals, within: float) -> None:
        self._process.require_pid()
        if self._store_down.is_on:
            raise TargetError("the service cannot start while its store is down; first: store-down off")
        self._process.end(how, within=within)
        self._launch()

    def _launch(self) -> None:
        said_before = self._folder.log.stat().st_size
        # A setting in the environment would be stronger than the file.
        environment = {
            name: value for name, value in os.environ.items() if not name.upper().startswith("WEBHOOKS_")
        }
        command = [sys.executable, "-m", "tools.target.poisoned", "serve", "--config", str(self._folder.settings)]
        with self._folder.log.open("ab") as log:
            self._process.start(command, log, environment)
        try:
            self._wait_until_ready(said_before)
        except BaseException:
            # One that is not ready in time, or that nobody waits for any more, must not hold the port.
            self._process.end(signal.SIGKILL, within=KILL_SECONDS)
            raise

    def _wait_until_ready(self, said_before: int) -> None:
        # While it is overloaded it is never ready, but it may be started all the same.
        path = "/health/live" if self._overloaded.is_on else "/health/ready"
        deadline = time.monotonic() + START_SECONDS
        while not self._answers_200(path):
            if self._process.pid() is None:
                raise TargetError(f"the service did not start: {self._last_line(said_before)}")
            if time.monotonic() > deadline:
                raise TargetError(f"the service is not ready after {START_SECONDS:.0f} s; see {self._folder.log}")
            time.sleep(0.03)

    def _answers_200(self, path: str) -> bool:
        context = ssl.create_default_context(cafile=str(self._folder.ca))
        connection = http.client.HTTPSConnection(
            "localhost", self._folder.port, context=context, timeout=ANSWER_SECONDS
        )
        try:
            connection.request("GET", path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False  # nobody listens yet
        finally:
            connection.close()

    def _last_line(self, said_before: int) -> str:
        said = self._folder.log.read_bytes()[said_before:].decode("utf-8", "replace").split("\n")
        lines = [line for line in said if line.strip()]
        return lines[-1].removeprefix("webhooks: ") if lines else f"it said nothing; see {self._folder.log}"


def process_of(folder: Folder) -> Detached:
    """The process of the service, running or not."""
    return Detached("the service", folder.path / "service.pid")
