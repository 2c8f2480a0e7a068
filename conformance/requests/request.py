"""A request as a recipe: everything about it but the identity of the message, which is given when it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from conformance.contract.reading import Endpoint, Payload
from conformance.contract.text import JsonObject, JsonValue, write
from conformance.contract.txml import to_txml


class Form(StrEnum):
    """The two formats of a body."""

    JSON = "json"
    TXML = "txml"

    @property
    def media_type(self) -> str:
        """What Tradecloud sends it as (R-FMT-2)."""
        return "application/json" if self is Form.JSON else "application/xml"


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes one message differ from every other: it stands in the body in the place of tokens."""

    message: str
    """meta.messageId, a UUID."""
    order: str
    """The purchase order number, `TCCONF-<run>-<case>-<n>`."""
    trace: str
    shipment: str

    def put_into(self, text: str) -> str:
        """The text with its tokens replaced."""
        for token in ("message", "order", "trace", "shipment"):
            text = text.replace("{{" + token + "}}", getattr(self, token))
        return text


@dataclass(frozen=True)
class Values:
    """A body as values, written in the format of the request."""

    endpoint: Endpoint
    form: Form
    values: JsonValue

    def text(self) -> str:
        """The body before its identity is known."""
        return self._written

    @cached_property
    def _written(self) -> str:
        if self.form is Form.JSON or not isinstance(self.values, dict):
            return write(self.values)
        return to_txml(self.endpoint, self.values)


@dataclass(frozen=True, slots=True)
class Text:
    """A body as text, for what no values can express."""

    content: str

    def text(self) -> str:
        """The body before its identity is known."""
        return self.content


@dataclass(frozen=True, slots=True)
class Framing:
    """How the body is delimited and sent."""

    chunked: bool = False
    """Transfer-Encoding: chunked instead of Content-Length (RFC 9112, section 7.1)."""
    chunk_bytes: int = 1000
    content_length: str | None = None
    """Another Content-Length than the true one; several lines by a comma are several fields."""
    expect_continue: bool = False
    """Expect: 100-continue, and wait for the interim answer before the body (RFC 9110, section 10.1.1)."""
    bytes_per_second: float | None = None
    """Slow sending."""
    extra_fields: tuple[str, ...] = ()
    """Raw header lines beside the others, such as a second framing field."""
    raw_body: bytes | None = None
    """The body as it stands on the wire, framing included."""

    @property
    def ambiguous(self) -> bool:
        """Whether receivers may differ about where the request ends."""
        return bool(self.raw_body is not None or self.extra_fields or self.content_length)


@dataclass(frozen=True, slots=True)
class Channel:
    """The connection that carries a request."""

    plain: bool = False
    """HTTP without TLS at the TLS port."""
    plain_port: int | None = None
    """HTTP without TLS at this port."""
    alpn: tuple[str, ...] = ("http/1.1",)
    fresh: bool = False
    """On a connection of its own, closed afterwards."""
    second_node: bool = False
    """To the other node that the profile names."""


@dataclass(frozen=True, slots=True)
class Request:
    """The recipe. `control.changed(...)` makes another one; see `changes`."""

    endpoint: Endpoint
    payload: Payload | None
    form: Form
    body: Values | Text
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    target: str | None = None
    """Path and query; None stands for the endpoint's own path."""
    scheme: str = "basic"
    """How it authenticates, for the report."""
    text_edits: tuple[Callable[[str], str], ...] = field(default=(), repr=False)
    byte_edits: tuple[Callable[[bytes], bytes], ...] = field(default=(), repr=False)
    framing: Framing = Framing()
    channel: Channel = Channel()
    label: str | None = None
    """Requests of one case with the same label carry the same identity; without one each is a new message."""
    sentinel: str = ""
    """What the order number begins with, instead of the usual: a receiver maps it to a fault in its test system."""
    name: str = "golden"
    """What it is, for the report."""

    @property
    def values(self) -> JsonObject:
        """The body's values.

        Raises:
            TypeError: the body is text.
        """
        if isinstance(self.body, Values) and isinstance(self.body.values, dict):
            return self.body.values
        raise TypeError(f"{self.name} has no values")

    def with_values(self, values: JsonValue, name: str | None = None) -> Request:
        """The same with other values."""
        return replace(self, body=Values(self.endpoint, self.form, values), name=name or self.name)

    def named(self, label: str) -> Request:
        """The same with an identity that further requests can have too."""
        return replace(self, label=label)

    def encoded(self, identity: Identity) -> bytes:
        """The body's bytes, without framing."""
        text = identity.put_into(self.body.text())
        for edit in self.text_edits:
            text = edit(text)
        data = text.encode("utf-8", "surrogatepass")
        for change in self.byte_edits:
            data = change(data)
        return data

    def header(self, name: str) -> tuple[str, ...]:
        """The values of a header field."""
        return tuple(value for key, value in self.headers if key.lower() == name.lower())

    def fingerprint(self) -> tuple[object, ...]:
        """Equal for requests that differ in nothing but their identity."""
        return (
            self.endpoint, self.method, self.target, self.headers, self.framing, self.channel, self.body.text(),
            self.text_edits, self.byte_edits,
        )  # fmt: skip
