"""From a recorded call to what is wrong with its answer, by the sender model: first what becomes of the event."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from lxml import etree

from conformance.generative.journal import Recorded
from conformance.generative.values import Expectation
from conformance.oracle import Consequence, consequence

ACCEPTED = frozenset({200, 202})
REFUSED = frozenset({400, 413, 415, 422})
#: Only for a method other than POST.
METHOD_REFUSED = frozenset({405, 501})
_LEAK = re.compile(
    rb"Traceback \(most recent call last\)|^\s+at [\w.$]+\([\w.]+:\d+\)"
    rb"|\.(?:py|java|cs|js|php|rb)(?::|:line |\()\d+"
    rb"|(?:/home/|/usr/|/var/|/opt/|[A-Z]:\\)[\w.\\/-]+\.\w+|\bat System\.|\bORA-\d{5}|SQLSTATE|sqlite3\.",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong with an answer."""

    check: str
    title: str
    weak: bool = False


def wrongs(call: Recorded, expectation: Expectation, budget_seconds: float) -> Iterator[Wrong]:
    """Everything that is wrong with the answer to a call, the fate of the event first."""
    yield from wrongs_of_status(call.method, call.status, expectation)
    yield from _answer(call)
    if call.seconds > budget_seconds:
        yield Wrong("answered_in_time", f"the answer took longer than {budget_seconds:g} s")
    for check, title in call.failed.items():
        yield Wrong(check, title.lower(), weak=True)


def wrongs_of_status(method: str, status: int | None, expectation: Expectation) -> Iterator[Wrong]:
    """What is wrong with the status alone."""
    yield from _fate(status, expectation) if method == "POST" else _other_method(method, status)


def _fate(status: int | None, expectation: Expectation) -> Iterator[Wrong]:
    fate = consequence(status)
    answer = "no answer" if status is None else f"status {status}"
    if expectation is Expectation.VALID:
        if fate is not Consequence.DELIVERED:
            yield Wrong("valid_delivered", f"a valid event was not accepted: {answer}")
        elif status not in ACCEPTED:
            yield Wrong("valid_status", f"a valid event was accepted by {answer}, not by 200 or 202", weak=True)
    elif expectation is Expectation.INVALID:
        if fate is Consequence.FAILED:
            yield Wrong("invalid_refused", "an invalid event was answered 500, not refused", weak=True)
        elif fate is not Consequence.REFUSED:
            yield Wrong("invalid_refused", f"an invalid event was not refused: {answer}")
        elif status not in REFUSED:
            yield Wrong("refusal_status", f"an invalid event was refused by {answer}", weak=True)
    elif fate not in (Consequence.DELIVERED, Consequence.REFUSED):
        yield Wrong("decided", f"an event was neither accepted nor refused: {answer}")
    elif fate is Consequence.REFUSED and status not in REFUSED:
        yield Wrong("refusal_status", f"an event that may be refused was refused by {answer}", weak=True)


def _other_method(method: str, status: int | None) -> Iterator[Wrong]:
    if consequence(status) is Consequence.DELIVERED and method in ("PUT", "PATCH", "DELETE"):
        yield Wrong("method_refused", f"{method} was accepted: status {status}")
    elif status not in METHOD_REFUSED:
        yield Wrong("method_refused", f"{method} was not answered 405: status {status}", weak=True)


def _answer(call: Recorded) -> Iterator[Wrong]:
    if call.repeats:
        yield Wrong("credentials_kept", "the answer repeats the credentials")
    if (call.status or 0) >= 400 and (
        leak := _LEAK.search(call.answer.replace(call.body, b"") if call.body else call.answer)
    ):
        yield Wrong(
            "no_leak",
            f"the answer shows the inside of the receiver: {leak[0][:40].decode(errors='replace')}",
            weak=True,
        )
    if call.answer and not _fits(call.answered_header("Content-Type"), call.answer):
        yield Wrong("body_fits_media_type", "the body of the answer is not of its declared media type", weak=True)


def _fits(media_type: str, body: bytes) -> bool:
    essence = media_type.partition(";")[0].strip().lower()
    try:
        if essence == "application/json" or essence.endswith("+json"):
            json.loads(body)
        elif essence in ("application/xml", "text/xml") or essence.endswith("+xml"):
            etree.fromstring(body, etree.XMLParser(resolve_entities=False, no_network=True))
        elif essence.startswith("text/"):
            return b"\0" not in body
    except (ValueError, etree.XMLSyntaxError):
        return False
    return bool(essence)
