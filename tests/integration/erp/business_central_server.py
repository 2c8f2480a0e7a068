"""A stand-in for Business Central: purchase orders and lines with ETags, as far as the example uses them.

API v2.0 under /api, an extension's actions under /actions, a token server at /token. It demands `If-Match`, changes
no line of a released order, and can be told to fail at any call.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

COMPANY = "c0ffee00-0000-0000-0000-000000000001"
ORDER_ID = "0rder000-0000-0000-0000-000000000001"
LINE = {
    "lineType": "Item",
    "lineObjectNumber": "OR-2207",
    "unitOfMeasureCode": "PCS",
    "quantity": Decimal("250"),
    "directUnitCost": Decimal("31.84"),
    "discountPercent": Decimal("0"),
    "expectedReceiptDate": "2026-11-30",
    "itemVariantId": "00000000-0000-0000-0000-000000000000",
}


@dataclass
class Fault:
    """What goes wrong at the next call that fits."""

    call: str
    """Beginning of "METHOD /path"."""
    status: int | None
    """0: the call is carried out, and the connection ends without an answer; None: all goes well."""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    first: Callable[[], None] = lambda: None
    """Done before, by somebody else."""


class BusinessCentral:
    """One company with one purchase order."""

    def __init__(self) -> None:
        self.number = "PO'1/a"
        self.order: dict[str, Any] = {"id": ORDER_ID, "currencyCode": "EUR", "pricesIncludeTax": False}
        self.status = "Open"
        """Of the order; "Open" is a released one, "Draft" one that can be changed."""
        self.lines: dict[int, dict[str, Any]] = {10000: dict(LINE), 20000: dict(LINE)}
        self.faults: list[Fault] = []
        self.calls: list[str] = []
        self.bodies: list[bytes] = []
        """Of calls that change lines."""
        self.page_size = 100
        self._versions = 0
        self._etags: dict[object, str] = {}
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://localhost:{self._server.server_address[1]}"

    def stop(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def touch(self, key: object) -> None:
        """Somebody else saved the line of this number, or the order (None): it has another ETag now."""
        self._versions += 1
        self._etags[key] = f'W/"{self._versions}"'

    def changes(self) -> list[str]:
        """The calls that change something, without their base."""
        return [call for call in self.calls if not call.startswith(("GET", "POST /token"))]

    def answer(
        self, method: str, target: str, headers: Any, body: bytes
    ) -> tuple[int, bytes, dict[str, str], bool]:
        """Status, body and header fields, and whether the connection ends instead."""
        path = unquote(urlsplit(target).path)
        with self._lock:
            self.calls.append(f"{method} {path}")
            if path == "/token":
                return 200, b'{"access_token": "t", "token_type": "Bearer", "expires_in": 3599}', {}, False
            fault = next((each for each in self.faults if f"{method} {path}".startswith(each.call)), None)
            if fault is not None:
                self.faults.remove(fault)
                fault.first()
                if fault.status:
                    return fault.status, fault.body, fault.headers, False
            if headers.get("Authorization") != "Bearer t":
                return 401, b"", {}, False
            status, document = self._carry_out(method, path, target, headers, body)
            ends = fault is not None and fault.status == 0
            return status, b"" if document is None else _written(document), {}, ends

    def _carry_out(self, method: str, path: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        orders = f"/api/companies({COMPANY})/purchaseOrders"
        lines = f"/api/companies({COMPANY})/purchaseOrderLines("
        action = f"/actions/companies({COMPANY})/purchaseOrders('{self.number.replace(chr(39), chr(39) * 2)}')"
        if method == "GET" and path == orders:
            wanted = parse_qs(urlsplit(target).query)["$filter"][0]
            number = re.fullmatch(r"number eq '(.*)'", wanted)
            found = number is not None and number[1].replace("''", "'") == self.number
            return 200, {"value": [self._record(None, self.order | {"status": self.status})] if found else []}
        if path == f"{orders}({ORDER_ID})/purchaseOrderLines":
            return self._page(target) if method == "GET" else self._create(body)
        if method == "PATCH" and path.startswith(lines):
            return self._patch(int(path.removeprefix(lines).rstrip(")")), headers.get("If-Match"), body)
        if method == "GET" and path == action:
            return 200, self._record(None, {"status": self.status})
        if method == "POST" and path.startswith(action):
            return self._act(path.removeprefix(action), headers.get("If-Match"))
        return 404, _error("BadRequest_NotFound", f"No HTTP resource was found that matches {path}")

    def _page(self, target: str) -> tuple[int, Any]:
        start = int(parse_qs(urlsplit(target).query).get("start", ["0"])[0])
        records = [self._record(number, line) for number, line in sorted(self.lines.items())]
        page: dict[str, Any] = {"value": records[start : start + self.page_size]}
        if start + self.page_size < len(records):
            page["@odata.nextLink"] = f"{self.url}{target.partition('?')[0]}?start={start + self.page_size}"
        return 200, page

    def _create(self, body: bytes) -> tuple[int, Any]:
        line = json.loads(body, parse_float=Decimal)
        self.bodies.append(body)
        if self.status != "Draft":
            return 400, _error("Application_DialogException", "Status must be equal to 'Open'")
        if line["sequence"] in self.lines:
            return 400, _error("Internal_EntityWithSameKeyExists", "The record already exists")
        number = line.pop("sequence")
        self.lines[number] = line
        self.touch(number)
        return 201, self._record(number, line)

    def _patch(self, number: int, etag: str | None, body: bytes) -> tuple[int, Any]:
        self.bodies.append(body)
        if etag is None:
            return 400, _error("BadRequest", "The If-Match header is missing")
        if number not in self.lines:
            return 404, _error("BadRequest_ResourceNotFound", "The line does not exist")
        if etag != self._record(number, {})["@odata.etag"]:
            return 412, _error("Request_EntityChanged", "Another user has already changed the record")
        if self.status != "Draft":
            return 400, _error("Application_DialogException", "Status must be equal to 'Open'")
        self.lines[number] |= json.loads(body, parse_float=Decimal)
        self.touch(number)
        return 200, self._record(number, self.lines[number])

    def _act(self, action: str, etag: str | None) -> tuple[int, Any]:
        if etag != self._record(None, {})["@odata.etag"]:
            return 412, _error("Request_EntityChanged", "Another user has already changed the record")
        self.status = {"/Microsoft.NAV.reopen": "Draft", "/Microsoft.NAV.release": "Open"}[action]
        self.touch(None)
        return 204, None

    def _record(self, key: object, members: dict[str, Any]) -> dict[str, Any]:
        if key not in self._etags:
            self.touch(key)
        identity = {} if key is None else {"id": str(key), "sequence": key}
        return {"@odata.etag": self._etags[key], **identity, **members}


def _error(code: str, message: str) -> Any:
    return {"error": {"code": code, "message": message}}


def _written(document: Any) -> bytes:
    return json.dumps(document, default=float).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, central: BusinessCentral, *args: Any) -> None:
        self._central = central
        super().__init__(*args)

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, content, headers, ends = self._central.answer(self.command, self.path, self.headers, body)
        if ends:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def __getattr__(self, name: str) -> Any:
        """All methods alike: `do_POST` and so on."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Not to the terminal."""
