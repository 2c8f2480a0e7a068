"""What became of a member: old and new value, as data and as one plain sentence.

Timestamps, versions and `meta` are no changes; null is the same as absent (order-webhook.md, "How to read the
tables").
"""

from __future__ import annotations

import re
from decimal import Decimal

from handlers.interface import Change, ChangeKind, JsonObject, JsonValue

#: No real order has more changes at once; an absurd body must not fill the disk twice.
MAX_CHANGES = 5000
#: Characters of a value, and of a name, in a sentence.
MAX_SHOWN = 100

_DATES = re.compile(r"date|etd|eta|.*Date|.*(Start|End)Time")
_QUANTITIES = re.compile(r"quantity|.*Quantity|.*QuantityIso")
_TIMESTAMPS = re.compile(r"lastUpdatedAt|lastChangedAt|eventDates|meta|.*DateTime")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
#: The parts of a price that a sentence leaves out, and what it says instead.
_PRICE_WORDS = {
    "priceInTransactionCurrency": "",
    "value": "",
    "priceInBaseCurrency": "(base currency)",
    "currencyIso": "currency",
}


class Changes:
    """Collects changes, as many as are worth it."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._more = False

    def __len__(self) -> int:
        return len(self._changes)

    def is_full(self) -> bool:
        """Whether the bound is reached, asked before looking for more: then it is noted that there may be more."""
        self._more = self._more or len(self._changes) >= MAX_CHANGES
        return self._more

    def add(
        self, kind: ChangeKind, line: str | None, member: str, old: JsonValue, new: JsonValue, sentence: str
    ) -> None:
        """One more change; beyond the bound it is only noted that there are more."""
        if not self.is_full():
            self._changes.append(Change(kind, line, member, old, new, sentence))

    def all(self) -> tuple[Change, ...]:
        """All of them; the last one says so if there were more."""
        if not self._more:
            return tuple(self._changes)
        sentence = f"{MAX_CHANGES} members changed, or more; no further ones are listed."
        return (*self._changes, Change(ChangeKind.OTHER, None, "", None, None, sentence))


def list_differences(
    changes: Changes,
    line: str | None,
    subject: str,
    path: tuple[str, ...],
    old: JsonValue,
    new: JsonValue,
    *,
    kind: ChangeKind | None = None,
    skip: frozenset[str] = frozenset(),
) -> None:
    """Each member below `path` that differs. `skip` names members right at `path` that are somebody else's task.

    Lists are compared member by member if both are lists of as many objects, else as one value. An object that came
    or went as a whole is one change, unless its members matter.
    """
    if old == new or changes.is_full():
        return
    if isinstance(old, dict | None) and isinstance(new, dict | None) and not _is_one_thing(path, old, new):
        before, after = old or {}, new or {}
        for name in dict.fromkeys((*before, *after)):
            was, now = before.get(name), after.get(name)
            # Equality first: most members are equal, and most of an event's time would go into the names.
            if was == now or name in skip or _TIMESTAMPS.fullmatch(name):
                continue
            list_differences(changes, line, subject, (*path, name), was, now, kind=kind)
        return
    if isinstance(old, list) and isinstance(new, list) and _objects_alike(old, new):
        for number, (before_item, after_item) in enumerate(zip(old, new, strict=True), start=1):
            list_differences(changes, line, subject, (*path, f"#{number}"), before_item, after_item, kind=kind)
        return
    if (old is None or old == [] or old == {}) and (new is None or new == [] or new == {}):
        return
    changes.add(kind or kind_of(path), line, pointer(path), old, new, became(subject, words(path), old, new))


def kind_of(path: tuple[str, ...]) -> ChangeKind:
    """What a member is about, by its name and the names above it."""
    if "prices" in path:
        return ChangeKind.PRICE
    if path[-1] == "status" or path[0] == "status":
        return ChangeKind.STATUS
    if "item" in path or "itemDetails" in path or "mergedItemDetails" in path:
        return ChangeKind.ITEM
    if _DATES.fullmatch(path[-1]):
        return ChangeKind.DATE
    if _QUANTITIES.fullmatch(path[-1]):
        return ChangeKind.QUANTITY
    return ChangeKind.OTHER


def pointer(path: tuple[str, ...]) -> str:
    """The JSON pointer (RFC 6901) of a member."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def words(path: tuple[str, ...]) -> str:
    """A member's path as a person would say it: `status/processStatus` is "process status"."""
    names = list(path)
    if "prices" in names:
        names = names[names.index("prices") + 1 :] or ["prices"]
    elif len(names) > 1 and names[0] in ("status", "statusLine", "buyerLine", "mergedItemDetails"):
        names = names[1:]
    spoken = (_PRICE_WORDS.get(name, _spoken(name)) for name in names)
    return shown(" ".join(word for word in spoken if word))


def became(subject: str, member: str, old: JsonValue, new: JsonValue) -> str:
    """One sentence on what a member was and is."""
    if old is None:
        said = shown(new)
        return f"{subject}: {member} is {'new' if said == 'given' else f'now {said}'}."
    if new is None:
        said = shown(old)
        return f"{subject}: {member} {'is gone' if said == 'given' else f'was {said} and is gone'}."
    if isinstance(old, dict | list) or isinstance(new, dict | list):
        return f"{subject}: {member} changed."
    return f"{subject}: {member} {shown(old)} became {shown(new)}."


def shown(value: JsonValue) -> str:
    """A value in a sentence: on one line, and not longer than somebody reads."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        money = [shown(value[name]) for name in ("value", "currencyIso") if _is_plain(value.get(name))]
        return " ".join(money) or "given"
    if isinstance(value, Decimal):
        # Not `f`: that would write a large exponent out in digits.
        written = str(value)
    elif isinstance(value, list):
        texts = [shown(item) for item in value[:3] if _is_plain(item)]
        entries = "1 entry" if len(value) == 1 else f"{len(value)} entries"
        written = ", ".join(texts) if len(texts) == len(value) else entries
    else:
        written = str(value)
    written = _CONTROL.sub(" ", written[: 4 * MAX_SHOWN]).strip() or "empty"
    return written if len(written) <= MAX_SHOWN else written[: MAX_SHOWN - 1] + "…"


def sentence_about(line: str | None, otherwise: str) -> str:
    """How a sentence about a line, or about the whole, begins."""
    return otherwise if line is None else f"Line {shown(line)}"


def _is_plain(value: JsonValue) -> bool:
    return value is not None and not isinstance(value, dict | list)


def _is_one_thing(path: tuple[str, ...], old: JsonObject | None, new: JsonObject | None) -> bool:
    """Whether an object that is on one side only is told of as a whole."""
    if not path or (old and new):
        return False
    given = old or new
    return not given or "value" in given or (kind_of(path) is ChangeKind.OTHER and len(path) > 1)


def _objects_alike(old: list[JsonValue], new: list[JsonValue]) -> bool:
    return len(old) == len(new) and all(isinstance(item, dict) for item in (*old, *new))


def _spoken(name: str) -> str:
    return " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in _WORD.findall(name))
