"""A receiver that can be killed and comes back at the same ports: `python -m conformance.mutants.supervised`.

The supervisor owns the listening sockets and the control port, and runs the receiver as its child. While the child
is away, connections wait in the sockets' queues; none is refused.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

from conformance.mutants.control import start_control
from conformance.mutants.receiver import Sockets, announce, arguments, faults_of, hold_signals, wait_for_the_end

_READY_SECONDS = 20.0
_END_SECONDS = 12.0


class StartFailedError(Exception):
    """The receiver did not become ready."""


class Supervisor:
    """Starts the receiver, kills it, and starts it again."""

    def __init__(self, folder: Path, options: list[str], sockets: Sockets) -> None:
        self._folder = folder
        self._options = options
        self._sockets = sockets
        self._child: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._lifeline_read, self._lifeline_write = os.pipe()

    def start(self, *, restarted: bool = False) -> None:
        """Start the child and wait until it serves.

        Raises:
            StartFailedError: it ended, or took too long.
        """
        said, to_say = os.pipe()
        descriptors = [one.fileno() for one in (self._sockets.tls, self._sockets.second, self._sockets.plain)]
        command = [
            sys.executable, "-m", "conformance.mutants.receiver", "--folder", str(self._folder), *self._options,
            "--inherit", ",".join(map(str, descriptors)), "--announce", str(to_say),
            "--lifeline", str(self._lifeline_read), *(["--restarted"] if restarted else []),
        ]  # fmt: skip
        self._child = subprocess.Popen(command, pass_fds=(*descriptors, to_say, self._lifeline_read))
        os.close(to_say)
        readable, _, _ = select.select([said], [], [], _READY_SECONDS)
        ready = bool(readable) and os.read(said, 16).startswith(b"ready")
        os.close(said)
        if not ready:
            raise StartFailedError(f"the receiver ended with {self._child.poll()}")

    def kill(self) -> None:
        """SIGKILL, then start again; returns when the receiver serves."""
        self._again(signal.SIGKILL)

    def restart(self) -> None:
        """SIGTERM, wait until everything under way is answered, then start again."""
        self._again(signal.SIGTERM)

    def stop(self) -> None:
        """End the child in order."""
        with self._one_at_a_time:
            self._end(signal.SIGTERM)

    def _again(self, how: signal.Signals) -> None:
        with self._one_at_a_time:
            self._end(how)
            self.start(restarted=True)

    def _end(self, how: signal.Signals) -> None:
        if self._child is None:
            return
        self._child.send_signal(how)
        try:
            self._child.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def main() -> None:
    """Run a supervised receiver until it is asked to end."""
    parser = arguments("A reference receiver that can be killed and restarted through its control port.")
    options = parser.parse_args()
    faults = faults_of(parser, options)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    passed = ["--max-body", str(options.max_body)]
    for name in ("fault", "benign", "trust_issuer"):
        if (value := getattr(options, name)) is not None:
            passed += [f"--{name.replace('_', '-')}", value]
    hold_signals()
    sockets = Sockets.opened(faults)
    supervisor = Supervisor(folder, passed, sockets)
    supervisor.start()
    control = start_control(folder, {"kill": supervisor.kill, "restart": supervisor.restart})
    announce(folder, sockets, control)
    wait_for_the_end(with_parent=options.end_with_parent)
    supervisor.stop()


if __name__ == "__main__":
    main()
