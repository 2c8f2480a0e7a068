"""A toy application behind the real server, in a process of its own: `python connection_app.py SETTINGS`.

SETTINGS is JSON: `limits`, `drain_seconds`, and for TLS `certificate` and `key`. Standard output tells the port and
then, line by line, what happened.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import sys
from pathlib import Path

from starlette.types import Receive, Scope, Send

from service.connection import Limits
from service.framing import RequestFraming
from service.server import bind, serve
from service.tls import Front, read_pair


def tell(*words: object) -> None:
    """One line for the test."""
    print(*words, flush=True)


async def answer(send: Send, status: int, body: dict[str, object], **headers: str) -> None:
    """Send a JSON answer."""
    content = json.dumps(body).encode()
    fields = {"content-length": str(len(content)), "content-type": "application/json", **headers}
    pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": content})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body; say what came."""
    digest, length, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            tell("disconnect", scope["path"])
            return
        digest.update(message["body"])
        length += len(message["body"])
        more = message["more_body"]
    seen: dict[str, object] = {
        "path": scope["path"],
        "method": scope["method"],
        "length": length,
        "sha256": digest.hexdigest(),
        "malformed": "malformed_body" in scope.get("extensions", {}),
        "headers": sorted(name.decode() for name, _ in scope["headers"]),
        "client": scope["client"][0],
    }
    await answer(send, 200, seen)


async def lifespan(receive: Receive, send: Send) -> None:
    """Tell about start and end."""
    await receive()
    if sys.argv[1:] and json.loads(sys.argv[1]).get("startup_fails"):
        await send({"type": "lifespan.startup.failed", "message": "on purpose"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    tell("flush")
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Every path is one behaviour."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    tell("request", scope["path"])
    match scope["path"]:
        case "/early":
            await answer(send, 401, {"early": True})
        case "/early-slow":
            await asyncio.sleep(0.2)
            await answer(send, 401, {"early": True})
        case "/closing":
            await answer(send, 401, {"early": True}, connection="close")
        case "/slow":
            await asyncio.sleep(0.3)
            await echo(scope, receive, send)
        case "/busy":
            await asyncio.sleep(0.7)
            await echo(scope, receive, send)
        case "/stuck":
            await asyncio.sleep(60)
        case "/raise":
            raise RuntimeError("on purpose")
        case "/silent":
            return
        case _:
            await echo(scope, receive, send)


def failing(*_: object) -> None:
    """A fault of ours in the middle of reading."""
    raise MemoryError


def main() -> int:
    """Serve until a signal."""
    settings = json.loads(sys.argv[1])
    limits = settings["limits"]
    if limits.get("trusted_peers") is not None:
        limits["trusted_peers"] = tuple(ipaddress.ip_network(network) for network in limits["trusted_peers"])
    tls = None
    if "certificate" in settings:
        tls = Front(read_pair(Path(settings["certificate"]), Path(settings["key"]), None)).context
    if settings.get("fault_in_body"):
        RequestFraming.on_body = failing  # type: ignore[method-assign,assignment]
    listener = bind(settings.get("host", "127.0.0.1"), 0)
    port = listener.getsockname()[1]
    return serve(
        app,
        listener=listener,
        tls=tls,
        limits=Limits(**limits),
        drain_seconds=settings["drain_seconds"],
        on_ready=lambda: tell(port),
        on_drain=lambda: tell("drain"),
        on_hang_up=lambda: tell("hang up"),
    )


if __name__ == "__main__":
    sys.exit(main())
