"""What one Swagger file says about its webhook, read for the comparison."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tools.generate.composition import Definitions, mapping
from tools.generate.operation import operations, webhook_operation

Json = Any

#: Formats that say the same to us: our own refine what a file can say, and every number is exact.
_SAME_FORMAT = {"date-time-local": "date-time", "time-local": None, "time": None}
#: The formats that give a text another type in the models.
DATES = {"date", "date-time"}


class SwaggerSide:
    """One of the two documents."""

    def __init__(self, document: Json) -> None:
        self.definitions = Definitions(document)
        self.webhook = webhook_operation(document, self.definitions)
        self.operations = [(path, method) for path, method, _ in operations(document)]
        texts = set(_keywords(document))
        self.speaks_of_null = "x-nullable" in texts
        self.speaks_of_xml = "xml" in texts

    def key(self, schema: Json, where: str) -> str | int:
        """The same for every reference to one definition."""
        return self.definitions.object_named(schema, where) or id(self.definitions.plain(schema, where))


def form(schema: Json) -> str | None:
    """The format, as far as two files can differ in it. None: nothing is said."""
    name = schema.get("format")
    if name is None or schema.get("type") == "number":
        return None
    return _SAME_FORMAT.get(str(name), str(name))


def known_values(schema: Json) -> tuple[str, ...] | None:
    """The values that the file lists, closed or open; None without a list."""
    values = schema.get("enum", schema.get("x-known-values"))
    return tuple(str(value) for value in values if value is not None) if isinstance(values, list) else None


def required_names(required: Json) -> list[str]:
    """What a `required` names."""
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def element(file: SwaggerSide, schema: Json, where: str) -> str | None:
    """The element of a member in tXML, with what makes it more than a plain element; None: nothing is said."""
    plain = file.definitions.plain(schema, where)
    own = said = mapping(plain.get("xml") or {}, where)
    if plain.get("type") == "array" and "items" in plain:
        said = file.definitions.item_xml(plain["items"], where)
    more = [key for key in ("wrapped", "attribute", "namespace", "prefix") if own.get(key) or said.get(key)]
    name = said.get("name")
    if more:
        return f"{name or 'unnamed'} ({', '.join(more)})"
    return None if name is None else str(name)


def confidence_of(node: Json) -> str | None:
    """How firm the evidence for it is, in one of the words that `x-confidence-levels` explains."""
    word = node.get("x-confidence")
    return word if isinstance(word, str) else None


def described(definitions: Definitions, schema: Json) -> str:
    """The type of a schema in a few words, such as `array of string (date)`."""
    plain = definitions.plain(schema, "a member")
    kind = str(plain.get("type", "any type"))
    if kind == "array" and "items" in plain:
        items = definitions.plain(plain["items"], "items")
        return f"array of {items.get('type', 'any type')}"
    if kind == "object" and plain.get("properties"):
        return f"object of {len(plain['properties'])}"
    return f"{kind} ({plain['format']})" if "format" in plain else kind


def _keywords(node: Json) -> Iterator[str]:
    waiting = [node]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, (dict, list)) and id(one) not in seen:
            seen.add(id(one))
            if isinstance(one, dict):
                yield from one
            waiting.extend(one.values() if isinstance(one, dict) else one)
