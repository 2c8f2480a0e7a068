"""What drives a case needs of the world; the laboratory is the real one, the flip test has a made-up one."""

from __future__ import annotations

from typing import Protocol

from conformance.requests.request import Request
from conformance.results import Exchange
from conformance.verdict import Expect, ExpectFact
from conformance.wire.answer import Fact
from conformance.wire.hello import Offer


class CannotTryError(Exception):
    """A prerequisite is missing or failed: the variant is BLOCKED, never FAIL."""

    def __init__(self, reason: str, needs: str = "") -> None:
        super().__init__(reason)
        self.needs = needs


class Transport(Protocol):
    """Carries out single steps; every method may raise CannotTryError."""

    def deliver(self, request: Request, purpose: str, expect: Expect | None = None) -> Exchange:
        """Send one request."""

    def together(self, requests: tuple[Request, ...], spread: float) -> tuple[Exchange, ...]:
        """Send several at once."""

    def differences(self, control: Request, probe: Request) -> set[str] | None:
        """Aspects in which two requests differ; None if nothing is sent here."""

    def handshake(self, offer: Offer, expect: ExpectFact) -> Fact:
        """How TLS ends."""

    def judged(self, fact: Fact, expect: ExpectFact) -> Fact:
        """A fact that the case found itself, on its way to be judged."""

    def effects(self, label: str, expect: ExpectFact) -> Fact:
        """How many effects the message with this label had: "0", "1", "2" (or more)."""

    def mirror(self, label: str) -> Fact:
        """The receiver's state of an order as JSON text."""

    def enter(self, state: str) -> None:
        """Put the receiver into a state."""

    def leave(self, state: str) -> None:
        """Take it out again."""

    def act(self, action: str, meanwhile: tuple[Request, ...]) -> tuple[Exchange, ...]:
        """Do something to it."""

    def issuer(self, change: str) -> None:
        """Change the suite's token issuer."""

    def canary(self, mark: str, seconds: float, expect: ExpectFact) -> Fact:
        """Whether the canary was called."""

    def begin(self, case_id: str) -> None:
        """A case begins: fresh connection, fresh labels."""
