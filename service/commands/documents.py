"""`webhooks documents list|fetch`."""

from __future__ import annotations

from typing import Annotated

import typer

from handlers.interface import DOCUMENTS, DocumentState
from handlers.mirror.current import current
from service.commands.exit_status import ExitStatus
from service.commands.group import CommandGroup
from service.commands.operator import operator
from service.commands.options import (
    ConfigOption,
    JsonOption,
    PurchaseOrderOption,
    SinceOption,
    moment,
    settings_of,
    tell_if_more,
)
from service.console.documents import documents_json, documents_text
from service.console.repair import result
from service.console.text import terminal_width
from service.errors import StartError
from service.inbox.document_reader import DocumentFilter, DocumentReader
from service.inbox.reader import InboxReader
from service.inbox.repair import Repair, Treated
from service.inbox.repair_rules import Action, Measure
from service.wake import wake

documents = typer.Typer(
    cls=CommandGroup, help="See and fetch the documents that events name.", no_args_is_help=True
)

StateOption = Annotated[DocumentState | None, typer.Option(help="What became of the document.")]


@documents.command("list")
def list_documents(
    event: Annotated[str | None, typer.Option(help="Id of an event, or enough of its beginning.")] = None,
    purchase_order: PurchaseOrderOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List the documents that events named, of the newest event first: the file of each, or why there is none."""
    place = settings_of(config).inbox.place
    wanted = DocumentFilter(
        event_ids=None if event is None else (InboxReader(place).id_of(_event_of(event)),),
        purchase_order_number=purchase_order,
        state=state,
        since=moment("--since", since),
        limit=limit,
    )
    rows = DocumentReader(place).documents(wanted)
    typer.echo(documents_json(rows) if as_json else documents_text(rows, terminal_width()))
    tell_if_more(rows, limit)


@documents.command()
def fetch(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            help="Ids of events or documents, or enough of their beginnings.", show_default=False, metavar="ID"
        ),
    ] = None,
    purchase_order: PurchaseOrderOption = None,
    state: StateOption = None,
    since: SinceOption = None,
    *,
    reason: Annotated[
        str, typer.Option("--reason", help="Why; goes on record with your name and the time.")
    ] = "documents fetch",
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Fetch now what has no file yet, of these events, whatever kept it back before: a refusal, settings that have
    changed since. Destinations that have the event do not get it again."""
    chosen = (purchase_order, state, since) != (None, None, None)
    if bool(ids) == chosen:
        raise typer.BadParameter("name events or documents, or choose them by filters such as --state missing")
    settings = settings_of(config)
    if not settings.documents.is_on:
        raise StartError("documents are not fetched: set documents.url, username and password, or enabled = true")
    place = settings.inbox.place
    reader = InboxReader(place)
    named = tuple(dict.fromkeys(reader.id_of(_event_of(one)) for one in ids)) if ids else None
    wanted = DocumentFilter(
        event_ids=named, purchase_order_number=purchase_order, state=state, since=moment("--since", since)
    )
    to_fetch = DocumentReader(place).events_to_fetch(wanted)
    if not to_fetch and named is None:
        typer.echo(result(Action.FETCH, [], as_json=True) if as_json else "No documents without a file fit.")
        raise typer.Exit(ExitStatus.NOTHING_FITS)
    treated = [Treated(one, "it names no document without a file") for one in named or () if one not in to_fetch]
    repair = Repair(place, user=operator(), current_of=current)
    try:
        treated += repair.treat(to_fetch, Measure(Action.FETCH, reason, DOCUMENTS))
    finally:
        repair.close()
        wake(settings.inbox.folder)
    typer.echo(result(Action.FETCH, treated, as_json=as_json))
    if any(one.left is not None for one in treated):
        raise typer.Exit(ExitStatus.LEFT)


def _event_of(id_or_document: str) -> str:
    """Of a document's id, ID.NUMBER, the event's."""
    return id_or_document.partition(".")[0]
