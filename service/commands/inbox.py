"""`webhooks migrate` and `webhooks inbox copy`: what an administrator does to the store as a whole."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from service.commands.group import CommandGroup
from service.commands.options import ConfigOption, settings_of
from service.console.text import json_text
from service.errors import StartError
from service.inbox.place import DatabaseServer, trouble_of

inbox = typer.Typer(cls=CommandGroup, help="The store as a whole.", no_args_is_help=True)

#: Where the address of the target may stand, so that no list of processes shows its password.
TARGET_VARIABLE = "INBOX_COPY_TO"


def migrate(config: ConfigOption = None) -> None:
    """Bring the tables of the inbox up to date, as `serve` and `work` do at their start; the file or, on a server,
    an empty database becomes an inbox."""
    from service.inbox.upgrading import upgrade

    place = settings_of(config).inbox.place
    before, after = upgrade(place)
    if before == after:
        typer.echo(f"{place} is up to date (version {after}).")
    else:
        typer.echo(f"{place} is brought from {f'version {before}' if before else 'nothing'} to version {after}.")


@inbox.command()
def copy(
    to: Annotated[
        str,
        typer.Option(
            help=f"postgresql+psycopg://USER:PASSWORD@HOST/DATABASE; - for what {TARGET_VARIABLE} holds.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    config: ConfigOption = None,
) -> None:
    """Copy the inbox from its file into an empty database on a server, and compare both. Stop `serve` and `work`
    first. Nothing is changed in the file; an interruption leaves the database empty."""
    from service.inbox.copying import copy as copy_all
    from service.inbox.copying import total

    source = settings_of(config).inbox.place
    if not isinstance(source, Path):
        raise StartError("inbox.url names a server already; its source has to be a file, sqlite:///PATH")
    address = os.environ.get(TARGET_VARIABLE, "") if to == "-" else to
    if not address.startswith("postgresql+psycopg://") or trouble_of(address):
        raise StartError("--to: must be postgresql+psycopg://USER:PASSWORD@HOST/DATABASE")
    target = DatabaseServer(address)
    progress = (lambda table: print(f"  {table}", file=sys.stderr)) if sys.stderr.isatty() else lambda _: None
    copied = copy_all(source, target, progress)
    if as_json:
        rows = [{"table": one.table, "rows": one.rows, "sha256": one.digest} for one in copied]
        typer.echo(json_text({"from": str(source), "to": str(target), "tables": rows}))
        return
    for one in copied:
        typer.echo(f"{one.table:<16} {one.rows:>12,} rows  sha256 {one.digest[:16]}")
    typer.echo(f"\n{total(copied):,} rows are in {target}, compared with {source}.")
    typer.echo("Now set inbox.url to the server and start the service.")
