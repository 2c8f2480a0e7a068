"""Which of two states of the same thing is newer.

Order of arrival is not promised: `lastUpdatedAt` and `version` recognise older states (behaviour.md, section 3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from functools import lru_cache
from typing import TypeAlias

from handlers.interface import JsonObject, JsonValue
from handlers.reading import digits, text

Instant: TypeAlias = tuple[int, str]
"""Seconds since the year 1 in UTC, and the digits of the fraction without closing zeros, however many they are."""

_DATE_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})?)"
)
#: Members that mark a state; they are no content of it.
_MARKING = ("lastUpdatedAt", "version")


class Age(Enum):
    """How a state that came stands to the one that is known."""

    NEWER = auto()
    SAME = auto()
    """The same state, in the same content."""
    OLDER = auto()
    UNTOLD = auto()
    """Nothing tells which of the two is newer."""


@dataclass(frozen=True, slots=True)
class Mark:
    """When a state was made, in the sender's words."""

    at: str | None
    """`lastUpdatedAt`, as it came."""
    version: str | None
    """Version of the event that wrote it, in digits."""

    @classmethod
    def read(cls, stored: JsonValue) -> Mark:
        """The mark as `written` stores it."""
        at, version = stored if isinstance(stored, list) and len(stored) == 2 else (None, None)
        return cls(text(at), text(version))

    def written(self) -> list[JsonValue]:
        """In JSON types."""
        return [self.at, self.version]

    def __bool__(self) -> bool:
        return self.at is not None or self.version is not None

    def filled(self, other: Mark) -> Mark:
        """This mark, with what it lacks taken from another state of the same thing."""
        if self.at is not None and self.version is not None:
            return self
        return Mark(self.at or other.at, self.version or other.version)

    def with_highest_version(self, other: Mark) -> Mark:
        """For two marks of one state: it was still in force at the higher of both versions."""
        if _by_version(other, self) is Age.NEWER:
            return Mark(self.at, other.version)
        return self.filled(other)


def mark_of(content: JsonObject, version: JsonValue) -> Mark:
    """The mark of a header, line or document with a `lastUpdatedAt` of its own, in an event of this version."""
    return Mark(text(content.get("lastUpdatedAt")), version_of(version))


def version_of(value: JsonValue) -> str | None:
    """A version in digits, if it is one. Numbers once came in quotation marks (order-webhook.md, section 21)."""
    found = value if isinstance(value, str) else digits(value)
    return found.lstrip("0") or "0" if found and found.isascii() and found.isdigit() else None


def instant(at: str | None) -> Instant | None:
    """The moment that a date-time with a zone names (behaviour.md, section 7), exactly; None if it names none."""
    if at is None:
        return None
    # A foreign text of megabytes must not stay in the memory.
    return _read_instant(at) if len(at) <= 40 else _read_instant.__wrapped__(at)


@lru_cache(maxsize=1024)
def _read_instant(at: str) -> Instant | None:
    match = _DATE_TIME.fullmatch(at)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = match.groups()
    try:
        days = date(int(year), int(month), int(day)).toordinal()
    except ValueError:
        return None
    if int(hour) > 23 or int(minute) > 59 or int(second or 0) > 60:
        return None
    offset = int(zone_hours or 0) * 3600 + int(zone_minutes or 0) * 60
    seconds = days * 86400 + int(hour) * 3600 + int(minute) * 60 + int(second or 0)
    return seconds + (offset if sign == "-" else -offset), (fraction or "").rstrip("0")


def age(new: Mark, old: Mark) -> Age:
    """How the marks alone stand: by time when both have one with a zone, else by version.

    SAME if the deciding one is the same.
    """
    times = _by_time(new, old)
    return _by_version(new, old) if times is Age.UNTOLD else times


def judge(new: Mark, new_content: JsonValue, old: Mark, old_content: JsonValue) -> Age:
    """How a state that came stands to the known one.

    The same time with other content is decided by the version. Equal content is SAME if the marks are the same, or
    if what came has none; all that is left is UNTOLD.
    """
    first = age(new, old)
    if first in (Age.NEWER, Age.OLDER):
        return first
    equal = same_content(new_content, old_content)
    if equal and (first is Age.SAME or new == old or not new):
        return Age.SAME
    versions = _by_version(new, old)
    return versions if versions in (Age.NEWER, Age.OLDER) else Age.UNTOLD


def same_content(one: JsonValue, other: JsonValue) -> bool:
    """Whether both say the same, their marks and empty lists of documents left out."""
    if one == other:
        return True
    if not isinstance(one, dict) or not isinstance(other, dict):
        return False
    return _unmarked(one) == _unmarked(other)


def chronological(mark: Mark) -> tuple[bool, Instant, int, str]:
    """A key that sorts marks by time, then version; those without a time come last."""
    moment = instant(mark.at)
    version = mark.version or ""
    return moment is None, moment or (0, ""), len(version), version


def _unmarked(content: JsonObject) -> JsonObject:
    # Documents are kept apart; whether a place for them was named makes no other state.
    return {
        name: _without_list(value) if isinstance(value, dict) else value
        for name, value in _without_list(content).items()
        if name not in _MARKING
    }


def _without_list(content: JsonObject) -> JsonObject:
    if content.get("documents") != []:
        return content
    return {name: value for name, value in content.items() if name != "documents"}


def _by_time(new: Mark, old: Mark) -> Age:
    if new.at is None or old.at is None:
        return Age.UNTOLD
    if new.at == old.at:
        return Age.SAME
    one, other = instant(new.at), instant(old.at)
    # Local times of one clock are no order either: an hour comes twice in autumn.
    return Age.UNTOLD if one is None or other is None else _compared(one, other)


def _by_version(new: Mark, old: Mark) -> Age:
    if new.version is None or old.version is None:
        return Age.UNTOLD
    # Not as numbers: one may have more digits than Python turns into one.
    return _compared((len(new.version), new.version), (len(old.version), old.version))


def _compared(new: tuple[int, str], old: tuple[int, str]) -> Age:
    if new == old:
        return Age.SAME
    return Age.NEWER if new > old else Age.OLDER
