"""`python -m sandbox`: a stand-in for Tradecloud on the command line. A user's mistake is one line."""

from __future__ import annotations

import sys

import typer

from sandbox.commands.compare import compare
from sandbox.commands.demo import demo
from sandbox.commands.send import scenarios, send
from sandbox.commands.services import AS_GIVEN, erp, identity, platform
from sandbox.errors import SandboxError

app = typer.Typer(
    name="sandbox",
    help="Stands in for Tradecloud: sends events, knows the truth, compares; and what is around.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(send)
app.command()(scenarios)
app.command()(compare)
app.command()(demo)
for service in (identity, platform, erp):
    app.command(context_settings=AS_GIVEN)(service)


def main() -> None:
    """Entry point."""
    try:
        app()
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"sandbox: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
