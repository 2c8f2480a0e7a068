"""The command `webhooks`: what an operator can do. A user's mistake is one line, never a stack trace."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from handlers.interface import Endpoint
from handlers.secret import MIN_BITS, SecretHash, new_secret
from service.console.drift import Finding, drift_json, drift_text
from service.console.events import event_json, event_text, events_json, events_table
from service.console.text import table
from service.contract import webhook_contracts
from service.errors import StartError
from service.inbox.interface import InboxUnavailableError, State
from service.inbox.reader import EventFilter, InboxReader, NoSuchEventError
from service.learnt import PresentContracts
from service.logins import UNKNOWN
from service.maintenance import Maintenance
from service.settings import (
    DEVELOPMENT_FILE,
    Settings,
    SettingsError,
    effective,
    load,
    require_serving,
)

app = typer.Typer(
    name="webhooks",
    help="Receives the webhooks of Tradecloud One and keeps every event.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
events = typer.Typer(help="Look at what was received.", no_args_is_help=True)
app.add_typer(events, name="events")
secret = typer.Typer(help="Passwords and tokens that nobody can guess.", no_args_is_help=True)
app.add_typer(secret, name="secret")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="Settings file; else WEBHOOKS_CONFIG, ./webhooks.toml, or (not for serve) that of development mode.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

#: `--since 2h`: a number and one of these.
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Switch(StrEnum):
    """What `maintenance` takes."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def main() -> None:
    """Entry point of the command."""
    with _one_line_errors():
        app()


@app.command()
def serve(
    config: ConfigOption = None,
    dev: Annotated[
        bool,
        typer.Option(
            "--dev", help="For a first try: loopback only, own certificate and credentials in .webhooks-dev/."
        ),
    ] = False,
) -> None:
    """Receive webhooks until SIGTERM or Ctrl+C."""
    if hasattr(signal, "SIGHUP"):  # until the server listens to it: all files are about to be read anyway
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Imported here, because the other commands should not wait for the server's libraries.
    from service.serve import serve_development, serve_production

    raise typer.Exit(serve_development(config) if dev else serve_production(config))


@app.command("config")
def show_config(config: ConfigOption = None) -> None:
    """Print the settings, secrets masked, and check them and the certificate; status 1 if something is wrong."""
    try:
        settings = _settings(config)
        typer.echo(f"# from {settings.source or 'defaults and environment; no settings file'}")
        if settings.source is not None and settings.source == DEVELOPMENT_FILE.absolute():
            typer.echo("# the settings of the first try (make serve): there is no webhooks.toml in this folder")
        for key, value in effective(settings):
            typer.echo(f"{key} = {value}")
        require_serving(settings)
        _require_usable_keys(settings)
        if not settings.server.behind_proxy:
            for line in _usable_certificate(settings):
                typer.echo(f"# {line}")
    except SettingsError as error:
        lines = str(error).splitlines()
        kept = "; a running service keeps the old one in force"
        raise SettingsError("\n".join(line + kept for line in lines)) from error


@app.command()
def maintenance(switch: Switch, config: ConfigOption = None) -> None:
    """While it is on, every delivery is answered 503: Tradecloud waits and sends it again."""
    settings = _settings(config)
    inbox = settings.inbox.path
    if settings.source is None and not inbox.exists():
        # Switching something that nobody uses would look like success.
        raise StartError(
            f"no webhooks.toml in {Path.cwd()} and no inbox at {inbox}; "
            "change to the folder of webhooks.toml, or name the file with --config"
        )
    marker = Maintenance(inbox.parent)
    if switch is not Switch.STATUS:
        marker.switch(on=switch is Switch.ON)
    typer.echo(f"{inbox}: maintenance is {'on, every POST is answered 503' if marker.on else 'off'}")


@app.command()
def credentials(config: ConfigOption = None) -> None:
    """List the credentials, how often each came with a wrong password, and when it was used last (up to 5 seconds
    ago). A removed one is listed if it was ever used."""
    settings = _settings(config)
    reader = InboxReader(settings.inbox.path)
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


@app.command()
def drift(
    endpoint: Annotated[Endpoint | None, typer.Option(help="Where it came in.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Received at or after: 2026-11-23, 2026-11-23T08:00Z, 2h, 7d.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what the contract knows by now.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """List what came beyond the contract: new members, values and event names, since when and how often."""
    rows = InboxReader(_settings(config).inbox.path).drift(endpoint=endpoint, since=_moment("--since", since))
    contracts = PresentContracts(webhook_contracts() if rows else ())
    found = [
        Finding(row, contracts.know(row["endpoint"], row["kind"], row["place"], row["detail"])) for row in rows
    ]
    shown = [finding for finding in found if everything or not finding.known_now]
    typer.echo(drift_json(shown) if as_json else drift_text(shown, left_out=len(found) - len(shown)))


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


@events.command("list")
def list_events(
    state: Annotated[State | None, typer.Option(help="Where the event stands.")] = None,
    endpoint: Annotated[Endpoint | None, typer.Option(help="Where it came in.")] = None,
    kind: Annotated[str | None, typer.Option(help="Payload kind, such as orderEvent or shipment.")] = None,
    event: Annotated[str | None, typer.Option(help="Event name, such as OrderIssuedByBuyer.")] = None,
    purchase_order: Annotated[str | None, typer.Option(help="Purchase order number.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Received at or after: 2026-11-23, 2026-11-23T08:00Z, 2h, 7d.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Received before; as --since.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
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
        since=_moment("--since", since),
        until=_moment("--until", until),
        limit=limit,
    )
    rows = InboxReader(_settings(config).inbox.path).events(wanted)
    typer.echo(events_json(rows) if as_json else events_table(rows))


@events.command("show")
def show_event(
    id: Annotated[str, typer.Argument(help="The event's id, or enough of its beginning.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the body, byte for byte as received.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show one event, or with --raw its body."""
    reader = InboxReader(_settings(config).inbox.path)
    row = reader.event(id)
    if raw:
        sys.stdout.buffer.write(reader.body(row["id"]))
        sys.stdout.buffer.flush()
    else:
        typer.echo(event_json(row) if as_json else event_text(row))


def _settings(config: Path | None) -> Settings:
    return load(config, development_fallback=True)


def _require_usable_keys(settings: Settings) -> None:
    """Check the files that the issuers of access tokens need."""
    problems = []
    for name, oauth in settings.auth.oauth.items():
        from service.oauth import token_issuer

        try:
            token_issuer(name, oauth)
        except StartError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))


def _usable_certificate(settings: Settings) -> Iterator[str]:
    """What to know about it."""
    # Imported here, because the other commands should not wait for the library.
    from service.reload import pair_in
    from service.tls import CertificateError

    try:
        pair = pair_in(settings.server)
    except CertificateError as error:
        raise SettingsError(str(error)) from error
    if trouble := pair.trouble():
        raise SettingsError(
            f"server.certificate: {settings.server.certificate} {trouble}, so Tradecloud does not accept it; "
            "put a valid one there"
        )
    yield f"certificate for {', '.join(pair.names)}; valid until {pair.valid_until:%Y-%m-%d %H:%M} UTC"
    if soon := pair.ends_soon():
        yield f"server.certificate {soon}"


def _moment(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    if match := re.fullmatch(r"(\d+)([smhd])", text):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            f"{option}: {text!r} is neither a time such as 2026-11-23 or 2026-11-23T08:00Z nor a span such as 2h"
        ) from None
    # A time without zone is the operator's own.
    return moment.astimezone(UTC)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (SettingsError, StartError, InboxUnavailableError, NoSuchEventError) as error:
        for line in str(error).splitlines():
            print(f"webhooks: {line}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"webhooks: {where}{error.strerror or error}", file=sys.stderr)
        sys.exit(1)
