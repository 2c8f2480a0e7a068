"""The play: what happens in which order, and what came of it."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import asking, truth
from sandbox.certificates import Authority
from sandbox.commands.progress import Bar
from sandbox.delivery.credentials import Basic, ClientCredentials
from sandbox.delivery.plan import Planned, plan
from sandbox.delivery.sending import Destination, Sender, Step
from sandbox.delivery.summary import Summary
from sandbox.demo.service import Service
from sandbox.erp import Erp
from sandbox.errors import SandboxError
from sandbox.identity.directory import APPLICATION, AUDIENCE, CLIENT, CLIENT_SECRET, Directory
from sandbox.identity.forms import Form
from sandbox.identity.provider import IdentityProvider
from sandbox.platform.platform import Platform
from sandbox.scenarios import reading
from sandbox.scenarios.reading import Scenario
from sandbox.serving import Answer, HttpServer, Request
from sandbox.story.event import Webhook
from sandbox.wire.json_text import JsonValue

#: How many times faster than real time the outage and the waiting between repetitions pass.
SPEED = 240.0
#: An hour.
OUTAGE_SECONDS = 3600 / SPEED
#: So long new events come, however many: there is something under way whenever something happens.
SENDING_SECONDS = 30.0
#: A token is renewed at half of its life, so that the new key comes into use soon after the rotation.
TOKEN_SECONDS = 6
#: So long the service may take to work off what waits, after the last event was delivered.
WORKED_OFF_WITHIN = 300.0
#: Between two words on how many events wait.
TELL_EVERY = 5.0

_ORDER, _SHIPMENT = "/webhooks/tradecloud/order", "/webhooks/tradecloud/shipment"
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Day:
    """What came of it."""

    orders: int
    shipments: int
    summary: Summary
    accepted: int
    """Different events that the service has."""
    lost: tuple[str, ...]
    """Message ids of events that were answered 2xx and that the service does not have."""
    unfinished: int
    """Events of the service that are not done."""
    handed_over: frozenset[str]
    """Ids of the events that the service says the ERP has."""
    booked: frozenset[str]
    """Ids of the events that the ERP says it has."""
    came_again: int
    """Requests that brought the ERP what it had."""
    named: frozenset[str]
    """SHA-256 of the documents in the platform that hang on an order or shipment in the end; of one that a newer
    one replaced before it came, nobody needs the file."""
    fetched: frozenset[str]
    """SHA-256 of those that the service has as files."""
    different: tuple[str, ...]
    """Ids of orders and shipments that the service knows differently."""
    seconds: float

    @property
    def good(self) -> bool:
        """Nothing dropped, nothing lost, equal counts, all documents there, equal states."""
        return (
            not self.summary.dropped
            and not self.summary.left
            and not self.lost
            and not self.unfinished
            and self.handed_over == self.booked
            and self.named <= self.fetched
            and not self.different
        )


def play(folder: Path, *, orders: int, seed: int, tell: Tell) -> Day:
    """A day in a folder that does not exist yet; the service has ended on return, its folder stays.

    Raises:
        SandboxError: something did not start, or the service did not come to an end with its events.
    """
    began = time.monotonic()
    scenario = reading.read("day").model_copy(update={"orders": orders, "seed": seed, "steps": []})
    with ExitStack() as stack:
        ca = Authority()
        provider = stack.enter_context(IdentityProvider(ca, Directory(), token_seconds=TOKEN_SECONDS))
        erp = stack.enter_context(Erp())
        platform = stack.enter_context(Platform())
        files = stack.enter_context(HttpServer(_supplier_file))
        service = Service(
            folder,
            ca=ca,
            authority=provider.authority_url(Form.V2),
            audience=APPLICATION,
            client=CLIENT,
            erp=erp.url,
            platform=platform.base,
        )
        stack.enter_context(service)
        tell(f"the service listens at {service.url}, its ERP at {erp.url}")
        stories = scenario.told(files.url)
        documents = [document for story in stories for document in story.stored_documents()]
        for each in documents:
            platform.store.put_document(each.object_id, each.filename, each.content_type, each.content)
        planned = plan(stories, scenario.disorder_wanted, scenario.seed)
        truths = truth.write(folder, stories)
        tell(f"{orders} orders, {truths - orders} shipments, {len(documents)} documents: {len(planned)} events")
        summary = _delivered(planned, scenario, service, provider, erp, tell)
        tell("all events are delivered; the service works off what waits for the ERP")
        rows = _worked_off(service, tell)
        tell("each order and shipment is compared with what is true")
        handed_over = frozenset(row["id"] for row in service.events("--destination", "erp"))
        different = _different(folder, service)
        hanging = {id for one in truth.read(folder) for id in _object_ids(one.state)}
        return Day(
            orders=orders,
            shipments=truths - orders,
            summary=summary,
            accepted=len(rows),
            lost=tuple(sorted({each.event.message_id for each in planned} - {row["messageId"] for row in rows})),
            unfinished=sum(row["state"] != "done" for row in rows),
            handed_over=handed_over,
            booked=frozenset(event.event_id for event in erp.events()),
            came_again=erp.state()["repeated"],
            named=frozenset(
                hashlib.sha256(each.content).hexdigest() for each in documents if each.object_id in hanging
            ),
            fetched=frozenset(row["sha256"] for row in service.documents() if row["state"] == "stored"),
            different=different,
            seconds=time.monotonic() - began,
        )


def _object_ids(value: JsonValue) -> Iterator[str]:
    """Of all documents in an order or shipment."""
    if isinstance(value, dict):
        if isinstance(found := value.get("objectId"), str):
            yield found
        for member in value.values():
            yield from _object_ids(member)
    elif isinstance(value, list):
        for item in value:
            yield from _object_ids(item)


def _supplier_file(request: Request) -> Answer:
    """What the supplier's own server has under every address."""
    return Answer(200, b"%PDF-1.4\n% " + request.path.encode() + b"\n%%EOF\n", {"Content-Type": "application/pdf"})


def _delivered(
    planned: list[Planned], scenario: Scenario, service: Service, provider: IdentityProvider, erp: Erp, tell: Tell
) -> Summary:
    """Send all of it, while things happen."""
    aside = _Aside()

    def outage(stop: threading.Event) -> None:
        tell(f"the ERP is down for an hour, which passes in {OUTAGE_SECONDS:.0f} seconds")
        erp.go_down("503", seconds=OUTAGE_SECONDS)

        def back() -> None:
            if not stop.wait(OUTAGE_SECONDS):
                tell("the ERP is there again")

        aside.run(back)

    def restart(stop: threading.Event) -> None:
        def act() -> None:
            service.stop()
            service.start()
            tell("the service listens again")

        tell("the service is restarted under way")
        aside.run(act)

    def rotation(stop: threading.Event) -> None:
        tell("the identity provider signs with a new key")
        provider.rotate()

    share = len(planned) // 10
    token_url = f"{provider.authority_url(Form.V2)}/oauth2/v2.0/token"
    orders = Destination(
        service.url + _ORDER,
        ClientCredentials(token_url, CLIENT, CLIENT_SECRET, f"{AUDIENCE}/.default", service.ca_file),
    )
    destinations = {
        Webhook.ORDER: orders,
        Webhook.DOCUMENTS: orders,
        Webhook.SHIPMENT: Destination(service.url + _SHIPMENT, Basic("tradecloud", service.password)),
    }
    policy = scenario.model_copy(
        update={"delivery": scenario.delivery.model_copy(update={"speed": SPEED, "timeout": 20.0})}
    ).policy
    with Bar(len(planned)) as bar:
        summary = Sender(
            planned,
            destinations,
            policy,
            parallel=scenario.delivery.parallel,
            pace=len(planned) / SENDING_SECONDS,
            steps=[Step(2 * share, outage), Step(6 * share, rotation), Step(8 * share, restart)],
            ca_file=service.ca_file,
            progress=bar.show,
        ).run()
    aside.join()
    if summary.interrupted:
        raise KeyboardInterrupt
    return summary


class _Aside:
    """Something that happens while the sender goes on; its failure is told at the end."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._failures: list[Exception] = []

    def run(self, act: Callable[[], None]) -> None:
        def whole() -> None:
            try:
                act()
            except Exception as error:
                self._failures.append(error)

        thread = threading.Thread(target=whole, daemon=True)
        self._threads.append(thread)
        thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
        for failure in self._failures:
            raise failure


def _worked_off(service: Service, tell: Tell) -> list[dict[str, Any]]:
    """All events of the service, as soon as none of them is under way."""
    deadline = time.monotonic() + WORKED_OFF_WITHIN
    tell_at = time.monotonic() + TELL_EVERY
    while True:
        rows = service.events()
        under_way = sum(row["state"] in ("received", "processing", "waiting") for row in rows)
        if not under_way:
            return rows
        if time.monotonic() > deadline:
            raise SandboxError(f"after {WORKED_OFF_WITHIN:.0f} seconds {under_way} events still wait")
        if time.monotonic() > tell_at:
            tell(f"{under_way} events still wait")
            tell_at += TELL_EVERY
        time.sleep(0.5)


def _different(folder: Path, service: Service) -> tuple[str, ...]:
    """Ids of what the service knows differently."""
    commands = {kind: service.command_line(f"{kind}s", "export") for kind in ("order", "shipment")}
    return tuple(one.id for one, found in asking.compare(truth.read(folder), commands) if found)
