"""`python -m sandbox compare`: does the receiver know what is true?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sandbox import asking, truth
from sandbox.commands.send import FOLDER, JsonOption
from sandbox.wire import json_text
from sandbox.wire.json_text import JsonValue

#: Differences of one order or shipment that a person reads.
_SHOWN = 5


def compare(
    folder: Annotated[Path, typer.Argument(help="Folder of the run.", metavar="FOLDER")] = FOLDER,
    orders_command: Annotated[
        str, typer.Option(help="Prints all orders, a line of JSON each; with {id}, one.")
    ] = "webhooks orders export",
    shipments_command: Annotated[str, typer.Option(help="The same for shipments.")] = "webhooks shipments export",
    parallel: Annotated[int, typer.Option(min=1, max=64, help="Commands at a time, with {id}.")] = 2,
    as_json: JsonOption = False,
) -> None:
    """Compare each order and shipment with what the receiver's command line says of it, member by member.

    Ends with 0 if all are equal, with 1 if not. Ask when the receiver has worked off all events.
    """
    truths = truth.read(folder)
    commands = {"order": orders_command, "shipment": shipments_command}
    different: list[JsonValue] = []
    for one, found in asking.compare(truths, commands, parallel):
        if not found:
            continue
        if as_json:
            different.append({"kind": one.kind, "id": one.id, "differences": list(found)})
            continue
        different.append(one.id)
        typer.echo(f"{one.kind} {one.id}")
        for sentence in found[:_SHOWN]:
            typer.echo(f"  {sentence}")
        if len(found) > _SHOWN:
            typer.echo(f"  and {len(found) - _SHOWN} more")
    if as_json:
        typer.echo(json_text.write({"compared": len(truths), "different": different}))
    else:
        equal = len(truths) - len(different)
        typer.echo(f"{equal} of {len(truths)} orders and shipments are known as they are")
    if different:
        raise typer.Exit(1)
