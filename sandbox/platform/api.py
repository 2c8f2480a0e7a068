"""The calls below /v2: who may call, how often, and what each answers (behaviour.md, sections 6, 8 and 10)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sandbox.platform.faults import CallFault, Faults, Pace
from sandbox.platform.links import Links, downloaded
from sandbox.platform.logins import Logins, Pair
from sandbox.platform.store import MAX_LIMIT, Document, Kind, Store, StoreError
from sandbox.serving import Answer, Request, json_answer, problem
from sandbox.wire import json_text


class Api:
    """Answers calls; used by several threads."""

    def __init__(
        self, store: Store, logins: Logins, links: Links, faults: Faults, pace: Pace, *, basic_seconds: float
    ) -> None:
        self._store = store
        self._logins = logins
        self._links = links
        self._faults = faults
        self._pace = pace
        self._basic_seconds = basic_seconds

    def __call__(self, request: Request) -> Answer:
        """The answer, or a fault instead of it."""
        self._faults.count("calls")
        if not self._pace.allows():
            self._faults.count("too_many")
            text = f"At most {self._pace.calls_per_second} calls a second are allowed."
            return problem(429, "Too Many Requests", text)
        fault = self._faults.next_call() or CallFault()
        if fault.status is not None:
            answer = problem(fault.status, "Refused", "The sandbox plays a fault.")
            again = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            return replace(answer, headers={**answer.headers, **again})
        answer = self._answer(request)
        return replace(answer, wait=answer.wait + fault.wait)

    def _answer(self, request: Request) -> Answer:
        match request.parts:
            case ("v2", "authentication", step):
                return self._authentication(step, request)
            case ("v2", "object-storage", "document", object_id):
                return self._with_user(request, "GET", lambda: self._content(object_id))
            case ("v2", "object-storage", "document", object_id, "metadata"):
                return self._with_user(request, "GET", lambda: self._metadata(object_id))
            case ("v2", *rest) if "/".join(rest) in set(Kind):
                return self._with_user(request, "POST", lambda: self._poll(Kind("/".join(rest)), request))
        return problem(404, "Not Found", f"The sandbox has nothing at {request.path}.")

    def _authentication(self, step: str, request: Request) -> Answer:
        method = {"login": "GET", "refresh": "GET", "logout": "POST"}.get(step)
        if method is None:
            return problem(404, "Not Found", f"The sandbox has nothing at {request.path}.")
        if request.method != method:
            return _only(method)
        authorization = request.headers.get("authorization", "")
        if step == "login":
            user = self._logins.user_by_basic(authorization)
            self._faults.count("logins")
            answer = _unauthorized() if user is None else _pair(self._logins.log_in(user))
            return replace(answer, wait=self._basic_seconds)
        if authorization:
            return problem(400, "Bad Request", "Send Refresh-Token only, without Authorization.")
        token = request.headers.get("refresh-token", "")
        if step == "refresh":
            self._faults.count("refreshes")
            pair = self._logins.refresh(token)
            return _unauthorized() if pair is None else _pair(pair)
        return Answer(200) if self._logins.log_out(token) else _unauthorized()

    def _with_user(self, request: Request, method: str, call: Any) -> Answer:
        authorization = request.headers.get("authorization", "")
        by_basic = authorization.lower().startswith("basic ")
        known = self._logins.user_by_basic if by_basic else self._logins.user_by_token
        if known(authorization) is None:
            answer = _unauthorized()
        elif request.method != method and not (method == "GET" and request.method == "HEAD"):
            answer = _only(method)
        else:
            answer = call()
        # Basic on every call is allowed here, and slow.
        return replace(answer, wait=self._basic_seconds) if by_basic else answer

    def _metadata(self, object_id: str) -> Answer:
        self._faults.count("metadata")
        document = self._store.document(object_id)
        if document is None:
            return _no_document(object_id)
        return json_answer(
            200,
            {
                "id": document.object_id,
                "filename": document.filename,
                "contentType": document.content_type,
                "downloadUrl": self._links.make(object_id),
            },
        )

    def _content(self, object_id: str) -> Answer:
        self._faults.count("streamed")
        document: Document | None = self._store.document(object_id)
        if document is None:
            return _no_document(object_id)
        loop = f"{self._links.base()}/loop/{quote(object_id, safe='')}"
        return downloaded(document, self._faults.next_download(), loop=loop)

    def _poll(self, kind: Kind, request: Request) -> Answer:
        self._faults.count("polls")
        try:
            asked: Any = json_text.read(request.body)
        except (ValueError, RecursionError):
            return problem(400, "Bad Request", "The body is no JSON.")
        filters = asked.get("filters") if isinstance(asked, dict) else None
        after = filters.get("lastUpdatedAfter") if isinstance(filters, dict) else None
        if not isinstance(after, str):
            return problem(400, "Bad Request", "filters.lastUpdatedAfter must be a date-time.")
        offset, limit = asked.get("offset", 0), asked.get("limit", MAX_LIMIT)
        if not _whole(offset, 0, None):
            return problem(400, "Bad Request", "offset must be a whole number from 0 on.")
        if not _whole(limit, 1, MAX_LIMIT):
            return problem(400, "Bad Request", f"limit must be a whole number from 1 to {MAX_LIMIT}.")
        try:
            page = self._store.poll(kind, after, offset, limit)
        except StoreError as error:
            return problem(400, "Bad Request", f"filters.lastUpdatedAfter: {error}")
        return json_answer(200, {"data": page.data, "total": page.total, "lastUpdatedAt": page.last_updated_at})


def _whole(value: object, least: int, most: int | None) -> bool:
    good = isinstance(value, int) and not isinstance(value, bool) and value >= least
    return good and (most is None or int(value) <= most)  # type: ignore[call-overload]  # it is an int


def _pair(pair: Pair) -> Answer:
    return Answer(200, headers={"Set-Authorization": pair.access, "Set-Refresh-Token": pair.refresh})


def _unauthorized() -> Answer:
    answer = problem(401, "Unauthorized", "Wrong or expired credentials.")
    return replace(answer, headers={**answer.headers, "WWW-Authenticate": 'Basic realm="sandbox"'})


def _only(method: str) -> Answer:
    answer = problem(405, "Method Not Allowed", f"Only {method} here.")
    return replace(answer, headers={**answer.headers, "Allow": method})


def _no_document(object_id: str) -> Answer:
    return problem(404, "Not Found", f"There is no document {object_id}.")
