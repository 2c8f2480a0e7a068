"""`python -m tools.target.poisoned`: the command `webhooks` with a FAULT PUT IN ON PURPOSE.

The product has no such fault. The conformance suite has to see what a receiver answers when its processing
crashes, and only a fault in the processing can show that: here the handlers raise for every event of a purchase
order whose number begins with TCCONF-500. Everything else is the product as it is.
"""

from __future__ import annotations

import sys

from handlers.interface import EventFacts, JsonObject
from service import cli
from service.event_reader import HANDLERS, Handler

SENTINEL = "TCCONF-500"


class PoisonError(Exception):
    """The fault that was put in on purpose."""


def poisoned(handler: Handler) -> Handler:
    """The handler, which crashes at the poison."""

    def handle(body: JsonObject) -> EventFacts:
        facts = handler(body)
        if any(number.startswith(SENTINEL) for number in facts.purchase_order_numbers):
            raise PoisonError(f"put in on purpose by {__name__}: the purchase order begins with {SENTINEL}")
        return facts

    return handle


def main() -> None:
    """Entry point: the command `webhooks`, after the fault was put in."""
    HANDLERS.update({operation: poisoned(handler) for operation, handler in HANDLERS.items()})
    print(f"a fault was put in on purpose: purchase orders {SENTINEL}... crash the handlers", file=sys.stderr)
    cli.main()


if __name__ == "__main__":
    main()
