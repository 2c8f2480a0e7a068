"""Names of files, made by a pattern from what strangers wrote.

A name stays inside its folder and can be used on Linux, macOS and Windows: what is not a letter, a digit or one of
a few marks is percent-encoded (of its UTF-8 bytes), nothing begins with a dot or dash, and no name is that of a
device. The event's id stands in every name in full, so no two events have the same one, whatever the case of
letters means.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator
from datetime import UTC
from urllib.parse import quote

from handlers.interface import ErpEvent

#: The longest name, in bytes, that all usual file systems take is 255; "-123" and ".done" must fit too.
MAX_NAME_BYTES = 240
_MAX_VALUE_BYTES = 60
_MIN_VALUE_BYTES = 8
#: These are never cut: an id, and what says how to read the file.
_WHOLE = {"event_id": 64, "extension": 8}
_FIELDS = (*_WHOLE, "received", "event_name", "endpoint", "purchase_order", "subject_id", "message_id")

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)

#: The id is ordered by time, so names in order are events in order of acceptance, within a second too.
USUAL_PATTERN = "{received:%Y%m%d-%H%M%S}-{event_id}-{event_name}-{purchase_order}.{extension}"


def check_pattern(pattern: str) -> None:
    """Check a pattern for names.

    Raises:
        ValueError: it cannot be used; the text completes the sentence "<key>: …".
    """
    try:
        parts = list(_parts(pattern))
    except ValueError:
        raise ValueError("must have each { closed by a }, around one of " + ", ".join(_FIELDS)) from None
    names = [name for _, name, _ in parts if name is not None]
    for literal, name, form in parts:
        if not re.fullmatch(r'[^\x00-\x1f\x7f/\\:*?"<>|]*', literal):
            raise ValueError(
                "must be the name of a file, without / and other separators and without control characters"
            )
        if name is not None and name not in _FIELDS:
            raise ValueError(f"{{{name}}} is not known; known are {', '.join(_FIELDS)}")
        if form and (name != "received" or not form.isprintable()):
            raise ValueError("may have a form after a colon only for received, such as {received:%Y%m%d}")
    if "event_id" not in names:
        raise ValueError("must hold {event_id}: it is what makes each name another one")
    if _room(parts) < _MIN_VALUE_BYTES:
        raise ValueError("is too long: no room would be left for the values")


def file_name(pattern: str, event: ErpEvent, extension: str) -> str:
    """The name of an event's file, by a pattern that `check_pattern` found good."""
    values = {
        "event_id": event.id,
        "extension": extension,
        "event_name": event.event_name,
        "endpoint": event.endpoint.value,
        "purchase_order": "+".join(event.purchase_order_numbers),
        "subject_id": event.subject_id or "",
        "message_id": event.message_id or "",
    }
    parts = list(_parts(pattern))
    room = min(_MAX_VALUE_BYTES, _room(parts))
    name = ""
    for literal, field, form in parts:
        name += unicodedata.normalize("NFC", literal)
        if field == "received":
            name += _cut(_encoded(event.received_at.astimezone(UTC).strftime(form or "%Y%m%d-%H%M%S")), room)
        elif field is not None:
            name += _cut(_encoded(values[field]), _WHOLE.get(field, room))
    if name.startswith((".", "-", " ", "~")) or _DEVICE.match(name):
        name = "_" + name
    # Windows drops dots and spaces at the end.
    return name + "_" if name.endswith((".", " ")) else name


def safe_name(name: str, max_bytes: int) -> str:
    """A stranger's name of one file, so that it can be used anywhere; its extension, up to 12 bytes, is kept."""
    name = name.replace(" ", "_")  # easier to read than %20
    stem, dot, extension = name.rpartition(".")
    end = _encoded(extension) if dot and stem and extension else ""
    if not end or len(end.encode()) > 12:
        stem, end = name, ""
    ending = f".{end}" if end else ""
    safe = _cut(_encoded(stem), max_bytes - len(ending.encode()) - 1) + ending
    return "_" + safe if safe.startswith((".", "-", " ", "~")) or _DEVICE.match(safe) else safe


def _parts(pattern: str) -> Iterator[tuple[str, str | None, str]]:
    for literal, field, form, conversion in string.Formatter().parse(pattern):
        if conversion is not None or "{" in (form or ""):
            raise ValueError(pattern)
        yield literal, field, form or ""


def _room(parts: list[tuple[str, str | None, str]]) -> int:
    """Bytes that each value may take; what is added at both ends is allowed for."""
    literals = sum(len(unicodedata.normalize("NFC", literal).encode()) for literal, _, _ in parts)
    whole = sum(_WHOLE.get(name or "", 0) for _, name, _ in parts)
    others = sum(name is not None and name not in _WHOLE for _, name, _ in parts)
    return (MAX_NAME_BYTES - 2 - literals - whole) // max(1, others)


def _encoded(value: str) -> str:
    if not value:
        return "none"
    value = unicodedata.normalize("NFC", value)
    encoded = "".join(c if c.isalnum() or c in "-_+=@,." else quote(c, safe="", errors="replace") for c in value)
    # A single dot between others is harmless.
    return re.sub(r"(?<=\.)\.|^\.|\.$", "%2E", encoded)


def _cut(encoded: str, size: int) -> str:
    """The beginning, without half a letter or half an encoded one."""
    if len(encoded.encode()) <= size:
        return encoded
    kept = encoded.encode()[:size].decode("utf-8", "ignore")
    return re.sub(r"(%.?|\.)$", "", kept)
