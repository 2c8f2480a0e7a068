"""What a served contract says of answers: the schema that it declares for the body of a success."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from conformance import yaml_text


@cache
def success_schema(contract: Path, status: int) -> jsonschema_rs.Draft202012Validator | None:
    """What the body in JSON of an answer with this status has to keep; None if the contract declares nothing."""
    document: dict[str, Any] = yaml_text.read(contract.read_text(encoding="utf-8"))
    (item,) = document["paths"].values()
    declared = item["post"]["responses"].get(str(status))
    if declared is None:
        return None
    content = _followed(declared, document).get("content", {})
    if "application/json" not in content:
        return None
    components = _as_json_schema(document.get("components", {}))
    schema = _as_json_schema(content["application/json"].get("schema", {}))
    return jsonschema_rs.Draft202012Validator({**schema, "components": components})


def _followed(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    found: Any = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return _followed(found, document)


def _as_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 calls nullable what JSON Schema gives a second type."""
    if isinstance(node, list):
        return [_as_json_schema(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: _as_json_schema(held) for name, held in node.items() if name not in ("example", "examples")}
    if made.pop("nullable", False) is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    return made
