"""The platform by itself: login, documents, polling, and each of its faults."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import jwt
import pytest
import requests

from sandbox.certificates import Authority
from sandbox.control import Control
from sandbox.platform.faults import Pace
from sandbox.platform.logins import PASSWORD, USERNAME
from sandbox.platform.platform import Platform
from sandbox.serving import HttpServer
from sandbox.wire import json_text

ID = "7c1e4c2e-aaaa-4bbb-8ccc-0123456789ab"
CONTENT = bytes(range(256)) * 20
BASIC = (USERNAME, PASSWORD)


@pytest.fixture
def platform() -> Iterator[Platform]:
    with Platform(basic_seconds=0, calls_per_second=1000) as running:
        running.store.put_document(ID, "Prüfzeugnis №1.pdf", "application/pdf", CONTENT)
        yield running


@pytest.fixture
def control(platform: Platform) -> Iterator[str]:
    """Address of a control port."""
    functions = Control()
    platform.register(functions)
    with HttpServer(functions) as running:
        yield running.url


def do(control: str, name: str, **arguments: Any) -> dict[str, Any]:
    response = requests.post(f"{control}/platform/{name}", json=arguments, timeout=10)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def log_in(platform: Platform) -> tuple[dict[str, str], str]:
    """The header of an access token, and the refresh token."""
    response = requests.get(f"{platform.base}/authentication/login", auth=BASIC, timeout=10)
    assert response.status_code == 200
    return {"Authorization": f"Bearer {response.headers['Set-Authorization']}"}, response.headers[
        "Set-Refresh-Token"
    ]


def metadata(platform: Platform, object_id: str = ID) -> requests.Response:
    url = f"{platform.base}/object-storage/document/{object_id}/metadata"
    return requests.get(url, auth=BASIC, timeout=10)


def link(platform: Platform) -> str:
    url: str = metadata(platform).json()["downloadUrl"]
    return url


def refresh(platform: Platform, token: str, **headers: str) -> requests.Response:
    url = f"{platform.base}/authentication/refresh"
    return requests.get(url, headers={"Refresh-Token": token, **headers}, timeout=10)


class TestLogins:
    def test_login_gives_an_access_token_that_says_when_it_ends(self, platform: Platform) -> None:
        header, _ = log_in(platform)
        claims = jwt.decode(header["Authorization"].split()[1], options={"verify_signature": False})
        assert 3590 < claims["exp"] - time.time() < 3601
        url = f"{platform.base}/object-storage/document/{ID}/metadata"
        assert requests.get(url, headers=header, timeout=10).status_code == 200

    @pytest.mark.parametrize("auth", [(USERNAME, "wrong"), ("stranger", PASSWORD), None])
    def test_wrong_or_no_password_is_401(self, platform: Platform, auth: Any) -> None:
        assert requests.get(f"{platform.base}/authentication/login", auth=auth, timeout=10).status_code == 401
        url = f"{platform.base}/object-storage/document/{ID}/metadata"
        assert requests.get(url, auth=auth, timeout=10).status_code == 401

    def test_refresh_gives_a_new_pair_and_the_old_refresh_token_dies(self, platform: Platform) -> None:
        _, old = log_in(platform)
        answer = refresh(platform, old)
        assert answer.status_code == 200
        assert answer.headers["Set-Refresh-Token"] != old
        assert refresh(platform, old).status_code == 401
        assert refresh(platform, answer.headers["Set-Refresh-Token"]).status_code == 200

    def test_refresh_with_authorization_beside_it_is_400(self, platform: Platform) -> None:
        header, token = log_in(platform)
        assert refresh(platform, token, **header).status_code == 400

    def test_logout_ends_the_refresh_token(self, platform: Platform) -> None:
        _, token = log_in(platform)
        url = f"{platform.base}/authentication/logout"
        assert requests.post(url, headers={"Refresh-Token": token}, timeout=10).status_code == 200
        assert refresh(platform, token).status_code == 401

    def test_tokens_that_were_ended_are_401_and_refresh_helps_only_against_the_former(
        self, platform: Platform, control: str
    ) -> None:
        header, token = log_in(platform)
        url = f"{platform.base}/object-storage/document/{ID}/metadata"
        do(control, "end-access-tokens")
        assert requests.get(url, headers=header, timeout=10).status_code == 401
        answer = refresh(platform, token)
        assert answer.status_code == 200
        do(control, "end-all-tokens")
        assert refresh(platform, answer.headers["Set-Refresh-Token"]).status_code == 401

    def test_access_and_refresh_tokens_end_after_their_time(self) -> None:
        with Platform(basic_seconds=0, access_seconds=-1, refresh_seconds=-1) as platform:
            header, token = log_in(platform)
            url = f"{platform.base}/object-storage/document/{ID}/metadata"
            assert requests.get(url, headers=header, timeout=10).status_code == 401
            assert refresh(platform, token).status_code == 401

    def test_call_with_a_user_name_is_slow(self) -> None:
        with Platform(basic_seconds=0.3) as platform:
            url = f"{platform.base}/object-storage/document/{ID}/metadata"
            begin = time.monotonic()
            requests.get(url, auth=BASIC, timeout=10)
            assert time.monotonic() - begin >= 0.3


class TestDocuments:
    def test_metadata_leads_to_the_content_at_another_host_without_credentials(self, platform: Platform) -> None:
        facts = metadata(platform).json()
        assert (facts["id"], facts["filename"], facts["contentType"]) == (
            ID,
            "Prüfzeugnis №1.pdf",
            "application/pdf",
        )
        assert facts["downloadUrl"].startswith("http://127.0.0.1:")
        assert not facts["downloadUrl"].startswith(platform.base.removesuffix("/v2"))
        got = requests.get(facts["downloadUrl"], timeout=10)
        assert got.content == CONTENT
        assert got.headers["Content-Type"] == "application/pdf"
        assert requests.get(facts["downloadUrl"], timeout=10).status_code == 200  # again, as long as it is good

    def test_link_with_credentials_is_refused_and_counted(self, platform: Platform) -> None:
        assert requests.get(link(platform), auth=BASIC, timeout=10).status_code == 400
        assert platform.state()["counted"]["credentials_on_links"] == 1

    def test_link_expires_by_itself_and_on_demand(self, platform: Platform, control: str) -> None:
        do(control, "link-lifetime", seconds=0.2)
        short = link(platform)
        do(control, "link-lifetime", seconds=60)
        long = link(platform)
        time.sleep(0.25)
        assert requests.get(short, timeout=10).status_code == 403
        assert requests.get(long, timeout=10).status_code == 200
        do(control, "expire-links")
        assert requests.get(long, timeout=10).status_code == 403
        assert requests.get(link(platform), timeout=10).status_code == 200

    def test_forged_link_is_403(self, platform: Platform) -> None:
        assert requests.get(link(platform).replace("until=", "until=9"), timeout=10).status_code == 403

    def test_same_link_is_given_again_where_that_is_set(self) -> None:
        with Platform(basic_seconds=0, repeat_seconds=60) as platform:
            platform.store.put_document(ID, "a", "text/plain", b"a")
            first = link(platform)
            assert link(platform) == first
            platform.links.expire()
            assert link(platform) != first

    def test_content_comes_through_the_api_too(self, platform: Platform) -> None:
        url = f"{platform.base}/object-storage/document/{ID}"
        assert requests.get(url, auth=BASIC, timeout=10).content == CONTENT
        assert requests.get(url, timeout=10).status_code == 401

    def test_content_server_of_a_sender_gives_it_to_anybody_under_any_name_and_with_the_same_faults(
        self, platform: Platform, control: str
    ) -> None:
        for path in (ID, f"{ID}/drawing%20%C3%A9.svg?revision=2"):
            assert requests.get(f"{platform.content_url}/{path}", timeout=10).content == CONTENT
        assert requests.get(f"{platform.content_url}/unknown", timeout=10).status_code == 404
        assert "credentials_on_content" not in platform.state()["counted"]
        requests.get(f"{platform.content_url}/{ID}", auth=BASIC, timeout=10)
        assert platform.state()["counted"]["credentials_on_content"] == 1
        do(control, "redirect-loop")
        with pytest.raises(requests.TooManyRedirects):
            requests.get(f"{platform.content_url}/{ID}", timeout=10)

    def test_object_id_is_decoded_from_the_path(self, platform: Platform) -> None:
        platform.store.put_document("a/b ?é", "x", "text/plain", b"x")
        url = metadata(platform, "a%2Fb%20%3F%C3%A9").json()["downloadUrl"]
        assert requests.get(url, timeout=10).content == b"x"

    def test_unknown_and_infected_documents_are_404(self, platform: Platform, control: str) -> None:
        assert metadata(platform, "unknown").status_code == 404
        before = link(platform)
        do(control, "infect", object_id=ID)
        assert metadata(platform).status_code == 404
        assert requests.get(before, timeout=10).status_code == 404
        again = base64.b64encode(b"clean").decode()
        do(control, "put-document", object_id=ID, filename="x.pdf", content_base64=again)
        assert requests.get(link(platform), timeout=10).content == b"clean"

    def test_https_serves_both_ports(self, tmp_path: Any) -> None:
        authority = Authority()
        (tmp_path / "ca.pem").write_text(authority.pem)
        with Platform(authority=authority, basic_seconds=0) as platform, requests.Session() as session:
            session.trust_env, session.verify = False, str(tmp_path / "ca.pem")
            platform.store.put_document(ID, "a", "text/plain", CONTENT)
            url = f"{platform.base}/object-storage/document/{ID}/metadata"
            assert url.startswith("https://localhost:")
            found = session.get(url, auth=BASIC, timeout=10).json()["downloadUrl"]
            assert session.get(found, timeout=10).content == CONTENT


class TestFaults:
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_refused_calls_are_that_many(self, platform: Platform, control: str, status: int) -> None:
        do(control, "refuse", status=status, calls=2, retry_after=7)
        for _ in range(2):
            answer = metadata(platform)
            assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
        assert metadata(platform).status_code == 200

    def test_slow_call_is_late(self, platform: Platform, control: str) -> None:
        do(control, "slow", seconds=0.3)
        begin = time.monotonic()
        assert metadata(platform).status_code == 200
        assert time.monotonic() - begin >= 0.3

    def test_cut_download_is_incomplete_once(self, platform: Platform, control: str) -> None:
        do(control, "cut-downloads", after=100)
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="100 bytes read"):
            requests.get(link(platform), timeout=10)
        assert requests.get(link(platform), timeout=10).content == CONTENT

    def test_download_cut_at_its_beginning_has_a_head_and_nothing_more(
        self, platform: Platform, control: str
    ) -> None:
        do(control, "cut-downloads", after=0)
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="0 bytes read"):
            requests.get(link(platform), timeout=10)

    def test_wrong_length_is_more_or_less_than_what_comes(self, platform: Platform, control: str) -> None:
        do(control, "wrong-length", by=10)
        with pytest.raises(requests.exceptions.ChunkedEncodingError, match="10 more expected"):
            requests.get(link(platform), timeout=10)
        do(control, "wrong-length", by=-10)
        assert requests.get(link(platform), timeout=10).content == CONTENT[:-10]

    def test_slow_download_comes_at_its_pace(self, platform: Platform, control: str) -> None:
        do(control, "slow-downloads", bytes_per_second=len(CONTENT) * 3)
        begin = time.monotonic()
        assert requests.get(link(platform), timeout=10).content == CONTENT
        assert time.monotonic() - begin >= 0.3

    def test_redirect_loop_has_no_end(self, platform: Platform, control: str) -> None:
        do(control, "redirect-loop")
        with pytest.raises(requests.TooManyRedirects):
            requests.get(link(platform), timeout=10)

    def test_late_download_comes_later_and_a_link_that_is_over_by_then_is_refused(
        self, platform: Platform, control: str
    ) -> None:
        do(control, "late-downloads", seconds=0.3)
        begin = time.monotonic()
        assert requests.get(link(platform), timeout=10).content == CONTENT
        assert time.monotonic() - begin >= 0.3
        do(control, "late-downloads", seconds=0.3)
        do(control, "link-lifetime", seconds=0.2)
        assert requests.get(link(platform), timeout=10).status_code == 403
        assert platform.state()["counted"]["expired_links"] == 1

    def test_redirected_download_leads_where_it_was_told(self, platform: Platform, control: str) -> None:
        do(control, "redirect-downloads", location="http://192.0.2.1/x")
        answer = requests.get(link(platform), timeout=10, allow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (302, "http://192.0.2.1/x")

    def test_refused_download_is_that_status(self, platform: Platform, control: str) -> None:
        do(control, "refuse-downloads", status=503)
        assert requests.get(link(platform), timeout=10).status_code == 503
        assert requests.get(link(platform), timeout=10).status_code == 200

    def test_cleared_faults_do_not_come(self, platform: Platform, control: str) -> None:
        do(control, "refuse", calls=100)
        do(control, "cut-downloads", after=1, downloads=100)
        do(control, "clear")
        assert requests.get(link(platform), timeout=10).content == CONTENT

    def test_eleventh_call_within_a_second_is_one_too_many(self) -> None:
        now = [100.0]
        pace = Pace(clock=lambda: now[0])
        for _ in range(10):
            assert pace.allows()
            now[0] += 0.05
        assert not pace.allows()
        now[0] = 100.99
        assert not pace.allows()
        now[0] = 101.0
        assert pace.allows()  # the first one is a second ago
        assert not pace.allows()

    def test_call_that_is_one_too_many_is_429_and_counted(self) -> None:
        with Platform(basic_seconds=0, calls_per_second=0) as platform:
            assert metadata(platform).status_code == 429
            assert platform.state()["counted"] == {"calls": 1, "too_many": 1}


def poll(platform: Platform, path: str = "order-search/poll", **members: Any) -> requests.Response:
    asked = {"filters": {"lastUpdatedAfter": "2026-01-01T00:00:00Z"}} | members
    return requests.post(f"{platform.base}/{path}", json=asked, auth=BASIC, timeout=10)


def order(number: int, at: str) -> dict[str, Any]:
    return {"orderId": f"c-PO{number}", "lastUpdatedAt": at}


class TestPolling:
    def test_finds_what_was_changed_after_that_instant_the_oldest_first(self, platform: Platform) -> None:
        platform.store.put_order(order(1, "2026-01-03T10:00:00.5Z"))
        platform.store.put_order(order(2, "2026-01-02T10:00:00+02:00"))
        platform.store.put_order(order(3, "2025-12-31T10:00:00Z"))
        answer = poll(platform).json()
        assert [each["id"] for each in answer["data"]] == ["c-PO2", "c-PO1"]
        assert (answer["total"], answer["lastUpdatedAt"]) == (2, "2026-01-03T10:00:00.5Z")
        again = poll(platform, filters={"lastUpdatedAfter": answer["lastUpdatedAt"]}).json()
        assert again == {"data": [], "total": 0, "lastUpdatedAt": answer["lastUpdatedAt"]}

    def test_order_that_changes_is_found_in_its_newest_state_only(self, platform: Platform) -> None:
        platform.store.put_order(order(1, "2026-01-02T10:00:00Z"))
        platform.store.put_order(order(1, "2026-01-03T10:00:00Z"))
        answer = poll(platform).json()
        assert (answer["total"], answer["data"][0]["lastUpdatedAt"]) == (1, "2026-01-03T10:00:00Z")

    def test_pages_hold_100_at_most_and_all_of_them_everything(self, platform: Platform) -> None:
        for number in range(130):
            platform.store.put_order(order(number, f"2026-01-02T10:{number // 60:02}:{number % 60:02}Z"))
        first, second = poll(platform).json(), poll(platform, offset=100).json()
        assert (len(first["data"]), len(second["data"]), first["total"]) == (100, 30, 130)
        assert len({each["id"] for each in first["data"] + second["data"]}) == 130
        assert len(poll(platform, limit=7).json()["data"]) == 7

    def test_decimals_keep_their_digits(self, platform: Platform, control: str) -> None:
        text = '{"order": {"orderId": "c-1", "lastUpdatedAt": "2026-01-02T10:00:00Z", "q": 1.50, "p": %s}}'
        digits = "12345678901234567890.123456789012345678901234567890"
        sent = requests.post(f"{control}/platform/put-order", data=text % digits, timeout=10)
        assert sent.status_code == 200
        answer = poll(platform)
        assert '"q":1.50' in answer.text
        found: Any = json_text.read(answer.text)
        assert found["data"][0]["p"] == Decimal(digits)

    def test_single_delivery_orders_and_shipments_are_apart(self, platform: Platform, control: str) -> None:
        do(control, "put-order", order=order(1, "2026-01-02T10:00:00Z"), single_delivery=True)
        do(control, "put-shipment", shipment={"id": "s-1", "meta": {"lastUpdatedAt": "2026-01-02T10:00:00Z"}})
        assert poll(platform).json()["total"] == 0
        assert poll(platform, "order-search/poll/single-delivery").json()["data"] == [
            {"id": "c-PO1", "lastUpdatedAt": "2026-01-02T10:00:00Z"}  # not orderId (order-webhook.md, section 4)
        ]
        assert poll(platform, "shipment/poll").json()["data"][0]["id"] == "s-1"

    @pytest.mark.parametrize(
        "members",
        [
            {"limit": 101},
            {"limit": 0},
            {"limit": True},
            {"offset": -1},
            {"filters": {}},
            {"filters": {"lastUpdatedAfter": "yesterday"}},
        ],
        ids=str,
    )
    def test_what_is_wrong_is_400(self, platform: Platform, members: dict[str, Any]) -> None:
        assert poll(platform, **members).status_code == 400

    def test_polling_is_post_only_and_needs_credentials(self, platform: Platform) -> None:
        url = f"{platform.base}/order-search/poll"
        assert requests.get(url, auth=BASIC, timeout=10).status_code == 405
        assert requests.post(url, json={}, timeout=10).status_code == 401
