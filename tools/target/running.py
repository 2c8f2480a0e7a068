"""The service of a target as a process, with its ERP: start, stop, hard kill, orderly restart."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType

from tools.target.detached import Detached
from tools.target.errors import TargetError
from tools.target.folder import Folder
from tools.target.settings import Mode
from tools.target.states import ErpDown, Overloaded, StoreDown

#: A start takes about two seconds; machines of a build farm may be busy.
START_SECONDS = 60.0
#: The service gives what is under way at most 9 s to finish, and itself a little for its store.
STOP_SECONDS = 20.0
KILL_SECONDS = 30.0
#: One question at the service.
ANSWER_SECONDS = 5.0


#: In inline mode a second node can only receive: one worker at a time works on an inbox that is a file, and whoever
#: answers inline needs it beside itself.
_ONLY_RECEIVES = {
    "WEBHOOKS_PROCESSING__MODE__ORDER": "queued",
    "WEBHOOKS_PROCESSING__MODE__SHIPMENT": "queued",
    "WEBHOOKS_WORKER__ENABLED": "false",
}


class Service:
    """The service of one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._process = process_of(folder)
        self._second = Detached("the second node", folder.path / "second-node.pid")
        self._erp_down = ErpDown(folder)
        self._overloaded = Overloaded(folder)
        self._store_down = StoreDown(folder)

    def start(
        self, port: int, issuer: str, mode: Mode, second_port: int | None = None, inbox_url: str | None = None
    ) -> None:
        """Start it with an empty inbox and every state off, beside its ERP; with a second port also a second node
        on the same inbox, with an address on that database, which is emptied. Returns when all are ready.

        Raises:
            TargetError: it runs already, or does not start.
        """
        if (pid := self._process.pid()) is not None:
            stop = f"python -m tools.target stop --folder {self._folder.path}"
            raise TargetError(
                f"the service in {self._folder.path} runs already (process {pid}); end it with: {stop}"
            )
        self._end_others()
        self._folder.prepare(port, issuer, mode, inbox_url)
        self._erp_down.off()
        try:
            self._launch(self._process, port)
            if second_port is not None:
                shared = mode is Mode.QUEUED or inbox_url is not None
                self._launch(self._second, second_port, {} if shared else _ONLY_RECEIVES)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """End it in an orderly way, and its ERP and every state with it; False if it did not run.

        Raises:
            TargetError: it does not end by itself; it was killed.
        """
        self._store_down.off()
        try:
            return _end(self._process)
        finally:
            self._end_others()

    def _end_others(self) -> None:
        self._store_down.off()
        _end(self._second)
        self._erp_down.on()

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
        self._launch(self._process, self._folder.port)

    def _launch(self, process: Detached, port: int, differently: Mapping[str, str] = MappingProxyType({})) -> None:
        """Start a node; returns when it is ready."""
        said_before = self._folder.log.stat().st_size
        # A setting in the environment is stronger than the file.
        environment = {
            name: value for name, value in os.environ.items() if not name.upper().startswith("WEBHOOKS_")
        }
        environment |= {"WEBHOOKS_SERVER__PORT": str(port), **differently}
        command = [sys.executable, "-m", "tools.target.poisoned", "serve", "--config", str(self._folder.settings)]
        with self._folder.log.open("ab") as log:
            process.start(command, log, environment)
        try:
            self._wait_until_ready(process, port, said_before)
        except BaseException:
            # One that is not ready in time, or that nobody waits for any more, must not hold the port.
            process.end(signal.SIGKILL, within=KILL_SECONDS)
            raise

    def _wait_until_ready(self, process: Detached, port: int, said_before: int) -> None:
        # While it is overloaded it is never ready, but it may be started all the same.
        path = "/health/live" if self._overloaded.is_on else "/health/ready"
        deadline = time.monotonic() + START_SECONDS
        while not self._answers_200(port, path):
            if process.pid() is None:
                raise TargetError(f"{process.name} did not start: {self._last_line(said_before)}")
            if time.monotonic() > deadline:
                raise TargetError(
                    f"{process.name} is not ready after {START_SECONDS:.0f} s; see {self._folder.log}"
                )
            time.sleep(0.03)

    def _answers_200(self, port: int, path: str) -> bool:
        context = ssl.create_default_context(cafile=str(self._folder.ca))
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=ANSWER_SECONDS)
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


def _end(process: Detached) -> bool:
    """End it in an orderly way; False if it did not run.

    Raises:
        TargetError: it does not end by itself; it was killed.
    """
    try:
        return process.end(signal.SIGTERM, within=STOP_SECONDS)
    except TargetError:
        process.end(signal.SIGKILL, within=KILL_SECONDS)
        raise


def process_of(folder: Folder) -> Detached:
    """The process of the service, running or not."""
    return Detached("the service", folder.path / "service.pid")
