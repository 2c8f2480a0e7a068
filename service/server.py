"""The server around the connections: socket, TLS, signals and an end that leaves no request without its answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import ssl
from collections.abc import Callable, Generator
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import HANDLED_SIGNALS

from service.connection import Connection
from service.limits import Limits, SharedState

log = logging.getLogger(__name__)

#: What calls that were cancelled at the end of the drain get for their `finally` blocks.
CANCEL_SECONDS = 1.0


class Server(uvicorn.Server):
    """uvicorn's server with our connections, TLS context and drain; `exit_status` tells how it ended."""

    server_state: SharedState

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        limits: Limits,
        tls: ssl.SSLContext | None = None,
        drain_seconds: float,
        on_ready: Callable[[], None] | None = None,
        on_drain: Callable[[], None] | None = None,
        on_hang_up: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config)
        self.server_state = SharedState(limits)
        self.exit_status = 0
        self._tls = tls
        self._drain_seconds = drain_seconds
        self._on_ready = on_ready
        self._on_drain = on_drain
        self._on_hang_up = on_hang_up

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then listen."""
        await self.lifespan.startup()
        if self.lifespan.should_exit:
            self._give_up()
            return
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {}
        if self._tls is not None:
            limits = self.server_state.limits
            tls = {
                "ssl": self._tls,
                "ssl_handshake_timeout": limits.tls_handshake_timeout,
                "ssl_shutdown_timeout": limits.linger_seconds,
            }
        self.servers = []
        try:
            for listener in sockets or []:
                # asyncio and uvloop differ in what they call such a server; both can be closed
                server: Any = await loop.create_server(
                    self._connection, sock=listener, backlog=self.config.backlog, **tls
                )
                self.servers.append(server)
        except OSError as error:
            log.error("action=listen_failed reason=%s", error)
            await self.lifespan.shutdown()
            self._give_up()
            return
        self.started = True
        # Measured: doubles the rate on large bodies. Every decoded body is thousands of young objects, which
        # makes the collector run again and again over the modules and the contract, where nothing is ever freed.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        if self._on_ready is not None:
            self._on_ready()

    def _connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    def _give_up(self) -> None:
        self.should_exit = True
        self.exit_status = 1

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is under way, within the drain time; then let the application flush its store."""
        log.info("action=drain")
        if self._on_drain is not None:
            self._on_drain()
        state = self.server_state
        state.draining = True
        for server in self.servers:
            server.close()
        for connection in list(state.connections):
            connection.shutdown()
        deadline = asyncio.get_running_loop().time() + self._drain_seconds
        while (state.connections or state.tasks) and not self.force_exit:
            if asyncio.get_running_loop().time() >= deadline:
                break
            await asyncio.sleep(0.05)
        await self._cut_the_rest()
        await self._end_application()

    async def _cut_the_rest(self) -> None:
        tasks = list(self.server_state.tasks)
        if tasks:
            log.warning("action=drain_incomplete requests=%d", len(tasks))
        for connection in list(self.server_state.connections):
            assert isinstance(connection, Connection)  # noqa: S101 - for mypy: uvicorn knows several kinds
            connection.cut()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CANCEL_SECONDS)

    async def _end_application(self) -> None:
        ending = asyncio.create_task(self.lifespan.shutdown())
        while not ending.done() and not self.force_exit:
            await asyncio.wait([ending], timeout=0.05)
        if not ending.done() or self.lifespan.should_exit:
            self.exit_status = 1

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Until the end, SIGTERM and SIGINT start the drain and SIGHUP calls `on_hang_up`.

        uvicorn raises the signals again afterwards, which would make an orderly end look like a killed process.
        """
        loop = asyncio.get_running_loop()

        def hang_up(_signal: int, _frame: FrameType | None) -> None:
            # not called here: the signal may have come in the middle of anything, such as writing a log line
            if self._on_hang_up is not None:
                loop.call_soon_threadsafe(self._on_hang_up)

        handlers: dict[int, Any] = dict.fromkeys(HANDLED_SIGNALS, self.handle_exit)
        if hasattr(signal, "SIGHUP"):
            handlers[signal.SIGHUP] = hang_up
        try:
            before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        except ValueError:  # not in the main thread: whoever runs us there handles the signals
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal starts the drain, a second one ends it."""
        self.force_exit = self.should_exit
        self.should_exit = True


def serve(
    app: ASGIApp,
    *,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    limits: Limits,
    drain_seconds: float,
    on_ready: Callable[[], None] | None = None,
    on_drain: Callable[[], None] | None = None,
    on_hang_up: Callable[[], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status: 0 after an orderly end, 1 otherwise.

    `on_ready` is called once connections are accepted, `on_drain` before anything else of the end happens,
    `on_hang_up` in the event loop after a SIGHUP.
    """
    config = uvicorn.Config(
        app,
        http=Connection,
        loop="auto",
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        workers=1,  # else WEB_CONCURRENCY of the environment counts
    )
    server = Server(
        config,
        limits=limits,
        tls=tls,
        drain_seconds=drain_seconds,
        on_ready=on_ready,
        on_drain=on_drain,
        on_hang_up=on_hang_up,
    )
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
    return server.exit_status


def bind(host: str, port: int) -> socket.socket:
    """A socket on the address, not listening yet.

    Raises:
        OSError: the address is unknown, taken or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":  # elsewhere it would let two processes share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
