"""HTTP/2 on one connection, for the variants that negotiate it: the same reception, another framing."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from conformance.mutants.answers import Answer, RefusedError
from conformance.mutants.dressing import dressed
from conformance.mutants.faults import Faults
from conformance.mutants.http_reading import Framing, Head
from conformance.mutants.reception import Delivery, Reception

_IDLE_SECONDS = 10.0


@dataclass
class _Stream:
    head: Head
    delivery: Delivery | None = None
    data: bytearray = field(default_factory=bytearray)


class Http2:
    """Serves connections that agreed on h2."""

    def __init__(self, reception: Reception, faults: Faults) -> None:
        self._reception = reception
        self._faults = faults

    def serve(self, connection: socket.socket, node: int) -> None:
        """Answer streams until the peer is done or silent."""
        h2 = H2Connection(H2Configuration(client_side=False, header_encoding="latin-1"))
        h2.initiate_connection()
        streams: dict[int, _Stream] = {}
        connection.settimeout(_IDLE_SECONDS)
        try:
            connection.sendall(h2.data_to_send())
            while data := connection.recv(65536):
                for event in h2.receive_data(data):
                    self._take(h2, streams, event, node)
                connection.sendall(h2.data_to_send())
        except ProtocolError:
            connection.sendall(h2.data_to_send())
        except OSError:
            pass
        finally:
            connection.close()

    def _take(self, h2: H2Connection, streams: dict[int, _Stream], event: object, node: int) -> None:
        if isinstance(event, RequestReceived):
            number = event.stream_id
            head = _head([(str(name), str(value)) for name, value in event.headers])
            streams[number] = _Stream(head)
            try:
                streams[number].delivery = self._reception.from_head(head, _framing(head), node)
            except RefusedError as refusal:
                self._answer(h2, streams, number, refusal.answer)
        elif isinstance(event, DataReceived):
            # Also after an early answer: senders exist that take a stream reset for a lost answer.
            h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            stream = streams.get(event.stream_id)
            if stream is not None and stream.delivery is not None:
                stream.data += event.data
                if len(stream.data) > stream.delivery.limit:
                    too_large = self._reception.too_large(stream.delivery.limit)
                    self._answer(h2, streams, event.stream_id, too_large.answer)
        elif isinstance(event, StreamEnded):
            stream = streams.get(event.stream_id)
            if stream is not None and stream.delivery is not None:
                answer = self._reception.from_body(stream.head, stream.delivery, bytes(stream.data))
                self._answer(h2, streams, event.stream_id, answer)
        elif isinstance(event, StreamReset):
            streams.pop(event.stream_id, None)

    def _answer(self, h2: H2Connection, streams: dict[int, _Stream], number: int, answer: Answer) -> None:
        stream = streams.pop(number)
        answer = dressed(answer, self._faults)
        headers = [(":status", str(answer.status)), *((name.lower(), value) for name, value in answer.headers)]
        if answer.media_type is not None:
            headers.append(("content-type", answer.media_type))
        headers.append(("content-length", str(len(answer.body))))
        has_body = bool(answer.body) and stream.head.method != "HEAD"
        h2.send_headers(number, headers, end_stream=not has_body)
        if has_body:
            h2.send_data(number, answer.body, end_stream=True)


def _head(headers: list[tuple[str, str]]) -> Head:
    pseudo = {name: value for name, value in headers if name.startswith(":")}
    fields = [(name.lower(), value) for name, value in headers if not name.startswith(":")]
    fields.append(("host", pseudo.get(":authority", "")))
    return Head(pseudo.get(":method", ""), pseudo.get(":path", "/"), "HTTP/2", tuple(fields))


def _framing(head: Head) -> Framing:
    length = head.first("content-length") or "0"
    return Framing(length=int(length) if length.isdigit() else 0)
