"""One shipment on the platform; every event carries all of it (shipment-webhook.md section 7)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from decimal import Decimal

from sandbox.story.event import Journal, Webhook
from sandbox.story.line import Line
from sandbox.story.order import BUYER_COMPANY, SUPPLIER_COMPANY, Order
from sandbox.story.texts import Place
from sandbox.wire.json_text import JsonObject, JsonValue


@dataclass(slots=True)
class Load:
    """One line of the despatch advice."""

    line: Line
    delivery: str | None
    quantity: Decimal
    backorder: Decimal | None = None
    carrier: str | None = None
    """Number of the container; None for what is in none."""
    changed_at: str = ""


@dataclass(slots=True)
class Shipment:
    """The shipment as it stands: goods of one order."""

    number: str
    order: Order
    journal: Journal
    loads: list[Load]
    id: str = ""
    status: str = "Issued"
    status_reason: str | None = None
    identifiers: JsonObject = field(default_factory=dict)
    documents: dict[str, dict[str, JsonObject]] = field(default_factory=dict)
    """By half and code."""
    arrived: str | None = None
    extra: JsonObject = field(default_factory=dict)
    changed_at: str = ""
    _documents_changed: dict[tuple[str, str], str] = field(default_factory=dict)

    def tell(
        self, name: str, loads: list[Load] | None = None, documents: list[tuple[str, str]] | None = None
    ) -> None:
        """The event of a change of these loads and documents (half, code), or of the header alone."""
        self.journal.clock.advance()
        self.changed_at = self.journal.clock.stamp
        for load in loads or ():
            load.changed_at = self.changed_at
        for place in documents or ():
            self._documents_changed[place] = self.changed_at
        self._write(name)

    def resend(self, name: str) -> None:
        """The whole shipment once more, unchanged; the message is a new one."""
        self.journal.clock.advance()
        self._write(name)

    def _write(self, name: str) -> None:
        self.journal.write(Webhook.SHIPMENT, self.id, name, ("shipment", self.true_state()))

    def true_state(self) -> JsonObject:
        """All of it: what a receiver has to know."""
        carriers = list(dict.fromkeys(load.carrier for load in self.loads if load.carrier))
        status: JsonObject = {"processStatus": self.status}
        if self.status_reason:
            status["processStatusReason"] = self.status_reason
        load_carriers: list[JsonValue] = [
            {"containerNumber": carrier, "containerSizeAndType": "45G1", "lines": self._lines(carrier)}
            for carrier in carriers
        ]
        state: JsonObject = {
            "id": self.id,
            "identifiers": dict(self.identifiers),
            "transportMode": "Road transport",
            "supplierShipment": {
                "companyId": SUPPLIER_COMPANY,
                "supplierParty": {"id": "8712345000001", "idScheme": "GLN"},
                "buyerAccountNumber": "D-10093",
                "shipmentNumber": self.number,
                "invoiceNumbers": [f"INV-{self.number}"],
                "documents": self._documents_of("supplierShipment"),
                "contacts": [{"email": self.order.supplier_contact}],
            },
            "buyerShipment": {
                "companyId": BUYER_COMPANY,
                "supplierAccountNumber": "070044",
                "documents": self._documents_of("buyerShipment"),
                "contacts": [{"email": self.order.buyer_contact}],
                "purchaseOrderTerms": {"incotermsCode": "CIF", "paymentTermsCode": "30D"},
            },
            "loadCarriers": load_carriers,
            "lines": self._lines(None),
            "locations": self._locations(),
            "status": status,
            "meta": {
                "lastUpdatedAt": self.changed_at,
                "supplierErpMeta": {"despatchAdviceErpIssueDateTime": "2026-10-30T12:11:00"},
            },
        }
        # An event that was told keeps what it said.
        return copy.deepcopy(state | self.extra)

    def _lines(self, carrier: str | None) -> list[JsonValue]:
        return [
            self._line(number, load) for number, load in enumerate(self.loads, start=1) if load.carrier == carrier
        ]

    def _line(self, number: int, load: Load) -> JsonObject:
        advice: JsonObject = {
            "despatchAdviceNumber": f"DA-{self.number}",
            "despatchAdviceLinePosition": f"{number:04}",
            "despatchQuantity": load.quantity,
        }
        if load.backorder is not None:
            advice |= {"backorderQuantity": load.backorder, "backorderDate": "2026-12-21"}
        told: JsonObject = {
            "purchaseOrderNumber": self.order.number,
            "purchaseOrderLinePosition": load.line.position,
            "item": {
                "buyerItemNumber": load.line.item["number"],
                "buyerItemName": load.line.item["name"],
                "purchaseUnitOfMeasureIso": load.line.item["purchaseUnitOfMeasureIso"],
            },
            "supplierLine": advice,
            "meta": {"lastUpdatedAt": load.changed_at},
        }
        return told | ({"deliverySchedulePosition": load.delivery} if load.delivery else {})

    def _documents_of(self, half: str) -> list[JsonValue]:
        return [
            document | {"meta": {"lastUpdatedAt": self._documents_changed[half, code]}}
            for code, document in self.documents.get(half, {}).items()
        ]

    def _locations(self) -> JsonObject:
        arrival: JsonObject = {"etaStartDate": "2026-11-20", "etaStartTime": "08:00:00", "etaEndDate": "2026-11-21"}
        if self.arrived:
            arrival["ataDate"] = self.arrived
        return {
            "departure": {"location": _location("AgreedPlace", self.order.supplier), "etdDate": "2026-11-01"},
            "destinations": [arrival | {"location": _location("FinalDestination", self.order.buyer)}],
        }


def _location(kind: str, place: Place) -> JsonObject:
    return {
        "locationType": kind,
        "id": f"{place.country}-{place.postal_code}".replace(" ", ""),
        "names": [place.name],
        "addressLines": [place.street],
        "postalCode": place.postal_code,
        "city": place.city,
        "countryCodeIso": place.country,
    }
