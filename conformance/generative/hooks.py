"""The only module that imports Schemathesis, and only its public hooks. It runs inside the process of `st run`.

It thins out what would be sent again and again, gives bodies a fresh identity, writes tXML by our rules, and
keeps a journal of every call. It judges nothing: that is done from the journal, outside (`judging`). Only of the
credentials it says here whether an answer repeats them, because no secret goes into the journal.
"""

from __future__ import annotations

import base64
import json
import os
import re
from typing import TYPE_CHECKING, Any

import schemathesis

from conformance.contract.reading import Endpoint, Payload
from conformance.contract.text import JsonObject
from conformance.contract.text import parse as parse_exactly
from conformance.contract.txml import TxmlError, to_txml
from conformance.generative.credentials import KnownCredentials
from conformance.generative.hook_settings import AUTHORIZATION_VARIABLE, SETTINGS_VARIABLE
from conformance.generative.identity import Identities
from conformance.generative.values import AUTHORIZATION

if TYPE_CHECKING:
    import requests

_LONGEST_KEPT = 65_536

_settings = json.loads(os.environ[SETTINGS_VARIABLE])
_endpoint = Endpoint(_settings["endpoint"])
_credentials = KnownCredentials(os.environ[AUTHORIZATION_VARIABLE])
_identities = Identities(_settings["run"], _endpoint.value)
_journal = open(_settings["journal"], "a", encoding="ascii")  # noqa: SIM115 - open as long as the process lives
_payloads = [payload.value for payload in Payload if payload.endpoint is _endpoint]
_labels: dict[str, str] = {}
_seen: set[tuple[object, ...]] = set()


@schemathesis.hook
def filter_case(context: schemathesis.HookContext, case: schemathesis.Case[Any]) -> bool:
    """Drops what tXML cannot write, and cases of the coverage phase that differ only in the way to a member.

    The same address stands at dozens of places in an order: without this, that phase sends tens of thousands
    of bodies.
    """
    meta = case.meta
    if meta is None or meta.phase.name.value != "coverage":
        return not _unwritable(case)
    key = _nature(case.media_type, meta.phase.data)
    if key in _seen or _unwritable(case):
        return False
    _seen.add(key)
    return True


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Gives the body an identity of its own; remembers the generator's label, which an edit can change."""
    meta = case.meta
    _labels[case.id] = meta.generation.mode.value if meta else "positive"
    if isinstance(case.body, dict):
        case.body = _identities.fresh(_with_one_payload(case.body, meta))
    if case.media_type == "application/xml" and _identities.count % 2:
        case.media_type = "text/xml"


@schemathesis.hook
def after_call(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], response: schemathesis.Response
) -> None:
    """Keeps the call."""
    answered = [(name, value) for name, values in response.headers.items() for value in values]
    shown = b"\n".join([response.content, *(value.encode("latin-1", "replace") for _, value in answered)])
    clean = _credentials.clean(response.content)[:_LONGEST_KEPT]  # cut afterwards: half a secret is not found
    _write(
        _sent(case, response.request)
        | {
            "status": response.status_code,
            "reason": _credentials.clean_text(response.message),
            "answered": [[name, _credentials.clean_text(value)] for name, value in answered],
            "answer": base64.b64encode(clean).decode(),
            "repeats": _credentials.are_in(shown),
            "seconds": response.elapsed,
        }
    )


@schemathesis.hook
def after_network_error(
    context: schemathesis.HookContext, case: schemathesis.Case[Any], request: requests.PreparedRequest
) -> None:
    """Keeps a call that got no answer."""
    nothing: dict[str, Any] = {
        "status": None,
        "reason": "",
        "answered": [],
        "answer": "",
        "repeats": False,
        "seconds": 0.0,
    }
    _write(_sent(case, request) | nothing)


@schemathesis.hook
def after_validate(
    context: schemathesis.HookContext,
    case: schemathesis.Case[Any],
    response: schemathesis.Response,
    results: list[Any],
) -> None:
    """Keeps what the checks that come with Schemathesis said."""
    failed = {result.name: result.failure.title for result in results if result.failure is not None}
    if failed:
        _write({"failed": failed, "id": case.id})


@schemathesis.serializer("application/xml", "text/xml")
def txml(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The value as tXML. Schemathesis writes null as the text `null` and has other names for items of arrays."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, dict):
        return f"<WebhookBody>{json.dumps(value)}</WebhookBody>".encode()
    return to_txml(_endpoint, _exact(value)).encode()


def _sent(case: schemathesis.Case[Any], request: requests.PreparedRequest) -> dict[str, Any]:
    meta = case.meta
    data: Any = meta.phase.data if meta else None
    body = request.body.encode() if isinstance(request.body, str) else request.body
    return {
        "id": case.id,
        "label": _labels.pop(case.id, "positive"),
        "phase": meta.phase.name.value if meta else "",
        "scenario": getattr(data, "scenario", None) and data.scenario.value,
        "description": getattr(data, "description", None) or "",
        "mutations": [[m.operator.value, list(m.keywords)] for m in getattr(data, "mutations", ())],
        "method": request.method,
        "target": request.path_url,
        "headers": [[_text(name), _shown(name, value)] for name, value in request.headers.items()],
        "body": base64.b64encode(body or b"").decode(),
    }


def _with_one_payload(body: dict[str, Any], meta: Any) -> dict[str, Any]:
    """The body with the one payload that the case is about: the coverage phase fills them all."""
    present = [name for name in _payloads if isinstance(body.get(name), dict)]
    if meta is None or meta.phase.name.value != "coverage" or len(present) < 2:
        return body
    about = _path(meta.phase.data)[:1]
    kept = about[0] if about and about[0] in _payloads else present[0]
    return {name: value for name, value in body.items() if name == kept or name not in _payloads}


def _path(data: Any) -> list[str]:
    """The members that lead to what the case is about."""
    located = re.findall(r"(?:^|/)properties/([^/]+)", data.location or "")
    return located or re.findall(r"'([^']+)' value: ", data.description)


def _nature(media_type: str | None, data: Any) -> tuple[object, ...]:
    """What a case of the coverage phase is about, wherever in the body: the member and what it is given.

    A thorough run tells members of the same name apart by their parents. In tXML, whose writer and reader are the
    same everywhere, less is told apart.
    """
    scenario = str(data.scenario.value)
    path = _path(data)
    if not path:
        return (media_type, scenario, data.location, data.description)
    given = data.description.rpartition(": ")[2]
    keyword = (data.location or "").rpartition("/")[2]
    if media_type == "application/json":
        return ("json", scenario, tuple(path[-2:] if _settings["thorough"] else path[-1:]), given, keyword)
    return ("xml", scenario, path[-1], given if _settings["thorough"] else "", keyword)


def _unwritable(case: schemathesis.Case[Any]) -> bool:
    if case.media_type not in ("application/xml", "text/xml") or not isinstance(case.body, dict):
        return False
    try:
        to_txml(_endpoint, _exact(case.body))
    except (TxmlError, ValueError):
        return True
    return False


def _exact(value: Any) -> JsonObject:
    parsed = parse_exactly(json.dumps(value))
    assert isinstance(parsed, dict)  # noqa: S101 - an object was written
    return parsed


def _shown(name: str | bytes, value: str | bytes) -> str:
    return AUTHORIZATION if _text(name).lower() == "authorization" else _credentials.clean_text(_text(value))


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _write(record: dict[str, Any]) -> None:
    _journal.write(json.dumps(record) + "\n")
    _journal.flush()
