"""`python -m sandbox demo`: a day of business on this machine, with a readable end."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from sandbox.commands.interrupts import ended_in_order
from sandbox.demo.day import Day, play
from sandbox.demo.service import MARK, command
from sandbox.errors import SandboxError

FOLDER = Path(".demo")


def demo(
    orders: Annotated[int, typer.Option(min=1, help="How many.")] = 200,
    seed: Annotated[int, typer.Option(help="Another one tells other stories.")] = 1,
    folder: Annotated[
        Path, typer.Option(help="Where the service works; an earlier demo in it is removed.")
    ] = FOLDER,
) -> None:
    """Play a day between Tradecloud and the service: an hour without the ERP, a restart, a new signing key.

    Ends with 0 if nothing was dropped or lost and all that is known is true, else with 1; with 130 after Ctrl+C.
    """
    if folder.exists():
        if not (folder / MARK).exists():
            raise SandboxError(f"{folder} is there and is no folder of a demo; name another one with --folder")
        shutil.rmtree(folder)
    began = time.monotonic()

    def tell(sentence: str) -> None:
        print(f"{time.monotonic() - began:5.1f} s  {sentence}", file=sys.stderr, flush=True)

    with ended_in_order():
        day = play(folder, orders=orders, seed=seed, tell=tell)
    typer.echo(told(day, folder))
    if not day.good:
        raise typer.Exit(1)


def told(day: Day, folder: Path) -> str:
    """The end of the day for a person."""
    known = day.orders + day.shipments
    facts = [
        ("different messages sent", day.summary.planned - day.summary.duplicates, ""),
        ("dropped by the sender", day.summary.dropped.total(), ""),
        ("lost", len(day.lost), ""),
        ("events accepted by the service", day.accepted, ""),
        ("not done", day.unfinished, ""),
        ("without news for the ERP", day.accepted - len(day.handed_over), " (late, or nothing changed)"),
        ("handed over, says the service", len(day.handed_over), ""),
        ("booked, says the ERP", len(day.booked), ""),
        ("documents that orders still name", len(day.named), ""),
        ("of them files at the service", len(day.named & day.fetched), ""),
        ("orders and shipments", known, ""),
        ("known member by member as they are", known - len(day.different), ""),
        ("seconds", round(day.seconds), ""),
    ]
    lines = [
        "",
        day.summary.as_text(),
        "",
        *(f"{what:<36}{count:>8}{remark}" for what, count, remark in facts),
        "",
        "All is well." if day.good else "Something is wrong.",
    ]
    if day.lost:
        lines.append(f"lost: {', '.join(day.lost[:5])}")
    if day.different:
        lines.append(f"known differently: {', '.join(day.different[:5])}")
    webhooks = command()[0]
    lines += [
        "",
        f"Look further in the folder {folder}:",
        f"  cd {folder}",
        *(
            f"  {webhooks} {what}"
            for what in ("events list", "orders list", "shipments list", "documents list", "destinations status")
        ),
    ]
    return "\n".join(lines)
