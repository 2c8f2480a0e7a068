"""From the wire to the bytes of a body: its label is checked, its length bounded, its memory accounted for."""

from __future__ import annotations

import email.message
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.types import Receive, Scope

from service.problems import BodyRefusedError, Finding, Problem, UnavailableError

#: What is kept of a body that is over the limit.
KEPT_OF_TOO_LARGE = 64 * 1024

#: Longest Content-Type that is looked at; taking one apart costs more than its length.
MAX_CONTENT_TYPE = 1024


class SenderGoneError(Exception):
    """The sender went away, or was too slow and was cut off; nobody is left to answer."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a body is to be read as."""

    media_type: str
    """In lower case, without parameters."""
    charset: str | None
    """As it was sent."""


@dataclass(frozen=True, slots=True)
class Label:
    """How the sender labelled the body."""

    content_type: str
    content_type_count: int
    content_encoding: str
    transfer_encoding: str
    announced_length: int | None

    @classmethod
    def of(cls, headers: Sequence[tuple[bytes, bytes]]) -> Label:
        """Read the label off the request's headers."""
        lengths = _values(headers, b"content-length")
        return cls(
            content_type=", ".join(_values(headers, b"content-type")),
            content_type_count=len(_values(headers, b"content-type")),
            content_encoding=", ".join(_values(headers, b"content-encoding")),
            transfer_encoding=", ".join(_values(headers, b"transfer-encoding")),
            # Bounded to what a database's integer holds; nobody sends that much.
            announced_length=min(int(lengths[0]), 2**63 - 1) if lengths and lengths[0].isdigit() else None,
        )

    def form(self, media_types: Sequence[str]) -> Form:
        """What the body is to be read as.

        Raises:
            BodyRefusedError: another media type than the endpoint takes (or none), or a content coding.
        """
        if self.transfer_encoding.lower() not in ("", "chunked"):
            raise _unsupported(f"the transfer coding {self.transfer_encoding!r}; send the body as it is")
        if self.content_encoding.lower() not in ("", "identity"):
            raise _unsupported(f"the content coding {self.content_encoding!r}; send the body without one")
        if not self.content_type:
            raise _unsupported(f"no Content-Type at all; send {media_types[0]}")
        if self.content_type_count > 1:
            raise _unsupported(f"a request with two Content-Types ({self.content_type[:80]!r}); send one")
        if len(self.content_type) > MAX_CONTENT_TYPE:
            raise _unsupported(f"a Content-Type of {len(self.content_type)} characters")
        message = email.message.Message()
        message["content-type"] = self.content_type
        media_type = message.get_content_type()
        if media_type not in media_types:
            raise _unsupported(f"the media type {media_type!r}; send {' or '.join(media_types)}")
        charset = message.get_param("charset")
        return Form(media_type, None if charset is None else str(charset).strip())


@dataclass(frozen=True, slots=True)
class Body:
    """What was read."""

    data: bytes
    length: int | None
    """Of the whole body; None if it was not read to its end and was not announced."""
    refusal: BodyRefusedError | None = None
    """Set when the body could not be read whole for a reason that is the sender's."""


class Memory:
    """Accounts for the bodies that are in memory at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Account for `size` more bytes.

        Raises:
            UnavailableError: that would be over the limit.
        """
        if self.used + size > self._limit:
            raise UnavailableError("Too many bodies at once.", "server.max_inflight_bytes is reached")
        self.used += size

    def give_back(self, size: int) -> None:
        """The bytes are no longer in memory."""
        self.used -= size


class BodyReader:
    """Reads one body; a context manager, so that its memory is given back whatever happens."""

    def __init__(self, memory: Memory, max_bytes: int) -> None:
        self._memory = memory
        self._max_bytes = max_bytes
        self._taken = 0
        self._parts = bytearray()

    def __enter__(self) -> BodyReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.give_back(self._taken)

    async def read(self, scope: Scope, receive: Receive, announced: int | None) -> Body:
        """All of the body, or the beginning of one that is too large.

        Raises:
            SenderGoneError: the connection ended first.
            UnavailableError: no memory for it now.
        """
        if announced is not None and announced > self._max_bytes:
            await self._read_up_to(KEPT_OF_TOO_LARGE, receive)
            return self._too_large(announced)
        if announced is not None:
            self._take(announced)
        await self._read_up_to(self._max_bytes + 1, receive)
        if len(self._parts) > self._max_bytes:
            return self._too_large(None)
        data = bytes(self._parts)
        if "malformed_body" in scope.get("extensions", {}):
            reason = Finding("", f"the framing of the body is broken after {len(data)} bytes")
            return Body(data, None, BodyRefusedError("The body could not be read to its end.", [reason]))
        return Body(data, len(data))

    async def _read_up_to(self, limit: int, receive: Receive) -> None:
        while len(self._parts) < limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise SenderGoneError
            chunk: bytes = message.get("body", b"")
            self._take(len(self._parts) + len(chunk) - self._taken)
            self._parts += chunk
            if not message.get("more_body", False):
                return

    def _take(self, size: int) -> None:
        if size > 0:
            self._memory.take(size)
            self._taken += size

    def _too_large(self, length: int | None) -> Body:
        refusal = BodyRefusedError(
            f"The limit is {self._max_bytes} bytes; the beginning of the body is kept.",
            problem=Problem.TOO_LARGE,
        )
        return Body(bytes(self._parts[:KEPT_OF_TOO_LARGE]), length, refusal)


def _values(headers: Sequence[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in headers if key == name]


def _unsupported(what: str) -> BodyRefusedError:
    return BodyRefusedError(f"This endpoint does not take {what}.", problem=Problem.UNSUPPORTED_MEDIA_TYPE)
