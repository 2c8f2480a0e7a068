"""Which combinations of request and answer a run has seen, and how often the answer was the right one."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from conformance.report.lookup import Record, judged
from conformance.report.overview import Overview
from conformance.verdict import Outcome

_JUDGED = frozenset({Outcome.PASS, Outcome.WEAK, Outcome.FAIL})
#: RFC 9110, sections 5.6.2 and 8.3.1: type and subtype, each a token.
_MEDIA_TYPE = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_NONE = "none"
_SEVERAL = "several"
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class TupleRow:
    """One combination of what was asked and what was answered."""

    operation: str
    """The webhook, by its path; with the method before it where that is not POST."""
    request_type: str
    """Media type without parameters; `none`, `several` or `other` if the head has no, two or a malformed one."""
    scheme: str
    """`basic`, `bearer`, `oauth`, or as above."""
    status: int | None
    """None: no answer."""
    answer_type: str
    attempts: int
    """Requests, controls included."""
    judged: int
    """Those of them that a PASS, WEAK or FAIL is about."""
    matches: int
    """Those of them that a PASS is about."""


_Key = tuple[str, str, str, int | None, str]


def tuple_rows(seen: Overview) -> list[TupleRow]:
    """One row for each combination that occurred, by operation, request and answer."""
    named = _operations(seen)
    attempts: Counter[_Key] = Counter()
    ruled: Counter[_Key] = Counter()
    matches: Counter[_Key] = Counter()
    for record in seen.results:
        about = judged(record)
        for exchange in record["exchanges"]:
            request = exchange["request"]
            if request is None:
                continue
            key = _key(named, record, exchange)
            attempts[key] += 1
            if exchange is about and record["outcome"] in _JUDGED:
                ruled[key] += 1
                matches[key] += record["outcome"] == Outcome.PASS
    order = sorted(attempts, key=lambda key: (*key[:3], key[3] or 0, key[4]))
    return [TupleRow(*key, attempts[key], ruled[key], matches[key]) for key in order]


def _operations(seen: Overview) -> dict[str, str]:
    """Path to webhook: the path that most requests to a webhook went to is its own."""
    paths: dict[str, Counter[str]] = {}
    for record in seen.results:
        if record["endpoint"]:
            found = paths.setdefault(record["endpoint"], Counter())
            found.update(_path(one["request"]) for one in record["exchanges"] if one["request"] is not None)
    return {found.most_common(1)[0][0]: endpoint for endpoint, found in paths.items() if found}


def _path(request: Record) -> str:
    return str(request["target"]).partition("?")[0]


def _key(named: dict[str, str], record: Record, exchange: Record) -> _Key:
    request, answer = exchange["request"], exchange["answer"]
    path = _path(request)
    operation = named.get(path, "another path" if named else path)
    if request["method"] != "POST":
        operation = f"{request['method']} {operation}"
    status = answer["status"]
    return (
        operation,
        _media_type(request["head"]),
        _scheme(request["head"], record["scheme"]),
        status,
        _NONE if status is None else _media_type(answer["head"]),
    )


def _media_type(head: str) -> str:
    value = _only(head, "content-type").partition(";")[0].strip().lower()
    return value if value in (_NONE, _SEVERAL) or _MEDIA_TYPE.fullmatch(value) else _OTHER


def _scheme(head: str, of_result: str) -> str:
    """By the header that went out; a bearer's token is signed or not, which only the result can say."""
    value = _only(head, "authorization").lower()
    word = value.partition(" ")[0]
    if word == "bearer":
        return "oauth" if of_result == "oauth" else "bearer"
    return word if word == "basic" or value in (_NONE, _SEVERAL) else _OTHER


def _only(head: str, name: str) -> str:
    fields = (line.partition(":") for line in head.split("\r\n")[1:])
    values = [value.strip() for field, _, value in fields if field.lower() == name]
    return _NONE if not values else _SEVERAL if len(values) > 1 else values[0]
