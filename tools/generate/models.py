"""Pydantic models from a served contract, by datamodel-code-generator."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from datamodel_code_generator import Error, generate
from datamodel_code_generator.enums import DataModelType, InputFileType
from datamodel_code_generator.format import Formatter, PythonVersion

Json = Any

#: Formats whose Python type is our own; every other format stays plain text or a plain number, because a model
#: must never fail on a text that the contract accepts.
_TYPES = {
    "decimal": "generated.models.wire_types.ExactDecimal",
    "date": "generated.models.wire_types.Date",
    "date-time": "generated.models.wire_types.Timestamp",
    "date-time-local": "generated.models.wire_types.Timestamp",
    "time-local": "generated.models.wire_types.LocalTime",
}


def write_models(document: Json, target: Path, header: str) -> None:
    """Write the models of the request body's schemas of `document` to the module `target`.

    Members are in snake case with the wire's name as alias; unknown members are kept; values of open lists are
    plain text; quantities and prices are exact decimals.

    Raises:
        ValueError: the generator of the models cannot work with the document.
    """
    schemas = copy.deepcopy(document["components"]["schemas"])
    _only_reachable_from(schemas, "WebhookBody")
    schemas["WebhookBody"].pop("anyOf", None)  # tells the two endpoints apart, says nothing about the members
    for schema in schemas.values():
        _choose_types(schema)
    reduced = {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": {},
        "components": {"schemas": schemas},
    }
    try:
        generate(
            yaml.safe_dump(reduced, allow_unicode=True, sort_keys=False),
            input_file_type=InputFileType.OpenAPI,
            output=target,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            base_class="generated.models.wire_types.WireModel",
            snake_case_field=True,
            use_annotated=True,
            field_constraints=True,
            use_schema_description=True,
            use_field_description=True,
            disable_timestamp=True,
            custom_file_header=header,
            formatters=[Formatter.RUFF_CHECK, Formatter.RUFF_FORMAT],
        )
    except Error as error:
        raise ValueError(f"no models can be made of it: {str(error).splitlines()[0]}") from error


def _only_reachable_from(schemas: Json, root: str) -> None:
    reachable: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in reachable:
            reachable.add(name)
            waiting.extend(_references(schemas[name]))
    for name in set(schemas) - reachable:
        del schemas[name]


def _references(node: Json) -> list[str]:
    if isinstance(node, dict):
        found = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
        return found + [name for value in node.values() for name in _references(value)]
    if isinstance(node, list):
        return [name for value in node for name in _references(value)]
    return []


def _choose_types(schema: Json) -> None:
    schema.pop("xml", None)
    # The generator of the models follows extensions such as `x-python-type`, and this file may be a foreign one.
    for extension in [key for key in schema if key.startswith("x-")]:
        del schema[extension]
    if (name := schema.pop("format", None)) in _TYPES:
        schema["customTypePath"] = _TYPES[name]
    for member in schema.get("properties", {}).values():
        _choose_types(member)
    if "items" in schema:
        _choose_types(schema["items"])
