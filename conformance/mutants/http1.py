"""HTTP/1.1 on one connection: request after request, until one of the two sides ends it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
import traceback
from dataclasses import replace

from conformance.mutants.answers import Answer, CutError, RefusedError, head_bytes, problem
from conformance.mutants.dressing import dressed
from conformance.mutants.faults import Faults
from conformance.mutants.http_reading import (
    HEAD_LIMIT,
    SLOW_SECONDS,
    Body,
    Deadline,
    Head,
    TooLargeError,
    Wire,
    framing,
    read_head,
)
from conformance.mutants.reception import Delivery, Reception

DRAIN_LIMIT = 1024 * 1024
_IDLE_SECONDS = 10.0
_SLICE_SECONDS = 0.1
_GRACE_SECONDS = 1.0
_LINGER_SECONDS = 2.0
_PATIENT_SECONDS = 60.0
_HANG_SECONDS = 30.0
_LATENCY_SECONDS = 6.0
_FORGET_SECONDS = 0.3


class Http1:
    """Serves connections with the answers of a reception."""

    def __init__(self, reception: Reception, faults: Faults, stopping: threading.Event) -> None:
        self._reception = reception
        self._faults = faults
        self._stopping = stopping
        self._only_worker = threading.Lock()
        # MU-128: what is left of a body is taken for the beginning of a request line, however long it is.
        self._line_limit = 1 << 26 if faults.on("MU-128") else HEAD_LIMIT
        self._slow_seconds = _PATIENT_SECONDS if faults.on("MU-78") else SLOW_SECONDS

    def serve(self, connection: socket.socket, node: int) -> None:
        """Answer what comes in, and close the connection."""
        wire = Wire(connection)
        # MU-78: the one worker belongs to one connection until that is over.
        with self._only_worker if self._faults.on("MU-78") else contextlib.nullcontext():
            try:
                is_first = True
                while self._is_spoken_to(wire, is_first) and self._one_request(wire, node):
                    is_first = False
            except CutError:
                reset(connection)
                return
            except OSError:
                pass
        linger(connection)

    def _is_spoken_to(self, wire: Wire, is_first: bool) -> bool:
        """Wait for the first byte of a request; a receiver that stops still waits for one on a new connection."""
        begun = time.monotonic()
        while not wire.has_bytes():
            waited = time.monotonic() - begun
            if self._stopping.is_set() and (not is_first or waited > _GRACE_SECONDS):
                return False
            try:
                if not wire.fill(Deadline(_SLICE_SECONDS)):
                    return False
            except TimeoutError:
                if waited > _IDLE_SECONDS:
                    return False
        return True

    def _one_request(self, wire: Wire, node: int) -> bool:
        """True when another request may follow on the connection."""
        try:
            head = read_head(wire, self._slow_seconds, self._line_limit)
        except TimeoutError:
            self._send(wire, dressed(problem(408, "The head took too long."), self._faults), None, close=True)
            return False
        except RefusedError as refusal:
            self._send(wire, dressed(refusal.answer, self._faults), None, close=True)
            return False
        answer, body = self._answer(wire, head, node)
        answer = dressed(answer, self._faults)
        if self._faults.on("MU-282") and body is None:
            # The rest is thrown away, and the sender may go on as if nothing had been wrong.
            self._send(wire, answer, head, close=False)
            return wire.forget(Deadline(_FORGET_SECONDS))
        close = self._has_to_close(answer, head, body)
        self._send(wire, answer, head, close=close)
        if close:
            return False
        if body is not None and not self._faults.on("MU-128"):
            try:
                return body.drain(DRAIN_LIMIT)
            except (TimeoutError, RefusedError):
                return False
        return True

    def _answer(self, wire: Wire, head: Head, node: int) -> tuple[Answer, Body | None]:
        body: Body | None = None
        try:
            how = framing(head, self._faults)
            body = Body(wire, how, self._faults, self._slow_seconds)
            if self._faults.on("MU-218") and head.first("content-encoding"):
                raise CutError
            delivery = self._reception.from_head(head, how, node)
            self._invite(wire, head, body)
            data = body.read(delivery.limit)
            return self._answer_to(head, delivery, data), body
        except TooLargeError:
            return replace(self._reception.too_large(delivery.limit).answer, close=True), body
        except TimeoutError:
            return problem(408, "The body took too long.", close=True), body
        except RefusedError as refusal:
            if self._faults.on("MU-129") and body is not None and not body.finished:
                raise CutError from refusal
            return refusal.answer, body

    def _answer_to(self, head: Head, delivery: Delivery, data: bytes) -> Answer:
        try:
            return self._reception.from_body(head, delivery, data)
        except (RefusedError, CutError):
            raise
        except Exception:  # a mistake of the receiver itself: to be seen, and not to end the connection
            traceback.print_exc()
            return problem(500, "The receiver failed.")

    def _invite(self, wire: Wire, head: Head, body: Body) -> None:
        """Ask for the body, if the sender waits for that (RFC 9110, section 10.1.1)."""
        if head.first("expect") is None or body.finished or wire.has_bytes():
            return
        if self._faults.on("MU-213"):
            # Nobody tells the sender to go on, and what it sends later is not looked at.
            self._stopping.wait(_HANG_SECONDS)
            raise CutError
        wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _has_to_close(self, answer: Answer, head: Head, body: Body | None) -> bool:
        wanted = (head.first("connection") or "").lower()
        if self._says_only_wait(answer, head):
            return True
        if answer.close or head.version == "HTTP/1.0" or "close" in wanted or self._stopping.is_set():
            return True
        if self._faults.on("MU-128", "MU-237", "MU-238", "MU-239"):
            return False
        if body is None or body.finished:
            return body is None
        # The sender waits for an invitation that will not come: it may send the body or not, and nobody can tell.
        return head.first("expect") is not None or body.left is None or body.left > DRAIN_LIMIT

    def _says_only_wait(self, answer: Answer, head: Head | None) -> bool:
        is_xml = head is not None and "xml" in (head.first("content-type") or "")
        return self._faults.on("MU-119") and is_xml and answer.status < 300

    def _send(self, wire: Wire, answer: Answer, head: Head | None, *, close: bool) -> None:
        if self._faults.on("MU-77"):
            time.sleep(_LATENCY_SECONDS)
        if self._faults.on("BV-12"):
            time.sleep(1.0)
        if self._says_only_wait(answer, head):
            wire.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            return
        sent = head_bytes(answer, close=close, lower_case=self._faults.on("BV-12"))
        if answer.status != 204 and (head is None or head.method != "HEAD"):
            sent += answer.body
        wire.send(sent)


def linger(connection: socket.socket) -> None:
    """Close so that the last answer arrives: what the peer still sends is read, for a while, and forgotten.

    A close with bytes unread would reset the connection and take the answer along.
    """
    try:
        if isinstance(connection, ssl.SSLSocket):
            connection.settimeout(0)
            # Sends close_notify; the peer's own is not waited for.
            with contextlib.suppress(OSError, ValueError):
                connection.unwrap()
        connection.shutdown(socket.SHUT_WR)
        deadline = Deadline(_LINGER_SECONDS)
        while True:
            connection.settimeout(deadline.remaining())
            if not connection.recv(65536):
                break
    except (OSError, ValueError):
        pass
    finally:
        connection.close()


def reset(connection: socket.socket) -> None:
    """End the connection without a word."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
