"""HTTP/2 over TLS (RFC 9113): one request on a connection of its own; the frames are the library's (h2)."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass, field
from types import TracebackType

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from conformance.requests.rendering import Rendered
from conformance.wire.address import Address
from conformance.wire.answer import Answer

CONNECT_SECONDS = 10.0
_RECEIVE_AT_ONCE = 65_536
#: Fields that belong to one HTTP/1.1 connection and are an error here (RFC 9113, section 8.2.2).
_NOT_HERE = frozenset({"host", "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


class Http2Connection:
    """A connection that speaks HTTP/2 or nothing; `exchange` is that of `http1.Connection`."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: ssl.SSLSocket | None = None

    def __enter__(self) -> Http2Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, rendered: Rendered, seconds: float) -> Answer:
        """Send a request and return what came back within so many seconds, or why nothing did."""
        started = time.monotonic()
        try:
            opened = self._open()
        except OSError as error:
            return Answer(None, failure=f"no connection: {error.strerror or error}")
        if opened.selected_alpn_protocol() != "h2":
            return Answer(None, failure="the server did not choose HTTP/2")
        stream = _Stream(rendered, self._address.authority)
        try:
            stream.talk(opened, started + seconds)
        except h2.exceptions.ProtocolError as error:
            stream.failure = f"no HTTP/2 came back: {error}"
        except OSError as error:
            stream.failure = f"the connection broke: {error.strerror or error}"
        return stream.answer(time.monotonic() - started)

    def _open(self) -> ssl.SSLSocket:
        if self._socket is None:
            raw = socket.create_connection((self._address.host, self._address.port), CONNECT_SECONDS)
            try:
                context = self._address.context(("h2",))
                self._socket = context.wrap_socket(raw, server_hostname=self._address.host)
            except BaseException:
                raw.close()
                raise
        return self._socket


@dataclass
class _Stream:
    rendered: Rendered
    authority: str
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    failure: str = ""
    ended: bool = False

    def talk(self, connection: ssl.SSLSocket, deadline: float) -> None:
        machine = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        machine.initiate_connection()
        stream = machine.get_next_available_stream_id()
        machine.send_headers(stream, self._fields(), end_stream=not self.rendered.content)
        rest = memoryview(self.rendered.content)
        while not self.ended and not self.failure:
            while len(rest):
                room = min(machine.local_flow_control_window(stream), machine.max_outbound_frame_size, len(rest))
                if room <= 0:
                    break
                machine.send_data(stream, bytes(rest[:room]), end_stream=room == len(rest))
                rest = rest[room:]
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                connection.sendall(machine.data_to_send())
                data = connection.recv(_RECEIVE_AT_ONCE)
            except TimeoutError:
                self.failure = "nothing within the time"
                return
            if not data:
                self.failure = "the receiver closed the connection without an answer"
                return
            for event in machine.receive_data(data):
                self._take(event, machine, stream)
            if self.ended:
                # An answer before the whole body is out is complete all the same.
                rest = rest[:0]
        machine.close_connection()
        connection.sendall(machine.data_to_send())

    def _fields(self) -> list[tuple[bytes, bytes]]:
        found = [(":method", self.rendered.method), (":scheme", "https"), (":authority", self.authority)]
        found += [(":path", self.rendered.target)]
        found += [(name.lower(), value) for name, value in self.rendered.headers if name.lower() not in _NOT_HERE]
        if self.rendered.content:
            found.append(("content-length", str(len(self.rendered.content))))
        return [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in found]

    def _take(self, event: h2.events.Event, machine: h2.connection.H2Connection, stream: int) -> None:
        if isinstance(event, h2.events.InformationalResponseReceived):
            self.interim.append(int(dict(event.headers)[b":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            fields = [
                (bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in event.headers
            ]
            self.status = int(dict(fields)[":status"])
            self.headers = [(name, value) for name, value in fields if not name.startswith(":")]
        elif isinstance(event, h2.events.DataReceived):
            self.body += event.data
            machine.acknowledge_received_data(event.flow_controlled_length or 0, stream)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, h2.events.StreamReset | h2.events.ConnectionTerminated):
            code = event.error_code
            # NO_ERROR after a whole answer: the rest of the body is not wanted (RFC 9113, section 8.1).
            if not self.ended and not (self.status is not None and code == h2.errors.ErrorCodes.NO_ERROR):
                self.failure = f"the receiver ended the stream (error {code})"

    def answer(self, seconds: float) -> Answer:
        if self.status is None or not self.ended:
            return Answer(None, seconds=seconds, closes=True, failure=self.failure or "the answer did not end")
        head = f"HTTP/2 {self.status}\r\n" + "".join(f"{name}: {value}\r\n" for name, value in self.headers)
        return Answer(
            self.status,
            tuple(self.headers),
            bytes(self.body),
            raw=head.encode("latin-1") + b"\r\n" + bytes(self.body),
            interim=tuple(self.interim),
            seconds=seconds,
            closes=True,
            note="over HTTP/2; the head is shown as text",
        )
