"""Whether an order is known member by member."""

from __future__ import annotations

from collections.abc import Iterator

from handlers.interface import JsonObject, JsonValue


def differences(expected: JsonObject, known: JsonObject) -> list[str]:
    """One sentence for each member of the order that is missing, too much or different; none if all is known.

    Null and empty members count as absent ones (order-webhook.md, How to read the tables), documents as a set by
    their code, lines by what tells them apart. The identity of a message (`meta`) is no member of the order.
    """
    return list(_objects("", _order(expected), _order(known)))


def _order(payload: JsonObject) -> JsonObject:
    order = {name: value for name, value in payload.items() if name not in ("meta", "lines")}
    lines = payload.get("lines")
    assert isinstance(lines, list)
    by_identity: JsonObject = {}
    for line in lines:
        assert isinstance(line, dict)
        name = _identity(line)
        while name in by_identity:
            name += " again"
        by_identity[name] = line
    return order | {"lines": by_identity}


def _identity(line: JsonObject) -> str:
    buyer = line.get("buyerLine")
    assert isinstance(buyer, dict)
    if buyer.get("position"):
        return f"line {buyer['position']}"
    return f"part of {buyer.get('originalPosition')}, {line.get('id') or 'nameless'}"


def _compare(place: str, expected: JsonValue, known: JsonValue) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(known, dict):
        yield from _objects(place, expected, known)
    elif place.endswith("/documents") and isinstance(expected, list) and isinstance(known, list):
        yield from _objects(place, _by_code(expected), _by_code(known))
    elif isinstance(expected, list) and isinstance(known, list):
        if len(expected) != len(known):
            yield f"{place}: {len(expected)} expected, {len(known)} known"
        for number, (one, other) in enumerate(zip(expected, known, strict=False)):
            yield from _compare(f"{place}/{number}", one, other)
    elif isinstance(expected, bool) is not isinstance(known, bool) or expected != known:
        yield f"{place}: {expected!r} expected, {known!r} known"


def _objects(place: str, expected: JsonObject, known: JsonObject) -> Iterator[str]:
    for name in sorted({*expected, *known}):
        one, other = expected.get(name), known.get(name)
        one, other = (None if value in ("", [], {}) else value for value in (one, other))
        if one is None and other is None:
            continue
        if one is None or other is None:
            yield f"{place}/{name}: {'not expected, but' if one is None else 'expected, but not'} known"
            continue
        yield from _compare(f"{place}/{name}", one, other)


def _by_code(documents: list[JsonValue]) -> JsonObject:
    named: JsonObject = {}
    for document in documents:
        assert isinstance(document, dict)
        code = str(document.get("code"))
        while code in named:
            code += " again"
        named[code] = document
    return named
