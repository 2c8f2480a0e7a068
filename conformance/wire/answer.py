"""What came back."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, or why there was none."""

    status: int | None
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, in the order received."""
    body: bytes = b""
    raw: bytes = b""
    """Every byte received, interim answers included."""
    interim: tuple[int, ...] = ()
    """Statuses of the 1xx answers before it."""
    seconds: float = 0.0
    """From the first byte sent to the last one received."""
    opening: float = 0.0
    """Seconds before that for TCP and TLS; 0 on a connection that was open."""
    closes: bool = False
    """The receiver closed the connection, or said it would."""
    failure: str = ""
    """Why there was no answer, in words."""
    note: str = ""
    """Something that happened on the way and helps to understand it."""

    @property
    def said(self) -> str:
        """In words."""
        return f"answered {self.status}" if self.status is not None else self.failure

    def values(self, name: str) -> tuple[str, ...]:
        """All values of a header field."""
        return tuple(value for key, value in self.headers if key == name.lower())

    def value(self, name: str) -> str | None:
        """The first value of a header field."""
        return next(iter(self.values(name)), None)

    @property
    def media_type(self) -> str:
        """Media type of the body in lower case, without parameters; empty if there is none."""
        return (self.value("content-type") or "").partition(";")[0].strip().lower()

    def with_header(self, name: str, value: str | None) -> Answer:
        """The same with one header field set anew, or left out."""
        kept = tuple(pair for pair in self.headers if pair[0] != name.lower())
        return replace(self, headers=kept if value is None else (*kept, (name.lower(), value)))


@dataclass(frozen=True, slots=True)
class Fact:
    """Something observed that is no answer: how a handshake ended, how many effects an event had."""

    value: str
    detail: str = ""
