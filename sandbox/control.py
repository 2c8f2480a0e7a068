"""The control port: makes faults in a running sandbox, by HTTP and JSON.

`GET /` lists what there is. `POST /NAME` with a JSON object of arguments does it and answers what came of it;
`GET /NAME` does so too where it only looks. Errors are problem details (RFC 9457).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict, ValidationError, validate_call

from sandbox.serving import Answer, Request, json_answer, problem
from sandbox.wire import json_text


class ControlError(Exception):
    """What was asked for cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    call: Callable[..., Any]
    says: str
    arguments: dict[str, str]
    looks: bool


class Control:
    """A registry of functions by name, and the answers of the control port."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}

    def register(self, name: str, function: Callable[..., Any], *, looks: bool = False) -> None:
        """Offer a function under a name such as `identity/rotate`.

        Its arguments are checked by their annotations; its result must be JSON or None; it may raise ControlError.
        The first line of its docstring is shown in the list. `looks`: it changes nothing, so GET does it too.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{name} is registered already")
        says = (inspect.getdoc(function) or "").partition("\n")[0]
        parameters = inspect.signature(function).parameters
        arguments = {key: _described(parameter) for key, parameter in parameters.items()}
        checked = validate_call(config=ConfigDict(arbitrary_types_allowed=True))(function)
        self._entries[name] = _Entry(checked, says, arguments, looks)

    def __call__(self, request: Request) -> Answer:
        """The answer to a request."""
        name = request.path.strip("/")
        if "origin" in request.headers:
            return problem(403, "Forbidden", "The control port is not for web pages.")
        if not name:
            return self._list() if request.method == "GET" else _only("GET")
        entry = self._entries.get(name)
        if entry is None:
            return problem(404, "Not Found", f"There is nothing called {name}; GET / lists what there is.")
        if request.method != "POST" and not (entry.looks and request.method == "GET"):
            return _only("GET, POST" if entry.looks else "POST")
        return _called(name, entry, request)

    def _list(self) -> Answer:
        listed = [
            {
                "name": name,
                "method": "GET" if entry.looks else "POST",
                "says": entry.says,
                "arguments": entry.arguments,
            }
            for name, entry in sorted(self._entries.items())
        ]
        return json_answer(200, {"functions": listed})


def _called(name: str, entry: _Entry, request: Request) -> Answer:
    try:
        arguments = json_text.read(request.body) if request.body.strip() else {}
    except (ValueError, RecursionError):
        return problem(400, "Bad Request", "The body is no JSON.")
    if not isinstance(arguments, dict):
        return problem(400, "Bad Request", "The body must be a JSON object of arguments.")
    try:
        result = entry.call(**arguments)
    except ValidationError as error:
        found = [{"argument": _place(each["loc"]), "detail": each["msg"]} for each in error.errors()]
        text = "; ".join(f"{each['argument']}: {each['detail']}" for each in found)
        return problem(400, "Bad Request", f"{name}: {text}", errors=found)
    except ControlError as error:
        return problem(409, "Conflict", f"{name}: {error}")
    return json_answer(200, {} if result is None else result)


def _only(methods: str) -> Answer:
    answer = problem(405, "Method Not Allowed", f"Only {methods} here.")
    return Answer(answer.status, answer.body, {**answer.headers, "Allow": methods})


def _place(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _described(parameter: inspect.Parameter) -> str:
    kind = (
        parameter.annotation
        if isinstance(parameter.annotation, str)
        else inspect.formatannotation(parameter.annotation)
    )
    return (
        kind if parameter.default is inspect.Parameter.empty else f"{kind} = {json_text.write(parameter.default)}"
    )
