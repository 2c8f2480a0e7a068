"""The reference receiver of Tradecloud webhooks, with at most one fault: `python -m conformance.mutants.receiver`.

Says where it listens in one line of JSON, and in `ready.json` in its folder; ends in order at SIGTERM and SIGINT.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path

from conformance.mutants.authentication import Authentication
from conformance.mutants.certificates import certificates
from conformance.mutants.contract_check import shape_of
from conformance.mutants.credentials import ORDER_PATH, SHIPMENT_PATH
from conformance.mutants.erp import Erp
from conformance.mutants.faults import Faults, UnknownFaultError
from conformance.mutants.reception import MAX_BODY, Reception
from conformance.mutants.server import BACKLOG, Listener, Server, bound_socket
from conformance.mutants.states import States
from conformance.mutants.store import Store
from conformance.mutants.tls import server_context
from conformance.mutants.tokens import AccessTokens

LISTENS_IN_PLAIN = ("MU-22", "MU-160")
_END_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class Sockets:
    """The three sockets of a receiver: HTTPS, HTTPS once more as a second node, and the plain one.

    The plain one has a port of its own that refuses connections, except with the faults that serve it.
    """

    tls: socket.socket
    second: socket.socket
    plain: socket.socket

    @classmethod
    def opened(cls, faults: Faults) -> Sockets:
        """New ones, at free ports."""
        sockets = cls(bound_socket(), bound_socket(), bound_socket())
        sockets.tls.listen(BACKLOG)
        sockets.second.listen(BACKLOG)
        if faults.on(*LISTENS_IN_PLAIN):
            sockets.plain.listen(BACKLOG)
        return sockets

    @classmethod
    def inherited(cls, descriptors: str) -> Sockets:
        """Those that another process opened: three descriptors, apart by commas."""
        tls, second, plain = (socket.socket(fileno=int(one)) for one in descriptors.split(","))
        return cls(tls, second, plain)

    def addresses(self) -> dict[str, str]:
        """For ready.json."""
        return {
            "url": f"https://localhost:{_port(self.tls)}",
            "second_url": f"https://localhost:{_port(self.second)}",
            "plain_url": f"http://localhost:{_port(self.plain)}",
        }


class Receiver:
    """One receiver, listening from `start` to `stop`."""

    def __init__(
        self,
        folder: Path,
        faults: Faults,
        issuer: str | None,
        *,
        max_body: int = MAX_BODY,
        restarted: bool = False,
    ) -> None:
        self.folder = folder
        self._faults = faults
        states = States(folder)
        if not restarted:
            states.all_off()
        tokens = AccessTokens(issuer, faults) if issuer else None
        self._store = Store(folder, faults)
        if restarted and faults.on("MU-198"):
            self._store.replay()
        authentication = Authentication(faults, tokens)
        reception = Reception(
            faults,
            authentication,
            states,
            self._store,
            Erp(states, faults, self._store.taken_by_erp),
            max_body=max_body,
            restarted=restarted,
        )
        self._server = Server(reception, server_context(certificates(folder), faults), faults)
        for path in (ORDER_PATH, SHIPMENT_PATH):
            shape_of(path)  # read before the first request, not during it

    def start(self, sockets: Sockets) -> None:
        """Accept connections."""
        listeners = [Listener(sockets.tls), Listener(sockets.second, node=2)]
        if self._faults.on(*LISTENS_IN_PLAIN):
            listeners.append(Listener(sockets.plain, is_plain=True))
        self._server.start(listeners)

    def stop(self) -> None:
        """Answer what is under way, and end."""
        self._server.stop()
        self._store.close()


def arguments(description: str) -> argparse.ArgumentParser:
    """The options that a receiver and its supervisor share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, required=True, help="for the store, certificates and ready.json")
    parser.add_argument("--fault", help="one id of faults.yaml")
    parser.add_argument("--benign", help="one id of benign.yaml")
    parser.add_argument("--trust-issuer", metavar="URL", help="take access tokens of this issuer")
    parser.add_argument("--end-with-parent", action="store_true", help="end when the starting process is gone")
    parser.add_argument("--max-body", type=int, default=MAX_BODY, metavar="BYTES", help="bodies beyond get 413")
    return parser


def faults_of(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Faults:
    """The switch, or the end of the program when the id is unknown."""
    try:
        return Faults(options.fault, options.benign)
    except UnknownFaultError as error:
        parser.error(str(error))


def announce(folder: Path, sockets: Sockets, control: str) -> None:
    """Write ready.json and print it."""
    ready = {**sockets.addresses(), "ca": str(certificates(folder).ca), "control": control, "pid": os.getpid()}
    unfinished = folder / "ready.json.new"
    unfinished.write_text(json.dumps(ready), encoding="utf-8")
    unfinished.replace(folder / "ready.json")
    print(json.dumps(ready), flush=True)


def hold_signals() -> None:
    """From here on a request to end waits for `wait_for_the_end`; to be called before any thread is started.

    No handler is used: one that sets an Event can meet the waiting main thread inside that Event's own lock.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)


def wait_for_the_end(*, with_parent: bool) -> None:
    """Returns when the process was asked to end, or when the process that started it is gone."""
    if not with_parent:
        signal.sigwait(_END_SIGNALS)
        return
    parent = os.getppid()
    while os.getppid() == parent and signal.sigtimedwait(_END_SIGNALS, 1.0) is None:
        pass


def main() -> None:
    """Run a receiver until it is asked to end."""
    parser = arguments("A reference receiver of Tradecloud webhooks, with at most one fault.")
    parser.add_argument(
        "--inherit", metavar="DESCRIPTORS", help="from supervised.py: sockets that are open already"
    )
    parser.add_argument("--announce", type=int, metavar="DESCRIPTOR", help="from supervised.py: where to say ready")
    parser.add_argument("--lifeline", type=int, metavar="DESCRIPTOR", help="from supervised.py: end when it ends")
    parser.add_argument("--restarted", action="store_true", help="from supervised.py: not the first start")
    options = parser.parse_args()
    faults = faults_of(parser, options)
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    hold_signals()
    # Bodies are large trees without cycles; looking for cycles in them doubles the time of the largest ones.
    gc.set_threshold(200_000, 50, 50)
    sockets = Sockets.inherited(options.inherit) if options.inherit else Sockets.opened(faults)
    receiver = Receiver(
        folder, faults, options.trust_issuer, max_body=options.max_body, restarted=options.restarted
    )
    receiver.start(sockets)
    if options.announce is not None:
        threading.Thread(target=_die_with, args=(options.lifeline,), daemon=True).start()
        os.write(options.announce, b"ready\n")
        os.close(options.announce)
    else:
        from conformance.mutants.control import start_control

        announce(folder, sockets, start_control(folder))
    wait_for_the_end(with_parent=options.end_with_parent)
    receiver.stop()


def _die_with(descriptor: int) -> None:
    """A supervisor that was killed leaves no receiver behind."""
    os.read(descriptor, 1)
    os._exit(1)


def _port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port


if __name__ == "__main__":
    main()
