"""Reads a Swagger file (YAML or JSON) from bytes that may come from anywhere.

Scalars are read by JSON's rules (https://swagger.io/specification/v2/, "Format"): a date stays a text, `no` is the
text "no", `0012` too. Files are bounded, so that one of a few kilobytes cannot fill the memory: YAML may repeat a
part by alias, and the alias of aliases grows without end.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

Json = Any

#: Longest file that is read, in bytes. Ours is below 100 KB.
MAX_BYTES = 8 * 1024 * 1024
#: Deepest nesting of mappings and lists.
MAX_DEPTH = 100
#: Most values in one file, those that are repeated by alias counted each time.
MAX_VALUES = 500_000


class SwaggerFileError(ValueError):
    """The bytes are no Swagger 2.0 file that can be read; the text says why, in one line."""


def read(content: bytes) -> dict[str, Json]:
    """The Swagger 2.0 document in `content`.

    Raises:
        SwaggerFileError: no YAML, a key twice, beyond the bounds above, or no mapping with `swagger: '2.0'`.
    """
    if len(content) > MAX_BYTES:
        raise SwaggerFileError(f"longer than {MAX_BYTES} bytes")
    loader = None
    try:
        _check_depth(content)
        loader = _Loader(content)
        node = loader.get_single_node()
        if node is not None:
            _Bounds().check(node)
        document = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SwaggerFileError(f"{line}{error.problem or error.context or 'no YAML'}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, SwaggerFileError):
            raise
        raise SwaggerFileError(f"no YAML: {str(error).splitlines()[0]}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(document, dict):
        raise SwaggerFileError("no Swagger file: not a mapping")
    if str(document.get("swagger")) != "2.0":
        raise SwaggerFileError("no Swagger file: it does not say swagger: '2.0'")
    return document


def _check_depth(content: bytes) -> None:
    """Before anything is built: the C library follows the nesting on its stack until the process dies of it."""
    depth = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _too_deep(event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(mark: Any) -> SwaggerFileError:
    return SwaggerFileError(f"line {mark.line + 1}: nested deeper than {MAX_DEPTH} levels")


class _Loader(yaml.CSafeLoader):
    """PyYAML reads YAML 1.1, where `no` is false and `12:30` a number; Swagger files mean JSON's scalars."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise SwaggerFileError(f"line {key.start_mark.line + 1}: a key that is no text")
            if key.value in names:
                raise SwaggerFileError(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            names.add(key.value)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}


for _tag, _form, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", ["n", "~", ""]),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_form})\Z"), list(_first))


class _Bounds:
    """Counts a node as often as it is repeated by alias, without walking it more than once."""

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}

    def check(self, node: yaml.Node, depth: int = 1) -> int:
        known = self._sizes.get(id(node))
        if known == 0:
            raise SwaggerFileError(f"line {node.start_mark.line + 1}: a part that contains itself")
        if known is not None:
            return known
        if depth > MAX_DEPTH:
            raise _too_deep(node.start_mark)
        self._sizes[id(node)] = 0
        size = 1
        if isinstance(node, yaml.MappingNode):
            size += sum(1 + self.check(value, depth + 1) for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self.check(value, depth + 1) for value in node.value)
        if size > MAX_VALUES:
            raise SwaggerFileError(f"more than {MAX_VALUES} values")
        self._sizes[id(node)] = size
        return size
