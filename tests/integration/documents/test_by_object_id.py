"""Documents in the platform's object storage: login, refresh, links, pace, and who gets to see the credentials."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
import trustme

from handlers.documents.fetching import FetchRules, NotTaken, OnlyData, StoredFile
from handlers.interface import Refused, TimedOut, Unavailable
from tests.integration.documents.standing_in import (
    LOCAL,
    LOGIN,
    METADATA,
    REFRESH,
    Portal,
    by_object,
    fetching,
    files_in,
    logged_in,
    metadata,
    sends,
)
from tests.integration.erp.recipient import Recipient, Reply


def test_document_is_stored_with_name_hash_size_and_type(tmp_path: Path) -> None:
    with Portal(content=b"%PDF-1.7 abc") as portal:
        stored = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(stored, StoredFile)
    assert Path(stored.path).read_bytes() == b"%PDF-1.7 abc"
    assert Path(stored.path).name == "manual.pdf"
    assert Path(stored.path).is_relative_to(tmp_path)
    assert stored.sha256 == hashlib.sha256(b"%PDF-1.7 abc").hexdigest()
    assert (stored.size, stored.media_type) == (12, "application/pdf")
    assert files_in(tmp_path) == ["manual.pdf"]
    assert portal.paths() == [LOGIN, METADATA, "/files/o-1"]


def test_credentials_and_token_go_to_the_platform_and_never_to_the_link(tmp_path: Path) -> None:
    with Recipient() as elsewhere, Portal() as portal:
        elsewhere.replies["/o"] = [Reply(200, b"x")]
        portal.replies[METADATA] = [metadata(f"{elsewhere.url}/o")]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), StoredFile)
    login, asked = portal.requests
    assert login.headers["authorization"].startswith("Basic ")
    assert asked.headers["authorization"].startswith("Bearer ")
    (download,) = elsewhere.requests
    assert not {"authorization", "cookie", "refresh-token"} & set(download.headers)


def test_redirect_of_the_platform_is_not_followed(tmp_path: Path) -> None:
    with Recipient() as elsewhere, Portal() as portal:
        portal.replies[LOGIN] = [Reply(302, b"", {"Location": f"{elsewhere.url}/login"})]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, Unavailable)
    assert elsewhere.requests == []


def test_object_id_is_encoded_in_the_path(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies["/v2/object-storage/document/a%2F..%2Fb%3Fc/metadata"] = portal.replies.pop(METADATA)
        assert isinstance(fetching(tmp_path, portal).fetch(by_object("a/../b?c")), StoredFile)
        assert isinstance(fetching(tmp_path, portal).fetch(by_object("..")), Refused)


def test_one_login_serves_many_documents(tmp_path: Path) -> None:
    with Portal() as portal:
        documents = fetching(tmp_path, portal)
        for revision in "ABC":
            assert isinstance(documents.fetch(by_object(revision=revision)), StoredFile)
    assert portal.paths().count(LOGIN) == 1
    assert len(list(tmp_path.rglob("manual.pdf"))) == 3


def test_token_that_ends_soon_is_refreshed_with_the_refresh_token_alone(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[LOGIN] = [logged_in(30.0, "short")]
        documents = fetching(tmp_path, portal)
        documents.fetch(by_object(revision="A"))
        assert isinstance(documents.fetch(by_object(revision="B")), StoredFile)
    assert portal.paths().count(REFRESH) == 1
    refresh = next(request for request in portal.requests if request.path == REFRESH)
    assert refresh.headers["refresh-token"] == "refresh-short"
    assert "authorization" not in refresh.headers


def test_token_that_is_refused_is_renewed_and_the_call_repeated(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(401), *portal.replies[METADATA]]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), StoredFile)
    assert portal.paths() == [LOGIN, METADATA, REFRESH, METADATA, "/files/o-1"]


def test_dead_refresh_token_leads_to_a_new_login(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(401), *portal.replies[METADATA]]
        portal.replies[REFRESH] = [Reply(401)]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), StoredFile)
    assert portal.paths() == [LOGIN, METADATA, REFRESH, LOGIN, METADATA, "/files/o-1"]


def test_wrong_password_is_the_platforms_trouble_and_no_documents(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[LOGIN] = [Reply(401)]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, Unavailable)
    assert "documents.username" in outcome.reason
    assert "pass" not in outcome.reason.replace("password", "")


def test_429_and_5xx_are_unavailable_with_the_time_that_was_asked_for(tmp_path: Path) -> None:
    with Portal() as portal:
        documents = fetching(tmp_path, portal)
        portal.replies[METADATA] = [Reply(429, b"", {"Retry-After": "7"})]
        assert documents.fetch(by_object()) == Unavailable("the platform answers 429", 7.0)
        portal.replies[METADATA] = [Reply(503)]
        assert documents.fetch(by_object()) == Unavailable("the platform answers 503", None)


@pytest.mark.parametrize("status", [403, 404])
def test_object_that_is_not_given_out_is_refused(tmp_path: Path, status: int) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [Reply(status)]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), Refused)
    assert files_in(tmp_path) == []


def test_expired_link_is_fetched_anew_once(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies["/files/late"] = [Reply(403, b"<Error><Code>AccessDenied</Code></Error>")]
        portal.replies[METADATA] = [metadata(f"{portal.url}/files/late"), *portal.replies[METADATA]]
        assert isinstance(fetching(tmp_path, portal).fetch(by_object()), StoredFile)
    assert portal.paths() == [LOGIN, METADATA, "/files/late", METADATA, "/files/o-1"]


def test_link_that_is_always_late_is_refused_after_one_renewal(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies["/files/o-1"] = [Reply(403)]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, Refused)
    assert "s3cret" not in outcome.reason
    assert portal.paths().count(METADATA) == 2


def test_cut_download_is_no_file_and_the_next_attempt_gets_all_of_it(tmp_path: Path) -> None:
    with Portal(content=b"whole") as portal:
        cut = Reply(act=sends(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwho"))
        portal.replies["/files/o-1"] = [cut, *portal.replies["/files/o-1"]]
        documents = fetching(tmp_path, portal)
        outcome = documents.fetch(by_object())
        assert isinstance(outcome, Unavailable)
        assert "breaks off" in outcome.reason
        assert files_in(tmp_path) == []
        stored = documents.fetch(by_object())
    assert isinstance(stored, StoredFile)
    assert Path(stored.path).read_bytes() == b"whole"


@pytest.mark.parametrize("head", [b"Content-Length: 1000\r\n", b""])
def test_drip_is_left_when_the_time_is_over(tmp_path: Path, head: bytes) -> None:
    with Portal() as portal:
        portal.replies["/files/o-1"] = [
            Reply(act=sends(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", then="drip", pause=0.05))
        ]
        rules = FetchRules(timeout=0.6, addresses=LOCAL)
        outcome = fetching(tmp_path, portal, rules=rules).fetch(by_object())
    assert isinstance(outcome, TimedOut)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("declared", [True, False])
def test_content_beyond_the_limit_is_not_taken(tmp_path: Path, declared: bool) -> None:
    head = b"Content-Length: 101\r\n" if declared else b""
    with Portal() as portal:
        portal.replies["/files/o-1"] = [Reply(act=sends(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 101))]
        rules = FetchRules(timeout=10.0, max_bytes=100, addresses=LOCAL)
        outcome = fetching(tmp_path, portal, rules=rules).fetch(by_object())
    assert isinstance(outcome, NotTaken)
    assert "documents.max_bytes" in outcome.reason
    assert files_in(tmp_path) == []


def test_blocked_extension_is_not_taken_and_its_content_not_asked_for(tmp_path: Path) -> None:
    with Portal() as portal:
        portal.replies[METADATA] = [metadata(f"{portal.url}/files/o-1", "invoice.pdf.EXE . ")]
        outcome = fetching(tmp_path, portal).fetch(by_object())
    assert isinstance(outcome, NotTaken)
    assert ".exe" in outcome.reason
    assert "/files/o-1" not in portal.paths()


def test_calls_to_the_platform_keep_to_the_pace_that_was_set(tmp_path: Path) -> None:
    with Portal() as portal:
        documents = fetching(tmp_path, portal, calls_per_second=20.0)
        began = time.monotonic()
        for revision in "ABC":
            documents.fetch(by_object(revision=revision))
    # Login and three links, with a pause after each but the last: never less, however quick the machine is.
    assert time.monotonic() - began >= 3 * 0.05


def test_without_platform_an_object_is_recorded_as_data(tmp_path: Path) -> None:
    assert isinstance(fetching(tmp_path).fetch(by_object()), OnlyData)


def test_platform_over_https_with_an_authority_of_its_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    with Portal(authority) as portal:
        rules = FetchRules(timeout=10.0)
        known = fetching(tmp_path / "documents", portal, authority=pem, rules=rules).fetch(by_object())
        unknown = fetching(tmp_path / "documents", portal, rules=rules).fetch(by_object())
    assert isinstance(known, StoredFile)
    assert isinstance(unknown, Unavailable)
    assert "certificate" in unknown.reason


def test_link_of_another_host_must_be_public(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    with Portal(authority) as portal:
        portal.replies[METADATA] = [metadata("https://127.0.0.1:1/latest/meta-data")]
        outcome = fetching(tmp_path, portal, authority=pem, rules=FetchRules(timeout=5.0)).fetch(by_object())
    assert isinstance(outcome, NotTaken)
    assert "allow_private" in outcome.reason


def test_location_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Portal() as portal:
        outcome = fetching(tmp_path / "file", portal).fetch(by_object())
    assert isinstance(outcome, Unavailable)
    assert "Not a directory" in outcome.reason or "File exists" in outcome.reason
