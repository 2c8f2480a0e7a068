"""A class of an integrator's own: found, made, held to what it must answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.erp.python import ClassError, PythonDestination, check_name, load_class
from handlers.interface import Accepted
from tests.erp_events import BODY, EVENT

SECRET = "hunter2-nobody-may-see-this"


@pytest.fixture(autouse=True)
def import_path_as_before() -> Iterator[None]:
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("own_"):
            del sys.modules[name]


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)


def deliver(destination: PythonDestination) -> Any:
    return destination.deliver(EVENT, {}, (), BODY)


CLASS = """
from handlers.interface import Accepted
class Erp:
    def __init__(self, base, retries=1): self.made = (base, retries)
    def deliver(self, event, merged, changes, body): return Accepted(f"{self.made} {event.id}")
"""


def test_class_beside_the_settings_gets_its_options_and_the_event(tmp_path: Path) -> None:
    write(tmp_path, "own_erp", CLASS)
    destination = load_class("own_erp:Erp", {"base": "b", "retries": 3}, tmp_path)
    assert deliver(destination) == Accepted(f"('b', 3) {EVENT.id}")
    destination.close()  # the class has none


def test_class_that_is_closed_is_told_so(tmp_path: Path) -> None:
    text = CLASS + "    def close(self): import pathlib; pathlib.Path(self.made[0]).touch()\n"
    write(tmp_path, "own_closing", text)
    load_class("own_closing:Erp", {"base": str(tmp_path / "closed")}, tmp_path).close()
    assert (tmp_path / "closed").exists()


def test_installed_module_is_not_replaced_by_a_file_beside_the_settings(tmp_path: Path) -> None:
    write(tmp_path, "colorsys", "class Erp: deliver = print")
    sys.modules.pop("colorsys", None)
    with pytest.raises(ClassError, match="has no class Erp"):
        load_class("colorsys:Erp", {}, tmp_path)


def test_what_the_class_raises_is_raised_on(tmp_path: Path) -> None:
    write(tmp_path, "own_raising", "class Erp:\n def deliver(self, *_): raise KeyError('price')")
    with pytest.raises(KeyError, match="price"):
        deliver(load_class("own_raising:Erp", {}, tmp_path))


@pytest.mark.parametrize(("answer", "kind"), [("None", "NoneType"), ("True", "bool"), ("'accepted'", "str")])
def test_answer_that_is_no_outcome_is_a_fault(tmp_path: Path, answer: str, kind: str) -> None:
    write(tmp_path, f"own_{kind}", f"class Erp:\n def deliver(self, *_): return {answer}")
    with pytest.raises(TypeError, match=f"Erp.deliver returned {kind} instead of Accepted, Refused, Unavailable"):
        deliver(load_class(f"own_{kind}:Erp", {}, tmp_path))


def test_coroutine_is_no_outcome_and_the_reason_is_told(tmp_path: Path) -> None:
    write(tmp_path, "own_async", "class Erp:\n async def deliver(self, *_): pass")
    with pytest.raises(TypeError, match="deliver must not be async"):
        deliver(load_class("own_async:Erp", {}, tmp_path))


@pytest.mark.parametrize(
    ("module", "text", "problem"),
    [
        ("own_absent", None, "there is no module own_absent in {folder}, and none is installed"),
        ("own_other", "", "module own_other ({folder}/own_other.py) has no class Erp"),
        ("own_value", "Erp = 1", "module own_value ({folder}/own_value.py) has no class Erp"),
        ("own_bare", "class Erp: pass", "class Erp has no method deliver(event, merged, changes, body)"),
        (
            "own_import",
            "import own_nothing",
            "module own_import cannot be used: ModuleNotFoundError: No module named",
        ),
        ("own_syntax", "class", "module own_syntax cannot be used: SyntaxError: invalid syntax"),
        ("own_exits", "raise RuntimeError('a\\nb')", "module own_exits cannot be used: RuntimeError: a b"),
        (
            "own_options",
            "class Erp:\n def deliver(self, *_): pass",
            "Erp cannot be made with these options: TypeError: Erp() takes no arguments",
        ),
        (
            "own_secret",
            "class Erp:\n def __init__(self, secret): raise ValueError(secret)\n def deliver(self, *_): pass",
            "Erp cannot be made with these options: ValueError: ********",
        ),
    ],
)
def test_class_that_cannot_be_used_is_told_in_one_line_without_secrets(
    tmp_path: Path, module: str, text: str | None, problem: str
) -> None:
    if text is not None:
        write(tmp_path, module, text)
    with pytest.raises(ClassError) as caught:
        load_class(f"{module}:Erp", {"secret": SECRET}, tmp_path)
    assert str(caught.value).startswith(problem.format(folder=tmp_path))
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["", "module", "module:", ":Class", "a b:C", "a:b:c", "../a:B", "a.:B", "1a:B"])
def test_name_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match='must be "module:Class"'):
        check_name(name)
