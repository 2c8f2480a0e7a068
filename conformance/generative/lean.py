"""A smaller twin of the contract's schemas, from which Schemathesis generates in seconds and not in half an hour.

What is judged is judged by the contract as it is (`contract`); only what is generated is made less repetitive.
"""

from __future__ import annotations

from collections import deque
from typing import Any


def lean(schemas: dict[str, Any], root: dict[str, Any], *, each_payload: bool) -> dict[str, Any]:
    """The schemas, each spelt out at the first place that refers to it; at the others it is any object.

    With `each_payload` that is the first place of each payload, else the first of the whole body.

    A party or a schedule stands at dozens of places of an order, and the generator spells out every path to each of
    its members. Examples of single members go as well: with them the examples phase alone takes half an hour.
    """
    name = _named(root["$ref"])
    made = {name: _described(schemas[name])}
    made[name]["properties"]["eventName"]["minLength"] = 1
    # The branch for events of the future would make most bodies hold no payload at all.
    branches = [branch for branch in made[name].get("anyOf", ()) if "not" not in branch]
    if branches:
        made[name]["anyOf"] = branches
    for member, schema in made[name]["properties"].items():
        if (target := _reference(schema)) is not None:
            _spell_out(member if each_payload else "body", target, schema, schemas, made)
    return made


def _spell_out(
    payload: str, first: str, place: dict[str, Any], schemas: dict[str, Any], made: dict[str, Any]
) -> None:
    """Gives one payload its own copies of the schemas that it reaches, breadth first."""
    waiting = deque([(first, place)])
    while waiting:
        target, place = waiting.popleft()
        copy = f"{payload}.{target}"
        again = copy in made
        _point(place, f"{target}.again" if again else copy)
        if again:
            made[f"{target}.again"] = {"type": "object"}
            continue
        made[copy] = _described(schemas[target])
        for schema in made[copy].get("properties", {}).values():
            inner = schema.get("items", schema)
            if (reference := _reference(inner)) is not None:
                waiting.append((reference, inner))


def _reference(schema: dict[str, Any]) -> str | None:
    parts = [schema, *schema.get("allOf", ())]
    return next((_named(part["$ref"]) for part in parts if "$ref" in part), None)


def _point(schema: dict[str, Any], name: str) -> None:
    for part in [schema, *schema.get("allOf", ())]:
        if "$ref" in part:
            part["$ref"] = f"#/components/schemas/{name}"


def _named(reference: str) -> str:
    return reference.rpartition("/")[2]


def _described(value: Any, *, names: bool = False) -> Any:
    """A copy without what describes only; `names` says that the keys are names of members, not keywords."""
    if isinstance(value, list):
        return [_described(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _described(item, names=not names and key == "properties")
        for key, item in value.items()
        if names or not (key in ("example", "examples", "description") or key.startswith("x-"))
    }
