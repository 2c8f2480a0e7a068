"""Before anything is judged: can the receiver be reached, may it be tried, does it take a golden event at all?"""

from __future__ import annotations

import hashlib
import socket
import ssl
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from conformance.oracle import Consequence, consequence
from conformance.profile import Profile
from conformance.runner import hooks
from conformance.runner.canary import Canary
from conformance.runner.laboratory import Laboratory
from conformance.runner.transport import CannotTryError
from conformance.subject import Subject
from conformance.wire.address import Address
from conformance.wire.answer import Answer
from conformance.wire.handshake import self_check


@dataclass(frozen=True, slots=True)
class Finding:
    """One question of the preflight."""

    id: str
    title: str
    ok: bool
    reason: str
    fatal: bool = True
    """Whether nothing can be judged without it."""


def contract_hash(profile: Profile) -> str:
    """SHA-256 over the served contracts that the profile names; empty if it names none."""
    if not profile.contracts:
        return ""
    digest = hashlib.sha256()
    for endpoint in sorted(profile.contracts):
        digest.update(profile.contracts[endpoint].read_bytes())
    return digest.hexdigest()


def permission(address: Address, allowed: str | None) -> Finding:
    """PRE-4: a run may create real orders, so a receiver elsewhere needs its owner's word."""
    title = "the receiver is on this machine, or its owner allows the run by name"
    if address.on_loopback:
        return Finding("PRE-4", title, ok=True, reason="on loopback")
    if allowed == address.host:
        return Finding("PRE-4", title, ok=True, reason=f"--i-own-the-target {allowed}")
    return Finding(
        "PRE-4",
        title,
        ok=False,
        reason=f"{address.host} is another machine, and what is sent to it may become real orders; if it is a test "
        f"system of yours, say so: --i-own-the-target {address.host}",
    )


def reachable(address: Address) -> Finding:
    """PRE-1."""
    title = "the name resolves and the port is open"
    try:
        with socket.create_connection((address.host, address.port), timeout=10):
            return Finding("PRE-1", title, ok=True, reason=f"{address.host}:{address.port}")
    except OSError as error:
        reason = f"{address.host}:{address.port}: {error.strerror or error}; has the receiver been started?"
        return Finding("PRE-1", title, ok=False, reason=reason)


def certificate(address: Address) -> Finding:
    """Whether ordinary requests can check the certificate; on loopback they go on without."""
    title = "the certificate can be checked"
    if not address.secure:
        return Finding("PRE-7", title, ok=True, reason="no TLS", fatal=False)
    try:
        with (
            socket.create_connection((address.host, address.port), timeout=10) as raw,
            address.context().wrap_socket(raw, server_hostname=address.host),
        ):
            return Finding("PRE-7", title, ok=True, reason="valid for its name", fatal=False)
    except ssl.SSLCertVerificationError as error:
        reason = f"{error.verify_message}; name the authority of a lab as ca_file in the profile"
        if address.on_loopback:
            reason += "; the run goes on without looking at the certificate, except in the cases about it"
        return Finding("PRE-7", title, ok=False, reason=reason, fatal=not address.on_loopback)
    except OSError as error:
        return Finding("PRE-7", title, ok=False, reason=str(error.strerror or error), fatal=False)


def instruments(canary: Canary | None) -> Finding:
    """PRE-2: the suite's own eyes."""
    title = "the TLS probe can speak what it asks for, and the canary notices a call"
    try:
        trouble = self_check() or ("" if canary is None or canary.notices() else "the canary did not notice a call")
    except OSError as error:
        trouble = str(error)
    seen = "TLS 1.0 of our own was seen as TLS 1.0" + ("" if canary is None else ", a call of our own as a call")
    return Finding("PRE-2", title, ok=not trouble, reason=trouble or seen)


def golden_events(subject: Subject, laboratory: Laboratory) -> Iterator[Finding]:
    """PRE-3: the credentials and each claimed payload."""
    laboratory.begin("PRE-3")
    title = "the credentials and the golden event of each claimed payload are accepted"
    refusals: list[str] = []
    hints: set[str] = set()
    for request in subject.goldens():
        try:
            answer = laboratory.deliver(request, "control").answer
        except CannotTryError as error:
            refusals.append(str(error))
            break
        if consequence(answer.status) is not Consequence.DELIVERED:
            refusals.append(f"{request.payload} in {request.form}: {answer.said}")
            hints.add(_hint(answer, laboratory.address))
    total = sum(1 for _ in subject.goldens())
    yield Finding(
        "PRE-3",
        title,
        ok=not refusals,
        reason="; ".join([*refusals, *sorted(hints - {""})]) or f"all {total} accepted",
        fatal=len(refusals) >= total or not total,
    )


def hooks_answer(profile: Profile) -> Finding:
    """PRE-5: the observer counts, and whoever is called by HTTP is there. Commands are seen when they run."""
    title = "the observer and the hooks answer"
    troubles = []
    if profile.observer is not None:
        try:
            hooks.count(profile.observer, order="TCCONF-PRE-5", message=str(uuid.UUID(int=0)))
        except CannotTryError as error:
            troubles.append(f"observer: {error}")
    called = [hook for state in profile.states.values() for hook in (state.enter, state.leave)]
    called += [action.run for action in profile.actions.values()]
    for place in sorted({place for hook in called if hook is not None for place in hooks.places(hook)}):
        try:
            socket.create_connection(place, timeout=10).close()
        except OSError as error:
            troubles.append(f"{place[0]}:{place[1]}: {error.strerror or error}")
    return Finding("PRE-5", title, ok=not troubles, reason="; ".join(troubles) or "they do", fatal=False)


def _hint(answer: Answer, address: Address) -> str:
    if answer.status in (401, 403):
        return "look at the credentials in the profile, and the variables they come from"
    if answer.status in (404, 405):
        return "look at operations.….path in the profile"
    if not address.secure:
        return "if the port speaks TLS, the URL begins with https"
    return ""


def contracts(profile: Profile) -> Finding:
    """PRE-6: the contract is the one that the profile was written for."""
    title = "the contract is the one that the profile names"
    if not profile.contracts:
        return Finding("PRE-6", title, ok=True, reason="the profile names no contracts", fatal=False)
    found = contract_hash(profile)
    if profile.contract_sha256 is None:
        return Finding("PRE-6", title, ok=True, reason=f"not named; it is {found[:16]}", fatal=False)
    same = found.startswith(profile.contract_sha256)
    reason = "the same" if same else f"the profile names {profile.contract_sha256[:16]}, this is {found[:16]}"
    return Finding("PRE-6", title, ok=same, reason=reason, fatal=False)
