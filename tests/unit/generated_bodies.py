"""Bodies that fit the contract, made up by hypothesis: any members, values and depths, known and unknown."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from service.contract import ROOT, Contract

Json = Any

_TEXTS = st.text(max_size=12)
_NUMBERS = st.one_of(
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    st.builds(Decimal, st.from_regex(r"-?[0-9]{1,40}\.[0-9]{1,40}(e-?[0-9])?", fullmatch=True)),
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": _TEXTS,
    "number": _NUMBERS,
    "integer": st.integers(),
    "boolean": st.booleans(),
}
_UNKNOWN_NAMES = st.one_of(
    st.from_regex(r"new[A-Z][a-zA-Z0-9._-]{0,5}", fullmatch=True),
    st.sampled_from(
        ["@note", "@xmlns", "#text", "a b", "", "1st", "{urn:x}y", "{}y", "x:y", "new/member", "über", "²"]
    ),
)
_UNKNOWN = st.recursive(
    st.one_of(st.none(), st.booleans(), _NUMBERS, _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_UNKNOWN_NAMES, inner, max_size=3)),
    max_leaves=6,
)


def bodies(contract: Contract, *, max_members: int = 6) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies of this contract, with members that it does not know strewn in."""
    return _Bodies(contract.schemas, max_members).objects(contract.schemas[ROOT], 0)


class _Bodies:
    def __init__(self, schemas: dict[str, Json], max_members: int) -> None:
        self._schemas = schemas
        self._max_members = max_members

    def objects(self, schema: Json, depth: int) -> st.SearchStrategy[dict[str, Any]]:
        properties = schema.get("properties", {})

        @st.composite
        def make(draw: st.DrawFn) -> dict[str, Any]:
            made: dict[str, Any] = {}
            names = (
                draw(st.lists(st.sampled_from(sorted(properties)), max_size=self._max_members, unique=True))
                if properties
                else []
            )
            for name in names:
                made[name] = draw(self._values(properties[name], depth + 1))
            made |= draw(st.dictionaries(_UNKNOWN_NAMES, _UNKNOWN, max_size=1))
            return made

        return make()

    def _values(self, schema: Json, depth: int) -> st.SearchStrategy[Any]:
        while (reference := _reference(schema)) is not None:
            schema = self._schemas[reference.rpartition("/")[2]]
        kind = schema.get("type")
        if kind == "array":
            made: st.SearchStrategy[Any] = st.lists(self._values(schema["items"], depth), max_size=3)
        elif kind == "object" or "properties" in schema:
            made = st.just({}) if depth > 6 else self.objects(schema, depth)
        else:
            made = _VALUES.get(kind, _TEXTS)
        return st.one_of(made, st.none()) if depth % 3 == 0 else made


def _reference(schema: Json) -> str | None:
    reference: str | None = schema.get("$ref") or next(
        (part["$ref"] for part in schema.get("allOf", ()) if "$ref" in part), None
    )
    return reference
