"""`python -m tools.target.poisoned`: the command `webhooks` with two FAULTS PUT IN ON PURPOSE.

The product has no such faults. The conformance suite has to see what a receiver answers when its processing
crashes, and what becomes of the event, and only a fault can show that: here reading crashes for every event of a
purchase order whose number begins with TCCONF-500, and merging it into the mirror does for TCCONF-CRASH. Everything
else is the product as it is.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any

from handlers.interface import EventFacts, JsonObject, Merged
from service import cli
from service.event_reader import HANDLERS, Handler
from service.worker import merging

READING, MERGING = "TCCONF-500", "TCCONF-CRASH"


class PoisonError(Exception):
    """A fault that was put in on purpose."""


def poisoned(handler: Handler) -> Handler:
    """The handler, which crashes at the poison."""

    def handle(body: JsonObject) -> EventFacts:
        facts = handler(body)
        if any(number.startswith(READING) for number in facts.purchase_order_numbers):
            raise PoisonError(f"put in on purpose by {__name__}: the purchase order begins with {READING}")
        return facts

    return handle


def poisoned_merge(merge: merging.Merge) -> merging.Merge:
    """The merge, which crashes at its poison."""

    def merge_event(state: JsonObject | None, body: JsonObject, **options: Any) -> Merged:
        merged = merge(state, body, **options)
        if any(number.startswith(MERGING) for number in merged.summary.purchase_order_numbers):
            raise PoisonError(f"put in on purpose by {__name__}: the purchase order begins with {MERGING}")
        return merged

    return merge_event


_start_process = asyncio.create_subprocess_exec
#: How the receiver starts its worker (service/worker/beside.py).
_WORKER = (sys.executable, "-c", "from service.cli import main; main()")


async def _start_poisoned(*command: str, **options: Any) -> asyncio.subprocess.Process:
    """Start the worker, with the faults in it too."""
    if command[:3] != _WORKER:
        raise PoisonError(f"this is no worker, or it is started in another way than {__name__} knows: {command}")
    return await _start_process(sys.executable, "-m", __spec__.name, *command[3:], **options)


def keep_inherited_files() -> None:
    """The lock of the PID file tells whether this process lives, so no child of it may hold that too.

    The event loop in use passes on whatever may be inherited.
    """
    for descriptor in range(3, 256):
        with contextlib.suppress(OSError):
            os.set_inheritable(descriptor, False)


def main() -> None:
    """Entry point: the command `webhooks`, after the faults were put in."""
    keep_inherited_files()
    HANDLERS.update({operation: poisoned(handler) for operation, handler in HANDLERS.items()})
    merging.MERGES = {endpoint: poisoned_merge(merge) for endpoint, merge in merging.MERGES.items()}
    asyncio.create_subprocess_exec = _start_poisoned  # type: ignore[assignment]
    print(f"faults were put in on purpose: orders {READING}... and {MERGING}... crash", file=sys.stderr)
    cli.main()


if __name__ == "__main__":
    main()
