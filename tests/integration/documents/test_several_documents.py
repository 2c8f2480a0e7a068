"""Several documents in one event: none is fetched twice, and none that fails keeps the others back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handlers.documents.fetching import FetchRules
from handlers.interface import JsonObject
from service.inbox.interface import State
from service.inbox.repair_rules import Action
from service.settings_documents import Documents
from tests.integration.documents.standing_in import LOCAL, METADATA, Portal, fetching, metadata, sends
from tests.integration.erp.recipient import Recipient, Reply
from tests.integration.taking import Erp, order
from tests.integration.working import SOON_DEAD, Build, eventually

ON = Documents(enabled=True, url="https://platform.example/v2", username="u", password="p")
CUT = Reply(act=sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))


def event(*documents: JsonObject, number: str = "PO1") -> JsonObject:
    """An order event with these at its line, the first one at its header, too."""
    body: Any = order(number, 1)
    body["orderEvent"]["supplierOrder"] = {"documents": list(documents[:1])}
    body["orderEvent"]["lines"] = [
        {"buyerLine": {"position": "10"}, "supplierLine": {"documents": list(documents)}}
    ]
    return body  # type: ignore[no-any-return]


def add(portal: Portal, object_id: str, *replies: Reply) -> JsonObject:
    """One more object of the platform, whose download gets these replies."""
    path = METADATA.replace("o-1", object_id)
    portal.replies[path] = [metadata(f"{portal.url}/files/{object_id}", f"{object_id}.pdf")]
    portal.replies[f"/files/{object_id}"] = list(replies or [Reply(200, object_id.encode())])
    return {"code": object_id, "objectId": object_id}


def test_document_that_an_event_names_twice_is_fetched_once(house: Build, tmp_path: Path) -> None:
    with Portal() as portal, Recipient() as sender:
        by_object = add(portal, "o-2")
        by_url: list[JsonObject] = [
            {"code": "u", "name": name, "url": f"{sender.url}/u.pdf"} for name in ("first.pdf", "second.pdf")
        ]
        erp = Erp()
        at = house(destinations={"erp": erp}, documents=ON, fetching=fetching(tmp_path / "d", portal))
        at.start()
        (event_id,) = at.accept(event(by_object, *by_url))
        at.wait_for_state(State.DONE, event_id)
        assert portal.paths().count("/files/o-2") == 1
        assert len(sender.requests) == 1
        paths = [document.path for document in erp.calls[0].event.documents]
        assert len(paths) == 4
        assert len(set(paths)) == 2


@pytest.mark.parametrize("number_that_fails", [0, 1, 2])
def test_download_that_always_breaks_off_does_not_keep_the_other_documents_of_the_event_from_being_fetched(
    house: Build, tmp_path: Path, number_that_fails: int
) -> None:
    with Portal() as portal:
        named = [add(portal, f"o-{n}", *([CUT] if n == number_that_fails else [])) for n in range(3)]
        at = house(destinations={"erp": Erp()}, documents=ON, fetching=fetching(tmp_path / "d", portal))
        at.start()
        (event_id,) = at.accept(event(*named))
        eventually(lambda: len({path.name for path in (tmp_path / "d").glob("[!.]*/*/*")}) == 2)
        eventually(lambda: len(at.rows("SELECT 1 FROM document WHERE state = 'stored'")) >= 2)
        assert at.state(event_id) is not State.DONE
        portal.replies[f"/files/o-{number_that_fails}"] = [Reply(200, b"well again")]
        at.wait_for_state(State.DONE, event_id)


def test_fault_of_ours_with_one_document_loses_none_of_the_others(house: Build, tmp_path: Path) -> None:
    def fails(host: str, port: int) -> Sequence[Any]:
        raise RuntimeError("not foreseen")

    rules = FetchRules(timeout=5.0, addresses=replace(LOCAL, resolve=fails))
    with Portal() as portal:
        portal.replies[METADATA] = [metadata(f"{portal.url}/files/o-1")]
        documents = fetching(tmp_path / "d", portal, rules=rules)
        at = house(destinations={"erp": Erp()}, documents=ON, fetching=documents)
        at.start()
        (event_id,) = at.accept(event({"code": "1", "objectId": "o-1"}, {"code": "2", "url": "https://x/a.exe"}))
        eventually(lambda: at.rows("SELECT 1 FROM document WHERE state = 'refused'") != [])
        reasons = [row["reason"] for row in at.rows("SELECT reason FROM document ORDER BY number")]
        assert "RuntimeError" in reasons[0]
        assert "blocked_extensions" in reasons[2]
        assert at.state(event_id) is State.WAITING or at.state(event_id) is State.PROCESSING


def test_document_that_is_not_taken_is_not_downloaded_again_while_another_one_is_waited_for(
    house: Build, tmp_path: Path
) -> None:
    rules = FetchRules(timeout=5.0, addresses=LOCAL, max_bytes=10)
    too_large = Reply(200, b"x" * 11, {"Content-Type": "application/pdf"})
    with Portal() as portal, Recipient() as sender:
        sender.replies["/large.pdf"] = [too_large]
        infected = add(portal, "o-1")
        there, portal.replies[METADATA] = portal.replies[METADATA], [Reply(404)]
        terms = {"documents": SOON_DEAD}
        documents = fetching(tmp_path / "d", portal, rules=rules)
        at = house(documents=ON, fetching=documents, destinations={}, takers=[], terms=terms)
        at.start()
        (event_id,) = at.accept(event(infected, {"code": "2", "url": f"{sender.url}/large.pdf"}))
        at.wait_for_state(State.DEAD, event_id)
        assert portal.paths().count(METADATA) > 2
        assert len(sender.requests) == 1
        # Who tries again by hand may have changed the settings, or knows that it is smaller now.
        portal.replies[METADATA], sender.replies["/large.pdf"] = there, [Reply(200, b"smaller")]
        at.treat(Action.REPLAY, event_id)
        at.wait_for_state(State.DONE, event_id)
        assert at.rows("SELECT DISTINCT state FROM document") == [{"state": "stored"}]


def test_many_threads_that_fetch_the_same_document_at_once_leave_one_whole_file(
    house: Build, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 2000
    with Portal() as portal, Recipient() as sender:
        by_object = add(portal, "o-2", Reply(200, content))
        sender.replies["/u.pdf"] = [Reply(200, content)]
        by_url: JsonObject = {"code": "u", "name": "u.pdf", "url": f"{sender.url}/u.pdf"}
        erp = Erp()
        at = house(destinations={"erp": erp}, documents=ON, fetching=fetching(tmp_path / "d", portal))
        at.start()
        ids = at.accept(*(event(by_object, by_url, number=f"PO{n}") for n in range(12)))
        at.wait_for_state(State.DONE, *ids)
        files = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
        assert sorted(path.name for path in files) == ["o-2.pdf", "u.pdf"]
        assert all(path.read_bytes() == content for path in files)
        assert {document.path for call in erp.calls for document in call.event.documents} == set(map(str, files))
