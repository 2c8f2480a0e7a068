"""A running reference receiver, and a client with exact bytes to speak to it."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from conformance.mutants import credentials

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "conformance" / "vectors"
JSON = "application/json"
XML = "application/xml"


def basic(pair: credentials.BasicPair) -> str:
    return "Basic " + base64.b64encode(f"{pair.user}:{pair.password}".encode()).decode()


GOOD = basic(credentials.BASIC)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, list[str]]
    body: bytes

    def header(self, name: str) -> str:
        return ", ".join(self.headers.get(name.lower(), []))

    @property
    def problem(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


NONE = Answer(0, {}, b"")
"""The connection ended without an answer."""


def fresh(vector: str, order: str | None = None, message: str | None = None) -> str:
    """A golden body with an identity of its own."""
    text = (VECTORS / vector).read_text("utf-8")
    order = order or f"TCCONF-unit-{uuid.uuid4().hex[:12]}"
    for token, value in (("message", message or str(uuid.uuid4())), ("order", order)):
        text = text.replace("{{" + token + "}}", value)
    return text.replace("{{trace}}", str(uuid.uuid4())).replace("{{shipment}}", str(uuid.uuid4()))


def small(**members: Any) -> dict[str, Any]:
    """A small order event as values."""
    number = f"TCCONF-unit-{uuid.uuid4().hex[:12]}"
    body = {
        "eventName": "OrderIssuedByBuyer",
        "orderEvent": {"orderId": f"{uuid.uuid4()}-{number}", "buyerOrder": {"purchaseOrderNumber": number}},
        "meta": {"messageId": str(uuid.uuid4())},
    }
    return {**body, **members}


class Receiver:
    """A running receiver and what a client knows of it."""

    def __init__(self, ready: Mapping[str, Any], process: subprocess.Popen[bytes]) -> None:
        self.ready = ready
        self.process = process
        self.trust = ssl.create_default_context(cafile=ready["ca"])
        self.port = int(ready["url"].rpartition(":")[2])

    def connect(self, context: ssl.SSLContext | None = None, port: int | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port or self.port), timeout=8)
        return (context or self.trust).wrap_socket(plain, server_hostname="localhost")

    def raw(self, data: bytes, *, method: str = "POST", context: ssl.SSLContext | None = None) -> Answer:
        """The answer to these bytes, on a connection of their own."""
        with self.connect(context) as connection:
            try:
                connection.sendall(data)
                return read_answer(connection, method)
            except (http.client.HTTPException, ConnectionError, ssl.SSLError):
                return NONE

    def send(
        self,
        body: str | bytes | dict[str, Any] = b"",
        *,
        path: str = "/order",
        method: str = "POST",
        content_type: str | None = JSON,
        auth: str | None = GOOD,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> Answer:
        data = request(body, path=path, method=method, content_type=content_type, auth=auth, headers=headers)
        return self.raw(data, method=method)

    def control(self, method: str, path: str) -> dict[str, Any]:
        request = urllib.request.Request(self.ready["control"] + path, method=method)  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            data = answer.read()
        value: dict[str, Any] = json.loads(data) if data else {}
        return value

    def effects(self, order: str) -> int:
        count: int = self.control("GET", f"/effects?order={order}")["count"]
        return count

    @contextlib.contextmanager
    def state(self, name: str) -> Iterator[None]:
        self.control("PUT", f"/states/{name}")
        try:
            yield
        finally:
            self.control("DELETE", f"/states/{name}")


def request(
    body: str | bytes | dict[str, Any] = b"",
    *,
    path: str = "/order",
    method: str = "POST",
    content_type: str | None = JSON,
    auth: str | None = GOOD,
    headers: tuple[tuple[str, str], ...] = (),
) -> bytes:
    data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if auth is not None:
        lines.append(f"Authorization: {auth}")
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name}: {value}" for name, value in headers]
    if not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in headers):
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def read_answer(connection: socket.socket, method: str = "POST") -> Answer:
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    headers: dict[str, list[str]] = {}
    for name, value in answer.getheaders():
        headers.setdefault(name.lower(), []).append(value)
    return Answer(answer.status, headers, answer.read())


@contextlib.contextmanager
def running(folder: Path, *options: str, module: str = "receiver") -> Iterator[Receiver]:
    command = [
        sys.executable,
        "-m",
        f"conformance.mutants.{module}",
        "--folder",
        str(folder),
        "--end-with-parent",
        *options,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, f"{options} did not start"
        yield Receiver(json.loads(line), process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()


class Issuer:
    """Publishes one key and signs tokens."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        published = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        keys = json.dumps({"keys": [{**published, "kid": "1"}]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, format: str, *args: Any) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        said = {
            "iss": self.url,
            "aud": credentials.OAUTH_AUDIENCE,
            "azp": credentials.OAUTH_CLIENT,
            "roles": [credentials.OAUTH_ROLE],
            "nbf": now - 5,
            "exp": now + 60,
        }
        return jwt.encode({**said, **claims}, self._key, "ES256", {"kid": "1"})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
