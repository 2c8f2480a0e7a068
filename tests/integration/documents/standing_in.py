"""A stand-in for the platform's documents: login, refresh, metadata and links, and a sender's content server."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import trustme

from handlers.documents.addresses import AddressRules
from handlers.documents.fetching import Fetching, FetchRules
from handlers.documents.found import NamedDocument
from handlers.documents.pace import OwnPace
from handlers.documents.platform import Platform
from handlers.documents.store import open_store
from handlers.erp.exchange import HttpClient, tls_context
from tests.integration.erp.recipient import Recipient, Reply

#: Everything on loopback, where the stand-ins are.
LOCAL = AddressRules(allow_http=True, allow_private=True)

DOCUMENT = NamedDocument(
    number=1,
    place="supplierOrder",
    line=None,
    code="123",
    revision="B",
    name="Manual",
    object_id=None,
    url=None,
    updated_at=None,
)


def by_object(object_id: str = "o-1", **members: Any) -> NamedDocument:
    """A document in the object storage."""
    return replace(DOCUMENT, object_id=object_id, **members)


def by_url(url: str, **members: Any) -> NamedDocument:
    """A document on the sender's server."""
    return replace(DOCUMENT, url=url, **members)


def access_token(seconds: float = 3600.0, name: str = "t") -> str:
    """A JWT such as the platform gives."""
    return jwt.encode({"exp": int(time.time() + seconds), "n": name}, "k" * 32)


def logged_in(seconds: float = 3600.0, name: str = "t") -> Reply:
    """The answer to a login or refresh."""
    headers = {"Set-Authorization": access_token(seconds, name), "Set-Refresh-Token": f"refresh-{name}"}
    return Reply(200, b"{}", headers)


def metadata(url: str, filename: str = "manual.pdf", media_type: str = "application/pdf") -> Reply:
    """The answer about an object."""
    members = {"id": "o-1", "filename": filename, "contentType": media_type, "downloadUrl": url}
    return Reply(200, json.dumps(members).encode())


METADATA = "/v2/object-storage/document/o-1/metadata"
LOGIN, REFRESH = "/v2/authentication/login", "/v2/authentication/refresh"


class Portal(Recipient):
    """The platform: whoever logs in may download object o-1 under /files/o-1."""

    def __init__(self, authority: trustme.CA | None = None, content: bytes = b"%PDF-1.7 content") -> None:
        super().__init__(authority)
        self.replies[LOGIN] = [logged_in()]
        self.replies[REFRESH] = [logged_in(name="refreshed")]
        self.replies[METADATA] = [metadata(f"{self.url}/files/o-1?signature=s3cret")]
        self.replies["/files/o-1"] = [Reply(200, content)]

    def __enter__(self) -> Portal:
        return self

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [request.path.partition("?")[0] for request in self.requests]


def fetching(
    folder: Path | str,
    portal: Recipient | None = None,
    *,
    rules: FetchRules | None = None,
    authority: Path | None = None,
    calls_per_second: float = 1000.0,
) -> Fetching:
    """As the settings make it."""
    tls = tls_context(authority)
    platform = None
    if portal is not None:
        pace = OwnPace(calls_per_second)
        platform = Platform(f"{portal.url}/v2", "user@buyer.example", "pass", HttpClient(tls), pace)
    rules = rules or FetchRules(timeout=10.0, addresses=LOCAL)
    return Fetching(open_store(str(folder)), platform=platform, tls=tls, rules=rules)


def files_in(folder: Path) -> list[str]:
    """Names of all files below, hidden ones too."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def sends(data: bytes, *, then: str = "close", pause: float = 0.0) -> Any:
    """Write raw bytes to the connection; then close it, or go on with a byte now and then."""

    def act(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(data)
        while then == "drip" and not stopped.wait(pause):
            connection.sendall(b"x")

    return act
