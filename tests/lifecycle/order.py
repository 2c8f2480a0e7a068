"""One order on the platform: its header, its lines, its clock, and the events by which it tells of each change.

What the receiver must know in the end is kept here as the events are made: the header of the latest order event,
each line as the latest order event with it told it, and every document that was ever attached (contract,
behaviour.md sections 5 and 8).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from handlers.interface import JsonObject, JsonValue
from tests.lifecycle.lines import Line

BUYER = "51bce838-0c6e-5ff8-8982-b8d3c5aedf81"
SUPPLIER = "be9ce9d8-0739-5092-bd23-5941ed2c0e41"

#: Where a document hangs: member of the order or line that holds the list ("" is the order or line itself), and the
#: script's key of the line; None for the header.
Place = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Traits:
    """How the platform tells of this order."""

    single: bool = False
    """One delivery per line."""
    xml: bool = False
    message_ids: bool = True
    timestamps: bool = True
    """Without, only the version tells older from newer, as in orders of the former platform."""
    documents_come_along: bool = True
    """Whether order events carry what was attached before."""
    first_version: int = 1


@dataclass(frozen=True, slots=True)
class Told:
    """One event, and what the script knows of it besides its body."""

    order_id: str
    number: int
    """In the order's history, from 1."""
    name: str
    body: JsonObject
    message_id: str | None
    version: int
    header_tick: int | None
    """Mark of the header; None where the event has none to tell."""
    line_ticks: dict[str, int]
    """Mark of each line, by the script's key."""
    documents: dict[tuple[Place, str], tuple[int, str]]
    """Mark and revision of each document, by place and code."""
    xml: bool

    @property
    def resent(self) -> bool:
        """Somebody asked for it."""
        return "Resent" in self.name


class Order:
    """The order as it stands, and the history that it has told."""

    def __init__(self, name: str, traits: Traits, random: Random) -> None:
        self.number = f"LC-{name}"
        self.id = f"{BUYER}-{self.number}"
        self.traits = traits
        self.random = random
        self.lines: list[Line] = []
        self.description = f"Auftrag {name}"
        self.contact = "vertrieb@kaltwasser.example"
        self.reason: str | None = None
        self.history: list[Told] = []
        self._tick = 0
        self._now = datetime(2026, 9, 1, 6, tzinfo=UTC) + timedelta(seconds=random.randrange(10**6))
        self._header_documents: dict[str, dict[str, JsonObject]] = {}
        self._last_header: JsonObject = {}
        self._last_lines: dict[str, JsonObject] = {}
        self._attached: dict[tuple[Place, str], tuple[int, JsonObject]] = {}

    # -- telling --------------------------------------------------------------------------------------------------

    def tell(self, name: str, changed: Iterable[Line], *, reason: str | None = None) -> None:
        """An order event of a change of these lines, or of the header alone."""
        self.advance()
        self.reason = reason
        lines = list(changed)
        for line in lines:
            self._touch(line)
        self._tell_order(name, lines)

    def resend(self) -> None:
        """The whole order once more, unchanged."""
        self._tell_order("OrderResentByBuyer", self.lines)

    def tell_documents(self, name: str, documents: list[tuple[Place, JsonObject]]) -> None:
        """A document event; later order events carry the documents along, if they do so for this order."""
        self.advance()
        payload: JsonObject = {
            "orderId": self.id,
            "buyerOrder": self._buyer_identity(),
            "supplierOrder": {"companyId": SUPPLIER, "buyerAccountNumber": "D-10093"},
            "version": self._version,
        }
        by_key: dict[str, JsonObject] = {}
        marks: dict[tuple[Place, str], tuple[int, str]] = {}
        for (member, key), document in documents:
            code, revision = str(document["code"]), str(document["revision"])
            marks[(member, key), code] = (self._tick, revision)
            self._attached[(member, key), code] = (self._tick, document)
            holder = payload
            if key is not None:
                line = self.line(key)
                holder = by_key.setdefault(key, self._line_identity(line, flat=member == ""))
                self._touch(line)
                if member:
                    line.documents.setdefault(member, {})[code] = document
            elif member:
                self._header_documents.setdefault(member, {})[code] = document
            if member:
                inner = holder.setdefault(member, {})
                assert isinstance(inner, dict)
                holder = inner
            listed = holder.setdefault("documents", [])
            assert isinstance(listed, list)
            listed.append(document)
        if by_key:
            payload["lines"] = list(by_key.values())
        if self.traits.timestamps:
            payload["lastUpdatedAt"] = self._stamp
        if not self.traits.documents_come_along:
            self._header_documents.clear()
            for line in self.lines:
                line.documents.clear()
        self._keep(name, "orderDocumentsEvent", payload, None, {}, marks)

    def line(self, key: str) -> Line:
        """By the script's key."""
        return next(line for line in self.lines if line.key == key)

    # -- what must be known in the end ----------------------------------------------------------------------------

    def final(self) -> JsonObject:
        """Header and lines as a receiver of all events has to know them, whatever the order of their arrival."""
        payload = dict(self._last_header)
        lines = {key: dict(told) for key, told in self._last_lines.items()}
        for ((member, key), code), (_, document) in self._attached.items():
            holder = payload if key is None else lines[key]
            if member:
                inner = holder.get(member, {})
                assert isinstance(inner, dict)
                holder[member] = inner = dict(inner)
                holder = inner
            present = holder.get("documents", [])
            assert isinstance(present, list)
            others = [one for one in present if isinstance(one, dict) and one["code"] != code]
            holder["documents"] = [*others, document]
        payload["lines"] = list(lines.values())
        return payload

    # -- the clock ------------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """A while later."""
        self._tick += 1
        self._now += timedelta(milliseconds=self.random.randrange(1, 6 * 3600 * 1000))
        self._stamp = self._spelled(self._now)

    @property
    def _version(self) -> int:
        return self.traits.first_version + self._tick - 1

    def _spelled(self, moment: datetime) -> str:
        """Instants come in several spellings (behaviour.md section 7); their order as texts means nothing."""
        kind = self.random.randrange(10)
        if kind == 0:
            east = moment.astimezone(timezone(timedelta(hours=2)))
            return east.isoformat(timespec="milliseconds")
        if kind == 1:
            return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _touch(self, line: Line) -> None:
        line.tick = self._tick
        line.changed_at = self._stamp if self.traits.timestamps else None

    # -- bodies ---------------------------------------------------------------------------------------------------

    def _tell_order(self, name: str, lines: list[Line]) -> None:
        kind = "singleDeliveryOrderEvent" if self.traits.single else "orderEvent"
        header = self._header()
        told = {line.key: line.body(single=self.traits.single) for line in lines}
        self._last_header = header
        self._last_lines |= told
        ticks = {line.key: line.tick if self.traits.timestamps else self._tick for line in lines}
        places: list[tuple[str, str | None, dict[str, JsonObject]]] = [
            (member, None, documents) for member, documents in self._header_documents.items()
        ]
        places += [(half, line.key, documents) for line in lines for half, documents in line.documents.items()]
        documents = {
            ((member, key), code): (self._tick, str(document["revision"]))
            for member, key, by_code in places
            for code, document in by_code.items()
        }
        payload: JsonObject = header | {"lines": list(told.values())} if told else dict(header)
        self._keep(name, kind, payload, self._tick, ticks, documents)

    def _header(self) -> JsonObject:
        supplier: JsonObject = {
            "companyId": SUPPLIER,
            "buyerAccountNumber": "D-10093",
            "description": self.description,
            "contact": {"email": self.contact},
        }
        header: JsonObject = {
            "orderId": self.id,
            "buyerOrder": self._buyer_identity() | {"orderType": "Purchase"} | self._carried("buyerOrder"),
            "supplierOrder": supplier | self._carried("supplierOrder"),
            "indicators": {"deliveryOverdue": False},
            "status": {"processStatus": self._process(), "logisticsStatus": self._logistics()},
            "version": self._version,
            "portalUrl": f"https://portal.example/orders/{self.number}",
            "greenLabel": f"A{self._tick}",  # a member that no contract knows yet
        }
        if self.reason:
            header["reason"] = self.reason
        if self.traits.timestamps:
            header["lastUpdatedAt"] = self._stamp
        return header

    def _carried(self, half: str) -> JsonObject:
        documents: list[JsonValue] = [dict(one) for one in self._header_documents.get(half, {}).values()]
        return {"documents": documents} if documents else {}

    def _buyer_identity(self) -> JsonObject:
        return {"companyId": BUYER, "supplierAccountNumber": "070044", "purchaseOrderNumber": self.number}

    def _line_identity(self, line: Line, *, flat: bool) -> JsonObject:
        identity: JsonObject = {"id": line.id} if line.id else {}
        if flat:
            return identity | {"position": line.position}
        return identity | {"buyerLine": {"position": line.position}}

    def _process(self) -> str:
        states = {line.process for line in self.lines}
        return states.pop() if len(states) == 1 else "InProgress"

    def _logistics(self) -> str:
        states = {line.logistics for line in self.lines}
        return states.pop() if len(states) == 1 else "Open"

    def _keep(
        self,
        name: str,
        kind: str,
        payload: JsonObject,
        header_tick: int | None,
        line_ticks: dict[str, int],
        documents: dict[tuple[Place, str], tuple[int, str]],
    ) -> None:
        message_id = (
            str(uuid.UUID(int=self.random.getrandbits(128), version=4)) if self.traits.message_ids else None
        )
        body: JsonObject = {"eventName": name, kind: payload}
        if message_id:
            meta: JsonObject = {"messageId": message_id, "createdDateTime": self._spelled(self._now)}
            if self.random.randrange(4) == 0:  # it may stand in either place (order-webhook.md section 3)
                body[kind] = payload | {"meta": meta}
            else:
                body["meta"] = meta
        self.history.append(
            Told(
                order_id=self.id,
                number=len(self.history) + 1,
                name=name,
                body=body,
                message_id=message_id,
                version=self._version,
                header_tick=header_tick,
                line_ticks=line_ticks,
                documents=documents,
                xml=self.traits.xml,
            )
        )
