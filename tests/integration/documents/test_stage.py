"""An event is done when its documents are; only its own destinations wait for them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.documents.fetching import Fetching
from handlers.interface import Accepted, DocumentState, Endpoint, ErpEvent, JsonObject, Outcome, Refused
from service.inbox.interface import State
from service.inbox.repair_rules import Action
from service.settings_documents import Documents
from service.worker.inline import InlineAnswer
from tests.integration.documents.standing_in import METADATA, Portal, fetching
from tests.integration.erp.recipient import Reply
from tests.integration.taking import Erp, down, order, without_subject
from tests.integration.working import QUICK, SOON_DEAD, Build, eventually

ON = Documents(enabled=True, url="https://platform.example/v2", username="u", password="p")
ALONE = ON.model_copy(update={"wait": False})


@pytest.fixture
def portal() -> Iterator[Portal]:
    """The platform."""
    with Portal() as portal:
        yield portal


@pytest.fixture
def fetches(tmp_path: Path, portal: Portal) -> Fetching:
    """Into a folder beside the inbox."""
    return fetching(tmp_path / "documents", portal)


def with_document(number: str = "PO1", tick: int = 1, object_id: str | None = "o-1", **members: Any) -> JsonObject:
    """An order event that names a document."""
    body: Any = order(number, tick)
    document = {"code": "1", "name": "Manual", **({"objectId": object_id} if object_id else {}), **members}
    body["orderEvent"]["supplierOrder"] = {"documents": [document]}
    return body  # type: ignore[no-any-return]


def test_destination_gets_path_hash_size_and_type_of_a_file_that_is_there(house: Build, fetches: Fetching) -> None:
    found: list[bytes] = []

    def reads(event: ErpEvent) -> Outcome:
        (document,) = event.documents
        found.append(Path(document.path or "").read_bytes())
        return Accepted()

    erp = Erp(reads)
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.DONE, event_id)
    assert found == [b"%PDF-1.7 content"]
    (document,) = erp.calls[0].event.documents
    assert (document.state, document.place, document.line) == (DocumentState.STORED, "supplierOrder", None)
    assert (document.code, document.name, document.size) == ("1", "Manual", 16)
    assert document.media_type == "application/pdf"
    assert document.sha256 is not None
    assert len(document.sha256) == 64
    assert at.outcomes(event_id, "documents") == ["accepted"]


def test_destination_waits_for_the_documents_of_its_event_and_later_events_of_the_order_behind_it(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (first,) = at.accept(with_document("PO1", 1))
    at.wait_for_state(State.WAITING, first)
    (second,) = at.accept(order("PO1", 2))
    others = at.accept(*(order(f"OTHER{n}") for n in range(5)), without_subject())
    at.wait_for_state(State.DONE, *others)
    assert not {first, second} & set(erp.ids())
    assert at.handover(first, "documents")["state"] in ("waiting", "processing")  # it is tried again and again
    portal.replies[METADATA] = there
    at.wait_for_state(State.DONE, first, second)
    assert erp.ids("company-PO1") == [first, second]


def test_event_without_subject_waits_for_its_documents_too(house: Build, fetches: Fetching, portal: Portal) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
    body: Any = {"eventName": "OrderIssuedByBuyer", "orderEvent": {"documents": [{"objectId": "o-1"}]}}
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(body)
    at.wait_for_state(State.WAITING, event_id)
    assert erp.ids() == []
    portal.replies[METADATA] = there
    at.wait_for_state(State.DONE, event_id)
    assert erp.ids() == [event_id]


def test_without_waiting_the_destination_has_the_event_before_its_documents_but_it_is_not_done(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ALONE, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    eventually(lambda: erp.ids() == [event_id])
    assert erp.calls[0].event.documents[0].state is DocumentState.WAITING
    assert at.state(event_id) is not State.DONE
    portal.replies[METADATA] = there
    at.wait_for_state(State.DONE, event_id)


def test_event_that_no_destination_wants_is_done_when_its_documents_are_stored(
    house: Build, fetches: Fetching, tmp_path: Path
) -> None:
    at = house(destinations={}, takers=[], documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.DONE, event_id)
    assert len(list((tmp_path / "documents").rglob("manual.pdf"))) == 1


def test_document_that_comes_again_is_fetched_once(house: Build, fetches: Fetching, portal: Portal) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    ids = []
    for tick in (1, 2, 3):
        ids += at.accept(with_document("PO1", tick))
        at.wait_for_state(State.DONE, *ids)
    assert portal.paths().count("/files/o-1") == 1
    assert len({call.event.documents[0].path for call in erp.calls}) == 1
    # Somebody removes the file: the next event that names it gets a new one.
    path = Path(erp.calls[0].event.documents[0].path or "")
    path.unlink()
    ids += at.accept(with_document("PO1", 4))
    at.wait_for_state(State.DONE, *ids)
    assert path.read_bytes() == b"%PDF-1.7 content"


def test_documents_given_up_let_the_order_go_on_and_leave_the_event_dead(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
    erp = Erp()
    at = house(
        destinations={"erp": erp}, documents=ON, fetching=fetches, terms={"documents": SOON_DEAD, "erp": QUICK}
    )
    at.start()
    first, second = at.accept(with_document("PO1", 1), order("PO1", 2))
    at.wait_for_state(State.DEAD, first)
    at.wait_for_state(State.DONE, second)
    assert erp.ids() == [first, second]
    (document,) = erp.calls[0].event.documents
    assert (document.state, document.path) == (DocumentState.MISSING, None)
    assert document.reason is not None
    assert "404" in document.reason
    # When it is there after all, a replay fetches it; the ERP has the event already.
    portal.replies[METADATA] = there
    at.treat(Action.REPLAY, first)
    at.wait_for_state(State.DONE, first)
    assert erp.ids() == [first, second]
    assert at.rows("SELECT state FROM document") == [{"state": "stored"}]


def test_cancelled_documents_let_the_order_go_on(house: Build, fetches: Fetching, portal: Portal) -> None:
    portal.replies[METADATA] = [Reply(404)]
    erp = Erp()
    at = house(
        destinations={"erp": erp},
        documents=ON,
        fetching=fetches,
        terms={"documents": QUICK.__class__(False, False, 30.0, 30.0, 3600.0), "erp": QUICK},
    )
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.WAITING, event_id)
    at.treat(Action.CANCEL, event_id, destination="documents")
    at.wait_for_state(State.DONE, event_id)
    assert [document.state for document in erp.calls[0].event.documents] == [DocumentState.MISSING]


def test_what_the_settings_forbid_holds_up_nothing(house: Build, fetches: Fetching) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document(object_id=None, url="https://x.example/virus.exe"))
    at.wait_for_state(State.DONE, event_id)
    (document,) = erp.calls[0].event.documents
    assert document.state is DocumentState.REFUSED
    assert "blocked_extensions" in (document.reason or "")


def test_platform_that_is_down_stops_at_nothing_but_documents(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(503)]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    ids = at.accept(*(with_document(f"PO{n}") for n in range(4)))
    eventually(lambda: bool(at.rows("SELECT 1 FROM destination WHERE unavailable_since IS NOT NULL")))
    free = at.accept(*(order(f"FREE{n}") for n in range(4)))
    at.wait_for_state(State.DONE, *free)
    portal.replies[METADATA] = there
    at.wait_for_state(State.DONE, *ids)
    assert sorted(erp.ids()) == sorted(ids + free)


def test_documents_off_are_recorded_as_data_and_nothing_waits(house: Build) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.DONE, event_id)
    (document,) = erp.calls[0].event.documents
    assert (document.state, document.path) == (DocumentState.DATA, None)
    assert erp.calls[0].event.flags == ()
    assert at.rows("SELECT 1 FROM handover WHERE destination = 'documents'") == []


def test_objects_without_credentials_for_the_platform_are_recorded_and_flagged(
    house: Build, tmp_path: Path
) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=Documents(enabled=True), fetching=fetching(tmp_path / "d"))
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.DONE, event_id)
    (flag,) = erp.calls[0].event.flags
    assert flag.startswith("Documents that were not fetched: 1")


def test_documents_turned_off_later_let_go_what_waited_for_them(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    portal.replies[METADATA] = [Reply(404)]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.WAITING, event_id)
    at.stop()
    at.documents, at.fetching = Documents(), None
    at.start()
    at.wait_for_state(State.DONE, event_id)
    assert [document.state for document in erp.calls[0].event.documents] == [DocumentState.DATA]


def _hangs(_: socket.socket, stopped: threading.Event) -> None:
    stopped.wait(1.0)


def test_worker_that_ends_while_it_fetches_begins_again(house: Build, fetches: Fetching, portal: Portal) -> None:
    whole = portal.replies["/files/o-1"]
    portal.replies["/files/o-1"] = [Reply(act=_hangs), *whole]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    eventually(lambda: "/files/o-1" in portal.paths())
    at.stop()
    assert erp.ids() == []
    at.start()
    at.wait_for_state(State.DONE, event_id)
    assert at.outcomes(event_id, "documents") == ["interrupted", "accepted"]
    assert erp.ids() == [event_id]


def test_whole_replay_uses_the_files_that_are_there(house: Build, fetches: Fetching, portal: Portal) -> None:
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.DONE, event_id)
    at.treat(Action.REPLAY, event_id)
    eventually(lambda: len(erp.calls) == 2)
    at.wait_for_state(State.DONE, event_id)
    assert portal.paths().count("/files/o-1") == 1
    assert erp.calls[1].event.documents == erp.calls[0].event.documents


def test_refusing_destination_is_not_asked_again_by_the_documents(house: Build, fetches: Fetching) -> None:
    erp = Erp(lambda _: Refused("no"))
    at = house(destinations={"erp": erp, "other": Erp(down)}, documents=ON, fetching=fetches)
    at.start()
    (event_id,) = at.accept(with_document())
    at.wait_for_state(State.WAITING, event_id)
    eventually(lambda: len(erp.calls) >= 2)
    assert at.outcomes(event_id, "documents") == ["accepted"]


def test_inline_sender_comes_again_until_the_documents_are_there(
    house: Build, fetches: Fetching, portal: Portal
) -> None:
    there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
    erp = Erp()
    at = house(destinations={"erp": erp}, documents=ON, fetching=fetches, inline={Endpoint.ORDER: "erp"})
    at.start()
    (event_id,) = at.accept(with_document(), owned_by_sender=True)
    assert at.ask(event_id).wait()[0] is InlineAnswer.BEHIND
    assert erp.ids() == []
    portal.replies[METADATA] = there
    eventually(lambda: at.handover(event_id, "documents")["state"] == "done")
    assert at.ask(event_id).wait()[0] is InlineAnswer.DONE
    assert erp.ids() == [event_id]


def test_500_documents_in_one_event_are_recorded_in_order(house: Build) -> None:
    body: Any = order("PO1")
    body["orderEvent"]["documents"] = [{"code": str(n)} for n in range(500)]
    erp = Erp()
    at = house(destinations={"erp": erp})
    at.start()
    (event_id,) = at.accept(json.loads(json.dumps(body)))
    at.wait_for_state(State.DONE, event_id)
    assert [document.code for document in erp.calls[0].event.documents] == [str(n) for n in range(500)]
