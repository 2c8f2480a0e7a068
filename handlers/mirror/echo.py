"""What is only an answer to our own doing.

An open request of our own does not change the agreed values, so the event about it brings back older ones; the
manual advises to skip such lines (behaviour.md, section 5, "Echo").
"""

from __future__ import annotations

from handlers.interface import JsonObject, JsonValue, Role
from handlers.reading import obj

_OWN_REQUESTS = {
    Role.BUYER: frozenset({"OpenBuyerReopenRequest", "OpenBuyerReconfirmationRequest"}),
    Role.SUPPLIER: frozenset(
        {"OpenSupplierProposal", "OpenSupplierReopenRequest", "OpenSupplierShipmentRescheduleRequest"}
    ),
}
#: Members of the header that follow from any change of a line.
_FOLLOWING = frozenset({"status", "lastUpdatedAt", "version", "eventDates", "reason"})
#: What our own ERP says of itself in each message that it sends.
_OWN_STAMPS = {
    Role.BUYER: ("buyerOrder", frozenset({"erpLastChangeDateTime", "erpLastChangedBy"})),
    Role.SUPPLIER: ("supplierOrder", frozenset({"erpResponseDateTime", "erpRespondedBy", "indicators"})),
}


def is_own_request(line: JsonObject, role: Role) -> bool:
    """Whether a line waits for the other party's answer to a request of our own (statuses.md)."""
    status = obj(line.get("status"))
    in_progress = status.get("inProgressStatus")
    return (
        status.get("processStatus") == "InProgress"
        and isinstance(in_progress, str)
        and in_progress in _OWN_REQUESTS[role]
    )


def merely_follows(old: JsonObject, new: JsonObject, role: Role) -> bool:
    """Whether a header differs only in what follows from a request of our own.

    That is the status (an aggregate over the lines), the marks and moments, the reason given with the action, and
    what our own ERP says of its message.
    """
    half, stamps = _OWN_STAMPS[role]
    if not _same_but(old, new, _FOLLOWING | {half}):
        return False
    return _same_but(obj(old.get(half)), obj(new.get(half)), stamps)


def _same_but(old: JsonObject, new: JsonObject, names: frozenset[str]) -> bool:
    return _rest(old, names) == _rest(new, names)


def _rest(members: JsonObject, names: frozenset[str]) -> dict[str, JsonValue]:
    return {name: value for name, value in members.items() if name not in names and value is not None}
