"""`webhooks events list|show`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from service.commands.group import CommandGroup
from service.commands.options import (
    ConfigOption,
    DestinationOption,
    EndpointOption,
    EventOption,
    JsonOption,
    PurchaseOrderOption,
    SinceOption,
    StateOption,
    UntilOption,
    moment,
    settings_of,
    tell_if_more,
)
from service.console.events import event_json, event_text, events_json, events_table
from service.console.text import terminal_width
from service.inbox.reader import EventFilter, InboxReader, NoSuchEventError

events = typer.Typer(cls=CommandGroup, help="Look at what was received, and repair it.", no_args_is_help=True)


@events.command("list")
def list_events(
    state: StateOption = None,
    endpoint: EndpointOption = None,
    kind: Annotated[str | None, typer.Option(help="Payload kind, such as orderEvent or shipment.")] = None,
    event: EventOption = None,
    purchase_order: PurchaseOrderOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    destination: DestinationOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the newest events, newest first."""
    wanted = EventFilter(
        state=state,
        endpoint=endpoint,
        kind=kind,
        event_name=event,
        purchase_order_number=purchase_order,
        since=moment("--since", since),
        until=moment("--until", until),
        destination=destination,
        limit=limit,
    )
    rows = InboxReader(settings_of(config).inbox.place).events(wanted)
    typer.echo(events_json(rows) if as_json else events_table(rows, terminal_width()))
    tell_if_more(rows, limit)


@events.command("show")
def show_event(
    id: Annotated[str, typer.Argument(help="The event's id, or enough of its beginning.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the body, byte for byte as received.")] = False,
    edited: Annotated[
        bool, typer.Option("--edited", help="With --raw: the body that it was released with.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one event: facts, changes, handovers and attempts, what operators did; or with --raw its body."""
    if edited and not raw:
        raise typer.BadParameter("--edited goes with --raw")
    reader = InboxReader(settings_of(config).inbox.place)
    if raw:
        event_id = reader.id_of(id)
        body = reader.edited_body(event_id) if edited else reader.body(event_id)
        if body is None:
            raise NoSuchEventError(f"{event_id} was not released with another body")
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return
    row = reader.event(id)
    typer.echo(event_json(row) if as_json else event_text(row, terminal_width()))
