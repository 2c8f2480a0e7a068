"""Checks a parsed body against the served contract: JSON types and structure, nothing else."""

from __future__ import annotations

from typing import Any

import jsonschema_rs

from handlers.interface import JsonObject
from service.contract import ROOT, Contract, tolerant_schema
from service.parsed_body import MAX_SEARCHED, ParsedBody, pointer_to
from service.problems import BodyRefusedError, Finding

_TYPE_NAMES = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}


class BodyValidator:
    """Compiled once for each endpoint."""

    def __init__(self, contract: Contract) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(tolerant_schema(contract))
        self._refusal: str = contract.schemas[ROOT].get("x-refusal", "no accepted form of this object")

    def validate(self, parsed: ParsedBody, *, known_to_be_valid: bool = False) -> JsonObject:
        """The document, which is then known to be an object that fits the contract.

        Raises:
            BodyRefusedError: with every finding.
        """
        document = parsed.document
        if known_to_be_valid or self._validator.is_valid(document):
            assert isinstance(document, dict)  # noqa: S101 - the contract's root is an object
            return document
        searched = parsed.searchable()
        findings = [self._finding(error) for error in self._validator.iter_errors(searched)]
        count = f"{len(findings)} finding" + ("s" if len(findings) > 1 else "")
        if searched is not document:
            count = f"At least {count} (only the first {MAX_SEARCHED} values were looked at)"
        raise BodyRefusedError(f"{count}; the body is kept in quarantine.", findings)

    def _finding(self, error: Any) -> Finding:
        """Our own words: the library's quote the value, and the value may be all of a large body."""
        pointer = pointer_to(*error.instance_path)
        kind = error.kind
        match kind:
            case jsonschema_rs.ValidationErrorKind.Type():
                expected = " or ".join(kind.types)
                return Finding(pointer, f"expected {expected}, found {_type_name(error.instance)}")
            case jsonschema_rs.ValidationErrorKind.Required():
                hint = f"; {self._refusal}" if not pointer and kind.property != "eventName" else ""
                return Finding(pointer, f"the member {kind.property!r} is missing{hint}")
            case jsonschema_rs.ValidationErrorKind.AnyOf():
                return Finding(pointer, self._refusal)
            case _:
                return Finding(pointer, f"does not fit the contract ({error.schema_path[-1]})")


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), "number")
