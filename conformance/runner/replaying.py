"""Sends the stored requests of a run again, without the cases and without the contract."""

from __future__ import annotations

from conformance import preflight
from conformance.profile import Profile, ProfileError
from conformance.report.records import RunReader
from conformance.report.replay import Replayed, replay
from conformance.requests.rendering import Rendered
from conformance.requests.request import Channel, Framing
from conformance.subject import Subject
from conformance.wire.address import Address
from conformance.wire.http1 import Connection


def send_again(
    run: RunReader, result: str, url: str, profile: Profile, allowed: str | None
) -> tuple[Replayed, ...]:
    """The old and the new status of every request of a result.

    Raises:
        ProfileError: the receiver is elsewhere and nobody said that it may be tried.
        ReplayError, LookupError: the result cannot be sent again.
    """
    address = Address.of(url, profile.ca_file)
    permission = preflight.permission(address, allowed)
    if not permission.ok:
        raise ProfileError(permission.reason)
    subject = Subject(profile)

    def credentials(shown: str) -> str | None:
        endpoint = subject.endpoints[0]
        schemes = {"basic credentials": "basic", "token": "bearer"}
        if shown in schemes and subject.has(endpoint, schemes[shown]):
            return subject.authorization(endpoint, schemes[shown]).partition(" ")[2]
        return None

    def send(wire: bytes, plain: bool) -> int | None:
        method, target, *_ = wire.split(b" ", 2)
        raw = _Raw(
            method.decode("latin-1"), target.decode("latin-1"), (), b"", Framing(), Channel(), "", wire_bytes=wire
        )
        with Connection(address, plain=plain) as connection:
            return connection.exchange(raw, profile.answer_seconds + 5).status

    return replay(run, result, send, credentials)


class _Raw(Rendered):
    """Bytes that are sent as they are."""

    def __init__(self, *fields: object, wire_bytes: bytes) -> None:
        super().__init__(*fields)  # type: ignore[arg-type]
        object.__setattr__(self, "_wire", wire_bytes)

    @property
    def head(self) -> bytes:
        """All of it."""
        wire: bytes = object.__getattribute__(self, "_wire")
        return wire

    @property
    def framed(self) -> bytes:
        """Nothing more."""
        return b""
