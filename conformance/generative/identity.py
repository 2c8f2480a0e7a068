"""Fresh identities in generated bodies, so that no answer is the answer to a duplicate.

Only members that are there and well-formed are replaced: nothing is added and nothing is mended, so a body keeps
its validity and what the generator mutated stays mutated.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

BUYER = "7c0f0000-0000-4000-8000-00000000c0de"
SUPPLIER = "7c0f0000-0000-4000-8000-00000000fade"
_NAMESPACE = uuid.UUID("7c0f0000-0000-4000-8000-00000000beef")
# Recognisable, so that a frozen body can be given another identity: the first group says that the suite made it.
_MESSAGE_PREFIX = "7c0f9e4e"
_LONGEST_REPLACED = 200

_MESSAGE_ID = re.compile(rb"7c0f9e4e-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_ORDER_NUMBER = re.compile(rb"TCCONF-[A-Za-z0-9]+-(?:GEN-[A-Za-z0-9]+|REG)-[0-9]+")


class Identities:
    """Numbers the bodies of one endpoint of one run."""

    def __init__(self, run: str, endpoint: str) -> None:
        self._run = re.sub(r"[^A-Za-z0-9]", "", run) or "run"
        self._endpoint = endpoint
        self.count = 0

    def fresh(self, body: Any) -> Any:
        """The body with the next identity; everything else as it was."""
        self.count += 1
        order = f"TCCONF-{self._run}-GEN-{self._endpoint}-{self.count}"
        return _replaced(body, message_id(order), order, buyer=True)


def message_id(order: str) -> str:
    """The id of the message about an order number of the suite."""
    made = str(uuid.uuid5(_NAMESPACE, order))
    return f"{_MESSAGE_PREFIX}{made[8:14]}4{made[15:]}"


def order_numbers(body: bytes) -> tuple[str, ...]:
    """The order numbers in a body that the suite made."""
    return tuple(found.decode() for found in _ORDER_NUMBER.findall(body))


def tokenised(body: bytes) -> bytes:
    """The body with `{{message}}` and `{{order}}` in place of the identity that the suite gave it."""
    return _ORDER_NUMBER.sub(b"{{order}}", _MESSAGE_ID.sub(b"{{message}}", body))


def with_identity(body: bytes, order: str) -> bytes:
    """The body of a frozen finding under an order number of this run."""
    return body.replace(b"{{message}}", message_id(order).encode()).replace(b"{{order}}", order.encode())


def _replaced(value: Any, message: str, order: str, *, buyer: bool) -> Any:
    if isinstance(value, list):
        return [_replaced(item, message, order, buyer=buyer) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _member(name, member, message, order, buyer=buyer and name != "supplierOrder")
        for name, member in value.items()
    }


def _member(name: str, value: Any, message: str, order: str, *, buyer: bool) -> Any:
    if not isinstance(value, str):
        return _replaced(value, message, order, buyer=buyer)
    if name == "messageId" and _is_uuid(value):
        return message
    if name == "companyId" and _is_uuid(value):
        return BUYER if buyer else SUPPLIER
    if name == "purchaseOrderNumber" and 0 < len(value) < _LONGEST_REPLACED:
        return order
    if name == "orderId" and 0 < len(value) < _LONGEST_REPLACED:
        return f"{BUYER}-{order}"
    return value


def _is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is not None
