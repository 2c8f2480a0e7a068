"""From settings to destinations: what takes events over, and which events it is meant to have."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from handlers.erp.exchange import tls_context
from handlers.erp.folder import FolderDestination
from handlers.erp.http import Authorization, Basic, Bearer, HttpDestination
from handlers.erp.python import ClassError, load_class
from handlers.erp.sql.address import AddressError
from handlers.erp.sql.destination import SqlDestination
from handlers.erp.tokens import ClientCredentials
from handlers.interface import Change, Destination, Endpoint, EventFacts, Summary
from handlers.oauth.authority import same_case
from service.errors import StartError
from service.settings import Settings
from service.settings_destinations import ClientAuth, DestinationSettings, Kind


@dataclass(frozen=True)
class Target:
    """A destination that is ready to be used, under the name that the settings give it."""

    name: str
    destination: Destination
    settings: DestinationSettings

    def wants(
        self, facts: EventFacts, endpoint: Endpoint, summary: Summary | None, changes: Sequence[Change]
    ) -> bool:
        """Whether the settings leave this event through.

        `summary` is that of the order or shipment after the event; None where the event has no mirror. What cannot
        be judged, because an event does not say whose it is, is wanted: rather one too many than one that nobody
        ever sees.
        """
        wanted = self.settings
        if endpoint not in wanted.endpoints:
            return False
        if wanted.events is not None and not any(_fits(pattern, facts.event_name) for pattern in wanted.events):
            return False
        if summary is None:
            return True
        companies = (summary.buyer_company_id, summary.supplier_company_id)
        accounts = (summary.supplier_account_number, summary.buyer_account_number)
        if not _one_of(wanted.companies, companies) or not _one_of(wanted.accounts, accounts):
            return False
        # Somebody asked for a resent event, so that nothing changed is no reason to keep it back.
        return facts.resent or not wanted.changes or any(change.kind in wanted.changes for change in changes)


def open_destinations(settings: Settings) -> list[Target]:
    """The destinations of the settings, in their order. Nothing is connected yet.

    Raises:
        StartError: a file or class that one of them needs cannot be used; one line that names the setting.
    """
    folder = settings.source.parent if settings.source else Path.cwd()
    return [
        Target(name, _destination(f"destinations.{name}", each, folder), each)
        for name, each in settings.destinations.items()
    ]


def require_destinations(settings: Settings) -> None:
    """Check that they can be used.

    Raises:
        StartError: as `open_destinations`.
    """
    for target in open_destinations(settings):
        target.destination.close()


def _destination(key: str, settings: DestinationSettings, folder: Path) -> Destination:
    match settings.type:
        case Kind.HTTP:
            return HttpDestination(
                settings.url or "",
                method=settings.method.value,
                authorization=_authorization(settings),
                headers=settings.header_fields,
                rules=settings.rules,
                timeout=settings.timeout,
                tls=_tls(key, settings),
            )
        case Kind.FOLDER:
            return FolderDestination(
                Path(settings.path or ""),
                pattern=settings.name,
                done_file=settings.done_file,
                documents_file=settings.documents_file,
            )
        case Kind.PYTHON:
            options = {
                # As everywhere in the settings, a path is seen from the folder of the settings file.
                name: str(folder / option.value)
                if name.endswith(("_file", "_folder")) and isinstance(option.value, str)
                else option.value
                for name, option in settings.options.items()
            }
            try:
                return load_class(settings.python_class or "", options, folder)
            except ClassError as error:
                raise StartError(f"{key}.class: {error}") from error
        case Kind.SQL:
            address = settings.database_url
            try:
                return SqlDestination(
                    address.get_secret_value() if address is not None else "",
                    schema=settings.database_schema,
                    table_prefix=settings.table_prefix,
                    create=settings.create,
                    timeout=settings.timeout,
                    connections=settings.concurrency,
                )
            except AddressError as error:
                raise StartError(f"{key}.database_url: {error}") from error


def _authorization(settings: DestinationSettings) -> Authorization | None:
    if settings.username is not None and settings.password is not None:
        return Basic(settings.username, settings.password.get_secret_value())
    if settings.token is not None:
        return Bearer(settings.token.get_secret_value())
    if settings.client_id is not None and settings.client_secret is not None and settings.token_url is not None:
        extra = {name: getattr(settings, name) for name in ("scope", "resource", "audience")}
        return ClientCredentials(
            settings.token_url,
            settings.client_id,
            settings.client_secret.get_secret_value(),
            tuple((name, value) for name, value in extra.items() if value is not None),
            settings.client_auth is ClientAuth.HEADER,
        )
    return None


def _tls(key: str, settings: DestinationSettings) -> ssl.SSLContext:
    with _named(f"{key}.ca_file", settings.ca_file):
        tls = tls_context(settings.ca_file)
    for name, path in (("certificate", settings.certificate), ("key", settings.key)):
        with _named(f"{key}.{name}", path):
            if path is not None:
                path.open("rb").close()
    if settings.certificate is None:
        return tls
    with _named(f"{key}.certificate", settings.certificate):
        return tls_context(settings.ca_file, settings.certificate, settings.key)


@contextlib.contextmanager
def _named(key: str, path: Path | None) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError:
        form = "PEM" if key.endswith(".ca_file") else "a PEM file whose key fits and is not encrypted"
        raise StartError(f"{key}: {path} is not {form}") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        raise StartError(f"{key}: cannot read {path}: {reason}") from error


def _fits(pattern: str, name: str) -> bool:
    """`*` stands for any letters; no other sign has a meaning."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name, re.DOTALL) is not None


def _one_of(wanted: tuple[str, ...] | None, found: tuple[str | None, ...]) -> bool:
    known = [same_case(value) for value in found if value is not None]
    return not wanted or not known or any(value in wanted for value in known)
