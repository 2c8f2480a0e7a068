"""What the contract has learnt since a drift was recorded: after an update of `specs/` it may know the member or
value that was new then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handlers.interface import Endpoint
from service.contract import Contract, documented_schema
from service.drift import FORMATS, Kind, short

Json = Any


class PresentContracts:
    """The documented reading of the served contracts, asked about single things."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        self._schemas: dict[str, Json] = {
            endpoint.value: documented_schema(contract)
            for contract in contracts
            for _, endpoint in contract.endpoints()
        }

    def know(self, endpoint: Endpoint | str, kind: str, place: str, detail: str) -> bool:
        """Whether what was recorded as drift would be none now. False for kinds that a contract does not decide."""
        root = self._schemas.get(endpoint)
        schema = None if root is None else _schema_at(root, place)
        if schema is None:
            return False
        match kind:
            case Kind.MEMBER:
                return _is_open(schema) or detail in {short(name) for name in schema.get("properties", ())}
            case Kind.VALUE:
                return "enum" not in schema or detail in {short(value) for value in schema["enum"]}
            case Kind.LIMIT:
                return "maxItems" not in schema or int(detail.split()[0]) <= int(schema["maxItems"])
            case Kind.FORM:
                return "format" not in schema or bool(FORMATS[schema["format"]](detail.rpartition(" is no ")[0]))
        return False


def _schema_at(root: Json, place: str) -> Json | None:
    """The schema of a place (JSON pointer with `*` for positions in lists); {} inside of what is open to anything,
    None if the contract has no such place."""
    schema = _resolved(root, root)
    for part in place.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if name in schema.get("properties", ()):
            schema = _resolved(root, schema["properties"][name])
        elif part == "*" and "items" in schema:
            schema = _resolved(root, schema["items"])
        elif _is_open(schema):
            return {}
        else:
            return None
    return schema


def _is_open(schema: Json) -> bool:
    return "array" not in schema.get("type", ()) and schema.get("additionalProperties", True) is not False


def _resolved(root: Json, schema: Json) -> Json:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema
