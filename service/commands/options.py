"""Options that several commands share, and what they mean."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from handlers.interface import Endpoint
from service.inbox.interface import State
from service.settings import Settings, load


def _not_empty(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why, in a few words")
    return reason.strip()


ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file; else WEBHOOKS_CONFIG, ./webhooks.toml, or (not for serve) that of development mode.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
EndpointOption = Annotated[Endpoint | None, typer.Option(help="Where it came in.")]
StateOption = Annotated[State | None, typer.Option(help="Where the event stands.")]
EventOption = Annotated[
    str | None, typer.Option(help="Event name, such as OrderIssuedByBuyer; * for anything: 'Order*BySupplier'.")
]
PurchaseOrderOption = Annotated[str | None, typer.Option(help="Purchase order number.")]
SinceOption = Annotated[
    str | None, typer.Option(help="Received at or after: 2026-11-23, 2026-11-23T08:00Z, 2h, 7d.")
]
UntilOption = Annotated[str | None, typer.Option(help="Received before; as --since.")]
DestinationOption = Annotated[str | None, typer.Option(help="On their way to this destination, now or before.")]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why; goes on record with your name and the time.", callback=_not_empty)
]

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]

#: `--since 2h`: a number and one of these.
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def settings_of(config: Path | None) -> Settings:
    """The settings in force for a command.

    Raises:
        SettingsError: something is wrong with them.
    """
    return load(config, development_fallback=True)


def tell_if_more(rows: Sequence[object], limit: int) -> None:
    """Say on stderr that a list ends where its limit is, and not where the matches do."""
    if len(rows) >= limit:
        print(f"\nThese are the first {limit:,}; --limit shows more.", file=sys.stderr)


def moment(option: str, text: str | None) -> datetime | None:
    """The moment that an option names; None if it was not given.

    Raises:
        typer.BadParameter: it names none.
    """
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        named = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option}: {text!r} is neither a time such as 2026-11-23 or 2026-11-23T08:00Z nor a span such as 2h"
        ) from None
    # A time without zone is the operator's own.
    return named.astimezone(UTC)
