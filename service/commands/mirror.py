"""`webhooks orders|shipments list|show|history`: what is known now, and how it came to be so."""

from __future__ import annotations

from typing import Annotated

import typer

from handlers.interface import Endpoint
from handlers.mirror.current import current, payload
from service.commands.group import CommandGroup
from service.commands.options import (
    ConfigOption,
    JsonOption,
    PurchaseOrderOption,
    moment,
    settings_of,
    tell_if_more,
)
from service.console.orders import order_text
from service.console.shipments import shipment_text
from service.console.subjects import history_json, history_text, subjects_json, subjects_table
from service.console.text import json_text, terminal_width
from service.inbox.mirror_reader import MirrorFilter, MirrorReader
from service.json_text import exact_json

_TEXTS = {Endpoint.ORDER: order_text, Endpoint.SHIPMENT: shipment_text}
NameArgument = Annotated[
    str,
    typer.Argument(
        help="Purchase order number, shipment number, or id or enough of its beginning.",
        metavar="NAME",
        show_default=False,
    ),
]


def mirror_commands(endpoint: Endpoint) -> typer.Typer:
    """The commands for the orders or for the shipments."""
    commands = typer.Typer(cls=CommandGroup, help=f"Look at the {endpoint}s as they are now.", no_args_is_help=True)

    @commands.command("list", help=f"List the {endpoint}s, the last changed first.")
    def list_subjects(
        purchase_order: PurchaseOrderOption = None,
        account: Annotated[str | None, typer.Option(help="Account number of supplier or buyer.")] = None,
        status: Annotated[str | None, typer.Option(help="Process or logistics status, such as Confirmed.")] = None,
        since: Annotated[
            str | None, typer.Option(help="Changed here at or after: 2026-11-23, 2026-11-23T08:00Z, 2h, 7d.")
        ] = None,
        until: Annotated[str | None, typer.Option(help="Changed here before; as --since.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
        as_json: JsonOption = False,
        config: ConfigOption = None,
    ) -> None:
        settings = settings_of(config)
        wanted = MirrorFilter(
            purchase_order_number=purchase_order,
            account=account,
            status=status,
            since=moment("--since", since),
            until=moment("--until", until),
            limit=limit,
        )
        rows = MirrorReader(settings.inbox.place, endpoint).subjects(wanted)
        role = settings.processing.role
        typer.echo(subjects_json(rows) if as_json else subjects_table(endpoint, rows, role, terminal_width()))
        tell_if_more(rows, limit)

    @commands.command(
        "show", help=f"Show one {endpoint}; with --json all of it, as a body of the contract with every digit."
    )
    def show(name: NameArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
        settings = settings_of(config)
        row = MirrorReader(settings.inbox.place, endpoint).subject(name)
        if as_json:
            typer.echo(json_text(current(endpoint, row["state"], row["last_event_name"])))
        else:
            role = settings.processing.role
            typer.echo(_TEXTS[endpoint](row, payload(endpoint, row["state"]), role, terminal_width()))

    @commands.command(
        "export",
        help=f"Print all {endpoint}s, a line of JSON for each: its id and the body that `show --json` prints.",
    )
    def export(config: ConfigOption = None) -> None:
        for row in MirrorReader(settings_of(config).inbox.place, endpoint).all():
            body = current(endpoint, row["state"], row["last_event_name"])
            typer.echo(exact_json({"id": row["subject_id"], "body": body}).decode())

    @commands.command("history", help=f"The events of one {endpoint}, oldest first, and what each changed.")
    def history(name: NameArgument, as_json: JsonOption = False, config: ConfigOption = None) -> None:
        subject_id, rows = MirrorReader(settings_of(config).inbox.place, endpoint).history(name)
        typer.echo(history_json(subject_id, rows) if as_json else history_text(subject_id, rows, terminal_width()))

    return commands
