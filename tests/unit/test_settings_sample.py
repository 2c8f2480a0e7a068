"""webhooks.example.toml documents every setting, with the defaults of the code."""

from __future__ import annotations

import re
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from service.settings_sources import Shape
from tests.unit.reading_settings import read

SAMPLE = Path(__file__).resolve().parents[2] / "webhooks.example.toml"

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def uncommented() -> str:
    """The sample with every `# key = value` and `# [table]` in force."""
    return re.sub(r"^# (?=\w+ = |\[)", "", SAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def leaves(table: dict[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Key -> value of every setting in a parsed TOML file."""
    found: dict[tuple[str, ...], Any] = {}
    for name, value in table.items():
        found |= leaves(value, (*above, name)) if isinstance(value, dict) else {(*above, name): value}
    return found


def test_sample_as_it_is_loads_once_the_password_file_is_there(folder: Path) -> None:
    (folder / "password.txt").write_text("x")
    settings = read(SAMPLE.read_text(encoding="utf-8"))
    assert list(settings.auth.basic) == ["main"]
    assert not settings.auth.bearer


def test_sample_with_everything_in_force_loads_and_its_defaults_are_the_codes(folder: Path) -> None:
    for name in (
        "password.txt",
        "next-password.txt",
        "token.txt",
        "key-password.txt",
        "erp-password.txt",
        "tradecloud-password.txt",
    ):
        (folder / name).write_text("x")
    read(uncommented())
    shape = Shape(Settings)
    for key, value in leaves(tomllib.loads(uncommented())).items():
        known = shape.field(key)
        assert known is not None, key
        # A table whose keys are the reader's own is shown by an example.
        if not known.is_required() and known.default is not None and known.default != {}:
            default = list(known.default) if isinstance(known.default, tuple) else known.default
            assert value == default, key
            assert type(value) is type(default) or isinstance(default, str), key


def test_sample_names_every_key_and_says_what_it_is() -> None:
    shape = Shape(Settings)
    named = {shape.pattern(key) for key in leaves(tomllib.loads(uncommented()))}
    table: tuple[str, ...] = ()
    for line in uncommented().splitlines():
        if heading := re.fullmatch(r"\[(.+)\]", line):
            table = tuple(heading[1].split("."))
        elif alternative := re.match(r"# or (\w+) = ", line):
            named.add(shape.pattern((*table, alternative[1])))
    assert named == set(shape.fields)


def test_sample_shows_defaults_as_comments_with_a_sentence_before_each() -> None:
    lines = SAMPLE.read_text(encoding="utf-8").splitlines()
    server = lines[lines.index("[server]") + 1 : lines.index("[inbox]")]
    for before, line in pairwise(server):
        if re.match(r"(# )?\w+ = ", line):
            assert re.fullmatch(r"# [A-Z].*\.", before), line


def test_every_setting_can_say_what_it_must_be() -> None:
    assert [key for key, known in Shape(Settings).fields.items() if not known.description] == []
