"""Finds the webhook in a Swagger 2.0 document: the operation by which the platform sends an event.

Its path only stands for the receiver's address and may have any name. A document may describe other operations
beside it (settings, for instance); they are none of the receiver's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tools.generate.composition import Definitions, UnsupportedConstructError, listing, mapping

Json = Any

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PARAMETER_PLACES = ("body", "formData", "header", "path", "query")


@dataclass(frozen=True, slots=True)
class WebhookOperation:
    """The operation with what the document says about it in other places."""

    path: str
    description: Json
    """The operation as it stands in the document."""
    media_types: tuple[str, ...]
    """What the sender may send: of the operation, else of the whole document; empty if nothing is said."""
    body: Json
    """The body parameter."""

    @property
    def where(self) -> str:
        """Its place in the document, for messages."""
        return f"#/paths/{self.path}/post"


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """Path, method in lower case and description of every operation."""
    for path, item in mapping(document.get("paths", {}), "#/paths").items():
        for method, operation in mapping(item, f"#/paths/{path}").items():
            if method in _METHODS:
                yield path, method, mapping(operation, f"#/paths/{path}/{method}")


def webhook_operation(document: Json, definitions: Definitions) -> WebhookOperation | None:
    """The one POST with a body; of several the one whose body has an `eventName` (the first of several with the
    same body). None if there is none.

    Raises:
        UnsupportedConstructError: several could be meant, or its parameters cannot be understood.
    """
    candidates = []
    for path, method, operation in operations(document):
        if method == "post":
            body = _body(document, path, operation)
            if body is not None:
                candidates.append(WebhookOperation(path, operation, _media_types(document, operation), body))
    if len(candidates) > 1:
        candidates = [one for one in candidates if _has_event_name(one, definitions)]
    if any(one.body.get("schema") != candidates[0].body.get("schema") for one in candidates):
        paths = ", ".join(one.path for one in candidates)
        raise UnsupportedConstructError(f"more than one webhook ({paths})", "#/paths")
    return candidates[0] if candidates else None


def _body(document: Json, path: str, operation: Json) -> Json | None:
    where = f"#/paths/{path}/post/parameters"
    bodies = []
    common = listing(document["paths"][path].get("parameters", []), where)
    for parameter in [*common, *listing(operation.get("parameters", []), where)]:
        parameter = _shared(document, "parameters", parameter, where)
        if parameter.get("in") not in _PARAMETER_PLACES:
            raise UnsupportedConstructError(f"a parameter in {parameter.get('in')!r}", where)
        if parameter["in"] == "formData":
            raise UnsupportedConstructError("a form", where)
        if parameter["in"] == "body" and parameter not in bodies:
            bodies.append(parameter)
    if len(bodies) > 1:
        raise UnsupportedConstructError("more than one body", where)
    return bodies[0] if bodies else None


def shared_response(document: Json, response: Json, where: str) -> Json:
    """The response, looked up in the document's shared ones if it is a reference."""
    return _shared(document, "responses", response, where)


def _shared(document: Json, kind: str, value: Json, where: str) -> Json:
    reference = mapping(value, where).get("$ref")
    if reference is None:
        return value
    prefix = f"#/{kind}/"
    name = reference.removeprefix(prefix) if isinstance(reference, str) and reference.startswith(prefix) else None
    shared = mapping(document.get(kind, {}), f"#/{kind}")
    if name not in shared:
        raise UnsupportedConstructError(f"the reference {reference!r}", where)
    return mapping(shared[name], f"#/{kind}/{name}")


def _media_types(document: Json, operation: Json) -> tuple[str, ...]:
    said = listing(operation.get("consumes", document.get("consumes", [])), "#/consumes")
    return tuple(str(name).partition(";")[0].strip().lower() for name in said)


def _has_event_name(operation: WebhookOperation, definitions: Definitions) -> bool:
    where = f"{operation.where}/parameters/body/schema"
    return "eventName" in definitions.plain(operation.body.get("schema"), where).get("properties", {})
