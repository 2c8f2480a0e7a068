"""The real transport: sends to the receiver, calls the hooks, asks the observer."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from conformance.profile import Observer, Profile
from conformance.requests.rendering import Rendered, aspects_that_differ, render
from conformance.requests.request import Channel, Identity, Request
from conformance.results import Exchange
from conformance.runner import hooks
from conformance.runner.canary import Canary
from conformance.runner.issuer import TokenIssuer
from conformance.runner.transport import CannotTryError
from conformance.verdict import Expect, ExpectFact
from conformance.wire.address import Address
from conformance.wire.answer import Answer, Fact
from conformance.wire.handshake import NOBODY_THERE, shake_hands
from conformance.wire.hello import CannotOfferError, Offer
from conformance.wire.http1 import Connection
from conformance.wire.http2 import Http2Connection

#: A receiver that does not even answer so many controls in a row is gone; the rest is BLOCKED instead of attacked.
GONE_AFTER = 5
#: The case that asks whether the receiver is well: it goes on asking.
WELL = "TIM-05"
_LOOK_AGAIN_SECONDS = 0.2


class Laboratory:
    """One receiver, for one run. Every order number that goes out is put into `orders`, for cleaning up."""

    def __init__(
        self,
        profile: Profile,
        address: Address,
        run: str,
        orders: list[str],
        *,
        pace: float | None = None,
        issuer: TokenIssuer | None = None,
        canary: Canary | None = None,
    ) -> None:
        self._profile = profile
        self.address = address
        self._run = run
        self._orders = orders
        self._interval = 0.0 if pace is None else 1.0 / pace
        self._issuer = issuer
        self._canary = canary
        self._case = ""
        self._count = 0
        self._labels: dict[str, Identity] = {}
        self._connection: Connection | None = None
        self._sentinels: dict[str, str] = {}
        self._next_send = 0.0
        self._silent_controls = 0
        self._lock = threading.Lock()

    # The Transport protocol.

    def begin(self, case_id: str) -> None:
        """A case begins."""
        self._case = case_id
        self._labels.clear()
        self._sentinels.clear()
        if self._issuer is not None:
            self._issuer.up()  # a case that broke off may have left it down
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def deliver(self, request: Request, purpose: str, expect: Expect | None = None) -> Exchange:
        """Send one request; on the connection of the case, unless it asks for one of its own."""
        if self._silent_controls >= GONE_AFTER and self._case != WELL:
            raise CannotTryError("the receiver no longer answers")
        identity = self._identity(request)
        rendered = self._rendered(request, identity)
        self._wait()
        if request.channel == Channel():
            answer = self._on_shared_connection(rendered)
        else:
            with self._connect(request.channel) as connection:
                answer = connection.exchange(rendered, self._seconds(rendered))
        if purpose == "control":
            self._silent_controls = self._silent_controls + 1 if answer.status is None else 0
        return Exchange(purpose, answer, rendered, identity.order)

    def together(self, requests: tuple[Request, ...], spread: float) -> tuple[Exchange, ...]:
        """Send several at once, each on a connection of its own."""
        ready = [(request, self._identity(request)) for request in requests]
        self._owe(len(requests))  # a burst is the point; what comes after it waits

        def send(index: int) -> Exchange:
            request, identity = ready[index]
            rendered = self._rendered(request, identity)
            time.sleep(spread * index)
            with self._connect(request.channel) as connection:
                return Exchange(
                    "part", connection.exchange(rendered, self._seconds(rendered)), rendered, identity.order
                )

        with ThreadPoolExecutor(max(1, len(ready))) as pool:
            return tuple(pool.map(send, range(len(ready))))

    def differences(self, control: Request, probe: Request) -> set[str]:
        """What two requests differ in but their identity."""
        same = self._new_identity("")
        return aspects_that_differ(self._rendered(control, same), self._rendered(probe, same))

    def handshake(self, offer: Offer, expect: ExpectFact) -> Fact:
        """How TLS ends."""
        try:
            fact = shake_hands(offer, self.address)
        except CannotOfferError as error:
            raise CannotTryError(str(error)) from error
        if fact.value == "no-answer" and fact.detail.startswith(NOBODY_THERE):
            raise CannotTryError(f"the receiver cannot be reached any more: {fact.detail}")
        return fact

    def judged(self, fact: Fact, expect: ExpectFact) -> Fact:
        """As it is."""
        return fact

    def effects(self, label: str, expect: ExpectFact) -> Fact:
        """How many effects the message had."""
        observer = self._profile.observer
        if observer is None:
            raise CannotTryError(
                "the profile has no observer", "observer: a command or address that counts effects"
            )
        until = time.monotonic() + observer.seconds
        fact = self._count_effects(label, observer)
        while not expect.kept_by(fact) and time.monotonic() < until:
            time.sleep(_LOOK_AGAIN_SECONDS)
            fact = self._count_effects(label, observer)
        if observer.settle and expect.kept_by(fact):
            time.sleep(observer.settle)
            fact = self._count_effects(label, observer)
        return fact

    def _count_effects(self, label: str, observer: Observer) -> Fact:
        identity = self._known(label)
        count = hooks.count(observer, order=identity.order, message=identity.message)
        return Fact(str(min(count, 2)), f"{count} effects of {identity.order}")

    def mirror(self, label: str) -> Fact:
        """The receiver's state of an order."""
        observer = self._profile.observer
        if observer is None or observer.mirror is None:
            raise CannotTryError("the receiver shows no state of its orders", "observer.mirror")
        identity = self._known(label)
        time.sleep(observer.settle)
        return Fact("state", hooks.carry_out(observer.mirror, order=identity.order, message=identity.message))

    def enter(self, state: str) -> None:
        """Put the receiver into a state."""
        hook = self._profile.states.get(state)
        if hook is None:
            raise CannotTryError(f"the receiver cannot be put into the state {state}", f"states.{state}")
        if hook.sentinel is not None:
            self._sentinels[state] = hook.sentinel
        elif hook.enter is not None:
            hooks.carry_out(hook.enter)
        self.close()

    def leave(self, state: str) -> None:
        """Take it out again."""
        hook = self._profile.states.get(state)
        self._sentinels.pop(state, None)
        if hook is not None and hook.leave is not None:
            hooks.carry_out(hook.leave)
        self.close()

    def act(self, action: str, meanwhile: tuple[Request, ...]) -> tuple[Exchange, ...]:
        """Run an action's hook, and send requests while it runs."""
        hook = self._profile.actions.get(action)
        if hook is None:
            raise CannotTryError(f"the receiver offers no action {action}", f"actions.{action}")
        self.close()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(hooks.carry_out, hook.run)
            exchanges = []
            for request in meanwhile:
                identity = self._identity(request)
                rendered = self._rendered(request, identity)
                self._wait()
                with self._connect(request.channel) as connection:
                    answer = connection.exchange(rendered, self._seconds(rendered))
                exchanges.append(Exchange("part", answer, rendered, identity.order))
                time.sleep(0.1)
            running.result()
        return tuple(exchanges)

    def issuer(self, change: str) -> None:
        """Change the suite's token issuer."""
        if self._issuer is None:
            raise CannotTryError("the receiver does not trust the suite's token issuer", "issuer")
        actions: dict[str, Callable[[], None]] = {
            "down": self._issuer.down,
            "up": self._issuer.up,
            "rotate": self._issuer.rotate,
        }
        actions[change]()

    def canary(self, mark: str, seconds: float, expect: ExpectFact) -> Fact:
        """Whether the canary was called."""
        if self._canary is None or self._profile.canary is None or self._profile.canary.reach is None:
            raise CannotTryError("the profile has no canary that was reached once", "canary, with `reach`")
        self._canary.prove_reachable(self._profile.canary.reach)
        return self._canary.wait(mark, seconds)

    # Identity and bytes.

    def _known(self, label: str) -> Identity:
        return self._labels[label]

    def _identity(self, request: Request) -> Identity:
        beginning = request.sentinel or next(iter(self._sentinels.values()), "")
        if request.label is None:
            return self._remembered(self._new_identity(beginning))
        if request.label not in self._labels:
            self._labels[request.label] = self._remembered(self._new_identity(beginning))
        return self._labels[request.label]

    def _new_identity(self, beginning: str) -> Identity:
        with self._lock:
            self._count += 1
            tail = f"{self._run}-{self._case.replace('-', '')}-{self._count}"
        order = f"{beginning or 'TCCONF'}-{tail}"
        return Identity(str(uuid.uuid4()), order, str(uuid.uuid4()), str(uuid.uuid4()))

    def _remembered(self, identity: Identity) -> Identity:
        self._orders.append(identity.order)
        return identity

    def _rendered(self, request: Request, identity: Identity) -> Rendered:
        path = self._profile.operations[request.endpoint].path
        return render(request, identity, path=path, host=self.address.authority, base_path=self.address.base_path)

    # Connections.

    def _connect(self, channel: Channel) -> Connection | Http2Connection:
        if channel.alpn == ("h2",):
            return Http2Connection(self.address)
        plain = channel.plain or channel.plain_port is not None
        if channel.second_node and self._profile.second_url is not None:
            second = Address.of(self._profile.second_url, self._profile.ca_file)
            return Connection(replace(second, verify=self.address.verify), alpn=channel.alpn)
        return Connection(self.address, plain=plain, port=channel.plain_port, alpn=channel.alpn)

    def _on_shared_connection(self, rendered: Rendered) -> Answer:
        if self._connection is None:
            self._connection = Connection(self.address, alpn=Channel().alpn)
        elif not self._connection.reusable:
            self._connection.close()
        reused = self._connection.used > 0
        answer = self._connection.exchange(rendered, self._seconds(rendered))
        if reused and answer.status is None and not answer.raw and "closed the connection" in answer.failure:
            # The receiver closed an idle connection just then: that is its right (RFC 9112, section 9.3.1).
            again = self._connection.exchange(rendered, self._seconds(rendered))
            return replace(again, note="sent on a fresh connection, because the receiver had closed the first one")
        return answer

    def _seconds(self, rendered: Rendered) -> float:
        slow = rendered.framing.bytes_per_second
        return self._profile.answer_seconds + 5.0 + (len(rendered.content) / slow if slow else 0.0)

    def _wait(self) -> None:
        """Keep to the pace."""
        time.sleep(max(0.0, self._next_send - time.monotonic()))
        self._owe(1)

    def _owe(self, requests: int) -> None:
        self._next_send = max(time.monotonic(), self._next_send) + self._interval * requests
