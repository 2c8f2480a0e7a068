"""What a case asks for, step by step. A case is a generator: it yields steps and is sent what was observed.

A case does no input or output of its own. So the same case runs against a receiver, and, in the flip test, against
a made-up one that answers wrongly.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from conformance.requests.changes import Change
from conformance.requests.request import Request
from conformance.verdict import Expect, ExpectFact
from conformance.wire.answer import Answer, Fact
from conformance.wire.hello import Offer


@dataclass(frozen=True, slots=True)
class Control:
    """Send what must be accepted: if it is not, the rest of the case is BLOCKED."""

    request: Request


@dataclass(frozen=True, slots=True)
class Twin:
    """Send the control with one named change and judge the answer.

    The control is sent too: before a series of twins that share it, and after at most twenty of them, unless all
    were delivered as they should be. A verdict counts only between two accepted controls.
    """

    variant: str
    control: Request
    change: Change
    expect: Expect


@dataclass(frozen=True, slots=True)
class Probe:
    """Send a request that needs no control (it is one, or it comes after one), and judge the answer."""

    variant: str
    request: Request
    expect: Expect


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request as a part of what follows; its answer is not judged."""

    request: Request


@dataclass(frozen=True, slots=True)
class Together:
    """Send several requests at once, each on a connection of its own; the answers come back in the same order."""

    requests: tuple[Request, ...]
    spread: float = 0.0
    """Seconds between the starts; 0 means all at the same time."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judge something that the case worked out from what it was sent."""

    variant: str
    fact: Fact
    expect: ExpectFact


@dataclass(frozen=True, slots=True)
class Handshake:
    """Offer TLS in a certain way, and judge how it ends."""

    variant: str
    offer: Offer
    expect: ExpectFact


@dataclass(frozen=True, slots=True)
class Effects:
    """Ask the observer how many effects the message with this label had, and judge the number."""

    variant: str
    label: str
    expect: ExpectFact


@dataclass(frozen=True, slots=True)
class Mirror:
    """Ask the observer for the receiver's present state of the order with this label, as JSON text in a Fact."""

    label: str


@dataclass(frozen=True, slots=True)
class Enter:
    """Put the receiver into a state by the profile's hook; it is left again whatever happens."""

    state: str


@dataclass(frozen=True, slots=True)
class Leave:
    """Leave a state before the case ends."""

    state: str


@dataclass(frozen=True, slots=True)
class Act:
    """Do something to the receiver by the profile's hook, such as `kill`, and wait until it is done."""

    action: str
    meanwhile: tuple[Request, ...] = ()
    """Requests sent one after the other while the hook runs; their answers come back."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Change the suite's own token issuer: `down`, `up`, or `rotate` (publish a new key beside the old one)."""

    change: str


@dataclass(frozen=True, slots=True)
class CanaryHits:
    """Wait, then judge whether the canary was called at the address with this mark ("none" or "called")."""

    variant: str
    mark: str
    seconds: float
    expect: ExpectFact


@dataclass(frozen=True, slots=True)
class NotApplicable:
    """The contract allows the receiver to lack this, and the profile says that it does."""

    variant: str
    reason: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """It cannot be tried here."""

    variant: str
    reason: str
    needs: str = ""
    """What would have to be added to the profile."""


Step: TypeAlias = (
    Control
    | Twin
    | Probe
    | Send
    | Together
    | Judge
    | Handshake
    | Effects
    | Mirror
    | Enter
    | Leave
    | Act
    | Issuer
    | CanaryHits
    | NotApplicable
    | Blocked
)
Observation: TypeAlias = "Answer | tuple[Answer, ...] | Fact | None"
Case: TypeAlias = Generator[Step, Observation, None]


def answer_of(step: Control | Twin | Probe | Send) -> Generator[Step, Observation, Answer]:
    """For `answer = yield from answer_of(step)`."""
    observed = yield step
    if not isinstance(observed, Answer):
        raise TypeError(f"{step} was observed as {observed!r}")
    return observed


def answers_of(step: Together | Act) -> Generator[Step, Observation, tuple[Answer, ...]]:
    """For `answers = yield from answers_of(step)`."""
    observed = yield step
    if not isinstance(observed, tuple):
        raise TypeError(f"{step} was observed as {observed!r}")
    return observed


def fact_of(step: Handshake | Effects | Mirror | CanaryHits) -> Generator[Step, Observation, Fact]:
    """For `fact = yield from fact_of(step)`."""
    observed = yield step
    if not isinstance(observed, Fact):
        raise TypeError(f"{step} was observed as {observed!r}")
    return observed
