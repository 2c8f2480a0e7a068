"""From settings to what fetches documents."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from handlers.documents.addresses import AddressRules
from handlers.documents.fetching import Fetching, FetchRules
from handlers.documents.pace import OwnPace, Pace
from handlers.documents.platform import Platform
from handlers.documents.store import StoreError, open_store
from handlers.erp.exchange import HttpClient, tls_context
from service.errors import StartError
from service.inbox.shared_pace import SharedPace
from service.settings import Settings
from service.settings_documents import Documents


def open_fetching(settings: Settings) -> Fetching | None:
    """What fetches documents by these settings; None where they are off. Nothing is connected yet.

    Raises:
        StartError: a file or the location cannot be used; one line that names the setting.
    """
    documents = settings.documents
    if not documents.is_on:
        return None
    tls = _tls(documents.ca_file)
    client = HttpClient(tls)
    try:
        store = open_store(documents.location)
    except StoreError as error:
        raise StartError(f"documents.location: {error}") from error
    pace = _pace(settings)

    def close() -> None:
        client.close()
        pace.close()

    return Fetching(
        store,
        platform=_platform(documents, client, pace),
        tls=tls,
        rules=FetchRules(
            timeout=documents.timeout,
            max_bytes=documents.max_bytes,
            blocked_extensions=frozenset(documents.blocked_extensions),
            addresses=AddressRules(
                allow_http=documents.allow_http,
                allow_private=documents.allow_private,
                by_proxy=documents.use_proxy,
            ),
        ),
        close=close,
    )


def _pace(settings: Settings) -> Pace:
    """Workers that share an inbox share one pace, too."""
    place, calls = settings.inbox.place, settings.documents.calls_per_second
    return OwnPace(calls) if isinstance(place, Path) else SharedPace(place, calls)


def _platform(documents: Documents, client: HttpClient, pace: Pace) -> Platform | None:
    if documents.url is None or documents.username is None or documents.password is None:
        return None
    return Platform(documents.url, documents.username, documents.password.get_secret_value(), client, pace)


def _tls(authorities: Path | None) -> ssl.SSLContext:
    try:
        return tls_context(authorities)
    except ssl.SSLError:
        raise StartError(f"documents.ca_file: {authorities} is not PEM") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else type(error).__name__
        raise StartError(f"documents.ca_file: cannot read {authorities}: {reason}") from error
