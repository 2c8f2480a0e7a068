"""One order line on the platform: its state, the transitions that the contract knows, its body in both modes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from sandbox.story.values import Request, Values
from sandbox.wire.json_text import JsonObject, JsonValue

State = tuple[str, str | None]
"""Process status and, while it is `InProgress`, the finer one."""

ISSUED: State = ("Issued", None)
CONFIRMED: State = ("Confirmed", None)
REJECTED: State = ("Rejected", None)
CANCELLED: State = ("Cancelled", None)
COMPLETED: State = ("Completed", None)


def in_progress(finer: str) -> State:
    """The state while something is open."""
    return ("InProgress", finer)


PROPOSED = in_progress("OpenSupplierProposal")
PROPOSAL_REJECTED = in_progress("RejectedSupplierProposal")
REISSUED = in_progress("ReissuedRejectedLine")
BUYER_REOPENS = in_progress("OpenBuyerReopenRequest")
SUPPLIER_REOPENS = in_progress("OpenSupplierReopenRequest")
RECONFIRMATION = in_progress("OpenBuyerReconfirmationRequest")
RESCHEDULE = in_progress("OpenSupplierShipmentRescheduleRequest")
RESCHEDULED = in_progress("ApprovedDeliverySchedule")
NOT_RESCHEDULED = in_progress("RejectedDeliverySchedule")
UNCOMPLETED = in_progress("RevertedCompletedLine")
UNCANCELLED = in_progress("RevertedCancelledLine")

#: What may follow on what (contract, statuses.md, "Transitions"). Inferred, because the contract is silent: a line
#: that was negotiated, reissued or whose cancellation was undone is agreed by the supplier's acceptance; a request
#: that is refused or withdrawn leaves what was agreed before.
TRANSITIONS: dict[State, frozenset[State]] = {
    ISSUED: frozenset({ISSUED, CONFIRMED, REJECTED, PROPOSED, CANCELLED, COMPLETED}),
    PROPOSED: frozenset({CONFIRMED, PROPOSAL_REJECTED, CANCELLED}),
    PROPOSAL_REJECTED: frozenset({CONFIRMED, PROPOSED, CANCELLED}),
    REJECTED: frozenset({REISSUED, CANCELLED, COMPLETED}),
    REISSUED: frozenset({CONFIRMED, PROPOSED, CANCELLED}),
    CONFIRMED: frozenset(
        {BUYER_REOPENS, SUPPLIER_REOPENS, RECONFIRMATION, RESCHEDULE, CANCELLED, COMPLETED},
    ),
    BUYER_REOPENS: frozenset({CONFIRMED, CANCELLED}),
    SUPPLIER_REOPENS: frozenset({CONFIRMED, CANCELLED}),
    RECONFIRMATION: frozenset({CONFIRMED, CANCELLED}),
    RESCHEDULE: frozenset({RESCHEDULED, NOT_RESCHEDULED, CANCELLED}),
    RESCHEDULED: frozenset({COMPLETED, CANCELLED}),
    NOT_RESCHEDULED: frozenset({COMPLETED, CANCELLED}),
    COMPLETED: frozenset({UNCOMPLETED}),
    UNCOMPLETED: frozenset({COMPLETED, CANCELLED}),
    CANCELLED: frozenset({UNCANCELLED}),
    UNCANCELLED: frozenset({CONFIRMED, CANCELLED}),
}


class ImpossibleError(Exception):
    """A story does what the contract's transitions do not allow: a mistake in the sandbox."""


@dataclass(slots=True)
class Line:
    """The line as it stands; the parties' actions change it."""

    key: str
    """By which the story knows the line; never sent."""
    position: str | None
    """None on a line that the supplier split off, until the buyer gives one (single-delivery mode)."""
    asked: Values
    item: JsonObject
    id: str | None
    origin: str | None = None
    """Position of the line that this one was split from."""
    empty_position: JsonValue = field(default="absent")
    """How a missing position is sent: "absent", None or "" (behaviour.md section 5)."""
    agreed: Values | None = None
    state: State = ISSUED
    proposal: Request | None = None
    reopening: dict[str, Request] = field(default_factory=dict)
    """By the half of the party that asked."""
    reschedule: Values | None = None
    sales_order: str | None = None
    sales_position: str | None = None
    supplier_text: str | None = None
    origin_country: str | None = None
    net_weight: Decimal | None = None
    project: str | None = None
    notes: list[JsonValue] = field(default_factory=list)
    history: list[tuple[date, Decimal]] = field(default_factory=list)
    flags: JsonObject = field(default_factory=dict)
    """Indicators of the buyer."""
    answer: JsonObject = field(default_factory=dict)
    """Indicators of the supplier."""
    documents: dict[str, dict[str, JsonObject]] = field(default_factory=dict)
    """By the half of the line ("" is the line itself) and code."""
    reason: str | None = None
    changed_at: str | None = None
    line_type: str = "Item"
    extra: JsonObject = field(default_factory=dict)
    """Members that no contract knows yet."""

    @property
    def valid(self) -> Values:
        """What is agreed, or what was asked as long as nothing is."""
        return self.agreed or self.asked

    @property
    def logistics(self) -> str:
        """State of the goods."""
        return "Cancelled" if self.state == CANCELLED else self.valid.logistics

    def move(self, state: State) -> None:
        """Take another state.

        Raises:
            ImpossibleError: the contract knows no such transition.
        """
        if state not in TRANSITIONS[self.state]:
            raise ImpossibleError(f"line {self.key}: {self.state} cannot become {state}")
        self.state = state

    def agree(self, values: Values) -> None:
        """These values are agreed from now on."""
        self.agreed = values

    def with_logistics(self, status: str, etd: date | None = None, eta: date | None = None) -> None:
        """All its deliveries get this status, and estimates where some are given."""
        valid = self.valid
        moved = tuple(
            replace(one, status=status, etd=etd or one.etd, eta=eta or one.eta) for one in valid.deliveries
        )
        if self.agreed is not None:
            self.agreed = replace(valid, deliveries=moved)
        else:
            self.asked = replace(valid, deliveries=moved)

    def body(self, *, single: bool, flat_documents: bool = False) -> JsonObject:
        """The whole line as an order event tells it; `flat_documents`: with those of document events alone."""
        told: JsonObject = {"id": self.id} if self.id else {}
        told |= {
            "lineType": self.line_type,
            "buyerLine": self._buyer(single),
            "supplierLine": self._supplier(single),
        }
        if self.agreed is not None:
            told["confirmedLine"] = self.agreed.body(single=single)
        told |= self._current(single)
        status: JsonObject = {"processStatus": self.state[0], "logisticsStatus": self.logistics}
        if self.state[1]:
            status["inProgressStatus"] = self.state[1]
        told |= {"indicators": {"deliveryOverdue": False}, "status": status}
        details = self._details()
        if details:
            told["mergedItemDetails"] = details
        if self.reason:
            told["reason"] = self.reason
        if self.changed_at:
            told["lastUpdatedAt"] = self.changed_at
        if flat_documents and self.documents.get(""):
            told["documents"] = list(self.documents[""].values())
        return told | self.extra

    def _current(self, single: bool) -> JsonObject:
        """What is valid, without and with open requests (order-webhook.md sections 10 and 15)."""
        requested = self._requested()
        prices, requested_prices = self.valid.price.body(), requested.price.body()
        if single:
            return {
                "statusLine": {
                    "scheduledDelivery": self.valid.deliveries[0].body(current=True, single=True),
                    "scheduledDeliveryInclRequests": requested.deliveries[0].body(current=True, single=True),
                    "prices": prices,
                    "pricesInclRequests": requested_prices,
                }
            }
        return {
            "deliverySchedule": self.valid.schedule(current=True),
            "deliveryScheduleIncludingRequests": requested.schedule(current=True),
            "prices": prices,
            "pricesIncludingRequests": requested_prices,
        }

    def _requested(self) -> Values:
        for request in (self.proposal, *self.reopening.values()):
            if request is not None and request.status == "Open":
                return request.values
        return self.reschedule or self.valid

    def _buyer(self, single: bool) -> JsonObject:
        told: JsonObject = {}
        if self.position:
            told["position"] = self.position
        elif self.empty_position != "absent":
            told["position"] = self.empty_position
        if self.origin:
            told["originalPosition"] = self.origin
        told["item"] = dict(self.item)
        if self.position:  # what the buyer asked: of a new split the buyer has not asked anything yet
            told |= self.asked.body(single=single)
        if self.project:
            told["projectNumber"] = self.project
        if self.notes:
            told["notes"] = list(self.notes)
        if self.flags:
            told["indicators"] = dict(self.flags)
        if self.history:
            deliveries: list[JsonValue] = [
                {"date": day.isoformat(), "quantity": quantity} for day, quantity in self.history
            ]
            told |= {"actualDelivery": deliveries[-1]} if single else {"deliveryHistory": deliveries}
        if request := self.reopening.get("buyerLine"):
            told["requests"] = {"reopenRequest": request.body(single=single)}
        return told | self._documents_of("buyerLine")

    def _supplier(self, single: bool) -> JsonObject:
        told: JsonObject = {}
        for name, value in (
            ("salesOrderNumber", self.sales_order),
            ("salesOrderPosition", self.sales_position),
            ("description", self.supplier_text),
        ):
            if value:
                told[name] = value
        if details := self._details():
            told["itemDetails"] = details
        if self.answer:
            told["indicators"] = dict(self.answer)
        requests: JsonObject = {}
        if self.proposal:
            requests["proposal"] = self.proposal.body(single=single)
        if request := self.reopening.get("supplierLine"):
            requests["reopenRequest"] = request.body(single=single)
        if requests:
            told["requests"] = requests
        return told | self._documents_of("supplierLine")

    def _details(self) -> JsonObject:
        details: JsonObject = {}
        if self.origin_country:
            details["countryOfOriginCodeIso2"] = self.origin_country
        if self.net_weight is not None:
            details |= {"netWeight": self.net_weight, "netWeightUnitOfMeasureIso": "KGM"}
        return details

    def _documents_of(self, half: str) -> JsonObject:
        documents: list[JsonValue] = list(self.documents.get(half, {}).values())
        return {"documents": documents} if documents else {}
