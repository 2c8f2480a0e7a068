"""Sends the stored requests of a run again, without the cases and without the contract."""

from __future__ import annotations

from collections.abc import Callable

from conformance import preflight
from conformance.contract.reading import Endpoint
from conformance.profile import Profile, ProfileError
from conformance.report.lookup import result_of
from conformance.report.records import RunReader
from conformance.report.replay import Replayed, replay
from conformance.requests.request import Framing
from conformance.runner.issuer import TokenIssuer
from conformance.subject import Subject
from conformance.wire.address import Address
from conformance.wire.http1 import Connection, Outgoing


def send_again(
    run: RunReader, result: str, url: str, profile: Profile, allowed: str | None
) -> tuple[Replayed, ...]:
    """The old and the new status of every request of a result.

    Good credentials are given back from the profile; an access token is a fresh one, from the profile's issuer,
    which runs as long as that takes. Wrong ones are made by their case, out of good ones: they are not given back.

    Raises:
        ProfileError: the receiver is elsewhere and nobody said that it may be tried.
        ReplayError, NoResultError: the result cannot be sent again.
        CannotTryError: the issuer cannot listen.
    """
    address = Address.of(url, profile.ca_file)
    permission = preflight.permission(address, allowed)
    if not permission.ok:
        raise ProfileError(permission.reason)
    issuer = None if profile.issuer is None else TokenIssuer(profile.issuer.listen, profile.issuer.url)
    credentials = _Credentials(Subject(profile, issuer=issuer), result_of(run, result)["endpoint"])

    def send(wire: bytes, plain: bool) -> int | None:
        raw = Outgoing(wire.partition(b" ")[0].decode("latin-1"), wire, b"", Framing())
        with Connection(address, plain=plain) as connection:
            return connection.send(raw, profile.answer_seconds + 5).status

    try:
        return replay(run, result, send, credentials)
    finally:
        if issuer is not None:
            issuer.stop()


class _Credentials:
    """Gives back what stood where the run shows a mark, for one webhook."""

    def __init__(self, subject: Subject, endpoint: str) -> None:
        self._subject = subject
        self._endpoint = Endpoint(endpoint) if endpoint in subject.endpoints else subject.endpoints[0]
        self._known: dict[str, Callable[[], str | None]] = {
            "basic credentials": lambda: self._of_scheme("basic"),
            "token": lambda: self._of_scheme("bearer"),
            "access token": self._access_token,
            "other basic credentials": self._not_allowed,
            "other token": self._not_allowed,
        }

    def __call__(self, shown: str) -> str | None:
        make = self._known.get(shown)
        return None if make is None else make()

    def _of_scheme(self, scheme: str) -> str | None:
        if not self._subject.has(self._endpoint, scheme):
            return None
        return self._subject.authorization(self._endpoint, scheme).partition(" ")[2]

    def _access_token(self) -> str | None:
        if self._subject.issuer is not None:
            self._subject.issuer.start()  # whoever gets the token asks for the key
        return self._of_scheme("oauth")

    def _not_allowed(self) -> str | None:
        other = self._subject.operation(self._endpoint).not_allowed
        return None if other is None else self._subject.of(other).partition(" ")[2]
