"""Certificate and key change while the service runs, and nobody who delivers notices."""

from __future__ import annotations

import http.client
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.auth import _basic_auth_str

from tests.acceptance.changing import (
    Renewal,
    attention,
    config_says,
    delivered,
    hang_up,
    logged,
    presented,
    told,
    until,
    write,
)
from tests.acceptance.running import BASIC, ORDER, RunningService, body


def test_replaced_pair_is_for_new_handshakes_and_a_connection_opened_before_lives_on(
    running: RunningService,
) -> None:
    context = ssl.create_default_context(cafile=str(running.ca))
    kept = http.client.HTTPSConnection("localhost", running.port, context=context, timeout=60)
    headers = {"Authorization": _basic_auth_str(*BASIC), "Content-Type": "application/json"}

    def deliver() -> int:
        kept.request("POST", ORDER, body(), headers)
        with kept.getresponse() as response:
            response.read()
        return response.status

    assert deliver() == 202
    before = kept.sock
    renewal = Renewal(running)
    renewal.both()
    until(lambda: renewal.presented_by(running), running)
    assert delivered(running) == 202
    assert deliver() == 202
    assert kept.sock is before
    kept.close()
    until(lambda: logged(running, "action=reloaded changed=certificate certificate_valid_until="), running)


def test_certificate_without_its_key_keeps_the_old_pair_until_the_key_follows(running: RunningService) -> None:
    old, renewal = presented(running), Renewal(running)
    renewal.certificate_alone()
    hang_up(running)
    until(lambda: told(running, "server.key", "does not belong", "the old one stays in force until"), running)
    assert presented(running) == old
    assert delivered(running) == 202
    assert config_says(running, "server.key", "does not belong")
    renewal.key_alone()
    until(lambda: renewal.presented_by(running), running)
    until(lambda: attention(running) == [], running)
    assert (
        running.webhooks("config")
        .stdout.decode()
        .splitlines()[-1]
        .startswith("# certificate for localhost, 127.0.0.1; valid until ")
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is broken"),
        (b"", "holds no certificate"),
        (None, "cannot be read"),
    ],
    ids=["broken", "empty", "removed"],
)
def test_unusable_certificate_keeps_the_old_one_in_force_and_is_told_until_it_is_mended(
    running: RunningService, content: bytes | None, words: str
) -> None:
    file = running.folder / "cert.pem"
    good, old = file.read_bytes(), presented(running)
    if content is None:
        file.unlink()
    else:
        write(file, content)
    hang_up(running)
    until(lambda: told(running, "server.certificate", words, "the old one stays in force until"), running)
    assert presented(running) == old
    if content is None:
        assert config_says(running, "server.certificate", "cannot read")
    else:
        assert config_says(running, "server.certificate", words)
    write(file, good)
    hang_up(running)
    until(lambda: attention(running) == [], running)
    until(lambda: logged(running, "action=reloaded changed=nothing"), running)
    assert presented(running) == old


def test_new_certificate_that_has_ended_is_refused_while_the_old_one_is_valid(running: RunningService) -> None:
    old = presented(running)
    files = {name: (running.folder / name).read_bytes() for name in ("cert.pem", "key.pem")}
    Renewal(running, ends=datetime.now(UTC) - timedelta(days=3)).both()
    hang_up(running)
    until(lambda: told(running, "the new certificate ended on", "the old one stays in force until"), running)
    assert presented(running) == old
    assert config_says(running, "server.certificate", "ended on")
    for name, content in files.items():
        write(running.folder / name, content)
    hang_up(running)
    until(lambda: attention(running) == [], running)


class Unverified(RunningService):
    """Asked without looking at its certificate."""

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        """GET without credentials."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return requests.get(self.url + path, verify=False, timeout=20, **kwargs)  # noqa: S501 - it has ended


def test_ended_certificate_in_force_is_told_and_any_other_one_replaces_it(tmp_path: Path) -> None:
    service = Unverified(tmp_path)
    long_ago, past, now = (
        Renewal(service, ends=datetime.now(UTC) + timedelta(days=days)) for days in (-30, -3, 30)
    )
    long_ago.both()
    try:
        service.start()
        assert told(service, "server.certificate", "the one in force ended on", long_ago.end)
        assert service.get("/health/ready").json()["certificateValidUntil"].startswith(long_ago.end)
        past.both()
        hang_up(service)
        until(lambda: past.presented_by(service), service)
        now.both()
        hang_up(service)
        until(lambda: now.presented_by(service), service)
        until(lambda: attention(service) == [], service)
        assert service.get("/health/ready").json()["certificateValidUntil"].startswith(now.end)
    finally:
        service.kill()


def test_links_of_kubernetes_to_a_new_folder_are_noticed(own_service: RunningService) -> None:
    secrets = own_service.folder / "secrets"
    secrets.mkdir()
    for name in ("cert.pem", "key.pem"):
        (secrets / name).symlink_to(secrets / "..data" / name)

    def publish(version: str, certificate: bytes, key: bytes) -> None:
        folder = secrets / version
        folder.mkdir()
        (folder / "cert.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(key)
        (secrets / "..new").symlink_to(version)
        (secrets / "..new").replace(secrets / "..data")

    publish("..1", *((own_service.folder / name).read_bytes() for name in ("cert.pem", "key.pem")))
    text = own_service.config.read_text().replace('"cert.pem"', '"secrets/cert.pem"')
    own_service.config.write_text(text.replace('"key.pem"', '"secrets/key.pem"'))
    own_service.start()
    renewal = Renewal(own_service)
    publish("..2", renewal.certificate, renewal.key)
    until(lambda: renewal.presented_by(own_service), own_service)


def test_certificate_that_ends_soon_is_told_three_weeks_ahead(own_service: RunningService) -> None:
    own_service.start()
    renewal = Renewal(own_service, ends=datetime.now(UTC) + timedelta(days=5, hours=12))
    renewal.both()
    hang_up(own_service)
    until(lambda: told(own_service, "server.certificate: the one in force ends in 5 days"), own_service)
    assert f"# server.certificate ends in 5 days ({renewal.end})" in own_service.webhooks("config").stdout.decode()
