"""One order on the platform: header, lines, documents, and the events that tell of each change.

An event holds only the lines that it touched; the header's status is that of all lines (behaviour.md section 5).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from sandbox.story.event import Journal, Webhook
from sandbox.story.line import Line
from sandbox.story.texts import PLACES, Place
from sandbox.story.values import LOGISTICS
from sandbox.wire.json_text import JsonObject, JsonValue

BUYER_COMPANY = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81"
SUPPLIER_COMPANY = "be9ce9d8-0739-5092-bd23-5941ed2c0e41"

DocumentPlace = tuple[str, str | None]
"""Member that holds the list ("" is the order or line itself), and the line's key; None for the header."""


#: Where the supplier of a story keeps documents of its own.
FILES = "https://files.supplier.example"


@dataclass(frozen=True, slots=True)
class Traits:
    """How the platform tells of this order."""

    single: bool = False
    """One delivery per line instead of a delivery schedule."""
    xml: bool = False
    lines: int = 3
    """At the time of issue."""
    future: bool = False
    """With members, values and event names that do not exist yet."""
    files: str = FILES
    """Base URL of documents that the platform does not keep."""


@dataclass(slots=True)
class Told:
    """The header as the latest order event told it; document events tell nothing of it but their own stamp."""

    version: int = 0
    stamp: str = ""
    reason: str | None = None


@dataclass(slots=True)
class Order:
    """The order as it stands."""

    number: str
    traits: Traits
    journal: Journal
    buyer: Place = PLACES[0]
    supplier: Place = PLACES[1]
    lines: list[Line] = field(default_factory=list)
    version: int = 0
    description: str = ""
    supplier_description: str = ""
    buyer_contact: str = "einkauf@buyer.example"
    supplier_contact: str = "sales@supplier.example"
    notes: list[JsonValue] = field(default_factory=list)
    flags: JsonObject = field(default_factory=dict)
    documents: dict[str, dict[str, JsonObject]] = field(default_factory=dict)
    """By the half of the header ("" is the order itself) and code."""
    extra: JsonObject = field(default_factory=dict)
    """Members that no contract knows yet."""
    order_type: str = "Purchase"
    told: Told = field(default_factory=Told)
    changed_at: str = ""

    @property
    def id(self) -> str:
        """Buyer's company, hyphen, order number (order-webhook.md section 4)."""
        return f"{BUYER_COMPANY}-{self.number}"

    @property
    def random(self) -> Random:
        """The story's source of chance."""
        return self.journal.random

    def tell(self, name: str, changed: Iterable[Line], *, reason: str | None = None) -> None:
        """The order event of a change of these lines, or of the header alone."""
        self._advance()
        lines = list(changed)
        for line in lines:
            line.changed_at = self.journal.clock.stamp
            line.reason = reason
        self.told = Told(self.version, self.journal.clock.stamp, reason)
        self._write(name, lines)

    def resend(self, name: str) -> None:
        """The whole order once more, with the version and the stamp of its last change, in a new message."""
        self.journal.clock.advance()
        self.told = Told(self.version, self.changed_at, self.told.reason)
        self._write(name, self.lines)

    def attach(self, name: str, documents: list[tuple[DocumentPlace, JsonObject]]) -> None:
        """A document event; one with a known code replaces the earlier (behaviour.md section 8)."""
        self._advance()
        payload: JsonObject = {
            "orderId": self.id,
            "buyerOrder": self._buyer_identity(),
            "supplierOrder": self._supplier_identity(),
            "version": self.version,
            "lastUpdatedAt": self.journal.clock.stamp,
        }
        told: dict[str, JsonObject] = {}
        for (half, key), document in documents:
            code = str(document["code"])
            if key is None:
                self.documents.setdefault(half, {})[code] = document
                _list(payload, half, document)
            else:
                line = self.line(key)
                line.documents.setdefault(half, {})[code] = document
                _list(told.setdefault(key, _line_identity(line, flat=half == "")), half, document)
        if told:
            payload["lines"] = list(told.values())
        self.journal.write(
            Webhook.DOCUMENTS, self.id, name, ("orderDocumentsEvent", payload), self.version, tuple(told)
        )

    def line(self, key: str) -> Line:
        """By the story's key."""
        return next(line for line in self.lines if line.key == key)

    def true_state(self) -> JsonObject:
        """Header and all lines with all documents: what a receiver of every event has to know in the end."""
        lines: list[JsonValue] = [line.body(single=self.traits.single, flat_documents=True) for line in self.lines]
        header = self._header()
        if self.documents.get(""):
            header["documents"] = list(self.documents[""].values())
        return header | {"lines": lines}

    def _advance(self) -> None:
        self.journal.clock.advance()
        self.version += 1
        self.changed_at = self.journal.clock.stamp

    def _write(self, name: str, lines: list[Line]) -> None:
        kind = "singleDeliveryOrderEvent" if self.traits.single else "orderEvent"
        payload = self._header()
        if lines:
            payload["lines"] = [line.body(single=self.traits.single) for line in lines]
        self.journal.write(
            Webhook.ORDER, self.id, name, (kind, payload), self.version, tuple(line.key for line in lines)
        )

    def _header(self) -> JsonObject:
        header: JsonObject = {
            "orderId": self.id,
            "buyerOrder": self._buyer_half(),
            "supplierOrder": self._supplier_half(),
            "indicators": {"deliveryOverdue": False},
            "status": {
                "processStatus": process_status(self.lines),
                "logisticsStatus": logistics_status(self.lines),
            },
            "version": self.told.version,
            "portalUrl": f"https://portal.example/orders/{self.number}",
            "lastUpdatedAt": self.told.stamp,
        }
        if self.told.reason:
            header["reason"] = self.told.reason
        return header | self.extra

    def _buyer_half(self) -> JsonObject:
        place = self.buyer
        half = self._buyer_identity() | {
            "description": self.description,
            "orderType": self.order_type,
            "contact": {"email": self.buyer_contact},
            "erpIssueDateTime": "2026-08-31T16:05:00",
            "buyerParty": {
                "id": "8712345000018",
                "idScheme": "GLN",
                "names": [place.name, f"c/o {place.city}"],
                "addressLines": [place.street, "3. OG / floor 3"],
                "postalCode": place.postal_code,
                "city": place.city,
                "countryCodeIso2": place.country,
            },
            "properties": [
                {"key": "Kostenstelle", "value": "007"},
                {"key": "Hinweis", "value": "erste Zeile\nline 2 & <3>"},
            ],
            "labels": ["express", "Prüfung 100 %"],
            "destination": {
                "code": "0001",
                "names": [place.name],
                "addressLines": [place.street],
                "postalCode": place.postal_code,
                "city": place.city,
                "countryCodeIso2": place.country,
            },
            "terms": {"incotermsCode": "CIF", "incoterms": place.city, "paymentTermsCode": "30D"},
            "supplierParty": {"names": [self.supplier.name], "addressLines": [self.supplier.street]},
        }
        if self.notes:
            half["notes"] = list(self.notes)
        if self.flags:
            half["indicators"] = dict(self.flags)
        return half | self._documents_of("buyerOrder")

    def _supplier_half(self) -> JsonObject:
        half = self._supplier_identity() | {"contact": {"email": self.supplier_contact}}
        if self.supplier_description:
            half["description"] = self.supplier_description
        return half | self._documents_of("supplierOrder")

    def _buyer_identity(self) -> JsonObject:
        return {
            "companyId": BUYER_COMPANY,
            "supplierAccountNumber": "070044",
            "purchaseOrderNumber": self.number,
        }

    def _supplier_identity(self) -> JsonObject:
        return {"companyId": SUPPLIER_COMPANY, "buyerAccountNumber": "D-10093"}

    def _documents_of(self, half: str) -> JsonObject:
        documents: list[JsonValue] = list(self.documents.get(half, {}).values())
        return {"documents": documents} if documents else {}


def process_status(lines: Iterable[Line]) -> str:
    """Of the order: confirmed only when every line is agreed (statuses.md, "Order process status")."""
    states = {line.state[0] for line in lines}
    if len(states) == 1:
        return states.pop()
    states.discard("Cancelled")
    if len(states) == 1:
        return states.pop()
    return "Confirmed" if states == {"Confirmed", "Completed"} else "InProgress"


def logistics_status(lines: Iterable[Line]) -> str:
    """Of the order: what the full quantity has reached, cancelled lines left out."""
    alive = [LOGISTICS.index(line.logistics) for line in lines if line.logistics != "Cancelled"]
    return LOGISTICS[min(alive)] if alive else "Cancelled"


def _line_identity(line: Line, *, flat: bool) -> JsonObject:
    identity: JsonObject = {"id": line.id} if line.id else {}
    position: JsonObject = {"position": line.position}
    return identity | (position if flat else {"buyerLine": position})


def _list(holder: JsonObject, half: str, document: JsonObject) -> None:
    if half:
        inner = holder.setdefault(half, {})
        assert isinstance(inner, dict)  # noqa: S101 - for the type checker
        holder = inner
    documents = holder.setdefault("documents", [])
    assert isinstance(documents, list)  # noqa: S101 - for the type checker
    documents.append(document)
