"""Download links as an object store signs them: for a short time, without credentials, at a host of its own."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote, urlencode

from sandbox.platform.faults import DownloadFault, Faults
from sandbox.platform.store import Document, Store
from sandbox.serving import Answer, Request

_BUCKET = "documents"


class Links:
    """Makes links, and answers them; used by several threads. A link can be used again until it expires."""

    def __init__(self, store: Store, faults: Faults, *, seconds: float = 60.0, repeat_seconds: float = 0.0) -> None:
        self.seconds = seconds
        """How long a link is good (behaviour.md, section 8: 1 minute)."""
        self._repeat_seconds = repeat_seconds
        self._store = store
        self._faults = faults
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._made: dict[str, tuple[float, str]] = {}
        self.base: Callable[[], str] = lambda: ""
        """The address of the object store."""

    def make(self, object_id: str) -> str:
        """A link to an object, good from now on; within `repeat_seconds` the same again."""
        now = time.time()
        with self._lock:
            when, known = self._made.get(object_id, (0.0, ""))
            if now < when + self._repeat_seconds:
                return known
            until = f"{now + self.seconds:.3f}"
            fields = {
                "X-Amz-Date": f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}",
                "X-Amz-Expires": str(int(self.seconds)),
                "until": until,
                "X-Amz-Signature": self._signature(object_id, until),
            }
            link = f"{self.base()}/{_BUCKET}/{quote(object_id, safe='')}?{urlencode(fields)}"
            self._made[object_id] = (now, link)
            return link

    def expire(self) -> None:
        """Let every link that was made be expired now."""
        with self._lock:
            self._key = secrets.token_bytes(32)
            self._made.clear()

    def answer(self, request: Request) -> Answer:
        """The object, or XML as an object store says what is wrong."""
        if request.method not in ("GET", "HEAD"):
            return _refused(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        if request.parts[:1] == ("loop",):
            return loop_again(request)
        if "authorization" in request.headers:
            # An object store takes a signature or a header, never both.
            self._faults.count("credentials_on_links")
            return _refused(400, "InvalidArgument", "Only one auth mechanism allowed.")
        if len(request.parts) != 2 or request.parts[0] != _BUCKET:
            return _refused(404, "NoSuchKey", "The specified key does not exist.")
        object_id, until = request.parts[1], request.query.get("until", "0")
        with self._lock:
            good = hmac.compare_digest(
                self._signature(object_id, until).encode(), request.query.get("X-Amz-Signature", "").encode()
            )
        if not good or time.time() >= float(until):
            return self._expired()
        document = self._store.document(object_id)
        if document is None:
            return _refused(404, "NoSuchKey", "The specified key does not exist.")
        fault = self._faults.next_download()
        if fault is not None and time.time() + fault.seconds >= float(until):
            return replace(self._expired(), wait=fault.seconds)
        self._faults.count("downloads")
        return downloaded(document, fault, loop=f"{request.base}/loop/{quote(object_id, safe='')}")

    def _expired(self) -> Answer:
        self._faults.count("expired_links")
        return _refused(403, "AccessDenied", "Request has expired")

    def _signature(self, object_id: str, until: str) -> str:
        return hmac.digest(self._key, f"{object_id}\n{until}".encode(), "sha256").hex()


def loop_again(request: Request) -> Answer:
    """A redirect to the address that was asked for, without end."""
    turn = int(request.query.get("n", "0")) + 1
    return Answer(302, headers={"Location": f"{request.base}{request.path}?n={turn}"})


def downloaded(document: Document, fault: DownloadFault | None, *, loop: str) -> Answer:
    """The content, with what goes wrong with it."""
    content = document.content
    name = quote(document.filename, safe="", errors="replace")
    headers = {
        "Content-Type": document.content_type,
        "Content-Disposition": f"attachment; filename*=UTF-8''{name}",
        "ETag": document.etag,
        "Accept-Ranges": "none",
    }
    if fault is None:
        return Answer(200, content, headers)
    match fault.kind:
        case "cut":
            return Answer(200, content, headers, cut_after=fault.after)
        case "length":
            return Answer(200, content, headers, length=max(0, len(content) + fault.by))
        case "slow":
            return Answer(200, content, headers, bytes_per_second=max(1, fault.bytes_per_second))
        case "late":
            return Answer(200, content, headers, wait=fault.seconds)
        case "loop":
            return Answer(302, headers={"Location": loop})
        case "redirect":
            return Answer(302, headers={"Location": fault.location})
        case "status":
            return _refused(fault.status, "InternalError", "We encountered an internal error. Please try again.")


def _refused(status: int, code: str, message: str) -> Answer:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})
