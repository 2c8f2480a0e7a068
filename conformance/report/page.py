"""The parts that HTML files of the suite are put together from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any


def filled(page: str, parts: Mapping[str, str]) -> str:
    """A page of this folder with its `{{parts}}` put in; the style sheet is always one of them."""
    parts = {"css": text_of("report.css"), **parts}
    # In one pass: what is put in is never looked through for further placeholders.
    pieces = text_of(page).split("{{")
    return pieces[0] + "".join(
        parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces[1:])
    )


def text_of(name: str) -> str:
    """A file of this folder."""
    return (files("conformance.report") / name).read_text(encoding="utf-8")


def folded(title: str, heads: tuple[str, ...], rows: Iterable[tuple[Any, ...]], is_open: bool = False) -> str:
    """A table under its title, folded unless told otherwise."""
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    lines = (
        "<tr>"
        + "".join(
            f'<td data-head="{name}" data-is="{escape(str(cell))[:20]}">{escape(str(cell))}</td>'
            for name, cell in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<details{' open' if is_open else ''}><summary>{escape(title)}</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></details>"
    )
