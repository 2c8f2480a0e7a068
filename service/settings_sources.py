"""Where settings come from: a TOML file and the environment, each as a flat table of key -> text and origin.

Flat, because a mistake is reported by the dotted key and by the place where it was made. What a key may hold
is not known here but in `service.settings_models`; this module only asks the models which keys there are.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

Key = tuple[str, ...]

ENVIRONMENT_PREFIX = "WEBHOOKS_"
#: Names the settings file, so it is no setting itself.
CONFIG_VARIABLE = "WEBHOOKS_CONFIG"

#: Stands for any name in the key of a named table: auth.basic.NAME.username.
_NAME = "NAME"

#: Path("") would be the working directory.
EMPTY_PATH = "must not be empty; leave the key out instead"

#: What administrators who do not know TOML run into.
_TOML_HINTS = {
    "Invalid value": "; a text stands in quotes",
    "Unescaped '\\'": "; put a Windows path in single quotes",
    "Invalid hex value": "; put a Windows path in single quotes",
}


class SettingsError(ValueError):
    """The settings are wrong; one line for each mistake, and no line shows a secret."""


@dataclass(frozen=True, slots=True)
class Located:
    """Marks a setting that names a place on disk; `resolve` makes its text absolute, seen from a folder."""

    resolve: Callable[[str, Path], str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting as it was written."""

    value: object
    origin: str
    """The file or the environment variable, as the reader knows it."""


class Shape:
    """The keys that the models know."""

    def __init__(self, model: type[BaseModel]) -> None:
        self.fields: dict[Key, FieldInfo] = dict(_fields(model, ()))
        self._tables = dict.fromkeys(key[:i] for key in self.fields for i in range(len(key)))

    def pattern(self, key: Key) -> Key:
        """The key as the models know it, with NAME for a name; a key that they do not know stays as it is."""
        known: Key = ()
        for part in key:
            exact, named = (*known, part), (*known, _NAME)
            free = named in self._tables or named in self.fields
            known = named if exact not in self.fields and free else exact
        return known

    def is_table(self, key: Key) -> bool:
        """Whether the key is a table: [server], [auth.basic.main]."""
        return self.pattern(key) in self._tables

    def field(self, key: Key) -> FieldInfo | None:
        """What the models say of the key; None if they do not know it."""
        return self.fields.get(self.pattern(key))

    def name_at(self, key: Key) -> int | None:
        """Position of the name in the key of a named table."""
        pattern = self.pattern(key)
        return pattern.index(_NAME) if _NAME in pattern else None

    def suggestion(self, key: Key, spell: Callable[[Key], str]) -> str:
        """The end of the sentence about an unknown key: the key that was probably meant, or all there are."""
        # WEBHOOKS_SERVER_PORT, with one underscore, is the most likely mistake of all.
        if meant := [known for known in self.fields if "_".join(known) == "_".join(key)]:
            return f"did you mean {spell(meant[0])}?"
        parent = self.pattern(key[:-1])
        siblings = [known[len(parent)] for known in (*self._tables, *self.fields) if known and known[:-1] == parent]
        if near := difflib.get_close_matches(key[-1], siblings, n=1):
            return f"did you mean {spell((*key[:-1], near[0]))}?"
        spelled = {dotted(known): known for known in self.fields}
        # Inside a known table the shared beginning would make any key look like any other.
        lost = not parent or parent not in self._tables
        if lost and (near := difflib.get_close_matches(dotted(key), spelled, n=1, cutoff=0.75)):
            return f"did you mean {spell(spelled[near[0]])}?"
        if parent not in self._tables:
            return f"known tables are {', '.join(dotted(table) for table in self._tables if table)}"
        return f"known are {', '.join(siblings)}"


@dataclass(slots=True)
class Source:
    """What one source says, and what is wrong with it."""

    entries: dict[Key, Entry] = field(default_factory=dict)
    problems: dict[Key, str] = field(default_factory=dict)
    """Unknown keys and unreadable files, each a whole line."""

    def nested(self) -> dict[str, Any]:
        """The values as tables in tables."""
        tables: dict[str, Any] = {}
        for key, entry in self.entries.items():
            table = tables
            for part in key[:-1]:
                table = table.setdefault(part, {})
            table[key[-1]] = entry.value
        return tables

    def put(self, key: Key, value: object, origin: str, shape: Shape, folder: Path) -> None:
        """Add a setting whose relative path, if it has one, is seen from `folder`."""
        known = shape.field(key)
        places = [mark for mark in known.metadata if isinstance(mark, Located)] if known else []
        if places and isinstance(value, str) and value:
            value = places[0].resolve(value, folder)
        self.entries[key] = Entry(value, origin)

    def yield_to(self, stronger: Source, shape: Shape) -> None:
        """Leave out a `password` where the stronger source has a `password_file` or `password_hash`, and so on."""
        for text, file in _secret_pairs(shape, {*self.entries, *stronger.entries}):
            ways = (text, file, (*text[:-1], f"{text[-1]}_hash"))
            if any(way in stronger.entries for way in ways):
                for way in ways:
                    self.entries.pop(way, None)

    def read_secret_files(self, shape: Shape) -> None:
        """Put the content of each `password_file` where the `password` would stand."""
        for text, file in _secret_pairs(shape, set(self.entries)):
            named = self.entries.get(file)
            if named is None or not isinstance(named.value, str):
                continue
            if text in self.entries:
                self.problems[text] = (
                    f"{dotted(text)}: given twice, give either {text[-1]} or {file[-1]} ({named.origin})"
                )
                continue
            if not named.value:
                self.problems[file] = f"{dotted(file)}: {EMPTY_PATH} ({named.origin})"
                continue
            try:
                content = Path(named.value).read_bytes().decode("utf-8-sig")
            except (OSError, ValueError) as error:
                self.problems[file] = (
                    f"{dotted(file)}: cannot read {_line(named.value)}: {_reason(error)} ({named.origin})"
                )
                continue
            # Editors and `echo` end the last line; only that line break is not part of the secret.
            content = content[:-2] if content.endswith("\r\n") else content.removesuffix("\n")
            origin = f"{_line(named.value)}, by {file[-1]} of {named.origin}"
            self.entries[text] = Entry(content, origin)


def read_file(path: Path, shape: Shape) -> Source:
    """The settings in a TOML file; its relative paths are seen from its folder.

    Raises:
        SettingsError: it cannot be read or is not TOML.
    """
    try:
        # Windows editors put a byte order mark before the text, which TOML does not know.
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot read the settings file: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path}: line {line}: not UTF-8 text; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        found = re.fullmatch(r"(.*) \(at (.*)\)", str(error), re.DOTALL)
        reason, place = (found[1], found[2]) if found else (str(error), "somewhere")
        hint = next((hint for start, hint in _TOML_HINTS.items() if reason.startswith(start)), "")
        raise SettingsError(f"{path}: {place}: {_line(reason)}{hint}") from error
    source = Source()
    folder = path.absolute().parent

    def read(table: Mapping[str, object], above: Key) -> None:
        for name, value in table.items():
            key = (*above, name)
            if shape.field(key):
                source.put(key, value, str(path), shape, folder)
            elif not shape.is_table(key):
                source.problems[key] = f"{dotted(key)}: unknown key ({path}); {shape.suggestion(key, dotted)}"
            elif not isinstance(value, dict):
                source.problems[key] = f"{dotted(key)}: must be a table, [{dotted(key)}] ({path})"
            elif value:
                read(value, key)
            elif shape.name_at(key) == len(key) - 1:
                # An empty [auth.basic.main] must be noticed as one that lacks everything.
                source.entries[key] = Entry({}, str(path))

    read(tables, ())
    return source


def read_environment(environ: Mapping[str, str], shape: Shape, file: Source, folder: Path) -> Source:
    """The settings in WEBHOOKS_… variables, in upper or lower case; relative paths are seen from `folder`."""
    source = Source()
    # A variable in upper case means the name that the file has, whatever its case.
    spelling = {
        tuple(part.lower() for part in key[:i]): key[:i] for key in file.entries for i in range(1, len(key) + 1)
    }
    for variable, value in environ.items():
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or variable.upper() == CONFIG_VARIABLE:
            continue
        key: Key = tuple(variable[len(ENVIRONMENT_PREFIX) :].lower().split("__"))
        if (name_at := shape.name_at(key)) is not None:
            key = spelling.get(key[: name_at + 1], key[: name_at + 1]) + key[name_at + 1 :]
        if shape.is_table(key):
            source.problems[key] = f"{dotted(key)}: a table has no value; set {variable}__<KEY> ({variable})"
        elif shape.field(key) is None:
            source.problems[key] = (
                f"{dotted(key)}: unknown key ({variable}); {shape.suggestion(key, environment_name)}"
            )
        elif key in source.entries:
            source.problems[key] = f"{dotted(key)}: set twice ({source.entries[key].origin} and {variable})"
        else:
            source.put(key, value, variable, shape, folder)
    return source


def dotted(key: Key) -> str:
    """The key as it is written in TOML."""
    return ".".join(part if re.fullmatch(r"[\w-]+", part) else json.dumps(part) for part in key)


def environment_name(key: Key) -> str:
    """The environment variable of the key."""
    return ENVIRONMENT_PREFIX + "__".join(key).upper()


def _fields(model: type[BaseModel], above: Key) -> Iterator[tuple[Key, FieldInfo]]:
    for field_name, known in model.model_fields.items():
        kind = known.annotation
        # `class` is a key of TOML, but no name in Python.
        name = known.alias or field_name
        inner = get_args(kind)[1] if get_origin(kind) is dict else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _fields(inner, (*above, name, _NAME))
        elif inner is not None:
            yield (*above, name, _NAME), known
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _fields(kind, (*above, name))
        else:
            yield (*above, name), known


def _secret_pairs(shape: Shape, keys: set[Key]) -> Iterator[tuple[Key, Key]]:
    """`password` and `password_file` of each table that has one of them."""
    for table in sorted({key[:-1] for key in keys}):
        for pattern in shape.fields:
            text = pattern[-1].removesuffix("_file")
            if (
                pattern[:-1] == shape.pattern(table)
                and pattern[-1] != text
                and (*pattern[:-1], text) in shape.fields
            ):
                yield (*table, text), (*table, pattern[-1])


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        # The error's own text shows bytes of the file.
        return "it is not UTF-8 text"
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else _line(str(error))


def _line(text: str) -> str:
    """A foreign text without anything that could break the line."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
