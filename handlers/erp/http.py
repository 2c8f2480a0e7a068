"""The destination `http`: each event is one request to an address.

Beside the body go, in header fields of ours: `Idempotency-Key` (the same for each attempt), `Webhooks-Event-Id`,
`Webhooks-Event-Name`, `Webhooks-Endpoint`, `Webhooks-Received-At`, `Webhooks-Attempt`, and where they apply
`Webhooks-Resent: true`, `Webhooks-Stale` and `Webhooks-Echo` (parts of the event, with commas). Their values are
percent-encoded where they are not printable ASCII. An event with documents to fetch has `Webhooks-Document-Count`,
and `Webhooks-Documents`: a JSON array in ASCII with as many of them as fit into the head of a request. The body
stays what the contract says it is.
"""

from __future__ import annotations

import re
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from handlers.erp.documents_json import documents_json
from handlers.erp.exchange import Answer, Deadline, HttpClient, TooSlowError, UnreachableError
from handlers.erp.tokens import ClientCredentials, NoTokenError, TokenSource
from handlers.erp.verdicts import Rule, Verdict, verdict_of
from handlers.interface import (
    Accepted,
    Change,
    DocumentState,
    ErpEvent,
    JsonObject,
    Outcome,
    Refused,
    RenderedBody,
    TimedOut,
    Unavailable,
)

#: Longer ones are cut: servers refuse a head of more than 8 KB.
_MAX_FIELD = 1000
#: The same for the documents, which need more room.
_MAX_DOCUMENTS_FIELD = 4000
#: Of an answer's body, in the reason of a refusal.
_MAX_REASON = 300
#: A server that asks for more patience than this is asked again all the same; in seconds.
_MAX_RETRY_AFTER = 86_400.0


@dataclass(frozen=True, slots=True)
class Basic:
    """User name and password (RFC 7617)."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that does not change (RFC 6750)."""

    token: str = field(repr=False)


Authorization: TypeAlias = Basic | Bearer | ClientCredentials


class HttpDestination:
    """Hands events over by HTTP; one object for all threads, each with a connection of its own."""

    def __init__(
        self,
        url: str,
        *,
        method: str = "POST",
        authorization: Authorization | None = None,
        headers: Mapping[str, str] | None = None,
        rules: Sequence[Rule] = (),
        timeout: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url = url
        self._method = method
        self._authorization = authorization
        self._headers = dict(headers or {})
        self._rules = tuple(rules)
        self._timeout = timeout
        self._client = HttpClient(tls)
        credentials = authorization if isinstance(authorization, ClientCredentials) else None
        self._tokens = TokenSource(credentials, self._client) if credentials else None
        self._secrets = sorted(filter(None, self._known_secrets()), key=len, reverse=True)

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """The outcome by the status of the answer; no connection or no access token is `Unavailable`."""
        deadline = Deadline(self._timeout)
        try:
            answer = self._ask(event, body, deadline)
        except (UnreachableError, NoTokenError) as error:
            return Unavailable(str(error))
        except TooSlowError as error:
            return TimedOut(str(error))
        return self._outcome(answer)

    def close(self) -> None:
        """End all connections."""
        self._client.close()

    def _ask(self, event: ErpEvent, body: RenderedBody, deadline: Deadline) -> Answer:
        headers = {"Content-Type": body.media_type, **_facts(event), **self._headers}
        if self._tokens is None:
            if self._authorization is not None:
                headers["Authorization"] = _fixed(self._authorization)
            return self._client.send(self._method, self._url, headers, body.content, deadline)
        token = self._tokens.token(deadline)
        headers["Authorization"] = f"Bearer {token}"
        answer = self._client.send(self._method, self._url, headers, body.content, deadline)
        if answer.status == 401:
            self._tokens.forget(token)
            headers["Authorization"] = f"Bearer {self._tokens.token(deadline)}"
            answer = self._client.send(self._method, self._url, headers, body.content, deadline)
        return answer

    def _outcome(self, answer: Answer) -> Outcome:
        reason = self._reason(answer)
        match verdict_of(answer.status, self._rules):
            case Verdict.ACCEPTED:
                return Accepted(_status(answer.status))
            case Verdict.REFUSED:
                return Refused(reason)
            case Verdict.UNKNOWN_ORDER:
                return Refused(reason, unknown_order=True)
            case Verdict.UNAVAILABLE:
                return Unavailable(reason, retry_after(answer.headers))
            case Verdict.TIMED_OUT:
                return TimedOut(reason)

    def _reason(self, answer: Answer) -> str:
        """Status and beginning of the answer, on one line and without what we sent to prove who we are."""
        text = answer.body.decode("utf-8", "replace")
        for secret in self._secrets:
            text = text.replace(secret, "********")
        text = re.sub(r"(?i)\b(basic|bearer)\s+[\w.~+/=-]+", r"\1 ********", text)
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if len(text) > _MAX_REASON:
            text = text[: _MAX_REASON - 1] + "…"
        status = _status(answer.status)
        return f"it answers {status}: {text}" if text else f"it answers {status}"

    def _known_secrets(self) -> list[str]:
        """What an answer may repeat and nobody should read."""
        query = urlsplit(self._url).query
        secrets = [query, *(part.partition("=")[2] for part in query.split("&")), *self._headers.values()]
        match self._authorization:
            case Basic(_, password):
                secrets.append(password)
            case Bearer(token):
                secrets.append(token)
            case ClientCredentials():
                secrets.append(self._authorization.client_secret)
        return [secret for secret in secrets if len(secret) >= 4]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server wants to be asked again (RFC 9110, section 10.2.3), if it says so."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), _MAX_RETRY_AFTER)
    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    try:
        # By its own clock, which may differ from ours.
        now = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError, OSError):
        now = time.time()
    return min(max(0.0, then - now), _MAX_RETRY_AFTER)


def _facts(event: ErpEvent) -> dict[str, str]:
    facts = {
        "Idempotency-Key": event.idempotency_key,
        "Webhooks-Event-Id": event.id,
        "Webhooks-Event-Name": event.event_name,
        "Webhooks-Endpoint": event.endpoint.value,
        "Webhooks-Received-At": event.received_at.isoformat(),
        "Webhooks-Attempt": str(event.attempt),
        "Webhooks-Resent": "true" if event.resent else "",
        "Webhooks-Stale": ", ".join(event.stale),
        "Webhooks-Echo": ", ".join(event.echo),
    }
    fields = {name: _field(value) for name, value in facts.items() if value}
    # Where none was to be fetched, the body says as much.
    if any(document.state is not DocumentState.DATA for document in event.documents):
        fields["Webhooks-Document-Count"] = str(len(event.documents))
        fields["Webhooks-Documents"] = documents_json(event.documents, _MAX_DOCUMENTS_FIELD)
    return fields


def _field(value: str) -> str:
    """The value is foreign: a line break in it would be the end of the field."""
    encoded = quote(value, safe=" !#$&'()*+,-./:;<=>?@[]^_`{|}~", errors="replace").strip()
    if len(encoded) <= _MAX_FIELD:
        return encoded
    return re.sub(r"%.?$", "", encoded[: _MAX_FIELD - 3]) + "..."


def _fixed(authorization: Basic | Bearer | ClientCredentials) -> str:
    match authorization:
        case Basic(username, password):
            return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"
        case Bearer(token):
            return f"Bearer {token}"
    raise TypeError(authorization)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
