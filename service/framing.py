"""From bytes to requests: uvicorn's parser callbacks, with a bound on heads and without upgrades."""

from __future__ import annotations

import re
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: The beginning of a request (RFC 9112, section 3), whatever its method (a token, RFC 9110, section 5.6.2).
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ \r\n]+ HTTP/1\.[01]\r?\n")


class FramingFaultError(Exception):
    """A callback failed: our fault, whatever the bytes were."""


class _HeadTooLargeError(ValueError):
    """Raised inside the parser to stop it."""


class RequestFraming(HttpToolsProtocol):
    """Parses what comes; never keeps more than `max_header_bytes` (and one read) of a head or trailer."""

    max_header_bytes = 65536

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.in_head = False
        self._head_size = 0
        self._advanced = False
        self._unframed = 0  # bytes in a row that completed no head and brought no body
        self._skip_head = False
        self.unknown_method = False
        """Set when `feed` returned False at a method that nobody knows (RFC 9110, section 9.1)."""

    def feed(self, data: bytes) -> bool:
        """Parse; False if that is not HTTP, or the head (or trailer) is too large.

        Raises:
            FramingFaultError: our own code failed on the way.
        """
        self._advanced = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            try:
                self._refuse_upgrade()
            except httptools.HttpParserError as error:
                raise FramingFaultError from error
            rest = data[upgrade.args[0] :]
            return not rest or self.feed(rest)
        except httptools.HttpParserCallbackError as error:
            if isinstance(error.__context__, _HeadTooLargeError):
                return False
            raise FramingFaultError from error
        except httptools.HttpParserInvalidMethodError:
            # The parser knows the registered methods only; any other token is a method all the same.
            self.unknown_method = _REQUEST_LINE.match(data) is not None
            return False
        except httptools.HttpParserError:
            return False
        self._unframed = 0 if self._advanced else self._unframed + len(data)
        return not self.is_oversized()

    def is_oversized(self) -> bool:
        """Whether size is why `feed` returned False."""
        return max(self._head_size, self._unframed) > self.max_header_bytes

    def on_message_begin(self) -> None:
        """A new head begins."""
        if not self._skip_head:
            super().on_message_begin()
            self.in_head = True
            self._head_size = 0

    def on_url(self, url: bytes) -> None:
        """A part of the path."""
        if self.in_head:
            self._count_head(len(url))
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. Trailers come here as well, but must not become headers of a request that runs already."""
        if self.in_head:
            self._count_head(len(name) + len(value) + len(": \r\n"))
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; uvicorn starts the application, or queues a pipelined request."""
        if not self._skip_head:
            super().on_headers_complete()
            self.in_head = False
            self._advanced = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body; uvicorn keeps it if it is not answered yet."""
        self._advanced = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is complete; with an upgrade it was only skipped (see `_refuse_upgrade`)."""
        if not self.parser.should_upgrade():
            self._advanced = True
            super().on_message_complete()
            self.cycle.more_body = False

    def _refuse_upgrade(self) -> None:
        # An upgrade is never granted, so the body belongs to the request. But the parser takes what follows such
        # a head for another protocol; a new one is set to where the body begins.
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        framing = (b"content-length", b"transfer-encoding")
        lines = [name + b": " + value for name, value in self.cycle.scope["headers"] if name in framing]
        self._skip_head = True
        try:
            self.parser.feed_data(b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""]))
        finally:
            self._skip_head = False

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self.max_header_bytes:
            raise _HeadTooLargeError
