"""Starts our own service as a target of the conformance suite, and puts it into the states that the suite needs.

Everything of a target is in one folder: certificate, secrets, settings, inbox and log of the service, and what the
stand-in of its ERP notes. Some states need no command, because the purchase order number brings them: TCCONF-422
(the ERP does not know the supplier), TCCONF-404 (it does not know the order), TCCONF-500 (reading the event
crashes), TCCONF-CRASH (processing it does).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tools.target.errors import TargetError
from tools.target.folder import Folder
from tools.target.settings import Mode

if TYPE_CHECKING:
    from tools.target.running import Service

PORT = 8453
ISSUER = "http://localhost:8097"
#: Set by `run`, so that the hooks of the command find its target.
FOLDER_VARIABLE = "TC_TARGET_FOLDER"
FOLDER = Path(".conformance") / "target"

Command = Callable[[argparse.Namespace, Folder], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; see the head of this module."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = given[given.index("--") + 1 :] if "--" in given else []
    options = _parser().parse_args(given[: given.index("--")] if "--" in given else given)
    if (options.command is run) != bool(command):
        print("target: only `run` takes a command, and needs one: run -- COMMAND ...", file=sys.stderr)
        return 2
    options.after_dashes = command
    try:
        status: int = options.command(options, Folder(options.folder.absolute()))
    except TargetError as error:
        print(f"target: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"target: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    return status


def start(options: argparse.Namespace, folder: Folder) -> int:
    """Start with an empty inbox and an ERP; returns when ready."""
    _service(folder).start(options.port, options.issuer, Mode(options.mode), options.second_port, options.inbox_url)
    for label, value in (
        ("listens on", folder.url),
        ("CA file", folder.ca),
        ("secrets", folder.secrets),
        ("settings", folder.settings),
        ("inbox", folder.inbox if isinstance(folder.inbox, Path) else "on a PostgreSQL server"),
        ("log", folder.log),
        ("ERP notes", folder.erp_journal),
        ("token issuer", options.issuer),
    ):
        print(f"{label:<13} {value}")
    return 0


def stop(_: argparse.Namespace, folder: Folder) -> int:
    """End it, with all its states."""
    print("stopped" if _service(folder).stop() else "it was not running")
    return 0


def kill(_: argparse.Namespace, folder: Folder) -> int:
    """SIGKILL and start again; returns when ready."""
    _service(folder).kill()
    return 0


def restart(_: argparse.Namespace, folder: Folder) -> int:
    """SIGTERM and start again; returns when ready."""
    _service(folder).restart()
    return 0


def overloaded(options: argparse.Namespace, folder: Folder) -> int:
    """Every delivery is answered 503 (`webhooks maintenance on`)."""
    from tools.target.states import Overloaded

    folder.require_made()
    state = Overloaded(folder)
    (state.on if options.switch == "on" else state.off)()
    return 0


def store_down(options: argparse.Namespace, folder: Folder) -> int:
    """Another process holds the database's write lock."""
    from tools.target.states import StoreDown

    state = StoreDown(folder)
    (state.on if options.switch == "on" else state.off)()
    return 0


def erp_down(options: argparse.Namespace, folder: Folder) -> int:
    """The ERP refuses connections: its stand-in does not run."""
    from tools.target.states import ErpDown

    folder.require_made()
    state = ErpDown(folder)
    (state.on if options.switch == "on" else state.off)()
    return 0


def erp_slow(options: argparse.Namespace, folder: Folder) -> int:
    """The ERP takes events, and its answers come half a minute late."""
    from tools.target.states import ErpSlow

    folder.require_made()
    state = ErpSlow(folder)
    (state.on if options.switch == "on" else state.off)()
    return 0


def store_full(options: argparse.Namespace, folder: Folder) -> int:
    """The service cannot write to any file, its log included; Linux only. Ends with kill and restart."""
    from tools.target.running import process_of
    from tools.target.states import StoreFull

    state = StoreFull(process_of(folder))
    (state.on if options.switch == "on" else state.off)()
    return 0


def effects(options: argparse.Namespace, folder: Folder) -> int:
    """Print the stored events of a purchase order as a JSON array."""
    from tools.target.effects import effects

    print(json.dumps(effects(folder.inbox, options.order, quarantined=options.quarantined), indent=2))
    return 0


def handled(options: argparse.Namespace, folder: Folder) -> int:
    """Print as a JSON array what came of the events of a purchase order: what the ERP has, once for each
    idempotency key, and what is kept for a person or needs nothing done. Events on their way are not in it."""
    from tools.target.handled import handled

    print(json.dumps(handled(folder, options.order), indent=2))
    return 0


def order(options: argparse.Namespace, folder: Folder) -> int:
    """Print the current order as JSON (`webhooks orders show`), after the events that came so far."""
    from tools.target.handled import current_order

    print(json.dumps(current_order(folder, options.order), indent=2, default=str))
    return 0


def run(options: argparse.Namespace, folder: Folder) -> int:
    """Start as `start` does, run a command that finds secrets.env, TC_TARGET_URL and TC_CA_FILE in its environment,
    and stop; the status is that of the command."""
    service = _service(folder)
    # Before the start, so that whoever ends us leaves no service behind.
    signal.signal(signal.SIGTERM, _end)
    service.start(options.port, options.issuer, Mode(options.mode), options.second_port, options.inbox_url)
    try:
        return _carry_out(options.after_dashes, os.environ | folder.environment())
    finally:
        service.stop()


def _carry_out(command: Sequence[str], environment: dict[str, str]) -> int:
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        print(f"target: cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    try:
        status = process.wait()
    except KeyboardInterrupt:
        # The terminal told the command too; it may have a report to write.
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return status if status >= 0 else 128 - status


def _end(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _service(folder: Folder) -> Service:
    # Imported here, because the command that is called for every event should not wait for it.
    from tools.target.running import Service

    return Service(folder)


def _parser() -> argparse.ArgumentParser:
    description, _, more = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="python -m tools.target", description=description, epilog=more)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command) -> argparse.ArgumentParser:
        summary = " ".join((command.__doc__ or "").split())
        added = commands.add_parser(name, help=summary, description=summary)
        default = Path(os.environ.get(FOLDER_VARIABLE) or FOLDER)
        added.add_argument("--folder", type=Path, default=default, help="of the target (%(default)s)")
        added.set_defaults(command=command)
        return added

    starts: dict[str, Command] = {"start": start, "run": run}
    ends: dict[str, Command] = {"stop": stop, "kill": kill, "restart": restart}
    switches: dict[str, Command] = {
        "overloaded": overloaded,
        "store-down": store_down,
        "store-full": store_full,
        "erp-down": erp_down,
        "erp-slow": erp_slow,
    }
    for name, command in starts.items():
        starting = add(name, command)
        starting.add_argument("--port", type=int, default=PORT, help="to listen on (%(default)s)")
        starting.add_argument("--issuer", default=ISSUER, help="issuer of access tokens (%(default)s)")
        starting.add_argument("--mode", choices=list(Mode), default=Mode.QUEUED, help="of answering (%(default)s)")
        starting.add_argument("--inbox-url", help="address of a PostgreSQL database for tests, which is emptied")
        starting.add_argument("--second-port", type=int, help="where a second node on the same inbox listens")
    for name, command in ends.items():
        add(name, command)
    for name, command in switches.items():
        add(name, command).add_argument("switch", choices=("on", "off"))
    counting = add("effects", effects)
    counting.add_argument("--order", required=True, help="purchase order number")
    counting.add_argument("--quarantined", action="store_true", help="instead the refused bodies that hold it")
    for name, command in {"handled": handled, "order": order}.items():
        add(name, command).add_argument("--order", required=True, help="purchase order number")
    return parser


if __name__ == "__main__":
    sys.exit(main())
