"""Named changes: what a probe differs from its accepted control in, and in nothing else.

Each change says which aspects of the request it may touch; the runner compares the two requests and reports any
other difference as an error of the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.contract import text as json_text
from conformance.contract.text import JsonValue
from conformance.requests.request import Channel, Framing, Request, Text, Values


@dataclass(frozen=True, slots=True)
class Change:
    """One fact that a probe differs in."""

    name: str
    """In words, for the report: "/eventName is a number"."""
    touches: frozenset[str]
    """Aspects (see `rendering.aspects_that_differ`); a pointer stands for all below it; empty: nothing at all."""
    apply: Callable[[Request], Request]

    def allows(self, aspect: str) -> bool:
        """Whether this aspect may differ."""
        return any(_covers(mine, aspect) for mine in self.touches)


def _covers(mine: str, aspect: str) -> bool:
    return aspect == mine or (mine == "body" and aspect.startswith("body:")) or aspect.startswith(mine + "/")


def nothing(name: str = "the same once more") -> Change:
    """No difference: the probe is the control again."""
    return Change(name, frozenset(), lambda request: request)


# The body as values; in JSON and in tXML alike.


def set_value(pointer: str, value: JsonValue, name: str | None = None) -> Change:
    """Another value at a place that exists."""
    shown = name or f"{pointer} is {json_text.write(value)[:60]}"
    return _of_values(shown, pointer, lambda values: json_text.replaced(values, pointer, value))


def remove(pointer: str, name: str | None = None) -> Change:
    """A member or item less."""
    return _of_values(name or f"without {pointer}", pointer, lambda values: json_text.removed(values, pointer))


def add_member(object_pointer: str, member: str, value: JsonValue, name: str | None = None) -> Change:
    """A member more in an object; the empty pointer stands for the root."""
    escaped = member.replace("~", "~0").replace("/", "~1")
    shown = name or f"{object_pointer}/{escaped} is added"
    return _of_values(
        shown, f"{object_pointer}/{escaped}", lambda values: json_text.added(values, object_pointer, member, value)
    )


def change_values(name: str, edit: Callable[[JsonValue], JsonValue], *pointers: str) -> Change:
    """Any change of the values, at these places; without places anywhere in the body."""
    touches = frozenset(f"body:{pointer}" for pointer in pointers) or frozenset({"body"})
    return Change(name, touches, lambda request: request.with_values(edit(_values(request))))


def _values(request: Request) -> JsonValue:
    if not isinstance(request.body, Values):
        raise TypeError(f"{request.name} has no values to change")
    return request.body.values


def _of_values(name: str, pointer: str, edit: Callable[[JsonValue], JsonValue]) -> Change:
    def apply(request: Request) -> Request:
        return request.with_values(edit(_values(request)))

    return Change(name, frozenset({f"body:{pointer}"}), apply)


# The body as text and as bytes.


def edit_text(name: str, edit: Callable[[str], str]) -> Change:
    """A change of the written body, after the identity is in it."""
    return Change(
        name, frozenset({"body"}), lambda request: replace(request, text_edits=(*request.text_edits, edit))
    )


def edit_bytes(name: str, edit: Callable[[bytes], bytes]) -> Change:
    """A change of the body's bytes."""
    return Change(
        name, frozenset({"body"}), lambda request: replace(request, byte_edits=(*request.byte_edits, edit))
    )


def whole_body(name: str, content: bytes | str) -> Change:
    """Another body altogether."""
    if isinstance(content, bytes):
        return edit_bytes(name, lambda _: content)
    return Change(name, frozenset({"body"}), lambda request: replace(request, body=Text(content)))


# Head and connection.


def header(field: str, value: str | None, name: str | None = None) -> Change:
    """A header field set to one value; None leaves it out."""

    def apply(request: Request) -> Request:
        kept = tuple(pair for pair in request.headers if pair[0].lower() != field.lower())
        return replace(request, headers=kept if value is None else (*kept, (field, value)))

    shown = f"no {field}" if value is None else f"{field}: {value[:80]}"
    return Change(name or shown, frozenset({f"header:{field.lower()}"}), apply)


def headers(field: str, values: tuple[str, ...], name: str) -> Change:
    """A header field several times, in this order."""

    def apply(request: Request) -> Request:
        kept = tuple(pair for pair in request.headers if pair[0].lower() != field.lower())
        return replace(request, headers=(*kept, *((field, value) for value in values)))

    return Change(name, frozenset({f"header:{field.lower()}"}), apply)


def method(verb: str) -> Change:
    """Another method."""
    return Change(f"{verb} instead of POST", frozenset({"method"}), lambda request: replace(request, method=verb))


def target(path: str, name: str | None = None) -> Change:
    """Another path or query."""
    return Change(name or f"at {path}", frozenset({"target"}), lambda request: replace(request, target=path))


def framing(name: str, how: Framing) -> Change:
    """Another way to delimit and send the body."""
    return Change(name, frozenset({"framing"}), lambda request: replace(request, framing=how))


def channel(name: str, how: Channel) -> Change:
    """Another connection."""
    return Change(name, frozenset({"channel"}), lambda request: replace(request, channel=how))


def both(name: str, one: Change, other: Change) -> Change:
    """Two changes that are one fact, such as a header field and the body that it is about."""
    return Change(name, one.touches | other.touches, lambda request: other.apply(one.apply(request)))
