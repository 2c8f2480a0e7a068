"""Order bodies of a wanted number of lines, made of the example order."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

_EXAMPLE = resources.files("specs") / "examples" / "order-issued.json"

#: Stands in a body where each request puts a message id of its own; as long as one.
MESSAGE_ID = b"00000000-0000-4000-8000-000000000000"

#: Number of the example order, also in its ids.
ORDER_NUMBER = b"NH-2026-00417"

#: Left out of the example, which fills every member it can: an order of two lines is to have about
#: 4.8 KB, one of 500 lines about 900 KB.
_NOT_IN_ORDER = {
    *("buyerParty", "buyerAccountingParty", "supplierParty", "destination", "properties", "notes"),
    *("documents", "contact", "indicators"),
}
_NOT_IN_LINE = {"deliveryScheduleIncludingRequests", "pricesIncludingRequests", "mergedItemDetails", "prices"}
_NOT_IN_BUYER_LINE = {"itemDetails", "documents", "certification"}


def order(lines: int, *, own: bool = False) -> bytes:
    """An order with so many lines at positions of their own, with MESSAGE_ID once in it; also in place of the
    order's number, if each message is to have an order of its own."""
    # Numbers travel as texts between two marks, so that 40.00 does not become 40.0.
    body = json.loads(_EXAMPLE.read_bytes(), parse_float=lambda number: f"@{number}@")
    event = body["orderEvent"]
    del event["meta"]
    event["buyerOrder"] = _without(event["buyerOrder"], _NOT_IN_ORDER)
    event["lines"] = [_line(event["lines"][0], f"{10 * i:05}") for i in range(1, lines + 1)]
    body["meta"]["messageId"] = MESSAGE_ID.decode()
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    made = re.sub(r'"@([-+.\dEe]+)@"', r"\1", text).encode()
    return made.replace(ORDER_NUMBER, MESSAGE_ID) if own else made


def _line(pattern: dict[str, Any], position: str) -> dict[str, Any]:
    line = _without(pattern, _NOT_IN_LINE)
    line["id"] = line["id"].removesuffix(line["buyerLine"]["position"]) + position
    line["buyerLine"] = _without(line["buyerLine"], _NOT_IN_BUYER_LINE) | {"position": position}
    return line


def _without(members: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}
