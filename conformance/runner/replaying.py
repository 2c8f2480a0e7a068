"""Sends the stored requests of a run again, without the cases and without the contract."""

from __future__ import annotations

from conformance import preflight
from conformance.profile import Profile, ProfileError
from conformance.report.records import RunReader
from conformance.report.replay import Replayed, replay
from conformance.requests.request import Framing
from conformance.subject import Subject
from conformance.wire.address import Address
from conformance.wire.http1 import Connection, Outgoing


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
        raw = Outgoing(wire.partition(b" ")[0].decode("latin-1"), wire, b"", Framing())
        with Connection(address, plain=plain) as connection:
            return connection.send(raw, profile.answer_seconds + 5).status

    return replay(run, result, send, credentials)
