"""Downloads from the sandbox that come too late, too slowly, not whole, or not at all, and then well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.platform.faults import Faults
from sandbox.platform.platform import Platform
from service.inbox.reader import Row
from tests.acceptance.naming_documents import (
    CONTENT,
    Document,
    by_object,
    by_url,
    half_written,
    kept,
    outcomes,
    send,
    send_shipment,
    settings,
    wait_for_reason,
    when_done,
)
from tests.acceptance.running import RunningService

#: Seconds for one document; less than CONTENT takes at SLOW, more than at SLOW_BUT_IN_TIME.
TIMEOUT = 3.0
SLOW, SLOW_BUT_IN_TIME = len(CONTENT) // 30, len(CONTENT)
FOR_EVER = 100_000


@pytest.fixture(scope="module")
def running_platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0) as running:
        yield running


@pytest.fixture(scope="module")
def service(running_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    extra = settings(running_platform, timeout=str(TIMEOUT))
    running = RunningService(tmp_path_factory.mktemp("service"), extra=extra).start()
    yield running
    running.kill()


@pytest.fixture
def platform(running_platform: Platform) -> Iterator[Platform]:
    """Well again afterwards, whatever was done to it."""
    yield running_platform
    running_platform.faults.clear()
    running_platform.set_link_seconds(60.0)


def content_of(document: Row) -> bytes:
    assert document["state"] == "stored", document
    return Path(document["path"]).read_bytes()


def counted(platform: Platform, what: str) -> int:
    count: int = platform.state()["counted"].get(what, 0)
    return count


def test_link_that_is_over_before_it_is_used_waits_as_refused_until_links_live_again(
    service: RunningService, platform: Platform
) -> None:
    platform.set_link_seconds(0.0)
    event_id = send(service, by_object(platform))
    document = wait_for_reason(service, event_id, "download link: 127.0.0.1")
    assert "it answers 403" in document["reason"]
    assert counted(platform, "expired_links") >= 2  # the first and its renewal, in one attempt
    platform.set_link_seconds(60.0)
    (document,) = when_done(service, event_id)
    assert content_of(document) == CONTENT


def test_download_that_is_held_until_its_link_is_over_is_followed_by_a_new_link_in_the_same_attempt(
    service: RunningService, platform: Platform
) -> None:
    named = by_object(platform)
    asked, expired = counted(platform, "metadata"), counted(platform, "expired_links")
    platform.set_link_seconds(2.0)  # enough for the second one, also on a busy machine
    platform.faults.late_downloads(2.0)
    event_id = send(service, named)
    (document,) = when_done(service, event_id)
    assert content_of(document) == CONTENT
    assert counted(platform, "expired_links") == expired + 1
    assert counted(platform, "metadata") == asked + 2
    assert outcomes(service, event_id) == ["accepted"]


@pytest.mark.parametrize(
    ("named_by", "reason"),
    [
        (by_object, "it does not send the whole content in time"),
        # A sender's server is left alone for a while.
        (by_url, "it was too slow a moment ago"),
    ],
)
def test_download_slower_than_the_time_is_tried_again_and_arrives_when_it_is_quick(
    service: RunningService, platform: Platform, named_by: Callable[[Platform], Document], reason: str
) -> None:
    before = kept(service)
    platform.faults.slow_downloads(SLOW, FOR_EVER)
    event_id = send(service, named_by(platform))
    wait_for_reason(service, event_id, reason)
    assert kept(service) == before
    platform.faults.clear()
    (document,) = when_done(service, event_id)
    assert content_of(document) == CONTENT


def test_download_that_is_slow_but_in_time_arrives_at_once(service: RunningService, platform: Platform) -> None:
    platform.faults.slow_downloads(SLOW_BUT_IN_TIME)
    began = time.monotonic()
    event_id = send(service, by_object(platform))
    (document,) = when_done(service, event_id)
    assert content_of(document) == CONTENT
    assert time.monotonic() - began > 0.9  # it was slow indeed
    assert outcomes(service, event_id) == ["accepted"]


def _cut(faults: Faults) -> None:
    faults.cut(len(CONTENT) // 2, FOR_EVER)


def _cut_at_once(faults: Faults) -> None:
    faults.cut(0, FOR_EVER)


def _wrong_length(faults: Faults) -> None:
    faults.wrong_length(5, FOR_EVER)


def _loop(faults: Faults) -> None:
    faults.loop(FOR_EVER)


@pytest.mark.parametrize("named_by", [by_object, by_url])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (_cut, "the content breaks off"),
        (_cut_at_once, "the content breaks off"),
        (_wrong_length, "the content breaks off"),
        (_loop, "it redirects more than 5 times"),
    ],
)
def test_download_that_never_comes_whole_waits_with_its_reason_and_arrives_when_it_is_well_again(
    service: RunningService,
    platform: Platform,
    named_by: Callable[[Platform], Document],
    fault: Callable[[Faults], None],
    reason: str,
) -> None:
    before = kept(service)
    fault(platform.faults)
    event_id = send(service, named_by(platform))
    wait_for_reason(service, event_id, reason)
    assert service.event(event_id)["state"] in ("waiting", "processing")
    assert kept(service) == before
    platform.faults.clear()
    (document,) = when_done(service, event_id)
    assert content_of(document) == CONTENT
    assert len(kept(service)) == len(before) + 1
    assert half_written(service) == []


def test_documents_of_a_shipment_arrive_through_cut_slow_and_late_downloads(
    service: RunningService, platform: Platform
) -> None:
    platform.set_link_seconds(0.5)
    platform.faults.late_downloads(0.5)
    platform.faults.cut(1)
    platform.faults.slow_downloads(SLOW)
    platform.faults.refuse_downloads(503)
    event_id = send_shipment(service, [by_object(platform)], [by_object(platform), by_url(platform)])
    assert [content_of(document) for document in when_done(service, event_id)] == [CONTENT] * 3
    assert platform.state()["to_come"] == {"calls": 0, "downloads": 0}
