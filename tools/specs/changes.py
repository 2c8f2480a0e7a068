"""What a comparison finds; what is breaking and what is additive is decided in `comparison.py`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """What a difference means to the receiver; see the head of `comparison.py`."""

    BREAKING = "breaking"
    ADDITIVE = "additive"


class Kind(StrEnum):
    """What differs."""

    OPERATION_ADDED = "operation added"
    OPERATION_REMOVED = "operation removed"
    MEDIA_TYPE_ADDED = "media type added"
    MEDIA_TYPE_REMOVED = "media type removed"
    EVENT_ADDED = "event added"
    EVENT_REMOVED = "event removed"
    MEMBER_ADDED = "member added"
    MEMBER_REMOVED = "member removed"
    TYPE = "type changed"
    FORMAT = "format changed"
    REQUIRED = "now required"
    """The object, with those of its members that we know and do not require."""
    NO_LONGER_REQUIRED = "no longer required"
    NULLABLE = "nullable changed"
    VALUE_ADDED = "value added"
    VALUE_REMOVED = "value removed"
    LIST_CLOSED = "value list closed"
    LIST_ADDED = "value list added"
    LIST_REMOVED = "value list removed"
    XML = "xml name changed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    kind: Kind
    severity: Severity
    place: str
    """From the body, such as `WebhookBody.orderEvent.lines[].id`; for operations and media types the path."""
    ours: str | tuple[str, ...] | None = None
    live: str | tuple[str, ...] | None = None
    confidence: str | None = None
    """How firm the evidence for ours was (`x-confidence`), where our file says so: `inf` was a guess."""
    also_at: tuple[str, ...] = ()
    """Further places with the same difference."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """All differences, breaking ones first, and remarks that are no differences."""

    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def severity(self) -> Severity | None:
        """Of the worst difference; None without one."""
        return max((change.severity for change in self.changes), default=None, key=WEIGHT.__getitem__)


#: For sorting.
WEIGHT = {Severity.ADDITIVE: 0, Severity.BREAKING: 1}
