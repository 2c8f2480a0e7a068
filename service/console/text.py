"""Plain text for a terminal, a pipe or a log file."""

from __future__ import annotations

from collections.abc import Sequence


def escaped(value: object) -> str:
    """A foreign text on one line: control characters, line breaks and marks that turn the direction of writing
    are shown as escapes, so that an event cannot repaint the operator's terminal."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns under their headings, as wide as their longest cell."""
    cells = [list(header), *([escaped(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
