"""Plain text for a terminal, a pipe or a log file."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from decimal import Decimal


def escaped(value: object) -> str:
    """A foreign text on one line: control characters, line breaks and marks that turn the direction of writing
    are shown as escapes, so that an event cannot repaint the operator's terminal."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    width: int | None = None,
    flexible: Sequence[int] = (),
) -> str:
    """Columns under their headings, as wide as their longest cell. Where that is wider than `width`, the cells of
    the columns that are `flexible` are cut."""
    cells = [list(header), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    if width is not None:
        _shrink(widths, flexible, width)
    return "\n".join(
        "  ".join(cut(cell, room).ljust(room) for cell, room in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def stacked(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None, below: Sequence[int], flexible: int
) -> str:
    """A table; where it is wider than `width`, the cells of the columns `below` stand in lines of their own under
    the rest of their row, and nothing that matters is cut: only the column `flexible` is, if it must."""
    whole = table(header, rows)
    if width is None or max(map(len, whole.splitlines())) <= width:
        return whole
    first = [column for column in range(len(header)) if column not in below]
    head, *lines = table(
        [header[column] for column in first],
        [[row[column] for column in first] for row in rows],
        width=width,
        flexible=[first.index(flexible)],
    ).split("\n")  # the last line may be empty
    shown = [head]
    for row, line in zip(rows, lines, strict=True):
        shown.append(line)
        shown += [wrapped(escaped(row[column]), width, "    ") for column in below if row[column]]
    return "\n".join(shown)


def cut(text: str, width: int) -> str:
    """At most so many characters; a mark shows that there were more."""
    return text if len(text) <= width else text[: width - 1] + "…"


def wrapped(text: str, width: int | None, indent: str) -> str:
    """A sentence in lines of that width, each indented; one line without a width."""
    if width is None:
        return indent + text
    return "\n".join(textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)) or indent


def hanging(line: str, width: int | None, indent: int) -> str:
    """A line in lines of that width, all but the first indented; words that are longer, such as ids and paths, stay
    whole, because they are there to be copied."""
    if width is None or len(line) <= width:
        return line
    start = len(line) - len(line.lstrip(" "))
    lines = textwrap.wrap(
        line[start:],
        width,
        initial_indent=" " * start,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
    return "\n".join(lines)


def terminal_width() -> int | None:
    """Characters in a line of the terminal; None in a pipe or a file, where lines may have any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def minute(instant: str | None) -> str:
    """2026-11-23 08:00Z"""
    return "" if instant is None else instant[:16].replace("T", " ") + "Z"


def camel(row: Mapping[str, object]) -> dict[str, object]:
    """The members of a row by their names in JSON: the API's spelling."""
    return {_camel(key): value for key, value in row.items()}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.title() for part in others)


def json_text(value: object, indent: str = "") -> str:
    """JSON for people and programs, with every digit of every number, which the usual writers would round."""
    inner = indent + "  "
    if isinstance(value, Mapping) and value:
        members = (f"{inner}{_json_string(str(key))}: {json_text(member, inner)}" for key, member in value.items())
        return "{\n" + ",\n".join(members) + f"\n{indent}}}"
    if isinstance(value, list | tuple) and value:
        return "[\n" + ",\n".join(inner + json_text(item, inner) for item in value) + f"\n{indent}]"
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, str):
        return _json_string(value)
    return json.dumps(value)


def _json_string(text: str) -> str:
    # A lone surrogate cannot be printed; everything else is printed as it is.
    return json.dumps(text, ensure_ascii=any("\ud800" <= char <= "\udfff" for char in text))


#: No column is cut to fewer characters.
_LEAST = 8


def _shrink(widths: list[int], flexible: Sequence[int], width: int) -> None:
    """Take characters from the widest of the flexible columns until all fit, or none can give more."""
    while sum(widths) + 2 * (len(widths) - 1) > width:
        widest = max(flexible, key=lambda column: widths[column], default=None)
        if widest is None or widths[widest] <= _LEAST:
            return
        widths[widest] -= 1
