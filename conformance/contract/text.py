"""Exact JSON: numbers keep every digit, members keep their order, and trees are changed only by making new ones.

A pointer is a JSON pointer (RFC 6901): `""` is the whole value, `/lines/0/id` a member of the first line.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring
from typing import NoReturn, TypeAlias


@dataclass(frozen=True, slots=True)
class Literal:
    """A piece of text that the writers write as it is, such as `1e1`, `10.000` or `NaN`."""

    text: str


JsonValue: TypeAlias = "dict[str, JsonValue] | list[JsonValue] | str | int | Decimal | bool | Literal | None"
JsonObject: TypeAlias = "dict[str, JsonValue]"


class PointerError(LookupError):
    """A pointer leads to nothing in the value it was used on."""


# Python refuses to turn longer texts into an int.
_LONGEST_INT = 4000
_LONGEST_PLAIN = 20_000
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


def parse(data: bytes | str) -> JsonValue:
    """The value of a JSON text: whole numbers as int, other numbers as Decimal; ValueError when it is no JSON."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    try:
        value: JsonValue = json.loads(text, parse_int=_whole_number, parse_float=Decimal, parse_constant=_refuse)
    except InvalidOperation as error:
        raise ValueError("a number has a larger exponent than any decimal can hold") from error
    except RecursionError as error:
        raise ValueError("the text is nested too deeply to be read") from error
    return value


def parse_object(data: bytes | str) -> JsonObject:
    """The value of a JSON text that has to be an object; ValueError when it is not."""
    value = parse(data)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object was expected, not {type(value).__name__}")
    return value


def write(value: JsonValue, *, indent: int | None = None) -> str:
    """The value as JSON text; decimals with all their digits, letters of any script as they are.

    Without `indent` the text has no white space at all. A lone surrogate is escaped, so the text can always be
    encoded.
    """
    into: list[str] = []
    _write(value, indent, "" if indent is None else "\n", into)
    return "".join(into)


def get(value: JsonValue, pointer: str) -> JsonValue:
    """The part of the value that the pointer leads to."""
    for key in _keys(pointer):
        value = _child(value, key, pointer)
    return value


def replaced(value: JsonValue, pointer: str, new: JsonValue) -> JsonValue:
    """A new tree with `new` in place of what the pointer leads to, which must be there."""
    get(value, pointer)
    return _changed(value, _keys(pointer), pointer, lambda _: new)


def removed(value: JsonValue, pointer: str) -> JsonValue:
    """A new tree without the member or item that the pointer leads to."""
    get(value, pointer)
    *parents, last = _keys(pointer) or [""]
    if not pointer:
        raise PointerError("the whole value cannot be removed")

    def without(parent: JsonValue) -> JsonValue:
        if isinstance(parent, dict):
            return {name: member for name, member in parent.items() if name != last}
        assert isinstance(parent, list)  # noqa: S101  # get() above has passed through it
        return parent[: int(last)] + parent[int(last) + 1 :]

    return _changed(value, parents, pointer, without)


def added(value: JsonValue, pointer_of_object: str, name: str, new: JsonValue) -> JsonValue:
    """A new tree whose object at the pointer ends with the member `name`; a member of that name gives way.

    At an array, `name` is the index to insert before, or `-` for the end.
    """

    def with_new(parent: JsonValue) -> JsonValue:
        if isinstance(parent, dict):
            return {**{old: member for old, member in parent.items() if old != name}, name: new}
        if isinstance(parent, list):
            index = len(parent) if name == "-" else int(name)
            return [*parent[:index], new, *parent[index:]]
        raise PointerError(f"nothing can be added at {pointer_of_object!r}: neither an object nor an array")

    return _changed(value, _keys(pointer_of_object), pointer_of_object, with_new)


def pointers(value: JsonValue) -> list[tuple[str, JsonValue]]:
    """Every pointer into the value with what it leads to, the whole value (`""`) first, parents before children."""
    return list(_walk("", value))


def differences(a: JsonValue, b: JsonValue) -> list[str]:
    """The pointers at which two trees differ, as deep as possible.

    The order of members is no difference; the text of a number is (`10` and `10.0` differ). A member or an item
    that only one tree has is one difference, whatever is inside.
    """
    return list(_differing("", a, b))


def escaped(name: str) -> str:
    """A member's name as it stands in a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _whole_number(text: str) -> int | Decimal:
    return Decimal(text) if text == "-0" or len(text) > _LONGEST_INT else int(text)


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")


def _write(value: JsonValue, indent: int | None, line: str, into: list[str]) -> None:
    """Append the pieces of the text; `line` is the break before a closing bracket, empty without `indent`."""
    if isinstance(value, dict):
        labelled: Iterable[tuple[str, JsonValue]] = value.items()
        opening, closing = "{", "}"
    elif isinstance(value, list):
        labelled = (("", item) for item in value)
        opening, closing = "[", "]"
    else:
        into.append(_scalar(value))
        return
    into.append(opening)
    inner = line + " " * (indent or 0)
    colon = ":" if indent is None else ": "
    between = inner
    for name, member in labelled:
        into.append(between + _string(name) + colon if opening == "{" else between)
        _write(member, indent, inner, into)
        between = "," + inner
    into.append(line + closing if value else closing)


def _scalar(value: JsonValue) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, int | Decimal):
        return number_text(value)
    raise TypeError(f"{type(value).__name__} has no exact JSON text; use int, Decimal or Literal")


def number_text(value: int | Decimal) -> str:
    """A number with all its digits: in plain notation, unless that would take many thousand zeros."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no JSON number; use Literal to write it all the same")
        # 1E+999999999 in plain notation fills a gigabyte.
        return format(value, "f") if abs(value.adjusted()) <= _LONGEST_PLAIN else str(value)
    return str(value)


def _string(text: str) -> str:
    quoted = encode_basestring(text)
    if quoted.isascii():
        return quoted
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _keys(pointer: str) -> list[str]:
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise PointerError(f"{pointer!r} is no JSON pointer: it has to start with a slash")
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer[1:].split("/")]


def _child(value: JsonValue, key: str, pointer: str) -> JsonValue:
    if isinstance(value, dict) and key in value:
        return value[key]
    if isinstance(value, list) and key.isdecimal() and int(key) < len(value):
        return value[int(key)]
    raise PointerError(f"{pointer!r} leads to nothing: there is no {key!r}")


def _changed(
    value: JsonValue, keys: list[str], pointer: str, change: Callable[[JsonValue], JsonValue]
) -> JsonValue:
    if not keys:
        return change(value)
    key, *rest = keys
    child = _changed(_child(value, key, pointer), rest, pointer, change)
    if isinstance(value, dict):
        return {**value, key: child}
    assert isinstance(value, list)  # noqa: S101  # _child() has found an item in it
    return [*value[: int(key)], child, *value[int(key) + 1 :]]


def _walk(pointer: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    yield pointer, value
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _walk(f"{pointer}/{escaped(name)}", member)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(f"{pointer}/{index}", item)


def _differing(pointer: str, a: JsonValue, b: JsonValue) -> Iterator[str]:
    if a is b:
        return  # changed trees share what is unchanged
    if isinstance(a, dict) and isinstance(b, dict):
        for name in [*a, *(name for name in b if name not in a)]:
            here = f"{pointer}/{escaped(name)}"
            if name in a and name in b:
                yield from _differing(here, a[name], b[name])
            else:
                yield here
    elif isinstance(a, list) and isinstance(b, list):
        for index in range(max(len(a), len(b))):
            here = f"{pointer}/{index}"
            if index < min(len(a), len(b)):
                yield from _differing(here, a[index], b[index])
            else:
                yield here
    elif isinstance(a, dict | list) or isinstance(b, dict | list) or _scalar(a) != _scalar(b):
        yield pointer
