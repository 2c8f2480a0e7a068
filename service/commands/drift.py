"""`webhooks drift`."""

from __future__ import annotations

from typing import Annotated

import typer

from service.commands.options import ConfigOption, EndpointOption, JsonOption, SinceOption, moment, settings_of
from service.console.drift import Finding, drift_json, drift_text
from service.contract import webhook_contracts
from service.inbox.reader import InboxReader
from service.learnt import PresentContracts


def drift(
    endpoint: EndpointOption = None,
    since: SinceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what the contract knows by now.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List what came beyond the contract: new members, values and event names, since when and how often."""
    rows = InboxReader(settings_of(config).inbox.place).drift(endpoint=endpoint, since=moment("--since", since))
    contracts = PresentContracts(webhook_contracts() if rows else ())
    found = [
        Finding(row, contracts.know(row["endpoint"], row["kind"], row["place"], row["detail"])) for row in rows
    ]
    shown = [finding for finding in found if everything or not finding.known_now]
    typer.echo(drift_json(shown) if as_json else drift_text(shown, left_out=len(found) - len(shown)))
