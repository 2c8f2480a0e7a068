"""`webhooks destinations status|pause|resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from handlers.erp.sql.address import AddressError
from handlers.erp.sql.statements import create_statements
from handlers.interface import DOCUMENTS
from handlers.mirror.current import current
from service.commands.group import CommandGroup
from service.commands.operator import operator
from service.commands.options import ConfigOption, JsonOption, ReasonOption, settings_of
from service.console.destinations import destinations_json, destinations_text
from service.console.text import json_text, terminal_width
from service.errors import StartError
from service.inbox.destination_reader import DestinationReader
from service.inbox.repair import Repair
from service.settings import Settings
from service.wake import wake
from service.working import somebody_works

destinations = typer.Typer(cls=CommandGroup, help="See and stop what takes events over.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the destination: [destinations.NAME].")]


@destinations.command()
def status(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the destinations: paused or unavailable since when and why, and what waits for them."""
    settings = settings_of(config)
    reader = DestinationReader(settings.inbox.place)
    configured = [*([DOCUMENTS] if settings.documents.is_on else []), *settings.destinations]
    removed = [name for name in reader.names() if name not in configured]
    rows = [{**row, "configured": row["name"] in configured} for row in reader.destinations(configured + removed)]
    typer.echo(destinations_json(rows) if as_json else destinations_text(rows, terminal_width()))
    if not as_json and not somebody_works(settings):
        typer.echo(
            "\nNo worker works on this inbox now: nothing is handed over until `webhooks serve` or `work` runs."
        )


@destinations.command("sql-schema")
def sql_schema(name: NameArgument, config: ConfigOption = None) -> None:
    """Print the statements that create the tables of a destination of type sql."""
    found = settings_of(config).destinations.get(name)
    if found is None or found.database_url is None:
        raise StartError(f"destinations.{name}: there is no destination of type sql under this name")
    try:
        statements = create_statements(
            found.database_url.get_secret_value(), schema=found.database_schema, table_prefix=found.table_prefix
        )
    except AddressError as error:
        raise StartError(f"destinations.{name}.database_url: {error}") from error
    typer.echo(statements, nl=False)


@destinations.command()
def pause(
    name: NameArgument, *, reason: ReasonOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Hand nothing over to this destination until it is resumed; nothing becomes dead meanwhile, however long it
    takes. What is under way ends first."""
    _change(name, "paused", lambda repair: repair.pause(name, reason), as_json, settings_of(config))


@destinations.command()
def resume(
    name: NameArgument, *, reason: ReasonOption, as_json: JsonOption = False, config: ConfigOption = None
) -> None:
    """Hand over again, in the order of acceptance."""
    _change(name, "resumed", lambda repair: repair.resume(name, reason), as_json, settings_of(config))


def _change(name: str, what: str, change: Callable[[Repair], None], as_json: bool, settings: Settings) -> None:
    place = settings.inbox.place
    built_in = {DOCUMENTS} if settings.documents.is_on else set()
    known = {*built_in, *settings.destinations, *DestinationReader(place).names()}
    if name not in known:
        raise StartError(f"no destination is called {name}; there is {', '.join(sorted(known)) or 'none'}")
    repair = Repair(place, user=operator(), current_of=current)
    try:
        change(repair)
    finally:
        repair.close()
    wake(settings.inbox.folder)
    typer.echo(json_text({"destination": name, "done": what}) if as_json else f"{name} is {what}.")
