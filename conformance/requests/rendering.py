"""From a recipe to the bytes on the wire, and what two requests differ in."""

from __future__ import annotations

from dataclasses import dataclass

from conformance.contract.text import JsonValue, differences, parse
from conformance.requests.request import Channel, Framing, Identity, Request, Values


@dataclass(frozen=True, slots=True)
class Rendered:
    """One request, ready to be sent."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    """Without the fields of the framing."""
    content: bytes
    """The body before framing."""
    framing: Framing
    channel: Channel
    host: str
    values: JsonValue = None
    """What the body was written from, if it was written from values and not edited afterwards."""

    @property
    def head(self) -> bytes:
        """The request line and all header fields, with the empty line behind them."""
        fields = [("Host", self.host), *self.headers] if not self._has("host") else list(self.headers)
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields]
        lines += self._framing_lines()
        return ("\r\n".join([*lines, *self.framing.extra_fields]) + "\r\n\r\n").encode("utf-8", "surrogateescape")

    @property
    def framed(self) -> bytes:
        """The body as it stands on the wire."""
        if self.framing.raw_body is not None:
            return self.framing.raw_body
        if not self.framing.chunked:
            return self.content
        size, data = self.framing.chunk_bytes, self.content
        chunks = [data[i : i + size] for i in range(0, len(data), size)]
        return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"

    @property
    def wire(self) -> bytes:
        """All of it."""
        return self.head + self.framed

    def _has(self, name: str) -> bool:
        return any(key.lower() == name for key, _ in self.headers)

    def _framing_lines(self) -> list[str]:
        lines = []
        if self.framing.expect_continue:
            lines.append("Expect: 100-continue")
        if self.framing.chunked:
            lines.append("Transfer-Encoding: chunked")
        if self.framing.content_length is not None:
            lines += [f"Content-Length: {value}" for value in self.framing.content_length.split(",") if value]
        elif not self.framing.chunked and (self.content or self.method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {len(self.content)}")
        return lines


def render(request: Request, identity: Identity, *, path: str, host: str, base_path: str = "") -> Rendered:
    """The bytes of a request to the endpoint that has this path on this host."""
    return Rendered(
        method=request.method,
        target=base_path + (identity.put_into(request.target) if request.target is not None else path),
        headers=tuple((name, identity.put_into(value)) for name, value in request.headers),
        content=request.encoded(identity),
        framing=request.framing,
        channel=request.channel,
        host=host,
        values=request.body.values
        if isinstance(request.body, Values) and not request.text_edits and not request.byte_edits
        else None,
    )


def aspects_that_differ(one: Rendered, other: Rendered) -> set[str]:
    """What two requests differ in: `method`, `target`, `header:name`, `framing`, `channel`, and for the body
    `body:/json/pointer` where both are JSON objects, else `body`."""
    found = {
        name for name in ("method", "target", "framing", "channel") if getattr(one, name) != getattr(other, name)
    }
    for name in {key.lower() for key, _ in (*one.headers, *other.headers)}:
        if _fields(one, name) != _fields(other, name):
            found.add(f"header:{name}")
    if one.content != other.content:
        found |= _body_aspects(one, other)
    return found


def _fields(rendered: Rendered, name: str) -> list[str]:
    return [value for key, value in rendered.headers if key.lower() == name]


def _body_aspects(one: Rendered, other: Rendered) -> set[str]:
    # What both were written from says where, as far as nobody edited the text.
    mine, theirs = one.values, other.values
    if mine is None or theirs is None:
        try:
            mine, theirs = parse(one.content), parse(other.content)
        except (ValueError, RecursionError):
            return {"body"}
    if mine is None or theirs is None:
        return {"body"}
    return {f"body:{pointer}" for pointer in differences(mine, theirs)} or {"body"}
