"""Certificate, key and credentials change while the service runs, and nobody who delivers notices."""

from __future__ import annotations

import http.client
import os
import signal
import ssl
import threading
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from requests.auth import _basic_auth_str

from service.reload import LOOK_EVERY
from tests.acceptance.running import BASIC, ORDER, USER, RunningService, body

NEXT: Any = ("tradecloud", "the-next-password")
NEXT_USER = f"""
[auth.basic.next]
username = "{NEXT[0]}"
password_file = "next.txt"
"""


def until(condition: Callable[[], object], service: RunningService) -> None:
    """Wait for it, as long as a busy machine may take."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.05)


def hang_up(service: RunningService) -> None:
    """SIGHUP."""
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)


def write(path: Path, data: bytes | str) -> None:
    """Replace the file as an editor does."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data if isinstance(data, bytes) else data.encode())
    new.replace(path)


class Renewal:
    """A new certificate and key that the senders of the service trust, too."""

    def __init__(self, service: RunningService, *, ends: datetime | None = None) -> None:
        self.folder = service.folder
        authority = trustme.CA()
        with service.ca.open("ab") as trusted:
            trusted.write(authority.cert_pem.bytes())
        end = ends.replace(tzinfo=None) if ends else None  # trustme takes times without zone as UTC
        self.end = str(ends.date()) if ends else ""
        issued = authority.issue_cert("localhost", "127.0.0.1", not_after=end)
        self.certificate = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        self.key = issued.private_key_pem.bytes()

    def certificate_alone(self) -> None:
        """Put the first half in place."""
        write(self.folder / "cert.pem", self.certificate)

    def key_alone(self) -> None:
        """Put the other half in place."""
        write(self.folder / "key.pem", self.key)

    def both(self) -> None:
        """Put it in place."""
        self.certificate_alone()
        self.key_alone()

    def presented_by(self, service: RunningService) -> bool:
        """Whether a new handshake gets this certificate."""
        return presented(service) in self.certificate.decode()


def presented(service: RunningService) -> str:
    """The certificate that a new handshake gets, as PEM."""
    return ssl.get_server_certificate(("localhost", service.port), timeout=20)


def attention(service: RunningService) -> list[str]:
    """What /health/ready tells this machine; the service is ready all the while."""
    answer = service.get("/health/ready")
    assert answer.status_code == 200
    lines: list[str] = answer.json()["attention"]
    return lines


def told(service: RunningService, *words: str) -> bool:
    """Whether one line of what /health/ready tells has all these words."""
    return any(all(word in line for word in words) for line in attention(service))


def logged(service: RunningService, words: str) -> int:
    """How often this stands in the log; lines that are no warning come there a moment later."""
    return service.log.read_text().count(words)


def config_says(service: RunningService, *words: str) -> bool:
    """Whether `webhooks config` ends with status 1 and a line with all these words."""
    result = service.webhooks("config", check=False)
    lines = result.stderr.decode().splitlines()
    assert "Traceback" not in result.stderr.decode()
    kept = "a running service keeps the old one in force"
    return result.returncode == 1 and any(kept in line and all(word in line for word in words) for line in lines)


def delivered(service: RunningService, auth: Any = BASIC) -> int:
    """Status of a delivery."""
    return service.post(ORDER, body(), auth=auth).status_code


@pytest.fixture
def running(service: RunningService) -> RunningService:
    """The service that these tests share, with an empty log; each test leaves good files behind."""
    assert attention(service) == []
    time.sleep(0.5)  # for the lines that still wait to be written
    os.truncate(service.log, 0)
    return service


# Certificate and key


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


# Credentials


def test_changed_password_file_puts_the_new_password_in_force_and_ends_the_old_one(
    own_service: RunningService,
) -> None:
    file = own_service.folder / "next.txt"
    file.write_text("the-first-password\n")
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    own_service.start()
    assert delivered(own_service, (NEXT[0], "the-first-password")) == 202
    assert delivered(own_service, NEXT) == 401
    write(file, f"{NEXT[1]}\n")
    until(lambda: delivered(own_service, NEXT) == 202, own_service)
    assert delivered(own_service, (NEXT[0], "the-first-password")) == 401
    assert delivered(own_service) == 202
    until(lambda: logged(own_service, "action=reloaded changed=credentials"), own_service)
    for secret in (NEXT[1], "the-first-password", USER[1]):
        assert secret not in own_service.log.read_text()


def test_second_user_in_the_settings_file_is_in_force_beside_the_first_until_one_is_removed(
    running: RunningService,
) -> None:
    without = running.config.read_text()
    write(running.config, NEXT_USER + without)
    hang_up(running)
    until(lambda: told(running, "auth.basic.next.password_file", "the old settings stay in force"), running)
    # only now comes the file that the settings name
    write(running.folder / "next.txt", NEXT[1])
    until(lambda: delivered(running, NEXT) == 202, running)
    assert delivered(running) == 202
    assert attention(running) == []
    write(running.config, without)
    hang_up(running)
    until(lambda: delivered(running, NEXT) == 401, running)
    assert delivered(running) == 202


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda text: text + "\n[server", "webhooks.toml"),
        (lambda text: text.replace("port =", "prot ="), "server.port"),
        (lambda text: "[server]" + text.partition("[server]")[2], "no credentials"),
        (lambda text: text.replace('username = "', 'username = "new:'), "auth.basic.main.username"),
    ],
    ids=["no TOML", "unknown key", "no credentials", "wrong value"],
)
def test_broken_settings_keep_everything_in_force_and_are_told_everywhere(
    running: RunningService, broken: Callable[[str], str], words: str
) -> None:
    good = running.config.read_text()
    write(running.config, broken(good))
    hang_up(running)
    until(lambda: told(running, words, "the old settings stay in force"), running)
    assert delivered(running) == 202
    assert "action=reload_refused" in running.log.read_text()
    assert config_says(running, words)
    renewal = Renewal(running)
    renewal.both()
    hang_up(running)
    until(lambda: renewal.presented_by(running), running)
    assert delivered(running) == 202
    assert told(running, words)
    write(running.config, good)
    hang_up(running)
    until(lambda: attention(running) == [], running)
    assert delivered(running) == 202


def test_removed_settings_file_keeps_everything_in_force_and_the_log_tells_it_once(running: RunningService) -> None:
    moved = running.config.with_name("moved.toml")
    running.config.rename(moved)
    until(lambda: told(running, "webhooks.toml", "the old settings stay in force"), running)
    time.sleep(2.5 * LOOK_EVERY)
    assert logged(running, "action=reload_refused") == 1
    hang_up(running)
    until(lambda: logged(running, "action=reload_refused") == 2, running)
    assert delivered(running) == 202
    moved.rename(running.config)
    until(lambda: attention(running) == [], running)


def test_settings_that_need_a_restart_are_told_by_name_until_they_are_put_back(running: RunningService) -> None:
    good = running.config.read_text()
    text = good.replace(f"port = {running.port}", f"port = {running.port}\nmax_waiting = 7")
    write(running.config, text + '\n[log]\nlevel = "debug"\n[inbox]\ncommit_timeout = 3\n')
    hang_up(running)
    until(lambda: attention(running), running)
    assert attention(running) == ["restart to put in force: server.max_waiting, inbox.commit_timeout"]
    hang_up(running)
    until(lambda: logged(running, "action=reloaded changed=nothing"), running)
    assert logged(running, "action=restart_needed settings=server.max_waiting,inbox.commit_timeout") == 1
    assert logged(running, "action=reloaded changed=log.level") == 1
    write(running.config, good)
    hang_up(running)
    until(lambda: attention(running) == [], running)


# SIGHUP


def test_sighup_logs_its_outcome_even_if_nothing_changed(running: RunningService) -> None:
    for _ in range(2):
        count = logged(running, "action=reloaded changed=nothing")
        hang_up(running)
        until(lambda: logged(running, "action=reloaded changed=nothing") > count, running)  # noqa: B023
    assert delivered(running) == 202


def test_storm_of_sighups_costs_no_delivery(running: RunningService) -> None:
    for _ in range(20):
        for _ in range(50):
            hang_up(running)
        assert delivered(running) == 202
    until(lambda: attention(running) == [], running)
    assert "Traceback" not in running.log.read_text()


def try_to_write(fifo: Path, data: bytes = b"") -> int | None:
    """Open a named pipe and write to it; None as long as nobody is reading it."""
    try:
        opened = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None
    os.write(opened, data)
    return opened


def test_sighups_before_the_start_is_finished_do_not_kill(own_service: RunningService) -> None:
    slow = own_service.folder / "next.txt"
    os.mkfifo(slow)
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    ready = threading.Event()

    def hang_up_and_go_on() -> None:
        while not ready.wait(0.1):
            if opened := try_to_write(slow, NEXT[1].encode()):  # it has begun to read its settings
                hang_up(own_service)
                os.close(opened)

    sender = threading.Thread(target=hang_up_and_go_on)
    sender.start()
    try:
        own_service.start()
    finally:
        ready.set()
        sender.join()
    assert delivered(own_service) == 202


def test_file_that_cannot_be_read_to_its_end_holds_up_neither_deliveries_nor_the_end(
    own_service: RunningService,
) -> None:
    own_service.start()
    hanging = own_service.folder / "next.txt"
    os.mkfifo(hanging)
    write(own_service.config, NEXT_USER + own_service.config.read_text())
    opened: list[int] = []
    until(lambda: opened.extend(filter(None, [try_to_write(hanging)])) or opened, own_service)
    hang_up(own_service)
    assert delivered(own_service) == 202
    assert attention(own_service) == []
    assert own_service.stop() == 0
    for descriptor in opened:
        os.close(descriptor)


# Under load


def test_deliveries_during_20_exchanges_are_all_202(own_service: RunningService) -> None:
    (own_service.folder / "next.txt").write_text("password-0")
    own_service.config.write_text(NEXT_USER + own_service.config.read_text())
    own_service.start()
    ended = threading.Event()
    statuses: list[str] = []

    def deliver(*, anew: bool) -> None:
        with requests.Session() as session:
            while not ended.is_set():
                headers = {"Content-Type": "application/json"} | ({"Connection": "close"} if anew else {})
                try:
                    answer = session.post(
                        own_service.url + ORDER,
                        data=body(),
                        auth=BASIC,
                        headers=headers,
                        verify=trusted,
                        timeout=60,
                    )
                    statuses.append(str(answer.status_code))
                except requests.RequestException as error:
                    statuses.append(repr(error))

    trusted = str(own_service.ca)
    senders = [threading.Thread(target=deliver, kwargs={"anew": anew}) for anew in (True, True, False)]
    renewals = [Renewal(own_service) for _ in range(20)]
    for sender in senders:
        sender.start()
    try:
        for i, renewal in enumerate(renewals):
            write(own_service.folder / "next.txt", f"password-{i + 1}")
            renewal.both()
            hang_up(own_service)
            until(lambda: renewal.presented_by(own_service), own_service)  # noqa: B023
            assert delivered(own_service, (NEXT[0], f"password-{i + 1}")) == 202
            assert delivered(own_service, (NEXT[0], f"password-{i}")) == 401
    finally:
        ended.set()
        for sender in senders:
            sender.join()
    assert set(statuses) == {"202"}
    assert len(statuses) > 60


# Who is told


def test_behind_a_proxy_nobody_is_told_details(tmp_path: Path) -> None:
    service = RunningService(tmp_path, https=False)
    try:
        service.start()
        good = service.config.read_text()
        write(service.config, good.replace("[server]", "[server]\nmax_waiting = 7"))
        hang_up(service)
        until(lambda: "action=restart_needed settings=server.max_waiting" in service.log.read_text(), service)
        assert service.get("/health/ready").json() == {"status": "ready"}
        write(service.config, NEXT_USER + good)
        write(service.folder / "next.txt", NEXT[1])
        hang_up(service)
        until(lambda: delivered(service, NEXT) == 202, service)
        assert b"certificate" not in service.webhooks("config").stdout
    finally:
        service.kill()
