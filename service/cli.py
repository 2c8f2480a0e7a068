"""The command `webhooks`: what an operator can do. A user's mistake is one line, never a stack trace."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated

import typer

from handlers.interface import Endpoint
from service.commands.credentials import credentials, secret
from service.commands.destinations import destinations
from service.commands.documents import documents
from service.commands.drift import drift
from service.commands.events import events
from service.commands.exit_status import ExitStatus
from service.commands.group import CommandGroup
from service.commands.inbox import inbox, migrate
from service.commands.mirror import mirror_commands
from service.commands.release import release
from service.commands.repair import cancel, replay, skip
from service.commands.serving import maintenance, serve, show_config, work
from service.errors import StartError
from service.inbox.interface import InboxUnavailableError
from service.inbox.mirror_reader import NoSuchSubjectError
from service.inbox.reader import NoSuchEventError
from service.inbox.repair import NotPossibleError
from service.settings import SettingsError


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"webhooks {version('tradecloud-webhooks')}")
        raise typer.Exit


app = typer.Typer(
    cls=CommandGroup,
    name="webhooks",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(epilog="README.md and docs/ say what the states and exit statuses mean.")
def options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Receives the webhooks of Tradecloud One and keeps every event."""


app.command()(serve)
app.command()(work)
app.command("config")(show_config)
app.command()(maintenance)
app.command()(migrate)
app.command()(credentials)
app.command()(drift)
for command in (release, replay, cancel, skip):
    events.command()(command)
app.add_typer(events, name="events")
app.add_typer(mirror_commands(Endpoint.ORDER), name="orders")
app.add_typer(mirror_commands(Endpoint.SHIPMENT), name="shipments")
app.add_typer(destinations, name="destinations")
app.add_typer(inbox, name="inbox")
app.add_typer(documents, name="documents")
app.add_typer(secret, name="secret")


def main() -> None:
    """Entry point of the command."""
    with _one_line_errors():
        app()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (SettingsError, StartError, InboxUnavailableError, NoSuchEventError, NoSuchSubjectError) as error:
        _say(error)
        sys.exit(ExitStatus.TROUBLE)
    except NotPossibleError as error:
        _say(error)
        sys.exit(ExitStatus.LEFT)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"webhooks: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(ExitStatus.TROUBLE)


def _say(error: Exception) -> None:
    for line in str(error).splitlines():
        print(f"webhooks: {line}", file=sys.stderr)
