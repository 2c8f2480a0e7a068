"""FWD-16: tomorrow's contract, which is today's with made-up additions, and 200 bodies by it, the same everywhere.

What is added is what Tradecloud says it may add (compatibility): members, values and events. Nothing that a body
has today changes its type or its meaning. Chance comes from SHA-256, so that no version of Python changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from conformance.cases.variants import LOST_ON_ADDITION, READ_WHAT_YOU_USE, TOLERANT
from conformance.catalogue import case
from conformance.contract.reading import Member, Payload, Schema, body_schema, objects, places
from conformance.contract.samples import full_body, minimal_body
from conformance.contract.text import JsonObject, JsonValue, escaped, pointers
from conformance.requests.changes import change_values
from conformance.requests.request import Form
from conformance.steps import Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Level, accepted

#: Another seed is another contract; the bodies are frozen with this one.
SEED = "tomorrow-1"
BODIES = 200
_DELIVERED = accepted()
_NOUNS = (
    "carbonFootprint", "customsOffice", "packagingDeposit", "riskScore", "returnAddress", "forecastHorizon",
    "qualityClass", "toleranceRange", "translations", "sustainabilityLabels", "paymentPlan", "approvalChain",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EvolvedBody:
    """One body of tomorrow."""

    name: str
    payload: Payload
    values: JsonObject


class _Dice:
    def __init__(self, name: str) -> None:
        self._name = name
        self._thrown = 0

    def below(self, limit: int) -> int:
        self._thrown += 1
        digest = hashlib.sha256(f"{SEED} {self._name} {self._thrown}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent


@dataclass(frozen=True, slots=True)
class _Additions:
    """What tomorrow's contract has beyond today's."""

    members: Mapping[str, JsonObject]
    """New members by the name of their object's schema, each with a value."""
    values: Mapping[str, tuple[str, ...]]
    """New values by `Schema.member`."""
    events: tuple[str, ...]


@cache
def evolved_bodies() -> tuple[EvolvedBody, ...]:
    """The frozen set."""
    additions = {payload: _additions(payload) for payload in Payload}
    payloads = list(Payload)
    bodies = []
    for number in range(BODIES):
        payload = payloads[number % len(payloads)]
        writer = _Writer(_Dice(f"body {number}"), additions[payload], payload)
        bodies.append(EvolvedBody(f"{number + 1:03}", payload, writer.body()))
    return tuple(bodies)


def _additions(payload: Payload) -> _Additions:
    dice = _Dice(f"contract {payload}")
    members: dict[str, JsonObject] = {}
    for name in dict.fromkeys(place.schema_name for place in objects(payload)):
        chosen = {_NOUNS[dice.below(len(_NOUNS))] for _ in range(1 + dice.below(3))}
        members[name] = {noun: _value(dice) for noun in sorted(chosen)}
    values = {
        f"{place.schema_name}.{place.member.name}": tuple(f"Future{dice.below(1000):03}" for _ in range(2))
        for place in places(payload)
        if place.member.known_values and place.member.name != "eventName"
    }
    subject = "Shipment" if payload is Payload.SHIPMENT else "Order"
    events = tuple(f"{subject}{noun[0].upper()}{noun[1:]}ChangedByBuyer" for noun in _NOUNS[:4])
    return _Additions(members, values, events)


def _value(dice: _Dice, depth: int = 0) -> JsonValue:
    kinds = 5 if depth == 2 else 8
    match dice.below(kinds):
        case 0:
            return f"неизвестно № {dice.below(1000)}"
        case 1:
            return dice.below(100_000)
        case 2:
            return Decimal(dice.below(1_000_000)).scaleb(-3)
        case 3:
            return dice.chance(50)
        case 4:
            return "2027-05-04T03:02:01.123Z"
        case 5:
            return {_NOUNS[dice.below(len(_NOUNS))]: _value(dice, depth + 1) for _ in range(1 + dice.below(3))}
        case 6:
            return [f"label {dice.below(100)}" for _ in range(1 + dice.below(4))]
        case _:
            return [
                {noun: _value(dice, 2) for noun in (_NOUNS[dice.below(len(_NOUNS))], "code")}
                for _ in range(1 + dice.below(3))
            ]


class _Writer:
    """Writes one body: a part of what today's contract has, and a part of what tomorrow's adds."""

    def __init__(self, dice: _Dice, additions: _Additions, payload: Payload) -> None:
        self._dice = dice
        self._additions = additions
        self._payload = payload
        self._indispensable = {pointer for pointer, _ in pointers(minimal_body(payload))}

    def body(self) -> JsonObject:
        body = self._object(full_body(self._payload), body_schema(self._payload.endpoint), "")
        if self._dice.chance(30):
            events = self._additions.events
            body = {**body, "eventName": events[self._dice.below(len(events))]}
        return body

    def _object(self, values: JsonObject, schema: Schema, pointer: str) -> JsonObject:
        written: JsonObject = {}
        for name, value in values.items():
            here = f"{pointer}/{escaped(name)}"
            if here in self._indispensable or not self._dice.chance(40):
                written[name] = self._member(value, schema, schema.members.get(name), here)
        for name, value in self._additions.members.get(schema.name, {}).items():
            if self._dice.chance(60):
                written[name] = value
        return written

    def _member(self, value: JsonValue, owner: Schema, member: Member | None, here: str) -> JsonValue:
        if member is None:
            return value
        if isinstance(value, list) and member.schema.items is not None:
            items = member.schema.items
            return [self._inside(item, items, f"{here}/{index}") for index, item in enumerate(value)]
        new = self._additions.values.get(f"{owner.name}.{member.name}", ())
        if new and self._dice.chance(40):
            return new[self._dice.below(len(new))]
        return self._inside(value, member.schema, here)

    def _inside(self, value: JsonValue, schema: Schema, here: str) -> JsonValue:
        return self._object(value, schema, here) if isinstance(value, dict) else value


@case(
    "FWD-16",
    "Bodies of an evolved contract are delivered: additions of all kinds together",
    level=Level.MUST,
    wave=2,
    requirements=("R-FWD-1", "R-FWD-2", "R-FWD-3"),
    consequence=LOST_ON_ADDITION,
    fix=READ_WHAT_YOU_USE,
    hints=TOLERANT,
)
def evolved_contract(subject: Subject) -> Case:
    for number, body in enumerate(evolved_bodies()):
        if body.payload not in subject.payloads:
            yield NotApplicable(body.name, f"the profile does not claim {body.payload}")
            continue
        forms = subject.forms(body.payload.endpoint)
        # Every third round of the payloads goes as tXML, where it is claimed.
        form = Form.TXML if Form.TXML in forms and (number // 4) % 3 == 2 else forms[0]
        change = change_values("a body of the evolved contract", _always(body.values))
        yield Twin(body.name, subject.golden(body.payload, form), change, _DELIVERED)


def _always(values: JsonValue) -> Callable[[JsonValue], JsonValue]:
    return lambda _: values
