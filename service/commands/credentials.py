"""`webhooks credentials`, `webhooks secret`."""

from __future__ import annotations

from typing import Annotated

import typer

from handlers.secret import MIN_BITS, SecretHash, new_secret
from service.commands.group import CommandGroup
from service.commands.options import ConfigOption, settings_of
from service.console.text import table
from service.inbox.reader import InboxReader
from service.logins import UNKNOWN

secret = typer.Typer(cls=CommandGroup, help="Passwords and tokens that nobody can guess.", no_args_is_help=True)


def credentials(config: ConfigOption = None) -> None:
    """List the credentials, how often each came with a wrong password, and when it was used last (up to 5 seconds
    ago). A removed one is listed if it was ever used."""
    settings = settings_of(config)
    reader = InboxReader(settings.inbox.place)
    rejected = {(row["credential"], row["endpoint"]): row for row in reader.rejected_logins()}
    used = {(row["credential"], row["endpoint"]): row["last_used_at"] for row in reader.credential_uses()}
    rows: list[list[object]] = []

    def add(name: str, scheme: str, endpoint: str, unused: str) -> None:
        row = rejected.pop((name, endpoint), {"count": 0, "last_at": ""})
        last_used = used.pop((name, endpoint), unused)
        rows.append([name, scheme, endpoint, row["count"], row["last_at"], last_used])

    auth = settings.auth
    for scheme, named in (("basic", auth.basic), ("bearer", auth.bearer), ("oauth", auth.oauth)):
        for name, credential in named.items():
            for endpoint in credential.endpoints:
                add(name, scheme, str(endpoint), "never")
    for name, of in sorted({*used, *rejected}, key=lambda key: (key[0] == UNKNOWN, key)):
        add(name, "" if name == UNKNOWN else "removed", of, "")
    typer.echo(table(["NAME", "SCHEME", "ENDPOINT", "REJECTED", "LAST REJECTED", "LAST USED"], rows))


@secret.command("new")
def secret_new(
    bits: Annotated[int, typer.Option(help=f"Length in random bits, at least {MIN_BITS}.")] = 256,
) -> None:
    """Make a random password or token, and the hash by which the settings know it."""
    try:
        made = new_secret(bits)
    except ValueError as error:
        raise typer.BadParameter(f"--bits: {error}") from None
    stored = SecretHash.of(made.encode())
    typer.echo("For Tradecloud One; it is not kept and cannot be shown again:\n")
    typer.echo(f"  {made}\n")
    typer.echo("For webhooks.toml, as a password under [auth.basic.NAME] or as a token under [auth.bearer.NAME]:\n")
    typer.echo(f'  password_hash = "{stored}"')
    typer.echo(f'  token_hash = "{stored}"')
