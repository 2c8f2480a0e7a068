"""The way of a request: decided from the head as far as possible, then from the body, then kept, then answered.

It knows nothing of connections; HTTP/1.1 and HTTP/2 call the same two functions.
"""

from __future__ import annotations

import posixpath
import re
import threading
import time
import urllib.request
from dataclasses import dataclass
from urllib.parse import unquote

from conformance.mutants import (
    contract_check,
    habits_of_values,  # noqa: F401 - imported for the habits that it registers
    json_body,
)
from conformance.mutants.answers import INVALID, MEDIA, SIZE, Answer, RefusedError, problem, queued, refused
from conformance.mutants.authentication import Authentication, Caller
from conformance.mutants.contract_check import ViolationError
from conformance.mutants.credentials import BOTH_PATHS, ORDER_PATH, SHIPMENT_PATH
from conformance.mutants.erp import Erp
from conformance.mutants.event import JSON, XML, Event, members
from conformance.mutants.faults import Faults
from conformance.mutants.habits import answer_out_of_habit
from conformance.mutants.http_reading import Framing, Head
from conformance.mutants.sequence import Sequence
from conformance.mutants.states import States
from conformance.mutants.store import Kept, Store

MAX_BODY = 16 * 1024 * 1024
SMALL_BODY = 256 * 1024
MEDIUM_BODY = 4 * 1024 * 1024
NO_LIMIT = 1 << 40

_MEDIA_TYPES = {"application/json": JSON, "application/xml": XML, "text/xml": XML}
_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
_EVENTS_UNTIL_LEAK = 8
_RATE = 5
_BURST = 12
_LATE_SECONDS = 1.5


@dataclass(frozen=True)
class Delivery:
    """A request whose head was accepted: where it goes and how its body is to be read."""

    path: str
    media: str
    limit: int
    caller: Caller | None
    node: int


class Reception:
    """Answers requests."""

    def __init__(
        self,
        faults: Faults,
        authentication: Authentication,
        states: States,
        store: Store,
        erp: Erp,
        *,
        max_body: int = MAX_BODY,
        restarted: bool = False,
    ) -> None:
        self._faults = faults
        self._max_body = max_body
        self._authentication = authentication
        self._states = states
        self._store = store
        self._erp = erp
        self._sequence = Sequence()
        self._late_until = time.monotonic() + _LATE_SECONDS if restarted and faults.on("MU-197") else 0.0
        self._counting = threading.Lock()
        self._refusals = 0
        self._accepted = 0
        self._broken = False
        self._tokens: float = _BURST
        self._refilled = time.monotonic()

    def from_head(self, head: Head, how: Framing, node: int = 1) -> Delivery:
        """The delivery that a head announces.

        Raises:
            RefusedError: with the answer, when the head is enough to know it.
        """
        if self._faults.on("MU-81"):
            raise refused(400, "Bad request.")
        if self._faults.on("MU-82") or (self._faults.on("MU-260") and self._accepted >= _EVENTS_UNTIL_LEAK):
            raise refused(503, "The connection pool is exhausted.")
        if time.monotonic() < self._late_until:
            raise refused(404, "Nothing is here.")
        path, is_trick = self._path(head)
        self._check_method(head, path)
        if self._faults.on("MU-146"):
            return self._delivery(head, how, path, None, node)
        if self._faults.on("MU-138") and "form" in (head.first("content-type") or ""):
            return Delivery(path, "form", self._max_body, None, node)
        caller = None if is_trick else self._authentication_of(head, path)
        self._check_load()
        return self._delivery(head, how, path, caller, node)

    def from_body(self, head: Head, delivery: Delivery, data: bytes) -> Answer:
        """The answer to a delivery with its body."""
        if delivery.media == "form":
            good = self._authentication.form_token_is_good(data)
            return queued() if good else problem(401, "The credentials are missing or wrong.")
        try:
            event = self._read(delivery, data, head)
        except RefusedError as refusal:
            return self._counted(refusal.answer)
        if delivery.caller is None and self._faults.on("MU-146"):
            try:
                self._authentication_of(head, delivery.path)
            except RefusedError as refusal:
                return refusal.answer
        return self._processed(event, delivery.node)

    # From the head.

    def _path(self, head: Head) -> tuple[str, bool]:
        """The path, and whether a fault lets it in without credentials."""
        path = head.path
        if path in BOTH_PATHS:
            return path, False
        if self._faults.on("MU-122"):
            return ORDER_PATH, False
        if self._faults.on("MU-264"):
            plain = posixpath.normpath(re.sub("/+", "/", unquote(unquote(path)).lower()))
            if plain in BOTH_PATHS:
                return plain, True
        if self._faults.on("MU-37"):
            raise RefusedError(Answer(200, b"<html><body>Welcome</body></html>", "text/html"))
        raise refused(404, "Nothing is here.")

    def _check_method(self, head: Head, path: str) -> None:
        method = head.method
        if self._faults.on("MU-263"):
            method = next((v for name in _OVERRIDES if (v := head.first(name))), method).upper()
        if method == "POST" or (self._faults.on("MU-120") and method in ("PUT", "PATCH")):
            return
        if self._faults.on("MU-37"):
            raise RefusedError(Answer(200, b"<html><body>Welcome</body></html>", "text/html"))
        if self._faults.on("MU-121") and method in ("GET", "HEAD"):
            raise RefusedError(Answer(200, b'{"status":"up"}', "application/json"))
        allow = () if self._faults.on("MU-39") else (("Allow", "POST"),)
        raise RefusedError(problem(405, f"Only POST is possible at {path}.", headers=allow))

    def _authentication_of(self, head: Head, path: str) -> Caller:
        caller = self._authentication.caller(head)
        if path not in caller.paths and not self._faults.on("MU-130"):
            raise refused(403, "These credentials may not deliver here.")
        return caller

    def _check_load(self) -> None:
        if self._faults.on("MU-65"):
            with self._counting:
                now = time.monotonic()
                self._tokens = min(_BURST, self._tokens + (now - self._refilled) * _RATE)
                self._refilled = now
                too_fast = self._tokens < 1
                self._tokens -= 0 if too_fast else 1
            if too_fast:
                raise RefusedError(problem(429, "Too many requests.", headers=(("Retry-After", "1"),)))
        if self._states.on("overloaded"):
            if self._faults.on("MU-47", "MU-192"):
                raise refused(429 if self._faults.on("MU-47") else 408, "The receiver is overloaded.")
            when = () if self._faults.on("MU-191") else (("Retry-After", "5"),)
            raise RefusedError(problem(503, "The receiver is overloaded.", headers=when))

    def _delivery(self, head: Head, how: Framing, path: str, caller: Caller | None, node: int) -> Delivery:
        if self._faults.on("MU-183") and any(len(value) > 1024 for _, value in head.fields):
            raise refused(431, "A header field is too long.")
        if self._faults.on("MU-184") and head.first("traceparent"):
            raise refused(400, "The header traceparent is not expected.")
        expectation = head.first("expect")
        if expectation is not None and (expectation.lower() != "100-continue" or self._faults.on("MU-214")):
            raise refused(417, "This expectation cannot be met.")
        media = self._media(head)
        limit = self._max_body
        if self._faults.on("MU-64"):
            limit = NO_LIMIT
        elif self._faults.on("MU-211"):
            limit = SMALL_BODY
        elif self._faults.on("MU-275"):
            limit = MEDIUM_BODY
        if how.length > limit:
            raise self.too_large(limit)
        return Delivery(path, media, limit, caller, node)

    def too_large(self, limit: int) -> RefusedError:
        """The refusal of a body that is over the limit."""
        return RefusedError(problem(413, f"The body is longer than {limit} bytes.", reason=SIZE))

    def _media(self, head: Head) -> str:
        if coding := [v for v in head.all("content-encoding") if v.lower() not in ("", "identity")]:
            if self._faults.on("MU-217"):
                raise refused(500, "UnicodeDecodeError: 'utf-8' codec can't decode byte 0x8b in position 1")
            raise RefusedError(
                problem(
                    415,
                    f"The content coding {coding[0]!r} is not supported.",
                    headers=(("Accept-Encoding", "identity"),),
                    reason=MEDIA,
                )
            )
        declared = head.all("content-type")
        text = declared[0] if len(declared) == 1 else ""
        if self._faults.on("MU-72"):
            return XML if "xml" in text.lower() else JSON
        if self._faults.on("MU-235") and not declared:
            return JSON
        name, _, rest = text.partition(";")
        parameters = _parameters(rest)
        if self._faults.on("MU-31"):
            name, parameters = text, {}
        if not self._faults.on("MU-181"):
            name = name.lower()
        media = _MEDIA_TYPES.get(name.strip())
        if self._faults.on("MU-182") and set(parameters) - {"charset"}:
            media = None
        if parameters.get("charset", "utf-8").lower() not in ("utf-8", "utf8") and not self._faults.on("MU-236"):
            media = None
        if media is None:
            raise RefusedError(
                problem(415, "The body has to be application/json or application/xml, in UTF-8.", reason=MEDIA)
            )
        return media

    # From the body.

    def _read(self, delivery: Delivery, data: bytes, head: Head) -> Event:
        if self._faults.on("MU-220") and not data.strip():
            raise RefusedError(queued())
        if self._broken:
            raise refused(500, "The reader is closed.")
        media = delivery.media
        if self._faults.on("MU-233"):
            media = XML if data.lstrip()[:1] == b"<" else JSON
        if self._faults.on("MU-234") and media == JSON and data.lstrip()[:1] == b"<":
            raise refused(503, "The body could not be mapped.")
        if media == JSON:
            body = json_body.read(data, self._faults)
        else:
            from conformance.mutants import txml_body, xml_reading

            body = txml_body.members(delivery.path, xml_reading.read(data, self._faults), self._faults)
        event = Event(delivery.path, media, data, body)
        self._check(event)
        return event

    def _check(self, event: Event) -> None:
        try:
            contract_check.check(event.path, event.body)
        except ViolationError as violation:
            if self._overlooks(event, violation):
                raise RefusedError(queued()) from violation
            status = 503 if self._faults.on("MU-226") and not violation.is_missing else 400
            raise refused(status, f"{violation}.", reason=INVALID) from violation
        answer = answer_out_of_habit(event, self._faults)
        if answer is not None:
            raise RefusedError(answer)

    def _overlooks(self, event: Event, violation: ViolationError) -> bool:
        """Faults that take what contradicts the contract."""
        if self._faults.on("MU-223") and violation.is_missing and "eventName" in str(violation):
            return True
        if self._faults.on("MU-278") and event.body.get("eventName", "") is None:
            return True
        if self._faults.on("MU-224") and violation.is_missing and "shipment" in str(violation):
            return True
        if self._faults.on("MU-225") and not violation.is_missing:
            return True
        other_path = SHIPMENT_PATH if event.path == ORDER_PATH else ORDER_PATH
        if self._faults.on("MU-243"):
            try:
                contract_check.check(other_path, event.body)
            except ViolationError:
                return False
            return True
        return False

    def _counted(self, answer: Answer) -> Answer:
        """Faults that let one bad body spoil what follows."""
        if answer.status == 400:
            with self._counting:
                self._refusals += 1
                self._broken = self._faults.on("MU-267")
            if self._faults.on("MU-189") and self._refusals % 3 == 0:
                return problem(503, "The circuit is open.")
        return answer

    # What is kept.

    def _processed(self, event: Event, node: int) -> Answer:
        with self._counting:
            self._accepted += 1
        if self._faults.on("MU-107") and event.media == XML:
            return queued()
        if self._faults.on("MU-266"):
            _fetch_documents(event)
        if self._store.seen(event, node):
            return self._repeated()
        if self._faults.on("MU-196"):
            self._store.remember(event, node)
        key = self._store.key(event)
        if self._sequence.has_to_wait(event, key) and not self._faults.on("MU-286"):
            detail = "An earlier event of the same order is not finished."
            return problem(503, detail, headers=(("Retry-After", "5"),))
        try:
            if not self._erp.deliver(event):
                return Answer(200, b'{"status":"processed"}', "application/json")
        except RefusedError as refusal:
            return self._not_taken(event, node, refusal.answer)
        if self._states.on("store-down"):
            if self._faults.on("MU-51"):
                return queued()
            if self._faults.on("MU-194"):
                return problem(500, "The store could not be written.")
            return problem(503, "The store cannot be written.", headers=(("Retry-After", "5"),))
        kept = self._store.keep(event, node)
        self._sequence.finished(event, key)
        if kept is Kept.OLDER and self._faults.on("MU-202"):
            return problem(409, "A newer version of the order is known.")
        return self._repeated() if kept is Kept.SEEN else self._acknowledged(event)

    def _not_taken(self, event: Event, node: int, answer: Answer) -> Answer:
        """The ERP did not take the event, and this is what Tradecloud is told."""
        key = self._store.key(event)
        if answer.status > 500:
            if self._faults.on("MU-285") and self._sequence.is_unfinished(event, key):
                self._store.remember(event, node)
            self._sequence.comes_again(event, key)
            return answer
        self._sequence.finished(event, key)
        if not self._faults.on("MU-288"):
            self._store.keep_refused(event)
        return answer

    def _repeated(self) -> Answer:
        if self._faults.on("MU-54"):
            return problem(409, "This message was received before.")
        if self._faults.on("MU-199"):
            return problem(500, "UNIQUE constraint failed: event.message_id")
        return queued(duplicate=True)

    def _acknowledged(self, event: Event) -> Answer:
        if event.path == SHIPMENT_PATH and self._faults.on("MU-38", "MU-118"):
            status = 307 if self._faults.on("MU-38") else 303
            return Answer(status, headers=(("Location", "https://localhost/elsewhere"),))
        if self._faults.on("MU-281"):
            return Answer(202, b'{"status":"queued","eventId":42}', "application/json")
        if self._faults.on("MU-73", "MU-74"):
            shown = " ".join(f"{name}={text}" for name, text in members(event.body))
            return Answer(202, f'{{"status":"queued","received":{shown!r}}}'.encode(), "text/plain")
        if self._faults.on("MU-261"):
            value = event.order_numbers[0] if event.order_numbers else event.name
            texts = [text for _, text in members(event.body) if "\n" in text or "\r" in text]
            return queued().with_header("X-Received", texts[0] if texts else value)
        if self._faults.on("MU-262"):
            shown = "".join(f"<li>{text}</li>" for _, text in members(event.body))
            return Answer(
                202, f"<html><ul>{shown}</ul></html>".encode("utf-8", "replace"), "text/html; charset=utf-8"
            )
        return queued()


def _parameters(text: str) -> dict[str, str]:
    found = re.findall(r';?\s*([^\s=;]+)\s*=\s*(?:"([^"]*)"|([^;\s]*))', text)
    return {name.lower(): quoted or plain for name, quoted, plain in found}


def _fetch_documents(event: Event) -> None:
    """The fault MU-266: whoever sends an event decides which addresses this machine calls."""
    for name, text in members(event.body):
        if name == "url" and text.startswith("http"):
            try:
                urllib.request.urlopen(text, timeout=2).close()  # noqa: S310 - that is the fault
            except (OSError, ValueError):
                continue
