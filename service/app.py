"""The composition root: settings in, a running application out. The only place where the parts meet."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.types import ASGIApp, Receive, Scope, Send

from handlers.auth import BasicUser, BearerToken, Credentials
from handlers.interface import Endpoint, NotAllowedError, NotAuthenticatedError
from service import log
from service.answering import Answering
from service.body import Memory
from service.contract import health_contract, webhook_contracts
from service.event_reader import HANDLERS
from service.health import Health
from service.inbox.interface import Inbox
from service.inbox.local import LocalInbox
from service.inbox.place import DatabaseServer
from service.inbox.shared import SharedInbox
from service.inbox.transaction import QuarantineBudget
from service.inline import Inline
from service.logins import UNKNOWN, LoginCounter
from service.maintenance import Maintenance
from service.oauth import token_issuer
from service.problems import Answer
from service.reception import Admission, Reception
from service.reload import InForce
from service.routing import ContractMismatchError, Operation, assemble, credential_of
from service.senders import Senders, tradecloud_addresses
from service.settings import Settings
from service.settings_models import Mode
from service.tls import Front
from service.wake import Waker
from service.worker.beside import WorkerBeside
from service.worker.only_one import somebody_works

#: Seconds that an inline answer may take beyond the time-out of its destination: for the disk and for its turn.
INLINE_MARGIN = 10.0


@dataclass(frozen=True, slots=True)
class Application:
    """What the server needs to run."""

    asgi: ASGIApp
    open: Callable[[], None]
    """Opens the inbox; raises InboxUnavailableError if that cannot be done."""
    drain: Callable[[], None]
    """Closes the door: what is inside is finished, what comes now is answered 503."""
    look_again: Callable[[], None]
    """Reads credentials and certificate again; to be called in the event loop."""


def build(settings: Settings, front: Front | None = None) -> Application:
    """Put the service together; `front` is what it listens with, if it speaks TLS.

    With `worker.enabled` a worker process runs beside it from start to end.

    Raises:
        ContractMismatchError: contracts and handlers do not belong together.
        StartError: a file that the credentials need cannot be used.
    """
    waker = Waker(settings.inbox.folder)
    inbox = open_inbox(settings, waker.wake)
    worker = _worker_beside(settings)
    maintenance = Maintenance(settings.inbox.folder)
    admission = Admission(Memory(settings.server.max_inflight_bytes), settings.server.max_waiting)
    in_force = InForce(settings, front, credentials_in)
    logins = LoginCounter(inbox)
    senders = Senders(tradecloud_addresses(), settings.server.believed_proxies)

    # Behind a proxy everybody seems to come from its address, so nobody is told details.
    def details() -> Mapping[str, object]:
        if settings.server.behind_proxy:
            return {}
        return in_force.details([*inbox.attention(), *(worker.attention() if worker else _alone(settings))])

    inline = any(settings.processing.mode.of(endpoint) is Mode.INLINE for endpoint in Endpoint)

    def needs() -> str | None:
        return "the worker is not ready" if inline and worker and not worker.ready else None

    health = Health(inbox, admission, maintenance, details, needs)

    operations: dict[str, Operation] = {"live": _answering(health.live), "ready": _answering(health.ready)}
    endpoints: dict[str, Endpoint] = {}
    contracts = webhook_contracts()
    for contract in contracts:
        for operation_id, endpoint in contract.endpoints():
            endpoints[operation_id] = endpoint
            if handler := HANDLERS.get(operation_id):
                operations[operation_id] = _receiving(
                    Reception(
                        endpoint,
                        contract,
                        handler,
                        inbox=inbox,
                        admission=admission,
                        senders=senders,
                        max_body_bytes=settings.server.max_body_bytes,
                        inline=_inline(settings, endpoint, worker),
                    )
                )
    if unused := sorted(HANDLERS.keys() - operations.keys()):
        raise ContractMismatchError(f"no contract has the operation {', '.join(unused)} of that handler")

    async def identify(authorization: Sequence[bytes], operation_id: str) -> str:
        endpoint = endpoints[operation_id]
        try:
            credential = await in_force.credentials.identify(authorization, endpoint)
        except NotAuthenticatedError as error:
            logins.rejected(error.rejected or UNKNOWN, endpoint, error.reason)
            raise
        except NotAllowedError as error:
            logins.not_allowed(error.credential, endpoint, error.reason)
            raise
        logins.used(credential, endpoint)
        return credential

    @contextlib.asynccontextmanager
    async def lifespan(_app: object) -> AsyncIterator[None]:
        await inbox.start()
        in_force.credentials.start()
        if worker is not None:
            worker.start()
        regular = (logins.report_regularly(), log.write_regularly(), in_force.watch())
        tasks = [asyncio.create_task(task) for task in regular]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            try:
                # A second Ctrl+C does not wait for these; what waits to be stored is stored all the same.
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.gather(in_force.credentials.stop(), worker.stop() if worker else asyncio.sleep(0))
                    await logins.report()
            finally:
                await inbox.stop()
                waker.close()

    routed = assemble([*contracts, health_contract()], operations, identify, lifespan)
    answering = Answering(routed, maintenance, settings.server.retry_after)
    return Application(answering, open=inbox.open, drain=admission.close_the_door, look_again=in_force.look_again)


def _worker_beside(settings: Settings) -> WorkerBeside | None:
    if not settings.worker.enabled:
        return None
    return WorkerBeside([] if settings.source is None else ["--config", str(settings.source)])


def _alone(settings: Settings) -> list[str]:
    """What to know where somebody else is to start the worker."""
    # On a server workers run elsewhere; `webhooks destinations status` asks it whether any does.
    if isinstance(settings.inbox.place, DatabaseServer) or somebody_works(settings.inbox.folder):
        return []
    return ["no worker works on this inbox: start `webhooks work`, or leave worker.enabled = false out"]


def _inline(settings: Settings, endpoint: Endpoint, worker: WorkerBeside | None) -> Inline | None:
    if settings.processing.mode.of(endpoint) is not Mode.INLINE or worker is None:
        return None
    longest = max((each.timeout for each in settings.destinations.values() if each.inline), default=0.0)
    return Inline(
        worker.attempt,
        patience=longest + INLINE_MARGIN,
        takeover=timedelta(seconds=settings.processing.inline_takeover),
        retry_after=settings.server.retry_after,
    )


def open_inbox(settings: Settings, on_new_event: Callable[[], None] = lambda: None) -> Inbox:
    """The inbox that the settings name; not started. `on_new_event` is called after events were stored."""
    place = settings.inbox.place
    budget = QuarantineBudget(settings.inbox.quarantine_max_bytes, settings.inbox.quarantine_max_bodies)
    if isinstance(place, DatabaseServer):
        # It wakes every worker itself, on whichever machine.
        return SharedInbox(
            place,
            budget=budget,
            busy_timeout=settings.inbox.busy_timeout,
            commit_timeout=settings.inbox.commit_timeout,
        )
    return LocalInbox(
        place,
        budget=budget,
        wal_max_bytes=settings.inbox.wal_max_bytes,
        min_free_bytes=settings.inbox.min_free_bytes,
        busy_timeout=settings.inbox.busy_timeout,
        commit_timeout=settings.inbox.commit_timeout,
        on_new_event=on_new_event,
    )


def credentials_in(settings: Settings) -> Credentials:
    """The credentials that the settings put in force.

    Raises:
        StartError: a file that they need cannot be used.
    """
    return Credentials(
        [
            BasicUser(name, user.username, user.secret(), frozenset(user.endpoints))
            for name, user in settings.auth.basic.items()
        ],
        [
            BearerToken(name, token.secret(), frozenset(token.endpoints))
            for name, token in settings.auth.bearer.items()
        ],
        [token_issuer(name, oauth) for name, oauth in settings.auth.oauth.items()],
    )


def _answering(function: Callable[[Scope], Awaitable[Answer]]) -> Operation:
    async def operation(scope: Scope, _receive: Receive, send: Send) -> None:
        await (await function(scope)).send(send)

    return operation


def _receiving(reception: Reception) -> Operation:
    async def operation(scope: Scope, receive: Receive, send: Send) -> None:
        await reception(scope, receive, send, credential_of(scope))

    return operation
