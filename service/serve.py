"""`webhooks serve`: from settings to a running server."""

from __future__ import annotations

import contextlib
import logging
import shlex
import sys
from importlib import resources
from pathlib import Path

from service import development, log
from service.app import build
from service.connection import Limits
from service.destinations import require_destinations
from service.errors import StartError
from service.reload import pair_in
from service.routing import ContractMismatchError
from service.server import bind, serve
from service.settings import Settings, SettingsError, load, require_serving
from service.tls import CertificateError, Front

logger = logging.getLogger(__name__)

#: Where development mode keeps its certificate, credentials and inbox.
DEVELOPMENT_FOLDER = Path(".webhooks-dev")


def serve_production(config: Path | None) -> int:
    """Serve with the settings in force; returns the exit status.

    Raises:
        SettingsError, StartError, InboxUnavailableError: it cannot start.
    """
    settings = load(config)
    try:
        require_serving(settings)
    except SettingsError as error:
        if settings.source is None:
            nothing = "no webhooks.toml in this folder; copy webhooks.example.toml, or name a file with --config"
            raise SettingsError(f"{nothing}\n{error}") from error
        raise
    # In the worker a mistake would be told again and again, while events pile up.
    require_destinations(settings)
    scheme = "http" if settings.server.behind_proxy else "https"
    ready = f"Listening on {scheme}://{settings.server.listen_host}:{settings.server.port}"
    return _serve(settings, [ready])


def serve_development(config: Path | None) -> int:
    """Serve on loopback with a certificate and credentials of its own, made at the first start.

    Raises:
        SettingsError, StartError: it cannot start.
    """
    if config is not None:
        raise StartError("--dev brings its own settings; leave --config out, or leave --dev out")
    made = development.prepare(DEVELOPMENT_FOLDER)
    settings = load(made.config)
    development.require_loopback(settings)
    examples = resources.files("specs") / "examples"
    lines = development.curl_lines(
        made,
        settings.server.port,
        {
            "order": Path(str(examples / "order-issued.json")),
            "shipment": Path(str(examples / "shipment-issued.json")),
        },
    )
    command = f"{shlex.quote(sys.argv[0])} events list"
    if not _found_by_itself(made.config):
        command += f" --config {DEVELOPMENT_FOLDER / 'webhooks.toml'}"
    return _serve(
        settings,
        [
            f"Development mode: https://localhost:{settings.server.port}, for this machine only.",
            "Send an order and a shipment from another terminal:",
            "",
            *(f"  {line}" for line in lines),
            "",
            "Then look at them:",
            "",
            f"  {command}",
            "",
            "Ctrl+C ends it.",
        ],
    )


def _found_by_itself(config: Path) -> bool:
    """Whether a command without --config reads these settings; others may be in the way."""
    try:
        return load(None, development_fallback=True).source == config
    except SettingsError:
        return False


def _serve(settings: Settings, banner: list[str]) -> int:
    log.configure(settings.log.level)
    server = settings.server
    try:
        front = None if server.behind_proxy else Front(pair_in(server))
        application = build(settings, front)
    except (CertificateError, ContractMismatchError) as error:
        raise StartError(str(error)) from error
    if front and (trouble := front.pair.trouble()):
        logger.warning("action=certificate_not_valid reason=it %s file=%s", trouble, server.certificate)
    application.open()
    try:
        listener = bind(server.listen_host, server.port)
    except OSError as error:
        raise StartError(
            f"cannot listen on {server.listen_host}:{server.port}: {error.strerror}; "
            "choose another server.port (WEBHOOKS_SERVER__PORT) or server.host"
        ) from error
    _allow_many_files()
    status = serve(
        application.asgi,
        listener=listener,
        tls=front.context if front else None,
        limits=Limits(
            header_timeout=server.header_timeout,
            body_timeout=server.body_timeout,
            keep_alive_timeout=server.keep_alive_timeout,
            tls_handshake_timeout=server.tls_handshake_timeout,
            max_connections=server.max_connections,
            trusted_peers=server.trusted_proxies or None if server.behind_proxy else None,
        ),
        drain_seconds=server.drain_timeout,
        on_drain=application.drain,
        on_ready=lambda: _announce(banner),
        on_hang_up=application.look_again,
    )
    logger.info("action=stopped status=%d", status)
    return status


def _announce(banner: list[str]) -> None:
    logger.info("action=started")
    print("\n".join(banner), flush=True)


def _allow_many_files() -> None:
    """Every connection is an open file, and the usual limit of 1024 is soon reached by strangers."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
