"""The service fetches documents from the sandbox's platform, wherever an event names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.platform.platform import Platform
from tests.acceptance.naming_documents import (
    CONTENT,
    ORDER_PLACES,
    accepted,
    by_object,
    by_url,
    kept,
    order_event,
    send,
    send_shipment,
    settings,
    when_done,
)
from tests.acceptance.running import ORDER, RunningService


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def service(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    running = RunningService(tmp_path_factory.mktemp("service"), extra=settings(platform)).start()
    yield running
    running.kill()


def test_documents_arrive_whole_through_faults_of_calls_links_and_downloads(
    service: RunningService, platform: Platform
) -> None:
    platform.faults.refuse(429, retry_after=0)
    platform.faults.refuse(503)
    platform.faults.refuse_downloads(403)
    platform.faults.cut(1000)
    platform.faults.wrong_length(5)
    platform.faults.loop()
    documents = when_done(service, send(service, by_object(platform), by_object(platform)))
    assert [Path(each["path"]).read_bytes() for each in documents] == [CONTENT, CONTENT]
    assert platform.state()["to_come"] == {"calls": 0, "downloads": 0}
    assert "credentials_on_links" not in platform.state()["counted"]


def test_dead_tokens_are_followed_by_a_new_login(service: RunningService, platform: Platform) -> None:
    when_done(service, send(service, by_object(platform)))
    before = platform.state()["counted"]["logins"]
    platform.logins.end_all()
    when_done(service, send(service, by_object(platform)))
    assert platform.state()["counted"]["logins"] == before + 1


def test_documents_of_all_six_places_of_an_order_arrive_by_object_id_and_by_url(
    service: RunningService, platform: Platform
) -> None:
    contents = {(place, way): f"{place} {way}".encode() for place in ORDER_PLACES for way in ("objectId", "url")}
    named = {
        place: [by_object(platform, contents[place, "objectId"]), by_url(platform, contents[place, "url"])]
        for place in ORDER_PLACES
    }
    documents = when_done(service, accepted(service, ORDER, order_event(named)))
    found = {
        (each["place"], each["line"] is not None, "url" if each["url"] else "objectId"): Path(
            each["path"]
        ).read_bytes()
        for each in documents
    }
    assert found == {
        (f"{half}{at.title()}" if half else "", at == "line", way): content
        for ((at, half), way), content in contents.items()
    }
    assert not {"credentials_on_links", "credentials_on_content"} & set(platform.state()["counted"])


def test_documents_of_both_halves_of_a_shipment_arrive_by_object_id_and_by_url(
    service: RunningService, platform: Platform
) -> None:
    buyer = [by_object(platform, b"buyer's object"), by_url(platform, b"buyer's url")]
    supplier = [by_object(platform, b"supplier's object"), by_url(platform, b"supplier's url")]
    documents = when_done(service, send_shipment(service, buyer, supplier))
    found = sorted((each["place"], Path(each["path"]).read_bytes()) for each in documents)
    assert found == [
        ("buyerShipment", b"buyer's object"),
        ("buyerShipment", b"buyer's url"),
        ("supplierShipment", b"supplier's object"),
        ("supplierShipment", b"supplier's url"),
    ]


def test_document_without_objectid_and_url_is_data_and_holds_nothing_up(
    service: RunningService, platform: Platform
) -> None:
    before = kept(service)
    (document,) = when_done(service, send(service, {"code": "MUSTER-3", "name": "Sample card, sent by post"}))
    assert (document["state"], document["path"]) == ("data", None)
    assert kept(service) == before
