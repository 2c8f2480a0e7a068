"""One sender's connection: uvicorn's HTTP/1.1, with limits, and without any answer that would lose an event.

The sender drops an event for good after any 4xx and after 500, and comes again after a closed connection. So
whoever is too slow or too large is cut off without an answer, and an answer that was given is never destroyed by
closing the connection under the sender's feet: what it still sends is read first.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from service import problems
from service.framing import FramingFaultError, RequestFraming
from service.limits import Limits, SharedState

if TYPE_CHECKING:
    from starlette.types import Send
    from uvicorn._types import (
        ASGI3Application,
        ASGIReceiveCallable,
        ASGIReceiveEvent,
        ASGISendCallable,
        ASGISendEvent,
        Scope,
    )

__all__ = ["Connection", "Limits", "SharedState"]

log = logging.getLogger(__name__)

#: During a drain an idle connection stays this long, for the request that may be in the kernel already.
IDLE_GRACE = 0.25

#: Requests that may wait behind the one under way. Nobody pipelines POSTs; one who sends thousands of heads in
#: a row only wants our memory.
MAX_PIPELINED = 16

#: Seconds in the last-resort 503, which no part of the application composed.
RETRY_AFTER = 30


class _AnswerTransport:
    """What uvicorn takes for the transport: its close() first lets the sender read the answer."""

    def __init__(self, wire: asyncio.Transport, connection: Connection) -> None:
        self.close = connection.hang_up
        self.is_closing = connection.is_hung_up
        self._wire = wire
        self._head: bytes | None = None
        self._holding = False
        self.get_extra_info = wire.get_extra_info
        self.pause_reading = wire.pause_reading
        self.resume_reading = wire.resume_reading

    def hold(self) -> None:
        """Keep the next piece, the head of an answer, until the one after it: one packet instead of two."""
        self._holding = True

    def write(self, data: bytes) -> None:
        """Send, together with what was held."""
        if self._holding:
            self._head, self._holding = data, False
            return
        held, self._head = self._head, None
        self._wire.write(held + data if held else data)

    def release(self) -> None:
        """Send what is still held."""
        if self._head is not None:
            self.write(b"")


class Connection(RequestFraming):
    """Created by uvicorn for each connection; `server_state` brings the limits."""

    server_state: SharedState

    def __init__(
        self,
        config: Config,
        server_state: SharedState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.max_header_bytes = server_state.limits.max_header_bytes
        self._limits = server_state.limits
        self._wire: asyncio.Transport = None  # type: ignore[assignment]  # as uvicorn: until connection_made
        self._active: RequestResponseCycle | None = None
        self._app_waits_for: RequestResponseCycle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._awaited: tuple[str, RequestResponseCycle | None] = ("", None)
        self._hung_up = False
        self._deaf = False  # what comes is no longer parsed
        self._sender_finished = False
        self._body_size = 0
        self._discarded = 0

    # What happens to the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or close it if it is one too many or not of a trusted peer."""
        self._wire = transport
        self._answers = _AnswerTransport(transport, self)
        super().connection_made(cast(asyncio.Transport, self._answers))
        if len(self.connections) > self._limits.max_connections:
            self.server_state.warn_of_refusal(self.loop.time(), "server.max_connections is reached")
            self.cut()
        elif not self._limits.trusts(peer := self.client[0] if self.client else None):
            self.server_state.warn_of_refusal(self.loop.time(), f"{peer} is not a trusted proxy")
            self.cut()
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the application, if it is still at work."""
        self._forsake()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn always closes here
        """A sender that closes its sending half after a whole request still gets its answer (not over TLS)."""
        self._sender_finished = True
        cycle = self.cycle
        if self.scheme == "https" or self._hung_up or cycle is None:
            return False
        cycle.keep_alive = False
        return not cycle.more_body and not cycle.response_complete

    def data_received(self, data: bytes) -> None:
        """Parse what came, then wait for what is missing."""
        if self._deaf:
            self._discard(len(data))
            return
        if self.cycle is None or not self.cycle.more_body:
            self.in_head = True
        try:
            if not self.feed(data):
                self._stop_parsing()
        except FramingFaultError as error:
            self.server_state.warn_of_refusal(self.loop.time(), f"cannot take this request: {error.__cause__!r}")
            self.cut()  # no answer: the sender comes again
        if len(self.pipeline) > MAX_PIPELINED:
            self.cut()
        self._watch()

    def shutdown(self) -> None:
        """The drain began: finish the request under way, or close."""
        if self.cycle is not None:
            self.cycle.keep_alive = False
        self._watch()

    def pause_writing(self) -> None:
        """The sender does not read; from now on its time runs."""
        super().pause_writing()
        if self._hung_up:
            return
        self._awaited = ("", None)
        self._watch()

    def resume_writing(self) -> None:
        """The sender reads again."""
        super().resume_writing()
        if self._hung_up:
            return
        self._awaited = ("", None)
        self._watch()

    def cut(self) -> None:
        """Close now, without an answer."""
        self._forsake()
        self._wire.abort()

    def is_hung_up(self) -> bool:
        """Whether nothing more is answered on this connection."""
        return self._hung_up

    def hang_up(self) -> None:
        """Close after the last answer, but not while the sender still sends.

        Closing over unread bytes makes the kernel reset the connection, and a reset can destroy the answer
        before the sender reads it.
        """
        if self._hung_up:
            return
        self._hung_up = True
        self._answers.release()
        sending = self._deaf or self.in_head or self.pipeline or (self.cycle and self.cycle.more_body)
        if sending and not self._sender_finished:
            self.flow.resume_reading()
            if self.scheme == "http":  # TLS knows no half-close
                self._wire.write_eof()
            self._start_clock(self._limits.linger_seconds, "end of the sender")
        else:
            self._close()

    # What the parser finds

    def on_headers_complete(self) -> None:
        """Hand the request over to the application."""
        if self._hung_up:
            return
        super().on_headers_complete()
        self._body_size = self._discarded = 0
        if self.server_state.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """A piece of the body; of no use once the answer is given."""
        super().on_body(body)
        self._body_size += len(body)
        if self.cycle.response_complete:
            self._discard(len(body))

    def on_message_complete(self) -> None:
        """The body is complete."""
        super().on_message_complete()
        if self._hung_up and not self.cycle.more_body:
            self._close()

    def _stop_parsing(self) -> None:
        """The bytes are not HTTP, or a head (or trailer) is too large."""
        self._deaf = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if not self.in_head:
                cycle.scope.setdefault("extensions", {})["malformed_body"] = {}
                cycle.more_body = False
                cycle.message_event.set()
            # An answer now would be taken for the one to the request under way: that is answered, the rest not.
            cycle.keep_alive = False
        elif not self.in_head or self._hung_up:
            self.hang_up()
        elif self.is_oversized():
            self.cut()
        else:
            self._answer_malformed()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > self._limits.linger_bytes:
            if self.cycle is None or self.cycle.response_complete:
                self.hang_up()
            # Not closed at once: the sender gets the rest of linger_seconds to read the answer, but sends no more.
            self.flow.pause_reading()

    # The application's call and its answer

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._active = cycle

        async def call(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            await self._call(cycle, app, receive, send)

        super()._start_asgi_task(cycle, call)

    async def _call(
        self,
        cycle: RequestResponseCycle,
        app: ASGI3Application,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        async def receiving() -> ASGIReceiveEvent:
            self._app_waits_for = cycle
            if self._awaited == ("application", cycle):
                self._start_clock(self._limits.body_timeout, "body")
            try:
                return await receive()
            finally:
                self._app_waits_for = None

        async def sending(message: ASGISendEvent) -> None:
            if not cycle.response_started and self._rest_is_too_long(cycle):
                cycle.keep_alive = False  # makes uvicorn add `Connection: close`
            if message["type"] == "http.response.start":
                self._answers.hold()
            await send(message)

        try:
            await app(cycle.scope, receiving, sending)
        except asyncio.CancelledError:  # the drain is over; uvicorn would answer 500
            self.cut()
        except BaseException:
            if cycle.response_started:
                raise
            log.exception("action=application_failed")
        if not cycle.response_started and not cycle.disconnected:
            log.error("action=no_answer_of_the_application")
            answer = problems.unavailable("The service failed.", RETRY_AFTER)
            await answer.send(cast("Send", sending))

    def _rest_is_too_long(self, cycle: RequestResponseCycle) -> bool:
        if not cycle.more_body:
            return False
        if cycle.waiting_for_100_continue:
            return True  # whether the body or another request comes next, only the sender knows
        lengths = [int(value) for name, value in cycle.scope["headers"] if name == b"content-length"]
        return bool(lengths) and lengths[0] - self._body_size > self._limits.linger_bytes

    def on_response_complete(self) -> None:
        """Go on with the next request, or wait for it."""
        self.server_state.total_requests += 1
        self._answers.release()  # an answer to HEAD has no body to go with
        if self._hung_up:
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self.flow.resume_reading()
        self._watch()

    def _answer_malformed(self) -> None:
        if self.unknown_method:
            answer = problems.wrong_method("POST")
        else:
            self.server_state.warn_of_refusal(self.loop.time(), "these bytes are no HTTP request; answered 400")
            answer = problems.malformed_http()
        headers = [
            *self.server_state.default_headers,
            *answer.header_fields(),
            (b"connection", b"close"),
        ]
        lines = [name + b": " + value + b"\r\n" for name, value in headers]
        self._wire.write(b"".join([STATUS_LINE[answer.status], *lines, b"\r\n", answer.body]))
        self.hang_up()

    # The clock

    def _watch(self) -> None:
        """Give the sender its time for what the connection waits for now; called after every change."""
        if self._hung_up:
            return
        limits, cycle, seconds = self._limits, self.cycle, 0.0
        if cycle is not None and cycle.more_body:
            if cycle.response_complete:
                awaited, seconds = "rest of a body", limits.linger_seconds
            elif self._awaited == ("application", cycle):
                return
            else:
                awaited, seconds = "body", limits.body_timeout
        elif cycle is not None and not cycle.response_complete:
            # While we work the sender may take its time; while it does not read our answers, it may not.
            awaited, seconds = "answer", limits.body_timeout if self.flow.write_paused else 0.0
        elif self.in_head or (cycle is None and not self.server_state.draining):
            awaited, seconds = "head", limits.header_timeout
        elif self.server_state.draining:
            awaited, seconds = "nothing", IDLE_GRACE
        else:
            awaited, seconds = "next request", limits.keep_alive_timeout
        if self._awaited == (awaited, cycle):
            return
        self._start_clock(seconds, awaited)

    def _start_clock(self, seconds: float, awaited: str) -> None:
        self._awaited = (awaited, self.cycle)
        if self._clock is not None:
            self._clock.cancel()
        self._clock = self.loop.call_later(seconds, self._time_is_up) if seconds else None

    def _time_is_up(self) -> None:
        match self._awaited[0]:
            case "body" if self._app_waits_for is not self.cycle:
                self._start_clock(0, "application")  # the delay is ours, not the sender's
            case "body" | "head" | "close" | "answer":
                self.cut()
            case "next request" | "nothing":
                self.connections.discard(self)  # no answer is due: a drain need not wait for its TLS farewell
                self._close()
            case _:
                self._close()

    def _close(self) -> None:
        self._hung_up = self._deaf = True
        self._wire.close()
        # A sender that does not read its answer must not hold the connection for ever.
        self._start_clock(self._limits.linger_seconds, "close")

    def _forsake(self) -> None:
        """Answer nobody any more, and let the application know."""
        self._hung_up = self._deaf = True
        self._start_clock(0, "")
        for cycle in (self._active, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
