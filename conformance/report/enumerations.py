"""Which of the documented values of enumerations were sent, and with which the event was taken.

Names of events are left out: the coverage has a row for each of them.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any

from conformance.contract.reading import Member, Payload, Schema, body_schema, payload_members, places
from conformance.report.records import RunReader

#: A longer body repeats one line to reach a size, and is not looked into.
_LONGEST = 200_000


@dataclass(frozen=True, slots=True)
class EnumerationRow:
    """One member with documented values, in one run."""

    endpoint: str
    member: str
    """As `Definition.member`."""
    known: int
    """Documented values."""
    sent: int
    """Those of them that a request carried at a documented place, changed requests included."""
    delivered: int
    """Those of them that a request carried which was answered by a 2xx."""
    never_sent: tuple[str, ...]
    refused_only: tuple[str, ...]
    """Sent, but never in a request that was answered by a 2xx."""


@lru_cache(maxsize=1)  # several reports of one run ask for it, and it takes a second or two
def enumeration_rows(run: RunReader) -> tuple[EnumerationRow, ...]:
    """One row for each member of the contract that has documented values.

    What was sent is a lower bound: a body that is too long, that is neither JSON nor tXML, or that shows the same
    values in the same order as one before it, adds nothing.
    """
    known = _known()
    sent: dict[tuple[str, str], set[str]] = {key: set() for key in known}
    delivered: dict[tuple[str, str], set[str]] = {key: set() for key in known}
    for body, taken in _telling_bodies(run):
        for key, value in _values_in(body):
            if value in known[key]:
                sent[key].add(value)
                if taken:
                    delivered[key].add(value)
    return tuple(
        EnumerationRow(
            *key,
            len(values),
            len(sent[key]),
            len(delivered[key]),
            tuple(value for value in values if value not in sent[key]),
            tuple(value for value in values if value in sent[key] - delivered[key]),
        )
        for key, values in known.items()
    )


@cache
def _known() -> Mapping[tuple[str, str], tuple[str, ...]]:
    return {
        (payload.endpoint.value, f"{place.schema_name}.{place.member.name}"): place.member.known_values
        for payload in Payload
        for place in places(payload)
        if _listed(place.member)
    }


def _listed(member: Member) -> bool:
    return bool(member.known_values) and member.name != "eventName"


def _telling_bodies(run: RunReader) -> Iterator[tuple[bytes, bool]]:
    """Bodies, with whether they were answered by a 2xx; of bodies with the same values in the same order only one.

    Most bodies of a run differ in one member only. To search them is quick, to parse them all is not.
    """
    names = "|".join(sorted({member.rpartition(".")[2] for _, member in _known()}))
    in_json = re.compile(rf'"({names})"\s*:\s*"([^"\\]*)"'.encode())
    in_txml = re.compile(rf"<({names})>([^<]*)<".encode())
    shown: dict[int, tuple[Any, ...]] = {}
    told: set[tuple[tuple[Any, ...], bool]] = set()
    for record in run.lines("result"):
        for exchange in record["exchanges"]:
            request, status = exchange["request"], exchange["answer"]["status"]
            if request is None or request["body"]["length"] > _LONGEST:
                continue
            place, body = request["body"], None
            if place["at"] not in shown:
                body = run.body(place)
                shown[place["at"]] = tuple((in_txml if _is_xml(body) else in_json).findall(body))
            values, taken = shown[place["at"]], status is not None and 200 <= status <= 299
            if values and (values, taken) not in told:
                told.add((values, taken))
                yield run.body(place) if body is None else body, taken


@dataclass(slots=True)
class _Tree:
    """The part of a schema that leads to enumerations, by the names of one format."""

    values: dict[str, str] = field(default_factory=dict)
    """Name of a member to `Definition.member`."""
    below: dict[str, _Tree] = field(default_factory=dict)


@cache
def _tree(payload: Payload, txml: bool) -> _Tree:
    return _branch(body_schema(payload.endpoint).name, payload_members(payload), txml)


def _branch(owner: str, members: tuple[Member, ...], txml: bool) -> _Tree:
    tree = _Tree()
    for member in members:
        schema: Schema = member.schema
        name = schema.element if txml and schema.items is not None and schema.element else member.name
        held = schema if schema.items is None else schema.items
        if _listed(member):
            tree.values[name] = f"{owner}.{member.name}"
        branch = _branch(held.name, tuple(held.members.values()), txml)
        if branch.values or branch.below:
            tree.below[name] = branch
    return tree


def _values_in(body: bytes) -> Iterator[tuple[tuple[str, str], str]]:
    """What stands at the places of enumerations: endpoint and member, and the value."""
    if _is_xml(body):
        if b"<!" in body:  # nothing may be expanded here
            return
        try:
            root = ET.fromstring(body)  # noqa: S314 - without a document type
        except (ET.ParseError, ValueError, LookupError):
            return
        for payload in Payload:
            if root.find(payload.value) is not None:
                for member, text in _in_element(root, _tree(payload, True)):
                    yield (payload.endpoint.value, member), text
        return
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    for payload in Payload:
        if isinstance(value, dict) and payload.value in value:
            for member, text in _in_json(value, _tree(payload, False)):
                yield (payload.endpoint.value, member), text


def _is_xml(body: bytes) -> bool:
    return body.lstrip()[:1] == b"<"


def _in_element(element: ET.Element, tree: _Tree) -> Iterator[tuple[str, str]]:
    for child in element:
        if child.tag in tree.values:
            yield tree.values[child.tag], child.text or ""
        elif child.tag in tree.below:
            yield from _in_element(child, tree.below[child.tag])


def _in_json(value: Any, tree: _Tree) -> Iterator[tuple[str, str]]:
    for item in value if isinstance(value, list) else [value]:
        if not isinstance(item, dict):
            continue
        for name, member in tree.values.items():
            if isinstance(item.get(name), str):
                yield member, item[name]
        for name, branch in tree.below.items():
            yield from _in_json(item.get(name), branch)
