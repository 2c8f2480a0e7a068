"""What goes beyond the documented contract: unknown members and values, longer lists, texts that are no dates.

All of it is accepted and kept. It is counted with the event, because it is the first sign that the platform has
moved on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

import jsonschema_rs

from handlers.interface import JsonValue
from service.contract import Contract, documented_schema
from service.parsed_body import ParsedBody, pointer_to

#: Different kinds of drift that are kept with one event; what goes beyond is only counted.
MAX_KEPT = 100
#: Longest part of a foreign name or value that is kept.
MAX_TEXT = 80


class Kind(StrEnum):
    """The kinds of drift that a later contract may know; `learnt.py` tells by their details whether it does."""

    MEMBER = "unknown member"
    VALUE = "unknown value"
    LIMIT = "over the documented limit"
    FORM = "unexpected form"


@dataclass(frozen=True, slots=True)
class Drift:
    """All that goes beyond the contract in one body."""

    count: int
    items: tuple[Mapping[str, JsonValue], ...]
    """Kind, place (JSON pointer with `*` for positions in lists), detail, and how often, most frequent first."""


class DriftFinder:
    """Compiled once for each endpoint."""

    def __init__(self, contract: Contract) -> None:
        self._validator = jsonschema_rs.Draft202012Validator(
            documented_schema(contract), validate_formats=True, formats=FORMATS
        )

    def beyond(self, parsed: ParsedBody) -> list[Any]:
        """What the documented schema finds, in the first part of a very large body. If that is nothing, the body
        is valid too: the documented schema is the tolerant one with more in it."""
        if self._validator.is_valid(parsed.document):
            return []
        return list(self._validator.iter_errors(parsed.searchable())) or [None]

    def summary(self, beyond: list[Any], parsed: ParsedBody, *, payload_kind: str | None) -> Drift:
        """Everything in a valid body that the contract does not know.

        `beyond` is what the function of that name found in it, `payload_kind` what the handler recognised.
        """
        counts: Counter[tuple[str, str, str]] = Counter()
        for error in beyond:
            if error is None:
                counts["beyond the contract", "", "in a part of this large body that was not searched"] += 1
            else:
                counts.update(_items(error))
        if payload_kind is None:
            counts["no known payload", "", "none of the payload members that the contract knows"] += 1
        if parsed.replaced:
            counts["unstorable character", "", "NUL or lone surrogate, replaced by U+FFFD"] += parsed.replaced
        for remark in parsed.remarks:
            counts[remark.kind, "", remark.detail] += remark.count
        kept: tuple[Mapping[str, JsonValue], ...] = tuple(
            {"kind": kind, "place": place, "detail": detail, "count": count}
            for (kind, place, detail), count in counts.most_common(MAX_KEPT)
        )
        return Drift(counts.total(), kept)


def _items(error: Any) -> Iterator[tuple[str, str, str]]:
    place = pointer_to(*("*" if isinstance(part, int) else part for part in error.instance_path))
    kind = error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
            for name in kind.unexpected:
                yield Kind.MEMBER, place, short(name)
        case jsonschema_rs.ValidationErrorKind.Enum():
            yield Kind.VALUE, place, short(error.instance)
        case jsonschema_rs.ValidationErrorKind.MaxItems():
            yield Kind.LIMIT, place, f"{len(error.instance)} items, documented {kind.limit}"
        case jsonschema_rs.ValidationErrorKind.Format():
            yield (
                Kind.FORM,
                place,
                f"{short(error.instance)} is no {kind.format.removeprefix('wire-')}",
            )
        case _:
            yield "beyond the contract", place, str(error.schema_path[-1])


def short(value: object) -> str:
    """A foreign name or value as it is kept."""
    text = str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _is(form: str, parse: Any) -> Any:
    pattern = re.compile(form)

    def check(value: object) -> bool:
        if not isinstance(value, str):
            return True
        if not pattern.fullmatch(value):
            return False
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return check


#: Tells whether a value has the form; names as in `contract.DATE_FORMATS`.
FORMATS = {
    "wire-date": _is(r"\d{4}-\d\d-\d\d", date.fromisoformat),
    "wire-time": _is(r"\d\d:\d\d:\d\d(\.\d+)?", time.fromisoformat),
    "wire-timestamp": _is(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?", datetime.fromisoformat),
}
