"""`webhooks destinations status|pause|resume`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from handlers.interface import DOCUMENTS
from handlers.mirror.current import current
from service.commands.operator import operator
from service.commands.options import ConfigOption, JsonOption, ReasonOption, settings_of
from service.console.destinations import destinations_json, destinations_text
from service.console.text import json_text, terminal_width
from service.errors import StartError
from service.inbox.destination_reader import DestinationReader
from service.inbox.repair import Repair
from service.settings import Settings
from service.wake import wake
from service.worker.only_one import somebody_works

destinations = typer.Typer(help="See and stop what takes events over.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="Name of the destination: [destinations.NAME].")]


@destinations.command()
def status(as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """List the destinations: paused or unavailable since when and why, and what waits for them."""
    settings = settings_of(config)
    reader = DestinationReader(settings.inbox.path)
    configured = [*([DOCUMENTS] if settings.documents.is_on else []), *settings.destinations]
    removed = [name for name in reader.names() if name not in configured]
    rows = [{**row, "configured": row["name"] in configured} for row in reader.destinations(configured + removed)]
    typer.echo(destinations_json(rows) if as_json else destinations_text(rows, terminal_width()))
    if not as_json and not somebody_works(settings.inbox.path.parent):
        typer.echo(
            "\nNo worker works on this inbox now: nothing is handed over until `webhooks serve` or `work` runs."
        )


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
    path = settings.inbox.path
    built_in = {DOCUMENTS} if settings.documents.is_on else set()
    known = {*built_in, *settings.destinations, *DestinationReader(path).names()}
    if name not in known:
        raise StartError(f"no destination is called {name}; there is {', '.join(sorted(known)) or 'none'}")
    repair = Repair(path, user=operator(), current_of=current)
    try:
        change(repair)
    finally:
        repair.close()
    wake(path.parent)
    typer.echo(json_text({"destination": name, "done": what}) if as_json else f"{name} is {what}.")
