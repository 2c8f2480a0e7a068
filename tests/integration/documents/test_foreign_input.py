"""What servers and platforms say that does not fit together: never more than one document is lost to it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

import pytest

from handlers.documents.addresses import AddressRules
from handlers.documents.fetching import FetchRules, NotTaken, StoredFile
from handlers.interface import Refused, Unavailable
from tests.integration.documents.standing_in import (
    METADATA,
    Portal,
    by_object,
    by_url,
    fetching,
    files_in,
    metadata,
    sends,
)
from tests.integration.erp.recipient import Recipient, Reply

NO_ADDRESSES = [
    "https://[oops",
    "http://[::1",
    "https://host:port/x",
    "https://host:99999/x",
    "https:///x",
    "x",
    "//",
]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_url_that_is_no_address_is_not_taken(tmp_path: Path, url: str) -> None:
    outcome = fetching(tmp_path).fetch(by_url(url))
    assert isinstance(outcome, NotTaken)
    assert "no address" in outcome.reason


@pytest.mark.parametrize("url", NO_ADDRESSES[:5])
def test_redirect_to_no_address_is_not_followed(tmp_path: Path, url: str) -> None:
    with Recipient() as sender:
        sender.replies["/a.pdf"] = [Reply(302, b"", {"Location": url})]
        outcome = fetching(tmp_path).fetch(by_url(f"{sender.url}/a.pdf"))
    assert isinstance(outcome, NotTaken)
    assert "no address" in outcome.reason


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_link_of_the_platform_that_is_no_address_is_not_followed(tmp_path: Path, url: str) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [metadata(url)]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, NotTaken)
    assert "no address" in outcome.reason


def test_body_of_a_redirect_is_not_read(tmp_path: Path) -> None:
    """It may have no end, and it would be kept in memory."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /b.pdf\r\nContent-Length: 1000000000\r\n\r\n"
    with Recipient() as sender:
        sender.replies["/a.pdf"] = [Reply(act=sends(head, then="drip", pause=0.01))]
        sender.replies["/b.pdf"] = [Reply(200, b"there")]
        stored = fetching(tmp_path).fetch(by_url(f"{sender.url}/a.pdf"))
    assert isinstance(stored, StoredFile)


def test_blanks_and_other_letters_of_an_address_are_sent_as_browsers_do(tmp_path: Path) -> None:
    with Recipient() as sender:
        sender.replies["/My%20drawing%20%C3%9C.pdf"] = [Reply(200, b"with blanks")]
        stored = fetching(tmp_path).fetch(by_url(f" {sender.url}/My drawing Ü.pdf "))
        assert isinstance(stored, StoredFile)
        location = f"Location: {sender.url}/My drawing Ü.pdf\r\nContent-Length: 0\r\n\r\n".encode()
        sender.replies["/first"] = [Reply(act=sends(b"HTTP/1.1 302 Found\r\n" + location))]
        redirected = fetching(tmp_path).fetch(by_url(f"{sender.url}/first"))
        assert isinstance(redirected, StoredFile)
    assert Path(redirected.path).read_bytes() == Path(stored.path).read_bytes() == b"with blanks"


def test_page_is_known_by_its_beginning_though_it_comes_in_small_pieces(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><script>alert(1)</script>"
    pieces = b"".join(b"1\r\n%c\r\n" % byte for byte in page)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Recipient() as sender:
        sender.replies["/a.png"] = [Reply(act=sends(head + pieces + b"0\r\n\r\n"))]
        stored = fetching(tmp_path).fetch(by_url(f"{sender.url}/a.png"))
    assert isinstance(stored, StoredFile)
    assert Path(stored.path).read_bytes() == page
    assert (Path(stored.path).name, stored.media_type) == ("a.png.txt", "text/plain")


def test_link_of_the_platforms_own_host_may_be_private_but_where_it_leads_on_to_may_not(tmp_path: Path) -> None:
    """The platform is at localhost, and nothing else that is private is allowed."""
    rules = FetchRules(timeout=5.0, addresses=AddressRules(allow_http=True))
    with Recipient() as inside, Portal() as portal:
        inside_port = inside.url.rpartition(":")[2]
        portal.replies["/files/o-1"] = [Reply(302, b"", {"Location": f"http://127.0.0.1:{inside_port}/keys"})]
        outcome = fetching(tmp_path, portal, rules=rules).fetch(by_object())
        assert isinstance(outcome, NotTaken)
        assert "127.0.0.1 is at an address that is not public" in outcome.reason
        assert inside.requests == []
        portal.replies["/files/o-1"] = [Reply(302, b"", {"Location": f"{portal.url}/elsewhere"})]
        portal.replies["/elsewhere"] = [Reply(200, b"its own")]
        stored = fetching(tmp_path, portal, rules=rules).fetch(by_object())
    assert isinstance(stored, StoredFile)


def test_metadata_that_breaks_off_says_nothing_about_the_document(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(act=sends(head + b'{"id": "o-1", "downl'))]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, Unavailable)
    assert "breaks off" in outcome.reason


@pytest.mark.parametrize("body", [b"<html>maintenance</html>", b"[" * 60_000, b"", b"\xff"])
def test_metadata_that_is_no_json_says_nothing_about_the_document(tmp_path: Path, body: bytes) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(200, body)]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, Unavailable)
    assert "no JSON" in outcome.reason


def test_metadata_without_a_link_is_a_refusal(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(200, b'{"id": "o-1"}')]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), Refused)


def test_name_with_half_a_character_can_be_stored(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [metadata(f"{portal.url}/files/o-1", "a\ud800b.pdf")]
        stored = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(stored, StoredFile)
    stored.path.encode()  # it can be written to the database


def test_folder_that_is_taken_away_during_a_download_is_a_location_that_cannot_be_written(tmp_path: Path) -> None:
    root = tmp_path / "documents"

    def takes_it_away(connection: socket.socket, _: threading.Event) -> None:
        shutil.rmtree(root)
        root.write_text("a file by now")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")

    with Recipient() as sender:
        sender.replies["/a.pdf"] = [Reply(act=takes_it_away)]
        outcome = fetching(root).fetch(by_url(f"{sender.url}/a.pdf"))
    assert isinstance(outcome, Unavailable)
    assert str(root) in outcome.reason


def test_what_a_crash_left_behind_on_its_way_to_a_location_of_fsspec_is_removed_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    names = ["webhooks-old.part", "webhooks-new.part", "webhooks-somebody's", "old.part"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
        if "new" not in name:
            os.utime(tmp_path / name, (0, 0))
    (tmp_path / "webhooks-nowhere.part").symlink_to(tmp_path / "missing")
    fetching(f"memory:///x-{tmp_path.name}")
    assert files_in(tmp_path) == sorted(names[1:])


def test_machine_without_room_for_files_on_their_way_to_a_location_of_fsspec_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with Recipient() as sender:
        outcome = fetching(f"memory:///x-{tmp_path.name}").fetch(by_url(f"{sender.url}/a.pdf"))
    assert isinstance(outcome, Unavailable)
    assert files_in(tmp_path) == []
