"""HTTP/1.1 with exact bytes: nothing is added, followed, repeated or corrected. A library reads the answers."""

from __future__ import annotations

import select
import socket
import ssl
import time
from dataclasses import dataclass, field, replace
from types import TracebackType

import h11

from conformance.requests.rendering import Rendered
from conformance.requests.request import Framing
from conformance.wire.address import Address
from conformance.wire.answer import Answer

CONNECT_SECONDS = 10.0
#: How long a sender waits for `100 Continue` before it sends the body all the same (RFC 9110, section 10.1.1).
CONTINUE_SECONDS = 1.0
LISTEN_ON_SECONDS = 1.0
_SEND_AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The bytes of a request, and how they are sent."""

    method: str
    head: bytes
    body: bytes
    """As it stands on the wire."""
    framing: Framing


class Connection:
    """One connection to a receiver; opened when it is first used."""

    def __init__(
        self, address: Address, *, plain: bool = False, port: int | None = None, alpn: tuple[str, ...] = ()
    ):
        self._address = address
        self._plain = plain or not address.secure
        self._port = port or address.port
        self._alpn = alpn
        self._socket: socket.socket | ssl.SSLSocket | None = None
        self.negotiated: str | None = None
        self.used = 0
        """Number of exchanges."""

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    @property
    def reusable(self) -> bool:
        """Whether it is open and nothing but an answer to the next request would come."""
        if self._socket is None:
            return False
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return False
        readable, _, _ = select.select([self._socket], [], [], 0)
        if not readable:
            return True
        if isinstance(self._socket, ssl.SSLSocket):
            # TLS 1.3 session tickets come unasked; anything else than them means the end.
            try:
                self._socket.setblocking(False)
                self._socket.recv(1)
            except (ssl.SSLWantReadError, BlockingIOError):
                return True
            except OSError:
                return False
        return False

    def open(self) -> None:
        """Connect and shake hands.

        Raises:
            OSError: that failed (ssl.SSLError is one).
        """
        raw = socket.create_connection((self._address.host, self._port), timeout=CONNECT_SECONDS)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._plain:
            self._socket = raw
            return
        try:
            secured = self._address.context(self._alpn).wrap_socket(raw, server_hostname=self._address.host)
        except BaseException:
            raw.close()
            raise
        self.negotiated = secured.selected_alpn_protocol()
        self._socket = secured

    def close(self) -> None:
        """Close it; it opens again at the next exchange."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, rendered: Rendered, seconds: float) -> Answer:
        """Send a request and return what came back within so many seconds, or why nothing did."""
        return self.send(Outgoing(rendered.method, rendered.head, rendered.framed, rendered.framing), seconds)

    def send(self, outgoing: Outgoing, seconds: float) -> Answer:
        """Send bytes and return what came back within so many seconds, or why nothing did."""
        started = time.monotonic()
        opening = 0.0
        try:
            if self._socket is None:
                self.open()
                opening = time.monotonic() - started
        except OSError as error:
            self.close()
            return Answer(None, seconds=time.monotonic() - started, failure=f"no connection: {_reason(error)}")
        assert self._socket is not None  # noqa: S101 - for the type checker
        self.used += 1
        talk = _Talk(self._socket, outgoing, started + seconds)
        answer = talk.carry_out()
        if answer.status is None or answer.closes:
            self.close()
        return replace(answer, opening=opening)


@dataclass
class _Talk:
    """One request and its answer; both ways at the same time, as an answer may come before the body is out."""

    socket: socket.socket | ssl.SSLSocket
    request: Outgoing
    deadline: float
    received: bytearray = field(default_factory=bytearray)
    interim: list[int] = field(default_factory=list)
    response: h11.Response | None = None
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False
    ended: bool = False
    failure: str = ""
    note: str = ""

    def carry_out(self) -> Answer:
        framing = self.request.framing
        self.socket.setblocking(False)
        body = self.request.body
        held_back = bytearray(body) if framing.expect_continue else bytearray()
        outgoing = bytearray(self.request.head if framing.expect_continue else self.request.head + body)
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method=self.request.method, target="/", headers=[("Host", "x")]))
        parser.send(h11.EndOfMessage())
        started = time.monotonic()
        sent = 0
        while not self.complete and not self.failure:
            now = time.monotonic()
            if now > self.deadline:
                self.failure = f"nothing within {self.deadline - started:.1f} s"
                break
            if held_back and (self.interim or now - started > CONTINUE_SECONDS):
                if not self.interim:
                    self.note = "no 100 Continue came; the body was sent all the same"
                outgoing += held_back
                held_back.clear()
            room = _SEND_AT_ONCE
            if framing.bytes_per_second is not None:
                head = len(self.request.head)
                room = max(0, head + int(framing.bytes_per_second * (now - started)) - sent)
            sent_now = self._send(outgoing, room)
            sent += sent_now
            got = self._receive(parser)
            if not sent_now and not got and not self.complete and not self.failure:
                can_send = bool(outgoing) and framing.bytes_per_second is None
                select.select([self.socket], [self.socket] if can_send else [], [], 0.05)
        # An answer may come before the body is out. What is still to come belongs to this request: without it the
        # next one on the connection would be read as its body.
        while self.complete and outgoing and not self.ended and not self.note and parser.their_state is h11.DONE:
            if time.monotonic() > self.deadline:
                self.note = "the receiver did not take the rest of the body"
            elif not self._send(outgoing, _SEND_AT_ONCE):
                select.select([], [self.socket], [], 0.05)
        if framing.ambiguous:
            self._listen_on()
        # The receiver may still wait for the body that was held back, and take the next request for it.
        return self._answer(started, parser, owing=bool(held_back))

    def _listen_on(self) -> None:
        """Where the end of a request is ambiguous, a second answer would be to what was smuggled behind it."""
        until = min(self.deadline, time.monotonic() + LISTEN_ON_SECONDS)
        while self.complete and not self.ended and (left := until - time.monotonic()) > 0:
            select.select([self.socket], [], [], left)
            try:
                data = self.socket.recv(_SEND_AT_ONCE)
            except (ssl.SSLWantReadError, BlockingIOError):
                continue
            except OSError:
                data = b""
            self.received += data
            self.ended = not data

    def _send(self, outgoing: bytearray, room: int) -> int:
        if not outgoing or room <= 0:
            return 0
        try:
            count = self.socket.send(bytes(outgoing[:room]))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return 0
        except OSError as error:
            # The receiver may have answered before it closed: read on.
            self.note = f"the receiver took no more of the body ({_reason(error)})"
            outgoing.clear()
            return 0
        del outgoing[:count]
        return count

    def _receive(self, parser: h11.Connection) -> bool:
        try:
            data = self.socket.recv(_SEND_AT_ONCE)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return False
        except OSError as error:
            if isinstance(error, ssl.SSLEOFError) and self.response is not None:
                data = b""
            else:
                self.failure = f"the connection broke: {_reason(error)}"
                return True
        self.received += data
        self.ended = not data
        try:
            parser.receive_data(data)
            self._take_events(parser)
        except h11.RemoteProtocolError as error:
            if self.ended and not self.received:
                self.failure = "the receiver closed the connection without an answer"
            elif self.ended:
                self.failure = "the answer broke off"
            else:
                self.failure = f"no HTTP/1.1 came back: {error}"
        return True

    def _take_events(self, parser: h11.Connection) -> None:
        while True:
            event = parser.next_event()
            if isinstance(event, h11.InformationalResponse):
                self.interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                self.response = event
            elif isinstance(event, h11.Data):
                self.body += event.data
            elif isinstance(event, h11.EndOfMessage):
                self.complete = True
                return
            elif isinstance(event, h11.ConnectionClosed):
                self.failure = "the receiver closed the connection without an answer"
                return
            else:
                return

    def _answer(self, started: float, parser: h11.Connection, *, owing: bool) -> Answer:
        seconds = time.monotonic() - started
        if self.response is None or not self.complete:
            interim_only = f"only {', '.join(map(str, self.interim))} came, then " if self.interim else ""
            return Answer(
                None,
                raw=bytes(self.received),
                interim=tuple(self.interim),
                seconds=seconds,
                closes=True,
                failure=interim_only + (self.failure or "the answer did not end"),
                note=self.note,
            )
        return Answer(
            self.response.status_code,
            tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in self.response.headers),
            bytes(self.body),
            raw=bytes(self.received),
            interim=tuple(self.interim),
            seconds=seconds,
            closes=self.ended or owing or parser.their_state is not h11.DONE or bool(self.note),
            note=self.note,
        )


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return error.strerror or type(error).__name__
