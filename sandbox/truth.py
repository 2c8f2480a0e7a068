"""The true final state of every order and shipment, and what a receiver knows differently.

The truth is written when a run begins, one line of JSON for each, so a receiver can be asked later, too. It is what
a receiver knows once *all* events of the run have arrived, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.story.telling import Story
from sandbox.wire import json_text
from sandbox.wire.json_text import JsonObject, JsonValue

FILE = "truth.jsonl"


@dataclass(frozen=True, slots=True)
class Truth:
    """One order or shipment in the end."""

    kind: str
    """`order` or `shipment`."""
    id: str
    state: JsonObject


def write(folder: Path, stories: Iterable[Story]) -> int:
    """Keep the truth of these stories in the folder; how many orders and shipments that are."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / FILE).open("w", encoding="utf-8") as file:
        for story in stories:
            for kind, id, state in story.true_states():
                file.write(json_text.write({"kind": kind, "id": id, "state": state}) + "\n")
                count += 1
    return count


def read(folder: Path) -> list[Truth]:
    """What `write` has kept.

    Raises:
        SandboxError: nothing is there, or it is of another kind.
    """
    path = folder / FILE
    try:
        # Not splitlines, which ends lines at signs that texts may hold.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except OSError as error:
        raise SandboxError(f"{path}: {error.strerror}; `python -m sandbox send` writes it into --folder") from error
    return [_truth(f"{path}, line {number}", line) for number, line in enumerate(lines, start=1)]


def _truth(place: str, line: str) -> Truth:
    try:
        row = json_text.read(line)
    except ValueError:
        row = None
    if isinstance(row, dict):
        kind, id, state = row.get("kind"), row.get("id"), row.get("state")
        if isinstance(kind, str) and isinstance(id, str) and isinstance(state, dict):
            return Truth(kind, id, state)
    raise SandboxError(f"{place}: no state of an order or shipment; delete the file and send again")


def differences(expected: JsonObject, known: JsonObject) -> list[str]:
    """One sentence for each member that is missing, too much or different; none if all is known.

    Null and empty members count as absent ones (order-webhook.md, "How to read the tables"), documents are told by
    their code, lines of an order by their position, numbers by their value: 1.50 is 1.5. The identity of the last
    message is no member of an order; a shipment's `meta` is one.
    """
    if "orderId" in expected:
        expected, known = _order(expected), _order(known)
    return list(_objects("", expected, known))


def _order(order: JsonObject) -> JsonObject:
    rest: JsonObject = {name: value for name, value in order.items() if name not in ("meta", "lines")}
    lines: JsonObject = {}
    for line in _items(order.get("lines")):
        name = _line_name(line)
        while name in lines:
            name += " again"
        lines[name] = line
    return rest | {"lines": lines}


def _line_name(line: JsonObject) -> str:
    buyer = line.get("buyerLine")
    names = buyer if isinstance(buyer, dict) else {}
    if position := names.get("position") or line.get("position"):
        return str(position)
    return f"part of {names.get('originalPosition')}, {line.get('id') or 'without id'}"


def _items(value: JsonValue) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _objects(place: str, expected: JsonObject, known: JsonObject) -> Iterator[str]:
    for name in sorted({*expected, *known}):
        one, other = _present(expected.get(name)), _present(known.get(name))
        if one is None and other is None:
            continue
        if one is None or other is None:
            what = "not known" if other is None else "known, but not expected"
            yield f"{place}/{name}: {what}: {_shown(one if other is None else other)}"
            continue
        yield from _values(f"{place}/{name}", one, other)


def _present(value: JsonValue) -> JsonValue:
    if isinstance(value, dict):
        # {"documents": []} says no more than nothing.
        return value if any(_present(each) is not None for each in value.values()) else None
    return None if value in ("", []) else value


def _values(place: str, expected: JsonValue, known: JsonValue) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(known, dict):
        yield from _objects(place, expected, known)
    elif isinstance(expected, list) and isinstance(known, list):
        if place.endswith("/documents"):
            yield from _objects(place, _by_code(expected), _by_code(known))
            return
        if len(expected) != len(known):
            yield f"{place}: {len(expected)} expected, {len(known)} known"
        for number, (one, other) in enumerate(zip(expected, known, strict=False)):
            yield from _values(f"{place}/{number}", one, other)
    elif isinstance(expected, bool) is not isinstance(known, bool) or expected != known:
        yield f"{place}: {_shown(expected)} expected, {_shown(known)} known"


def _by_code(documents: list[JsonValue]) -> JsonObject:
    named: JsonObject = {}
    for document in _items(documents):
        code = str(document.get("code"))
        while code in named:
            code += " again"
        named[code] = document
    return named


def _shown(value: JsonValue) -> str:
    text = json_text.write(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
