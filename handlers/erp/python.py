"""The destination `python`: a class of an integrator's own, named by the settings.

The class needs one method, `deliver`, as `handlers.interface.Destination` describes it; `close` may be missing. It
is made once, with the options of the settings as keyword arguments, and serves several threads at once.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from handlers.interface import Change, ErpEvent, JsonObject, Outcome, RenderedBody


class ClassError(Exception):
    """The class cannot be found or made; one line that says why."""


class PythonDestination:
    """What the class does, held to what a destination must answer."""

    def __init__(self, inner: Any, name: str) -> None:
        self._inner = inner
        self._name = name

    def deliver(
        self, event: ErpEvent, merged: JsonObject | None, changes: Sequence[Change], body: RenderedBody
    ) -> Outcome:
        """What the class answers.

        Raises:
            TypeError: it answers something else than an outcome.
            Exception: whatever it raises.
        """
        outcome = self._inner.deliver(event, merged, changes, body)
        if isinstance(outcome, get_args(Outcome)):
            return outcome  # type: ignore[no-any-return]
        hint = ""
        if inspect.iscoroutine(outcome):
            outcome.close()  # or the interpreter warns of it
            hint = "; deliver must not be async"
        raise TypeError(
            f"{self._name}.deliver returned {type(outcome).__name__} instead of Accepted, Refused, Unavailable or "
            f"TimedOut{hint}"
        )

    def close(self) -> None:
        """What the class does then, if anything."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()


def load_class(name: str, options: Mapping[str, Any], folder: Path) -> PythonDestination:
    """An object of the class "module:Class", found in `folder` or installed.

    Raises:
        ClassError: there is no such class, or it does not take the options.
    """
    module_name, _, class_name = name.partition(":")
    # At the end: a file beside the settings must not take the place of an installed module.
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == module_name:
            raise ClassError(f"there is no module {module_name} in {folder}, and none is installed") from None
        raise ClassError(f"module {module_name} cannot be used: {_said(error, options)}") from error
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise ClassError(f"module {module_name} ({module.__file__}) has no class {class_name}")
    if not callable(getattr(found, "deliver", None)):
        raise ClassError(f"class {class_name} has no method deliver(event, merged, changes, body)")
    try:
        made = found(**options)
    except Exception as error:
        raise ClassError(f"{class_name} cannot be made with these options: {_said(error, options)}") from error
    return PythonDestination(made, class_name)


def check_name(name: str) -> None:
    """Check that a text has the form "module:Class".

    Raises:
        ValueError: it has not; the text completes the sentence "<key>: …".
    """
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
        raise ValueError('must be "module:Class", such as "my_erp:Orders" for class Orders in my_erp.py')


def _said(error: Exception, options: Mapping[str, Any]) -> str:
    """The error's kind and message on one line, without what may be a secret."""
    message = str(error)
    for value in options.values():
        if isinstance(value, str) and len(value) >= 4:
            message = message.replace(value, "********")
    message = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return f"{type(error).__name__}: {message[:300]}" if message else type(error).__name__
