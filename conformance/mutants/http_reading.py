"""Reads HTTP/1.1 requests from a connection, by RFC 9112, with exact control over what is read and when.

No library is used, because the point of a faulty receiver is to break framing, limits and time-outs one by one.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from conformance.mutants.answers import CutError, RefusedError, problem, refused
from conformance.mutants.faults import Faults

HEAD_LIMIT = 64 * 1024
HEAD_FIELDS = 200
SLOW_SECONDS = 3.0
# A sender that keeps up this pace is never cut for being slow.
BYTES_PER_EXTRA_SECOND = 64 * 1024

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DIGITS = re.compile(r"[0-9]{1,15}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,12}")


class TooLargeError(Exception):
    """The body is longer than the receiver takes."""


@dataclass(frozen=True)
class Head:
    """Request line and header fields, names in lower case, values as Latin-1 text."""

    method: str
    target: str
    version: str
    fields: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """The value of every field of this name."""
        return [value for key, value in self.fields if key == name]

    def first(self, name: str) -> str | None:
        """The value of the first field of this name."""
        return next((value for key, value in self.fields if key == name), None)

    @property
    def path(self) -> str:
        """The path as it was sent, undecoded, without the query."""
        target = re.sub(r"^https?://[^/?]*", "", self.target) or "/"
        return target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark."""
        return self.target.partition("?")[2]


class Deadline:
    """A moment that progress puts off."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left.

        Raises:
            TimeoutError: none.
        """
        left = self._at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def progressed(self, count: int) -> None:
        """So many bytes came in."""
        self._at += count / BYTES_PER_EXTRA_SECOND


class Wire:
    """A connection with a buffer in front of it."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = bytearray()

    def fill(self, deadline: Deadline) -> bool:
        """Read some bytes more; False at the end of the stream."""
        self.connection.settimeout(deadline.remaining())
        data = self.connection.recv(65536)
        self._buffer += data
        deadline.progressed(len(data))
        return bool(data)

    def has_bytes(self) -> bool:
        """True when bytes wait in the buffer."""
        return bool(self._buffer)

    def line(self, limit: int, deadline: Deadline) -> bytes:
        """The next line without its end; a bare LF ends a line too."""
        while (end := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > limit:
                raise refused(431, "The header section is too long.", close=True)
            if not self.fill(deadline):
                raise CutError
        if end > limit:
            raise refused(431, "The header section is too long.", close=True)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def take(self, limit: int, deadline: Deadline) -> bytes:
        """Between one and `limit` bytes."""
        if not self._buffer and not self.fill(deadline):
            raise CutError
        data = bytes(self._buffer[:limit])
        del self._buffer[:limit]
        return data

    def forget(self, deadline: Deadline) -> bool:
        """Throw away what comes until the time is up; False at the end of the stream."""
        try:
            while self.fill(deadline):
                self._buffer.clear()
        except TimeoutError:
            self._buffer.clear()
            return True
        return False

    def send(self, data: bytes) -> None:
        """All of it, or an OSError."""
        self.connection.settimeout(10)
        self.connection.sendall(data)


def read_head(wire: Wire, slow_seconds: float = SLOW_SECONDS, line_limit: int = HEAD_LIMIT) -> Head:
    """The next head, of which the first byte has arrived.

    Raises:
        TimeoutError: the rest takes too long.
        RefusedError: it is malformed, or too long.
    """
    deadline = Deadline(slow_seconds)
    request_line = wire.line(line_limit, deadline)
    if not request_line:  # RFC 9112, section 2.2: an empty line before the request line is skipped.
        request_line = wire.line(HEAD_LIMIT, deadline)
    parts = request_line.decode("latin-1").split(" ")
    if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise refused(400, "This is no request line of HTTP/1.1.", close=True)
    fields: list[tuple[str, str]] = []
    size = len(request_line)
    while line := wire.line(HEAD_LIMIT, deadline):
        size += len(line)
        if size > HEAD_LIMIT or len(fields) >= HEAD_FIELDS:
            raise refused(431, "The header section is too long.", close=True)
        name, colon, value = line.decode("latin-1").partition(":")
        # A name with a space at its end, and a line that continues the one before, are ways of smuggling.
        if not colon or not _TOKEN.fullmatch(name) or any(c in value for c in "\r\x00"):
            raise refused(400, "A header field is malformed.", close=True)
        fields.append((name.lower(), value.strip(" \t")))
    head = Head(parts[0], parts[1], parts[2], tuple(fields))
    if head.version == "HTTP/1.1" and len(head.all("host")) != 1:
        raise refused(400, "There has to be one Host field.", close=True)
    return head


@dataclass(frozen=True)
class Framing:
    """How the body is delimited: by a length, or in chunks."""

    length: int = 0
    chunked: bool = False


def framing(head: Head, faults: Faults) -> Framing:
    """How the body of this request is delimited (RFC 9112, section 6.3); two opinions about it are refused."""
    coding = [value.strip().lower() for line in head.all("transfer-encoding") for value in line.split(",")]
    lengths = head.all("content-length")
    if coding:
        if faults.on("MU-215"):
            raise RefusedError(problem(411, "The length of the body has to be given.", close=True))
        if coding != ["chunked"] or head.version == "HTTP/1.0":
            raise refused(400, "This transfer coding is not known.", close=True)
        if lengths and not faults.on("MU-237"):
            raise refused(400, "Content-Length and Transfer-Encoding contradict each other.", close=True)
        return Framing(chunked=True)
    if not lengths:
        return Framing()
    if faults.on("MU-238"):
        lengths = [min((v for line in lengths for v in line.split(",")), key=lambda v: int(v.strip()))]
    if len(lengths) > 1 or not _DIGITS.fullmatch(lengths[0].strip()):
        raise refused(400, "Content-Length is not one number.", close=True)
    return Framing(length=int(lengths[0]))


class Body:
    """The body of one request, read when it is asked for."""

    def __init__(self, wire: Wire, how: Framing, faults: Faults, slow_seconds: float = SLOW_SECONDS) -> None:
        self._wire = wire
        self._how = how
        self._faults = faults
        self._slow_seconds = slow_seconds
        self.finished = not how.chunked and how.length == 0
        self._left = how.length

    @property
    def left(self) -> int | None:
        """Bytes that were announced and not read; None when nobody knows."""
        if self.finished:
            return 0
        return None if self._how.chunked else self._left

    def read(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            TooLargeError: it is longer than the limit; what was not read stays on the connection.
            TimeoutError: the sender is too slow.
            RefusedError: the chunks are malformed.
        """
        deadline = Deadline(self._slow_seconds)
        data = self._chunks(limit, deadline) if self._how.chunked else self._counted(limit, deadline)
        return b"" if self._how.chunked and self._faults.on("MU-216") else data

    def drain(self, limit: int) -> bool:
        """Read and forget what is left, if it is not too much; True when the connection can be used again."""
        if self.finished:
            return True
        if self._how.chunked or self._left > limit:
            return False
        self.read(limit)
        return True

    def _counted(self, limit: int, deadline: Deadline) -> bytes:
        if self._left > limit:
            raise TooLargeError
        data = bytearray()
        while self._left:
            piece = self._wire.take(self._left, deadline)
            self._left -= len(piece)
            data += piece
        self.finished = True
        return bytes(data)

    def _chunks(self, limit: int, deadline: Deadline) -> bytes:
        data = bytearray()
        while size := self._chunk_size(deadline):
            if len(data) + size > limit:
                raise TooLargeError
            while size:
                piece = self._wire.take(size, deadline)
                size -= len(piece)
                data += piece
            if self._wire.line(16, deadline):
                raise refused(400, "A chunk does not end where it should.", close=True)
        trailer = 0
        while line := self._wire.line(HEAD_LIMIT, deadline):
            trailer += len(line)
            if trailer > HEAD_LIMIT:
                raise refused(431, "The trailer section is too long.", close=True)
        self.finished = True
        return bytes(data)

    def _chunk_size(self, deadline: Deadline) -> int:
        text = self._wire.line(1024, deadline).decode("latin-1").partition(";")[0].strip(" \t")
        if _HEX.fullmatch(text):
            return int(text, 16)
        if self._faults.on("MU-239"):
            return 0
        raise refused(400, "A chunk has no size.", close=True)
