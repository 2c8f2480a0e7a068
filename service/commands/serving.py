"""`webhooks serve|config|maintenance`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import ConfigOption, settings_of
from service.errors import StartError
from service.maintenance import Maintenance
from service.settings import DEVELOPMENT_FILE, Settings, SettingsError, effective, require_serving


class Switch(StrEnum):
    """What `maintenance` takes."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


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


def work(
    config: ConfigOption = None,
    link: Annotated[int | None, typer.Option(hidden=True, help="The connection to the receiver.")] = None,
) -> None:
    """Take accepted events to their destinations until SIGTERM or Ctrl+C; `webhooks serve` starts one by itself."""
    from service.work import work as run

    raise typer.Exit(run(config, link))


def show_config(config: ConfigOption = None) -> None:
    """Print the settings, secrets masked, and check them and the certificate; status 1 if something is wrong."""
    try:
        settings = settings_of(config)
        typer.echo(f"# from {settings.source or 'defaults and environment; no settings file'}")
        if settings.source is not None and settings.source == DEVELOPMENT_FILE.absolute():
            typer.echo("# the settings of the first try (make serve): there is no webhooks.toml in this folder")
        for key, value in effective(settings):
            typer.echo(f"{key} = {value}")
        require_serving(settings)
        _require_usable_keys(settings)
        _require_usable_destinations(settings)
        if not settings.server.behind_proxy:
            for line in _usable_certificate(settings):
                typer.echo(f"# {line}")
    except SettingsError as error:
        lines = str(error).splitlines()
        kept = "; a running service keeps the old one in force"
        raise SettingsError("\n".join(line + kept for line in lines)) from error


def maintenance(switch: Switch, config: ConfigOption = None) -> None:
    """While it is on, every delivery is answered 503: Tradecloud waits and sends it again."""
    settings = settings_of(config)
    inbox = settings.inbox.place
    if settings.source is None and isinstance(inbox, Path) and not inbox.exists():
        # Switching something that nobody uses would look like success.
        raise StartError(
            f"no webhooks.toml in {Path.cwd()} and no inbox at {inbox}; "
            "change to the folder of webhooks.toml, or name the file with --config"
        )
    marker = Maintenance(settings.inbox.folder)
    if switch is not Switch.STATUS:
        marker.switch(on=switch is Switch.ON)
    typer.echo(f"{inbox}: maintenance is {'on, every POST is answered 503' if marker.on else 'off'}")


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


def _require_usable_destinations(settings: Settings) -> None:
    """Check the files and classes that the destinations need."""
    from service.destinations import require_destinations
    from service.documents import open_fetching

    try:
        require_destinations(settings)
        if fetching := open_fetching(settings):
            fetching.close()
    except StartError as error:
        raise SettingsError(str(error)) from error
    # No reason not to start: a drive may come later, and its events wait.
    missing = [
        f"destinations.{name}.path: there is no folder {each.path}"
        for name, each in settings.destinations.items()
        if each.path is not None and not Path(each.path).is_dir()
    ]
    if missing:
        raise SettingsError("\n".join(missing))


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
