"""`webhooks work`: from settings to a running worker. Like `service/app.py` a place where the parts meet."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from pathlib import Path

from handlers.documents.fetching import Fetching
from handlers.interface import DOCUMENTS
from service import log, txml
from service.contract import webhook_contracts
from service.destinations import Target, open_destinations
from service.documents import open_fetching
from service.event_reader import event_readers
from service.folders import make_lasting
from service.inbox.notification import Notifications
from service.inbox.shared_work import SharedWorkStore
from service.inbox.work import WorkerStore, WorkStore
from service.settings import Settings, load
from service.settings_destinations import Content, Format
from service.settings_documents import Documents
from service.settings_models import Mode
from service.wake import WakeUp, Waking
from service.worker.attempts import Attempts
from service.worker.documents import DocumentStage
from service.worker.inline import InlineAnswer, InlineRequest
from service.worker.lane import Lane
from service.worker.link import Link
from service.worker.loop import Rules, Worker
from service.worker.merging import Merging
from service.worker.only_one import Turn
from service.worker.outcomes import Terms

logger = logging.getLogger(__name__)

#: By how much the worker beside a receiver gives way to it, as `nice` counts.
NICENESS = 5
#: Seconds that attempts under way have to finish when the worker is told to stop.
DRAIN_ALONE, DRAIN_BESIDE = 8.0, 1.5


def work(config: Path | None, link: int | None) -> int:
    """Work until SIGTERM, Ctrl+C, or until the receiver at the other end of `link` is gone.

    Raises:
        SettingsError, StartError, InboxUnavailableError: it cannot start.
    """
    presence = _Presence(beside=link is not None)
    receiver = None if link is None else Link(socket.socket(fileno=link), presence.ask, presence.end)
    if receiver is not None:
        # From the first moment on: the receiver may end while this process is still starting or stands by.
        receiver.start()
    settings = load(config, development_fallback=True)
    presence.has_settings()
    log.configure(settings.log.level)
    log.write_regularly_in_thread()
    if receiver is not None:
        # Who waits for an answer goes first where both want the processor.
        os.nice(NICENESS)
    folder = settings.inbox.folder
    make_lasting(folder)
    targets = open_destinations(settings)
    fetching = open_fetching(settings)
    try:
        place = settings.inbox.place
        wake_up = WakeUp(folder) if isinstance(place, Path) else Notifications(place)
        # On a server several workers share the work.
        if isinstance(place, Path) and not Turn(folder).take(presence.pause):
            return 0
        worker = _worker(settings, targets, fetching, wake_up)
        presence.of(worker)
        if receiver is not None:
            receiver.say_ready()
        logger.info("action=worker_started destinations=%d", len(targets))
        worker.run(drain_seconds=DRAIN_ALONE if link is None else DRAIN_BESIDE)
        logger.info("action=worker_stopped")
    finally:
        for target in targets:
            target.destination.close()
        if fetching is not None:
            fetching.close()
    return 0


def _worker(settings: Settings, targets: list[Target], fetching: Fetching | None, wake_up: Waking) -> Worker:
    processing, documents = settings.processing, settings.documents
    store = _store(settings)
    contracts = webhook_contracts()
    readers = event_readers(contracts)
    mappings = {endpoint: txml.Mapping(contract) for contract in contracts for _, endpoint in contract.endpoints()}
    # Also where documents are off: what waits for them since they were on has to be let go.
    terms = {DOCUMENTS: _document_terms(documents)} | {target.name: _terms(target) for target in targets}
    return Worker(
        store,
        wake_up,
        Merging(readers, targets, role=processing.role, deliver_echo=processing.deliver_echo, documents=documents),
        Attempts(
            store,
            {target.name: target.destination for target in targets},
            terms,
            readers,
            mappings,
            DocumentStage(store, fetching),
        ),
        # Slow content servers must not take all of the worker from what needs no documents.
        {DOCUMENTS: Lane(DOCUMENTS, min(documents.concurrency, max(1, settings.worker.concurrency // 2)))}
        | {
            target.name: Lane(target.name, target.settings.concurrency, target.settings.max_per_second)
            for target in targets
        },
        terms,
        Rules(
            concurrency=settings.worker.concurrency,
            dead_holds=processing.dead_holds_order,
            inline={
                endpoint: target.name
                for target in targets
                if target.settings.inline
                for endpoint in target.settings.endpoints
                if processing.mode.of(endpoint) is Mode.INLINE
            },
            inline_takeover=processing.inline_takeover,
        ),
    )


def _store(settings: Settings) -> WorkerStore:
    inbox, readers = settings.inbox, settings.worker.concurrency
    if isinstance(inbox.place, Path):
        return WorkStore(
            inbox.place, busy_timeout=inbox.busy_timeout, wal_max_bytes=inbox.wal_max_bytes, readers=readers
        )
    return SharedWorkStore(inbox.place, busy_timeout=inbox.busy_timeout, readers=readers)


def _document_terms(of: Documents) -> Terms:
    return Terms(
        merged=False, as_xml=False, retry_first=of.retry_first, retry_last=of.retry_max, dead_after=of.dead_after
    )


def _terms(target: Target) -> Terms:
    of = target.settings
    return Terms(
        merged=of.content is Content.MERGED,
        as_xml=of.format is Format.XML,
        retry_first=of.retry_first,
        retry_last=of.retry_max,
        dead_after=of.dead_after,
    )


class _Presence:
    """How others reach the worker, from the moment on when there is none yet."""

    def __init__(self, *, beside: bool) -> None:
        self._ended = threading.Event()
        self._worker: Worker | None = None
        self._has_settings = False
        self._told = False
        # Ctrl+C reaches every process of the terminal; the receiver ends its worker in its own time.
        signal.signal(signal.SIGINT, signal.SIG_IGN if beside else lambda *_: self.end())
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def has_settings(self) -> None:
        # Only now: until then SIGTERM ends the process at once, also while it reads a file that never comes to its
        # end. A handler would not run as long as the system waits for that.
        signal.signal(signal.SIGTERM, lambda *_: self.end())
        self._has_settings = True

    def of(self, worker: Worker) -> None:
        self._worker = worker
        if self._ended.is_set():
            worker.stop()

    def ask(self, request: InlineRequest) -> None:
        if self._worker is None:
            request.answer(InlineAnswer.TROUBLE, "the worker starts or stands by")
        else:
            self._worker.ask(request)

    def end(self) -> None:
        if not self._has_settings:
            os._exit(0)  # a file of the settings may never be read to its end, and nothing was begun
        self._ended.set()
        if self._worker is not None:
            self._worker.stop()

    def pause(self) -> bool:
        """Wait a moment for the turn of this worker; whether to go on waiting."""
        if not self._told:
            logger.info("action=worker_stands_by reason=another worker works on this inbox")
            self._told = True
        return not self._ended.wait(0.1)
