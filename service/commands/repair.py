"""`webhooks events replay|cancel|skip`: bring events that stand still on their way, or take them off it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from handlers.interface import Endpoint
from handlers.mirror.current import current
from service.commands.exit_status import ExitStatus
from service.commands.operator import operator
from service.commands.options import (
    ConfigOption,
    DestinationOption,
    DryRunOption,
    EndpointOption,
    EventOption,
    JsonOption,
    PurchaseOrderOption,
    ReasonOption,
    SinceOption,
    StateOption,
    UntilOption,
    moment,
    settings_of,
)
from service.console.repair import Progress, preview, result
from service.inbox.instant import instant
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.reader import EventFilter, InboxReader
from service.inbox.repair import Repair, Treated
from service.inbox.repair_rules import Action, Measure, obstacle
from service.settings import Settings
from service.wake import wake

IdsArgument = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of events, or enough of their beginnings.", show_default=False, metavar="ID"),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it, to all that were chosen.")]

#: The worker is woken each time so many events were treated.
_WAKE_EVERY = 50


def replay(
    ids: IdsArgument = None,
    state: StateOption = None,
    event: EventOption = None,
    purchase_order: PurchaseOrderOption = None,
    endpoint: EndpointOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    destination: DestinationOption = None,
    *,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Process events once more with the handlers of today, and hand them over whatever they say. Where some
    destinations refused one or wait for it, only those get it, in its place; else all of them, under a new key.
    With --destination only that one. Filters choose many. Without --yes it only says what it would do."""
    chosen = _filter(state, event, purchase_order, endpoint, since, until, destination)
    _treat(Measure(Action.REPLAY, reason, destination), ids, chosen, dry_run, yes, as_json, config)


def cancel(
    ids: IdsArgument = None,
    state: StateOption = None,
    event: EventOption = None,
    purchase_order: PurchaseOrderOption = None,
    endpoint: EndpointOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    destination: DestinationOption = None,
    *,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Take events off their way; what was handed over stays handed over, and only a replay brings them back. An
    attempt that is under way ends first. With --destination only what goes there. Filters choose many; without
    --yes they only say what they would do."""
    chosen = _filter(state, event, purchase_order, endpoint, since, until, destination)
    _treat(Measure(Action.CANCEL, reason, destination), ids, chosen, dry_run, yes, as_json, config)


def skip(
    ids: Annotated[list[str], typer.Argument(help="Ids of events, or enough of their beginnings.", metavar="ID")],
    destination: Annotated[
        str | None, typer.Option(help="Only where it waits to be handed over to this destination.")
    ] = None,
    *,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let later events of the same order pass a dead one, which stays dead."""
    chosen = EventFilter(destination=destination, limit=None)
    _treat(Measure(Action.SKIP, reason, destination), ids, chosen, dry_run, False, as_json, config)


def _filter(
    state: State | None,
    event: str | None,
    purchase_order: str | None,
    endpoint: Endpoint | None,
    since: str | None,
    until: str | None,
    destination: str | None,
) -> EventFilter:
    return EventFilter(
        state=state,
        endpoint=endpoint,
        event_name=event,
        purchase_order_number=purchase_order,
        since=moment("--since", since),
        until=moment("--until", until),
        destination=destination,
        limit=None,
    )


def _treat(
    measure: Measure,
    names: list[str] | None,
    chosen: EventFilter,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    config: Path | None,
) -> None:
    by_filter = _by_filter(names, chosen, measure)
    settings = settings_of(config)
    reader = InboxReader(settings.inbox.place)
    ids = list(dict.fromkeys(reader.id_of(name) for name in names)) if names else reader.ids(chosen)
    if not ids:
        typer.echo(result(measure.action, [], as_json=True) if as_json else "No events fit.")
        raise typer.Exit(ExitStatus.NOTHING_FITS)
    # A replay cannot be taken back, one of a single event neither: an ERP may do everything once more.
    first_told = by_filter or measure.action is Action.REPLAY
    if dry_run or (first_told and not yes):
        _preview(measure, reader, ids, as_json, asked=dry_run)
    treated = _carry_out(measure, settings, ids)
    typer.echo(result(measure.action, treated, as_json=as_json))
    if any(one.left is not None for one in treated):
        raise typer.Exit(ExitStatus.LEFT)


def _by_filter(names: list[str] | None, chosen: EventFilter, measure: Measure) -> bool:
    """Whether filters choose the events; a destination alone is one where no event is named."""
    filters = chosen != EventFilter(destination=measure.destination, limit=None)
    if names and filters:
        raise typer.BadParameter("name events, or choose them by filters, not both")
    if not names and not filters and measure.destination is None:
        raise typer.BadParameter("name events, or choose them by filters such as --state dead")
    return not names


def _preview(measure: Measure, reader: InboxReader, ids: list[str], as_json: bool, *, asked: bool) -> None:
    now = instant(datetime.now(UTC))
    judged = [(one, obstacle(one, measure, now)) for one in reader.standings(ids, measure)]
    would = [one for one, left in judged if left is None]
    left = [Treated(one.event.id, why) for one, why in judged if why is not None]
    typer.echo(preview(measure.action, would, left, as_json=as_json))
    if not would:
        raise typer.Exit(ExitStatus.LEFT)
    if not as_json:
        typer.echo("\nNothing was done." if asked else "\nNothing was done; --yes does it.")
    raise typer.Exit(ExitStatus.DRY_RUN)


def _carry_out(measure: Measure, settings: Settings, ids: list[str]) -> list[Treated]:
    treated: list[Treated] = []
    repair = Repair(settings.inbox.place, user=operator(), current_of=current)
    try:
        with Progress(len(ids)) as progress:
            for one in repair.treat(ids, measure):
                treated.append(one)
                progress.count(len(treated))
                if len(treated) % _WAKE_EVERY == 0:
                    wake(settings.inbox.folder)
    except (InboxUnavailableError, KeyboardInterrupt):
        if len(ids) > 1:
            print(f"webhooks: stopped after {len(treated):,} of {len(ids):,} events", file=sys.stderr)
        raise
    finally:
        repair.close()
        wake(settings.inbox.folder)
    return treated
