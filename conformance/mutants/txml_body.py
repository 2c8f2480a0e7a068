"""tXML: elements to the members that the contract has for them. Types come from the contract, not from the text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from conformance.mutants.answers import MALFORMED, refused
from conformance.mutants.contract_check import Shape, shape_of
from conformance.mutants.faults import Faults
from conformance.mutants.xml_reading import Element

ROOT = "WebhookBody"
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,9})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


def members(path: str, root: Element, faults: Faults) -> dict[str, Any]:
    """The members of the body, as its JSON twin would have them.

    Raises:
        RefusedError: the root is another one.
    """
    if faults.on("MU-252") and root.name == "Envelope":
        root = _first_below(_first_below(root, "Body"), ROOT)
    if root.name != ROOT and not faults.on("MU-251"):
        raise refused(400, f"The root element has to be {ROOT}.", reason=MALFORMED)
    if faults.on("MU-254") and root.prefix:
        raise refused(400, f"The root element has to be {ROOT}, not {root.prefix}:{ROOT}.", reason=MALFORMED)
    return _Conversion(root.namespace, faults).object(root, shape_of(path))


def _first_below(element: Element, name: str) -> Element:
    return next((child for child in element.children if child.name == name), element)


class _Conversion:
    def __init__(self, namespace: str, faults: Faults) -> None:
        self._namespace = namespace
        self._faults = faults

    def object(self, element: Element, shape: Shape) -> dict[str, Any]:
        self._refuse_strangers(element)
        found: dict[str, Any] = {}
        arrays = _arrays(shape)
        for child in element.children:
            if child.namespace not in ("", self._namespace):
                continue
            name = arrays.get(child.name, child.name)
            known = shape.members.get(name)
            if known is None and self._faults.on("MU-174"):
                raise refused(400, f"The element {child.name} is not known.")
            if known is not None and known.kind == "array":
                value = self.value(child, known.item or Shape("any", ""))
                if value is not None:
                    found.setdefault(name, []).append(value)
            elif name in found:
                # A member that stands twice is an array to whoever knows no better; the check refuses a known one.
                earlier = found[name] if isinstance(found[name], list) else [found[name]]
                found[name] = [*earlier, self.value(child, known or Shape("any", ""))]
            else:
                value = self.value(child, known or Shape("any", ""))
                if value is not None:
                    found[name] = value
        if self._faults.on("MU-115"):
            found = {
                n: v[0] if isinstance(v, list) and len(v) == 1 and n == "notes" else v for n, v in found.items()
            }
        return found

    def value(self, element: Element, shape: Shape) -> Any:
        """A value of the right type; text that is none stays text, for the check to refuse. Empty is absent."""
        text = element.text
        if element.children:
            if shape.kind in ("object", "any") and not text.strip():
                return self.object(element, shape)
            return {"": text} if shape.kind != "object" else text
        self._refuse_strangers(element)
        stripped = text.strip(" \t\r\n")
        if shape.kind in ("string", "any"):
            return text or None
        if not stripped:
            return {} if shape.kind == "object" else None
        if shape.kind in ("number", "integer") and _NUMBER.fullmatch(stripped):
            return Decimal(stripped)
        if shape.kind == "boolean" and stripped in _BOOLEANS:
            return _BOOLEANS[stripped]
        return text

    def _refuse_strangers(self, element: Element) -> None:
        if self._faults.on("MU-175") and element.attributes:
            raise refused(400, f"The element {element.name} has attributes.")
        if self._faults.on("MU-176") and element.namespace not in ("", self._namespace):
            raise refused(400, f"The namespace {element.namespace} is not known.")
        if self._faults.on("MU-176") and any(c.namespace not in ("", self._namespace) for c in element.children):
            raise refused(400, "An element is of a namespace that is not known.")


def _arrays(shape: Shape) -> dict[str, str]:
    """The element names of the arrays of an object.

    They come before a plain member of the same name: `destination` was one in the shipments of former days.
    """
    return {
        element: member
        for member, held in shape.members.items()
        if held.kind == "array"
        for element in held.elements
    }
