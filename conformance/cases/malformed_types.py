"""MAL-05 and MAL-06: members that are missing or of another type, made from the contract for each of its places."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from conformance.cases.malformed import FINAL
from conformance.cases.variants import FORMER_DESTINATION, one_of_each, request_with_each_member
from conformance.catalogue import case
from conformance.contract.reading import Payload, Place, objects, places
from conformance.contract.samples import minimal_body
from conformance.contract.text import JsonObject, JsonValue, Literal
from conformance.requests.changes import remove, set_value
from conformance.requests.request import Form
from conformance.steps import Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Expect, Level, refused_as_malformed

#: Members that the manual calls mandatory, and that its specification does not require: by the schema's name.
_PROMISED = {
    "SupplierShipment": ("companyId",),
    "BuyerShipment": ("companyId",),
    "ShipmentLine": ("purchaseOrderNumber", "purchaseOrderLinePosition"),
    "SupplierShipmentLine": ("despatchAdviceNumber", "despatchAdviceLinePosition", "despatchQuantity"),
    "ShipmentLocation": ("id",),
    "ChargeLine": ("chargeTypeCode", "chargeDescription", "quantity", "price"),
}


def body_around(payload: Payload, place: Place, form: Form) -> JsonObject:
    """A small body: what the minimal one has, and the object of a place with all its members but no deeper ones."""
    keys = place.object_pointer.split("/")[1:]
    around = _pruned(one_of_each(payload, form), keys)
    return _object(_merged(minimal_body(payload), around))


def _pruned(value: JsonValue, keys: list[str]) -> JsonValue:
    if isinstance(value, list):
        return [_pruned(item, keys[1:]) for item in value]
    if not isinstance(value, dict):
        return value
    if not keys:
        return {name: _flat(member) for name, member in value.items()}
    return {keys[0]: _pruned(value[keys[0]], keys[1:])}


def _flat(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        return {name: member for name, member in value.items() if not isinstance(member, dict | list)}
    return [_flat(item) for item in value] if isinstance(value, list) else value


def _merged(base: JsonValue, more: JsonValue) -> JsonValue:
    if not isinstance(base, dict) or not isinstance(more, dict):
        return more
    return {**base, **{name: _merged(base[name], value) if name in base else value for name, value in more.items()}}


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError(f"an object was expected, not {type(value).__name__}")
    return value


@case(
    "MAL-05",
    "A body without what the contract requires is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence="The event counts as delivered although it cannot be told what happened to what.",
    fix="Check `eventName`, and `shipment` at the shipment webhook, and answer 400; require nothing else.",
    hints={
        "dotnet": "`required` members (C# 11) or [JsonRequired] at EventName, and at nothing else.",
        "node": 'A JSON schema with required: ["eventName"] and without additionalProperties: false.',
    },
)
def without_members(subject: Subject) -> Case:
    if not subject.claims.required_checked:
        yield NotApplicable("all", "the profile says that required members are not checked (required_checked)")
        return
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            control = request_with_each_member(subject, payload, form)
            for place in places(payload):
                if place.member.required:
                    variant = f"{place.pointer}, {payload} {form}"
                    yield Twin(variant, control, remove(place.pointer), refused_as_malformed())
            for pointer in _promised(payload, form):
                variant = f"{pointer}, {payload} {form}"
                yield Twin(variant, control, remove(pointer), FINAL)


def _promised(payload: Payload, form: Form) -> Iterator[str]:
    for place in objects(payload):
        if form is Form.TXML and place.pointer == FORMER_DESTINATION:
            continue
        for member in _PROMISED.get(place.schema_name, ()):
            yield f"{place.pointer}/{member}"


@case(
    "MAL-06",
    "A member of another JSON type is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence="The member is lost, or the processing crashes long after Tradecloud was told that all is well.",
    fix="Check the types of the members that you read before you answer, and answer 400 to a wrong one.",
    hints={
        "dotnet": "System.Text.Json checks by itself; let JsonException become 400.",
        "node": "Check the body with a JSON schema (ajv with coerceTypes off).",
        "sap": "CALL TRANSFORMATION into typed structures; catch CX_TRANSFORMATION_ERROR.",
    },
)
def wrong_types(subject: Subject) -> Case:
    if not subject.claims.types_checked:
        yield NotApplicable("all", "the profile says that the types of members are not checked (types_checked)")
        return
    for control in subject.goldens_at_endpoints(Form.JSON):
        change = set_value("/eventName", None)
        yield Twin(f"/eventName null, {control.endpoint}", control, change, refused_as_malformed())
    seen: set[tuple[Form, str, str]] = set()
    turn = 0
    for payload in subject.payloads:
        for form in subject.forms(payload.endpoint):
            for place in places(payload):
                # Payloads share most of their objects: each member of each kind of object once.
                key = (form, place.schema_name, place.member.name)
                if key in seen or (form is Form.TXML and place.pointer.startswith(FORMER_DESTINATION)):
                    continue
                seen.add(key)
                wrong = _wrong_in_json(place) if form is Form.JSON else _wrong_in_txml(place)
                if not subject.full and wrong:
                    # One kind of mistake each, by turns.
                    wrong = (wrong[turn % len(wrong)],)
                    turn += 1
                control = subject.request(payload, body_around(payload, place, form), form, name="one of each")
                for kind, value, expect in wrong:
                    change = set_value(place.pointer, value, f"{place.pointer} is {kind}")
                    yield Twin(f"{place.pointer} {kind}, {payload} {form}", control, change, expect)


_Wrong = tuple[str, JsonValue, Expect]
_OBJECT: JsonObject = {"unexpected": "tcconf"}
_ARRAY: JsonValue = ["tcconf"]


def _wrong_in_json(place: Place) -> tuple[_Wrong, ...]:
    """What is wrong at a place, and what is only unusual: text in quotes where a number is meant has happened."""
    no, either = refused_as_malformed(), FINAL
    schema = place.member.schema
    match schema.type:
        case "string":
            return (
                ("an object", _OBJECT, no),
                ("an array", _ARRAY, no),
                ("a number", 4711, either),
                ("a boolean", True, either),
            )
        case "decimal" | "integer":
            return (
                ("an object", _OBJECT, no),
                ("an array", _ARRAY, no),
                ("a boolean", True, no),
                ("a word", "many", no),
                ("a number in quotes", "12", either),
            )
        case "boolean":
            return (
                ("an object", _OBJECT, no),
                ("an array", _ARRAY, no),
                ("a word", "yes", no),
                ("a number", 1, no),
                ("a boolean in quotes", "true", either),
            )
        case "object":
            return (
                ("a text", "tcconf", no),
                ("an array", _ARRAY, no),
                ("a number", Decimal("12.5"), no),
                ("a boolean", True, no),
            )
        case "array":
            wrong: tuple[_Wrong, ...] = (
                ("an object", _OBJECT, no),
                ("a text", "tcconf", no),
                ("a number", 4711, no),
            )
            # No document says what a customLabel is.
            if schema.items is not None and place.member.name != "customLabels":
                item: JsonValue = "tcconf" if schema.items.type == "object" else _OBJECT
                wrong += (("of wrong items", [item], no), ("of arrays", [[]], no))
            return wrong
        case other:
            raise ValueError(f"{place.pointer} has the type {other}")


def _wrong_in_txml(place: Place) -> tuple[_Wrong, ...]:
    """XML has no types; but there can be elements where text is meant, and text that is no number."""
    no, either = refused_as_malformed(), FINAL
    schema = place.member.schema
    if schema.items is not None:
        schema = schema.items
        if place.member.name == "customLabels":
            return ()
    match schema.type:
        case "string":
            return (("elements", _OBJECT, no),)
        case "decimal" | "integer":
            return (("a word", "many", no), ("elements", _OBJECT, no), ("with a comma", Literal("1,5"), no))
        case "boolean":
            return (("a word", "maybe", no), ("elements", _OBJECT, no))
        case _:
            # Many readers pass over text between elements.
            return (("a text", "tcconf", either),)
