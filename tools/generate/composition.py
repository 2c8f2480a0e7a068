"""Looks through references and compositions (`$ref`, `allOf`) of a Swagger 2.0 document.

A definition may be built of others in many ways, and named in any way. What reads the contract should not have to
know: to the generator and to the comparison with the live file a schema is *plain*, all its parts put together.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

Json = Any

#: Keywords that describe without changing what is accepted. Beside a lone reference they leave it a reference.
_ANNOTATIONS = {"default", "description", "discriminator", "example", "externalDocs", "readOnly", "title", "xml"}
#: References and compositions that may lie inside each other.
_MAX_DEPTH = 50


class UnsupportedConstructError(ValueError):
    """The Swagger file holds something that the generator cannot carry over; the text names it and its place."""

    def __init__(self, what: str, where: str) -> None:
        super().__init__(f"{what} at {where} is not supported by the Swagger step; teach it or change the file")


class Definitions:
    """The definitions of one document. A schema that was looked through once is the same object the next time."""

    def __init__(self, document: Json) -> None:
        self._definitions: dict[str, Json] = mapping(document.get("definitions", {}), "#/definitions")
        # With the schema itself, because an id is only its own as long as it lives.
        self._plain: dict[int, tuple[Json, dict[str, Json]]] = {}
        self._open: list[int] = []

    @property
    def names(self) -> list[str]:
        """All names, in the order of the file."""
        return list(self._definitions)

    def __getitem__(self, name: str) -> Json:
        return self._definitions[name]

    def name_of(self, reference: Json, where: str) -> str:
        """The name of the definition that a `$ref` points to.

        Raises:
            UnsupportedConstructError: it points elsewhere, or to nothing.
        """
        prefix = "#/definitions/"
        if isinstance(reference, str) and reference.startswith(prefix):
            written = reference.removeprefix(prefix)
            # Generators differ in whether they escape a name (RFC 6901, section 6).
            for name in (written, unquote(written).replace("~1", "/").replace("~0", "~")):
                if name in self._definitions:
                    return name
        raise UnsupportedConstructError(f"the reference {reference!r}", where)

    def object_named(self, schema: Json, where: str) -> str | None:
        """The name of the definition if the schema is nothing but a reference to one of an object."""
        references = []
        for part in (schema, *_parts(schema, where)):
            part = mapping(part, where)
            if "$ref" in part:
                references.append(part["$ref"])
            own = {key for key in part if not key.startswith("x-")} - {"$ref", "allOf"}
            restated = {"type"} if part.get("type") == "object" else set()
            if own - _ANNOTATIONS - restated or (part is not schema and "allOf" in part):
                return None
        if len(references) != 1:
            return None
        name = self.name_of(references[0], where)
        return name if self.plain(self[name], f"#/definitions/{name}").get("type") == "object" else None

    def plain(self, schema: Json, where: str) -> dict[str, Json]:
        """The schema without `$ref` and `allOf` at its own level; its members are left as they are.

        Of parts that say different things of one keyword the outermost, then the last, is right; members and
        required names are put together. A type that is left out is told from `properties` and `items`. `xml` stays
        where it is said: the name of an element belongs to its place and not to its type.

        Raises:
            UnsupportedConstructError: parts of different types, parts inside themselves, or a schema that is none.
        """
        schema = mapping(schema, where)
        if id(schema) in self._plain:
            return self._plain[id(schema)][1]
        if id(schema) in self._open or len(self._open) >= _MAX_DEPTH:
            raise UnsupportedConstructError("a composition inside itself", where)
        self._open.append(id(schema))
        try:
            plain = self._composed(schema, where)
        finally:
            self._open.pop()
        self._plain[id(schema)] = (schema, plain)
        return plain

    def item_xml(self, items: Json, where: str) -> dict[str, Json]:
        """What is said of the elements of an array: at the items, else at the definition that they refer to."""
        name = self.object_named(items, where)
        said = items if "xml" in items or name is None else self[name]
        return mapping(said.get("xml", {}), where)

    def _composed(self, schema: Json, where: str) -> dict[str, Json]:
        parts = []
        if "$ref" in schema:
            name = self.name_of(schema["$ref"], where)
            parts.append(self.plain(self[name], f"#/definitions/{name}"))
        parts += [self.plain(part, f"{where}/allOf/{i}") for i, part in enumerate(_parts(schema, where))]
        plain: dict[str, Json] = {}
        for part in parts:
            _add(plain, {key: value for key, value in part.items() if key != "xml"}, where)
        _add(plain, {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}, where)
        if "type" not in plain:
            if "properties" in plain:
                plain["type"] = "object"
            elif "items" in plain:
                plain["type"] = "array"
        elif not isinstance(plain["type"], str):
            raise UnsupportedConstructError(f"type {plain['type']!r}", where)
        mapping(plain.get("properties", {}), f"{where}/properties")
        return plain


def _parts(schema: Json, where: str) -> list[Json]:
    return listing(mapping(schema, where).get("allOf", []), f"{where}/allOf")


def _add(whole: dict[str, Json], part: dict[str, Json], where: str) -> None:
    for key, value in part.items():
        if key not in whole:
            whole[key] = value
        elif key == "properties":
            members = dict(whole[key])
            for name, member in mapping(value, where).items():
                known = members.get(name, member)
                members[name] = member if known == member else {"allOf": [known, member]}
            whole[key] = members
        elif key == "required" and isinstance(value, list) and isinstance(whole[key], list):
            whole[key] = [*whole[key], *(name for name in value if name not in whole[key])]
        elif key == "type" and value != whole[key]:
            raise UnsupportedConstructError(f"a composition of the types {whole[key]} and {value}", where)
        else:
            whole[key] = value


def mapping(value: Json, where: str) -> dict[str, Json]:
    """The value, which must be a mapping.

    Raises:
        UnsupportedConstructError: it is not.
    """
    if not isinstance(value, dict):
        raise UnsupportedConstructError(f"{type(value).__name__} where a mapping is expected", where)
    return value


def listing(value: Json, where: str) -> list[Json]:
    """The value, which must be a list.

    Raises:
        UnsupportedConstructError: it is not.
    """
    if not isinstance(value, list):
        raise UnsupportedConstructError(f"{type(value).__name__} where a list is expected", where)
    return value
