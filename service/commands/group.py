"""Commands under one name, listed with the whole first sentence of each."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

#: More than any first sentence has.
_WHOLE = 1000


class CommandGroup(TyperGroup):
    """Wraps what the usual list of commands would cut in the middle of a sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(_WHOLE))
                    for name, command in commands
                    if command and not command.hidden
                ]
            )
