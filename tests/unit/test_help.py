"""What `webhooks --help` and its like say on a terminal of 80 columns."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from service.cli import app
from service.commands.options import tell_if_more

RUNNER = CliRunner(env={"COLUMNS": "80", "TERMINAL_WIDTH": "80"})
GROUPS = ["events", "orders", "shipments", "destinations", "documents", "inbox", "secret"]


@pytest.mark.parametrize("group", [None, *GROUPS])
def test_list_of_commands_cuts_no_sentence_and_fits(group: str | None) -> None:
    result = RUNNER.invoke(app, [*([group] if group else []), "--help"])
    commands = result.output.partition("Commands:")[2]
    assert commands.strip()
    assert "..." not in commands
    assert max(map(len, commands.splitlines())) <= 80


def test_version_is_that_of_the_package() -> None:
    assert RUNNER.invoke(app, ["--version"]).output == f"webhooks {version('tradecloud-webhooks')}\n"


def test_list_that_ends_at_its_limit_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    tell_if_more([1, 2], 3)
    assert capsys.readouterr() == ("", "")
    tell_if_more([1, 2], 2)
    assert capsys.readouterr() == ("", "\nThese are the first 2; --limit shows more.\n")
