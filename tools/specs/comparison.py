"""What differs between our Swagger file and the live one, as far as it matters to a receiver.

Compared is the structure of the body, place by place from its root: how a file names its definitions, splits them
up or orders them is no difference. A definition that is used in many places is compared once.

*Breaking* is what the receiver that stands today would do wrong with: something it counts on is gone or has
another form.

- an operation, a media type, a member, a known value or an event name is gone;
- another JSON type, or an integer that may now be any number;
- another form of date or time: the models give such a text another type;
- another element name or form in tXML;
- a member that the service requires may be left out or null.

*Additive* is what the receiver takes as it is: more members, values, events, media types and operations; also what
is stricter for the sender (a closed list of values, a longer `required`, no null), because our tolerance rules take
it back (`tools/generate/tolerance.py`). A file that says nothing (no list of values, no `x-nullable`, no `xml`)
contradicts nothing. Limits, descriptions, examples and answers are not compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.generate.composition import UnsupportedConstructError
from tools.generate.operation import WebhookOperation
from tools.generate.swagger import ROOT
from tools.specs.changes import WEIGHT, Change, Comparison, Kind, Severity
from tools.specs.sides import (
    DATES,
    SwaggerSide,
    confidence_of,
    described,
    element,
    form,
    known_values,
    required_names,
)

Json = Any

#: Deepest place that is looked at; deeper there is only what contains itself in ever new forms.
_MAX_DEPTH = 100


def compare(ours: Json, live: Json, indispensable: Sequence[str]) -> Comparison:
    """The differences between two Swagger 2.0 documents. `indispensable` are the members of the body that the
    service requires; what else our file requires, it does not.

    Raises:
        UnsupportedConstructError: the body of one of them cannot be followed.
    """
    return _Comparison(SwaggerSide(ours), SwaggerSide(live), indispensable).result()


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two schemas that stand at the same place."""

    place: str
    ours: Json
    live: Json
    owner: str
    """What both belong to, by name where ours has one: a difference there is one, wherever it is found."""
    confidence: str | None
    depth: int


class _Comparison:
    def __init__(self, ours: SwaggerSide, live: SwaggerSide, indispensable: Sequence[str]) -> None:
        self._ours = ours
        self._live = live
        self._indispensable = {f"{ROOT}.{member}" for member in indispensable}
        self._found: dict[tuple[object, ...], Change] = {}
        self._names: dict[str, str] = {}
        self._notes: list[str] = []
        self._waiting: deque[_Pair] = deque()
        self._first_place: dict[tuple[object, object], str] = {}
        self._repeated: list[tuple[str, str]] = []

    def result(self) -> Comparison:
        ours, live = self._ours.webhook, self._live.webhook
        if ours is None:
            raise UnsupportedConstructError("no POST with a body", "#/paths of our file")
        if live is None:
            self._add(Kind.OPERATION_REMOVED, Severity.BREAKING, ours.path, ours="POST with a body", owner="")
        else:
            self._operations(ours, live)
            self._media_types(ours, live)
            self._body(ours, live)
        kinds = list(Kind)
        changes = sorted(
            map(self._with_repeats, self._found.values()),
            key=lambda change: (-WEIGHT[change.severity], kinds.index(change.kind)),
        )
        return Comparison(tuple(changes), tuple(self._notes))

    def _add(
        self,
        kind: Kind,
        severity: Severity,
        place: str,
        *,
        owner: str,
        ours: str | tuple[str, ...] | None = None,
        live: str | tuple[str, ...] | None = None,
        confidence: str | None = None,
    ) -> None:
        key = (kind, owner, ours, live)
        if key not in self._found:
            self._found[key] = Change(kind, severity, place, ours, live, confidence)
        elif place not in (self._found[key].place, *self._found[key].also_at):
            self._found[key] = replace(self._found[key], also_at=(*self._found[key].also_at, place))

    def _with_repeats(self, change: Change) -> Change:
        """What was found below one place holds wherever the same two definitions meet."""
        also_at = list(change.also_at)
        for first, again in self._repeated:
            if change.place.startswith((f"{first}.", f"{first}[")):
                also_at.append(again + change.place.removeprefix(first))
        return replace(change, also_at=tuple(dict.fromkeys(also_at)))

    def _operations(self, ours: WebhookOperation, live: WebhookOperation) -> None:
        if ours.path != live.path:
            self._notes.append(
                f"the webhook's path is called {live.path}, ours {ours.path}; it stands for any address"
            )
        theirs = {one for one in self._live.operations if one != (live.path, "post")}
        own = {one for one in self._ours.operations if one != (ours.path, "post")}
        for path, method in sorted(theirs - own):
            self._add(Kind.OPERATION_ADDED, Severity.ADDITIVE, path, live=method.upper(), owner=path)
        for path, method in sorted(own - theirs):
            self._add(Kind.OPERATION_REMOVED, Severity.BREAKING, path, ours=method.upper(), owner=path)

    def _media_types(self, ours: WebhookOperation, live: WebhookOperation) -> None:
        if not live.media_types:
            self._notes.append("the live file names no media types (consumes)")
            return
        for name in live.media_types:
            if name not in ours.media_types:
                self._add(Kind.MEDIA_TYPE_ADDED, Severity.ADDITIVE, live.path, live=name, owner=name)
        for name in ours.media_types:
            if name not in live.media_types:
                confidence = confidence_of(ours.description)
                self._add(
                    Kind.MEDIA_TYPE_REMOVED,
                    Severity.BREAKING,
                    live.path,
                    ours=name,
                    owner=name,
                    confidence=confidence,
                )

    def _body(self, ours: WebhookOperation, live: WebhookOperation) -> None:
        self._root_element(ours.body.get("schema"), live.body.get("schema"))
        if self._ours.speaks_of_null and not self._live.speaks_of_null:
            self._notes.append("the live file never says what may be null (x-nullable)")
        if self._ours.speaks_of_xml and not self._live.speaks_of_xml:
            self._notes.append("the live file names no XML elements; ours stay in force by specs/overlays/")
        self._waiting.append(_Pair(ROOT, ours.body.get("schema"), live.body.get("schema"), ROOT, None, 0))
        while self._waiting:
            self._schemas(self._waiting.popleft())
        renamed = [f"{ours} -> {live}" for ours, live in self._names.items() if ours != live]
        if renamed:
            more = f" and {len(renamed) - 3} more" if len(renamed) > 3 else ""
            self._notes.append(f"definitions with another name: {', '.join(renamed[:3])}{more}")

    def _root_element(self, ours: Json, live: Json) -> None:
        own = self._ours.definitions.item_xml(ours, "our body")
        theirs = self._live.definitions.item_xml(live, "the live body")
        name = self._live.definitions.object_named(live, "the live body")
        expected = str(own.get("name", ROOT))
        if "name" in theirs:
            if theirs["name"] != expected:
                self._add(Kind.XML, Severity.BREAKING, ROOT, ours=expected, live=str(theirs["name"]), owner="")
        elif name not in (None, expected):
            self._notes.append(
                f"the body's definition is called {name}, the root element of tXML may be too; ours is {expected}"
            )

    def _schemas(self, pair: _Pair) -> None:
        if pair.depth > _MAX_DEPTH:
            raise UnsupportedConstructError("nesting without end", pair.place)
        ours = self._ours.definitions.plain(pair.ours, f"{pair.place} (ours)")
        live = self._live.definitions.plain(pair.live, pair.place)
        if not self._same_type(pair, ours, live):
            return
        self._values(pair, ours, live)
        if ours.get("type") == "array" and "items" in ours and "items" in live:
            self._waiting.append(
                replace(
                    pair,
                    place=f"{pair.place}[]",
                    ours=ours["items"],
                    live=live["items"],
                    owner=f"{pair.owner}[]",
                    depth=pair.depth + 1,
                )
            )
        elif ours.get("type") == "object":
            self._members(pair, ours, live)

    def _same_type(self, pair: _Pair, ours: Json, live: Json) -> bool:
        """Whether it makes sense to look further."""
        types = ours.get("type"), live.get("type")
        if types[0] != types[1]:
            # Ours takes more than the live file allows, and so every body of it.
            wider = types in (("number", "integer"), (None, types[1]))
            self._differs(
                Kind.TYPE,
                Severity.ADDITIVE if wider else Severity.BREAKING,
                pair,
                described(self._ours.definitions, pair.ours),
                described(self._live.definitions, pair.live),
            )
            return False
        forms = form(ours), form(live)
        if forms[0] != forms[1]:
            severity = Severity.BREAKING if forms[0] in DATES and forms[1] else Severity.ADDITIVE
            self._differs(Kind.FORMAT, severity, pair, forms[0], forms[1])
        return True

    def _members(self, pair: _Pair, ours: Json, live: Json) -> None:
        keys = (self._ours.key(pair.ours, pair.place), self._live.key(pair.live, pair.place))
        name, live_name = keys
        if isinstance(name, str) and isinstance(live_name, str):
            self._names.setdefault(name, live_name)
        if keys in self._first_place:
            self._repeated.append((self._first_place[keys], pair.place))
            return
        self._first_place[keys] = pair.place
        owner = name if isinstance(name, str) else pair.owner
        own, theirs = ours.get("properties", {}), live.get("properties", {})
        required, live_required = required_names(ours.get("required")), required_names(live.get("required"))
        for member, schema in own.items():
            place = f"{pair.place}.{member}"
            confidence = confidence_of(self._ours.definitions.plain(schema, place))
            one = _Pair(place, schema, theirs.get(member), f"{owner}.{member}", confidence, pair.depth + 1)
            if member not in theirs:
                self._differs(
                    Kind.MEMBER_REMOVED, Severity.BREAKING, one, described(self._ours.definitions, schema)
                )
                continue
            if member in required and member not in live_required:
                severity = Severity.BREAKING if place in self._indispensable else Severity.ADDITIVE
                self._differs(Kind.NO_LONGER_REQUIRED, severity, one)
            self._nullable(one)
            self._xml(one, member)
            self._waiting.append(one)
        if longer := tuple(member for member in live_required if member in own and member not in required):
            self._differs(Kind.REQUIRED, Severity.ADDITIVE, replace(pair, owner=owner), None, longer)
        for member, schema in theirs.items():
            if member not in own:
                one = _Pair(f"{pair.place}.{member}", None, schema, f"{owner}.{member}", None, 0)
                self._differs(
                    Kind.MEMBER_ADDED, Severity.ADDITIVE, one, None, described(self._live.definitions, schema)
                )

    def _nullable(self, pair: _Pair) -> None:
        if not (self._ours.speaks_of_null and self._live.speaks_of_null):
            return
        states = [
            bool(file.definitions.plain(schema, pair.place).get("x-nullable"))
            for file, schema in ((self._ours, pair.ours), (self._live, pair.live))
        ]
        if states[0] != states[1]:
            severity = Severity.BREAKING if states[1] and pair.place in self._indispensable else Severity.ADDITIVE
            self._differs(Kind.NULLABLE, severity, pair, *("nullable" if state else "not null" for state in states))

    def _xml(self, pair: _Pair, member: str) -> None:
        if not (self._ours.speaks_of_xml and self._live.speaks_of_xml):
            return
        own, theirs = element(self._ours, pair.ours, pair.place), element(self._live, pair.live, pair.place)
        if own == theirs or (own or member) == (theirs or member):
            return
        # Without a name, the array's own is meant, which is always read.
        severity = Severity.ADDITIVE if theirs is None else Severity.BREAKING
        self._differs(Kind.XML, severity, pair, own or member, theirs or member)

    def _values(self, pair: _Pair, ours: Json, live: Json) -> None:
        own, theirs = known_values(ours), known_values(live)
        if own is None and theirs is None:
            return
        event = pair.place == f"{ROOT}.eventName"
        if own is None or theirs is None:
            self._differs(Kind.LIST_REMOVED if own else Kind.LIST_ADDED, Severity.ADDITIVE, pair, own, theirs)
            return
        if gone := tuple(value for value in own if value not in theirs):
            self._differs(Kind.EVENT_REMOVED if event else Kind.VALUE_REMOVED, Severity.BREAKING, pair, gone)
        if new := tuple(value for value in theirs if value not in own):
            self._differs(Kind.EVENT_ADDED if event else Kind.VALUE_ADDED, Severity.ADDITIVE, pair, None, new)
        if "enum" in live and "enum" not in ours:
            self._differs(Kind.LIST_CLOSED, Severity.ADDITIVE, pair, "open", "closed")

    def _differs(
        self,
        kind: Kind,
        severity: Severity,
        pair: _Pair,
        ours: str | tuple[str, ...] | None = None,
        live: str | tuple[str, ...] | None = None,
    ) -> None:
        self._add(kind, severity, pair.place, ours=ours, live=live, owner=pair.owner, confidence=pair.confidence)
