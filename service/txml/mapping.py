"""What each element name means inside its parent, read off a served contract.

An element name says nothing by itself: `name` is one item of a list in a party and a plain member of an item. So
there is one table for each object of the contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from service.contract import DATE_FORMATS, ROOT, Contract
from service.parsed_body import MAX_INTEGER_DIGITS

Json = Any

#: White space of XML 1.0, section 2.3; Python's own idea of it has many more characters.
WHITE_SPACE = " \t\r\n"

#: Characters of a number up to which it is remembered.
MAX_REMEMBERED = 40

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_INTEGER_DIGITS}}}")


class NumberError(ValueError):
    """A number that is beyond what can be handled; the text says why."""


def number(text: str) -> int | Decimal | str | None:
    """The exact number, an `int` where JSON would give one; None for white space; a text that is no number as it
    is, so that the validation refuses it with the place where it stands.

    Raises:
        NumberError: an exponent that not even a decimal can have, or an integer of too many digits.
    """
    # The same few numbers stand in an order many times over; short ones only, so that they cannot fill the memory.
    return _remembered(text) if len(text) <= MAX_REMEMBERED else _number(text)


def _number(text: str) -> int | Decimal | str | None:
    text = text.strip(WHITE_SPACE)
    if _INTEGER.fullmatch(text):
        return int(text)
    if not _NUMBER.fullmatch(text):
        return text or None
    if text.lstrip("+-").isdigit():
        raise NumberError(f"an integer of more than {MAX_INTEGER_DIGITS} digits")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise NumberError("the exponent of a number is beyond what can be handled") from None


_remembered = lru_cache(maxsize=4096)(_number)


def boolean(text: str) -> bool | str | None:
    """True or false; None for white space; any other text as it is, for the validation."""
    text = text.strip(WHITE_SPACE)
    return {"true": True, "false": False}.get(text, text or None)


def trimmed(text: str) -> str | None:
    """A date or time without the white space of pretty printing; None if nothing is left."""
    return text.strip(WHITE_SPACE) or None


@dataclass(slots=True)
class Members:
    """The members of one kind of object."""

    by_element: dict[str, Member] = field(default_factory=dict)
    """How to read an element, by its name."""
    entries: dict[str, Entry] = field(default_factory=dict)
    """The same, taken apart for the reader's loop, which spends a fifth of its time on attributes otherwise."""
    by_name: dict[str, Member] = field(default_factory=dict)
    """How to write a member, by its name in JSON."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member of an object in both formats."""

    name: str
    """In JSON."""
    element: str
    """The element that stands for the member, or for each item if it is a list."""
    repeated: bool
    """Whether it is a list."""
    convert: Callable[[str], Any] | None
    """Makes the value of an element's text; None for a text, which stays as it is."""
    members: Members | None
    """Of an object, or of each object in the list; None for single values."""
    wrapper: str | None = None
    """The element around the items of a list, if the contract has one."""


#: Name in JSON, whether it is a list, what makes the value of a text, the entries inside an object, and the member.
Entry = tuple[str, bool, Callable[[str], Any] | None, "dict[str, Entry] | None", Member]


class Mapping:
    """All of one contract."""

    def __init__(self, contract: Contract) -> None:
        self._schemas = contract.schemas
        self._objects: dict[str, Members] = {}
        body = self._schemas[ROOT]
        self.root: str = _xml(body).get("name", ROOT)
        """Name of the root element, as it is written."""
        self.roots = frozenset({self.root, *body.get("x-xml-also-read", ())})
        """Names of the root element that are read."""
        self.members = self._object(ROOT, body)
        """Of the body itself."""

    def _object(self, name: str, schema: Json) -> Members:
        if name not in self._objects:
            # Entered first: a schema may hold itself.
            self._objects[name] = members = Members()
            self._fill(members, schema)
        return self._objects[name]

    def _fill(self, members: Members, schema: Json) -> None:
        found = [self._member(name, part) for name, part in schema.get("properties", {}).items()]
        members.by_name.update((member.name, member) for member, _ in found)
        # The name of a list's items goes before a plain member of the same name: where both are in one object, the
        # plain one is a former form of the list. Guesses and the list's own name come last.
        for member, _ in sorted(found, key=lambda pair: not pair[0].repeated):
            members.by_element.setdefault(member.wrapper or member.element, member)
        for member, also_read in found:
            for element in (*also_read, member.element, member.name):
                members.by_element.setdefault(element, member)
        for element, member in members.by_element.items():
            inner = None if member.members is None else member.members.entries
            members.entries[element] = (member.name, member.repeated, member.convert, inner, member)

    def _member(self, name: str, schema: Json) -> tuple[Member, tuple[str, ...]]:
        own, resolved = _xml(schema), self._resolved(schema)
        if resolved[1].get("type") != "array":
            return self._single(name, own.get("name", name), resolved, repeated=False), ()
        items = resolved[1].get("items", {})
        # OpenAPI 3.0, XML object: without a name of their own, items have that of the list.
        around = own.get("name", name)
        element = _xml(items).get("name", around)
        wrapper = around if own.get("wrapped") else None
        item = self._resolved(items)
        return self._single(name, element, item, repeated=True, wrapper=wrapper), tuple(
            items.get("x-xml-also-read", ())
        )

    def _single(
        self, name: str, element: str, resolved: tuple[str, Json], *, repeated: bool, wrapper: str | None = None
    ) -> Member:
        key, schema = resolved
        kind = schema.get("type")
        is_object = kind == "object" or "properties" in schema
        return Member(
            name=name,
            element=element,
            repeated=repeated,
            convert=_CONVERT.get(kind) or (trimmed if schema.get("format") in DATE_FORMATS else None),
            members=(self._object(key, schema) if key else self._inline(schema)) if is_object else None,
            wrapper=wrapper,
        )

    def _inline(self, schema: Json) -> Members:
        members = Members()
        self._fill(members, schema)
        return members

    def _resolved(self, schema: Json) -> tuple[str, Json]:
        """Name (empty if it stands inline) and schema behind the references."""
        name = ""
        while (reference := _reference(schema)) is not None:
            name = reference.rpartition("/")[2]
            schema = self._schemas[name]
        return name, schema


_CONVERT: dict[Any, Callable[[str], Any]] = {"number": number, "integer": number, "boolean": boolean}


def _reference(schema: Json) -> str | None:
    reference: str | None = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    return reference


def _xml(schema: Json) -> Json:
    return schema.get("xml", {})
