"""Applies an OpenAPI Overlay (`specs/overlays/`) to a contract, and fills in the example bodies."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from jsonpath_ng.ext.parser import parse
from oas_patch.overlay import apply_overlay

Json = Any


class OverlayError(ValueError):
    """An overlay does not fit the contract; the text names the action."""


def apply(document: Json, overlay: Json, examples: Path) -> Json:
    """The contract with every action of the overlay applied.

    An action whose target is not in the contract is an error, not a silent nothing: it would leave out what the
    service promises. Unless it says `x-optional: true`, as one that refines what need not be there.
    An example that says `x-body-file: NAME` gets the body of that file in `examples` as value.

    Raises:
        OverlayError: for an action without a target in the document, or an example body that is not there.
    """
    for number, action in enumerate(overlay["actions"], 1):
        if not parse(action["target"]).find(document):
            if action.get("x-optional"):
                continue
            raise OverlayError(f"action {number}: nothing in the contract matches {action['target']}")
        document = apply_overlay(document, {"actions": [action]})
    _fill_in_bodies(document, examples)
    return document


def _fill_in_bodies(node: Json, examples: Path) -> None:
    if isinstance(node, dict):
        if "x-body-file" in node:
            name = node.pop("x-body-file")
            try:
                text = (examples / name).read_text(encoding="utf-8")
            except OSError as error:
                raise OverlayError(f"example body {name}: {error.strerror}") from error
            node["value"] = text if name.endswith(".xml") else json.loads(text, parse_float=Decimal)
        for value in node.values():
            _fill_in_bodies(value, examples)
    elif isinstance(node, list):
        for value in node:
            _fill_in_bodies(value, examples)
