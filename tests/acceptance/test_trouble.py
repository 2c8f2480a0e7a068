"""Trouble of our own: always an answer after which Tradecloud comes again, or a body that is kept."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from requests.auth import _basic_auth_str

from tests.acceptance.running import BASIC, COMMAND, ORDER, SHIPMENT, RunningService, body, example, free_port
from tests.acceptance.test_answers import problem


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[RunningService]]:
    """Services that the test starts; killed at its end."""
    services: list[RunningService] = []
    yield services
    for service in services:
        service.kill()


def with_fault(program: str) -> list[str]:
    """The command, with a fault put in before it starts."""
    return [sys.executable, "-c", f"{program}\nfrom service.cli import main\nmain()"]


BROKEN_HANDLER = """
from service import app
def broken(body):
    raise KeyError("a bug of ours")
app.HANDLERS["receiveOrderEvent"] = broken
"""

BROKEN_HANDLER_AND_STORE = (
    BROKEN_HANDLER
    + """
from service.inbox import local
from service.inbox.interface import InboxUnavailableError
async def full(self, body):
    raise InboxUnavailableError("no space left on /var/lib/secret-path")
local.LocalInbox.quarantine = full
"""
)

OUT_OF_MEMORY = """
from service import app
def greedy(body):
    raise MemoryError
app.HANDLERS["receiveOrderEvent"] = greedy
"""

BROKEN_SECURITY = """
from handlers import auth
def broken(*_):
    raise RuntimeError("a bug before authentication")
auth.Credentials.identify = broken
"""

DEAD_WRITER = """
import threading
from service.inbox import local
calls = []
commit = local.LocalInbox._commit
def dying(self, jobs):
    if any(getattr(job, "facts", None) and job.facts.event_name == "Die" for job in jobs):
        raise SystemExit
    return commit(self, jobs)
local.LocalInbox._commit = dying
"""


def test_fault_of_ours_is_500_and_the_body_is_in_quarantine(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start(command=with_fault(BROKEN_HANDLER))
    details = problem(service.post(ORDER, example("order-issued")), 500, "internal-fault")
    assert "bug" not in json.dumps(details)
    assert service.raw(details["quarantineId"]) == example("order-issued")
    assert service.post(ORDER, example("order-issued")).json()["quarantineId"] == details["quarantineId"]
    assert service.post(SHIPMENT, example("shipment-issued")).status_code == 202


def test_fault_of_ours_whose_body_cannot_be_kept_is_503(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start(command=with_fault(BROKEN_HANDLER_AND_STORE))
    response = service.post(ORDER, example("order-issued"))
    problem(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "30"
    assert "secret-path" not in response.text


def test_want_of_memory_is_503_and_nothing_is_kept(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start(command=with_fault(OUT_OF_MEMORY))
    problem(service.post(ORDER, example("order-issued")), 503, "unavailable")
    assert service.events("--state", "quarantined") == []


def test_fault_before_authentication_is_503(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start(command=with_fault(BROKEN_SECURITY))
    problem(service.post(ORDER, example("order-issued")), 503, "unavailable")


def test_dead_writer_is_503_and_comes_back(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start(command=with_fault(DEAD_WRITER))
    problem(service.post(ORDER, body(eventName="Die")), 503, "unavailable")
    assert service.post(ORDER, body()).status_code == 202
    time.sleep(1.1)
    assert service.get("/health/ready").status_code == 200


def test_full_quarantine_is_503_and_events_still_come_in(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path, extra="\n[inbox]\nquarantine_max_bodies = 2\n")
    started.append(service)
    service.start()
    for i in range(2):
        assert service.post(ORDER, f"nonsense {i}").status_code == 400
    for path, sent, headers in ((ORDER, b"nonsense 3", {}), (ORDER, b"x", {"Content-Type": "text/plain"})):
        response = service.post(path, sent, headers=headers)
        problem(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "30"
    assert service.post(ORDER, "nonsense 1").status_code == 400
    assert service.post(ORDER, body()).status_code == 202


def test_quarantine_that_is_nearly_full_is_told_before(tmp_path: Path, started: list[RunningService]) -> None:
    service = RunningService(tmp_path, extra="\n[inbox]\nquarantine_max_bodies = 5\n")
    started.append(service)
    service.start()
    for i in range(3):
        service.post(ORDER, f"nonsense {i}")
    assert not [line for line in service.get("/health/ready").json()["attention"] if "quarantine" in line]
    service.post(ORDER, "nonsense 3")
    (told,) = [line for line in service.get("/health/ready").json()["attention"] if "quarantine" in line]
    assert told.startswith("the quarantine is 80% full")


def test_second_interrupt_ends_it_at_once_and_shows_no_stack_trace(
    tmp_path: Path, started: list[RunningService]
) -> None:
    service = RunningService(tmp_path)
    started.append(service)
    service.start()
    service.wait_for_log("action=worker_started")
    event_id = service.post(ORDER, body()).json()["eventId"]
    assert service.process is not None
    for _ in range(2):
        service.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert service.process.wait(15) in (0, 1)
    assert "Traceback" not in service.log.read_text()
    assert service.event(event_id)["id"] == event_id


class SlowSender:
    """Sends the head and the beginning of a body, and waits to be told to go on."""

    def __init__(self, service: RunningService, announced: bytes, begin: int = 10) -> None:
        context = ssl.create_default_context(cafile=str(service.ca))
        self.connection = http.client.HTTPSConnection("localhost", service.port, context=context, timeout=30)
        self.rest = announced[begin:]
        self.connection.putrequest("POST", ORDER)
        self.connection.putheader("Authorization", _basic_auth_str(*BASIC))
        self.connection.putheader("Content-Type", "application/json")
        self.connection.putheader("Content-Length", str(len(announced)))
        self.connection.endheaders(announced[:begin])

    def finish(self) -> int:
        """Send the rest; the status of the answer."""
        self.connection.send(self.rest)
        with self.connection.getresponse() as response:
            response.read()
        self.connection.close()
        return response.status


@pytest.mark.parametrize(
    ("extra", "size"),
    [("max_waiting = 1", 100), ("max_body_bytes = 1048576\nmax_inflight_bytes = 1048576", 900_000)],
    ids=["waiting room", "memory"],
)
def test_too_much_at_once_is_503_until_there_is_room(
    tmp_path: Path, started: list[RunningService], extra: str, size: int
) -> None:
    service = RunningService(tmp_path, extra=extra)
    started.append(service)
    service.start()
    large = body(padding="x" * size)
    slow = SlowSender(service, large)
    time.sleep(0.3)
    response = service.post(ORDER, large)
    problem(response, 503, "unavailable")
    assert response.headers["Retry-After"] == "30"
    assert slow.finish() == 202
    assert service.post(ORDER, large).status_code == 202


def test_sender_slow_with_its_body_is_cut_off_and_its_memory_is_given_back(
    tmp_path: Path, started: list[RunningService]
) -> None:
    service = RunningService(tmp_path, extra="body_timeout = 0.5\nmax_waiting = 1")
    started.append(service)
    service.start()
    slow = SlowSender(service, body())
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected, ssl.SSLError)):
        slow.connection.getresponse()
    slow.connection.close()
    assert service.post(ORDER, body()).status_code == 202
    assert len(service.events()) == 1


def test_maintenance_of_an_inbox_that_nobody_uses_is_refused(tmp_path: Path) -> None:
    command = [str(COMMAND), "maintenance", "on"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert result.returncode == 1
    assert b"no webhooks.toml in " in result.stderr
    assert result.stdout == b""
    assert list(tmp_path.iterdir()) == []


def test_delivery_to_an_address_that_is_none_leaves_a_trace_in_the_log(own_service: RunningService) -> None:
    own_service.start()
    assert own_service.post(ORDER + "/%1b", body()).status_code == 404
    own_service.wait_for_log('action=no_such_address status=404 path="/webhooks/tradecloud/order/')
    assert "\x1b" not in own_service.log.read_text()


def test_maintenance_is_503_before_authentication_and_survives_a_restart(
    own_service: RunningService,
) -> None:
    own_service.start()
    assert b"is on" in own_service.webhooks("maintenance", "on").stdout
    for auth in (BASIC, ("tradecloud", "wrong"), None):
        response = own_service.post(ORDER, body(), auth=auth)
        problem(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "30"
    assert own_service.get("/health/ready").status_code == 503
    assert own_service.get("/health/live").status_code == 200
    own_service.stop()
    own_service.start(wait_for="/health/live")
    assert own_service.post(ORDER, body()).status_code == 503
    assert b"is off" in own_service.webhooks("maintenance", "off").stdout
    assert own_service.post(ORDER, body()).status_code == 202


def test_delivery_that_comes_during_the_shutdown_is_503_and_the_one_inside_is_202(
    own_service: RunningService,
) -> None:
    own_service.start()
    inside = SlowSender(own_service, body(meta={"messageId": "inside"}))
    sent = body(meta={"messageId": "late"})
    head = [f"POST {ORDER} HTTP/1.1", "Host: localhost", f"Authorization: {_basic_auth_str(*BASIC)}"]
    head += ["Content-Type: application/json", f"Content-Length: {len(sent)}", "", ""]
    request = "\r\n".join(head).encode() + sent
    context = ssl.create_default_context(cafile=str(own_service.ca))
    with (
        socket.create_connection(("localhost", own_service.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as late,
    ):
        late.sendall(request[:20])  # on its way when the door closes, and not inside
        time.sleep(0.5)
        assert own_service.process is not None
        own_service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        late.sendall(request[20:])
        answer = late.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 30" in answer
    assert inside.finish() == 202
    assert own_service.process.wait(10) == 0
    assert [row["messageId"] for row in own_service.events()] == ["inside"]


class TestStart:
    """What keeps the service from starting is one clear line."""

    def fails(self, service: RunningService, *words: str, arguments: tuple[str, ...] = ()) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        result = subprocess.run(
            [str(COMMAND), "serve", *(arguments or ("--config", str(service.config)))],
            cwd=service.folder,
            capture_output=True,
            env=environment,
            timeout=30,
        )
        lines = result.stderr.decode().splitlines()
        assert result.returncode == 1
        assert len(lines) == 1, lines
        for word in words:
            assert word in lines[0]

    def test_port_taken(self, tmp_path: Path, own_service: RunningService) -> None:
        own_service.start()
        self.fails(own_service, str(own_service.port), "in use", "server.port")

    def test_folder_not_writable(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path, extra='\n[inbox]\nurl = "sqlite:////proc/inbox.db"\n')
        self.fails(service, "/proc")

    def test_key_of_another_certificate(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path)
        other = tmp_path / "other"
        other.mkdir()
        (tmp_path / "key.pem").write_bytes((RunningService(other).folder / "key.pem").read_bytes())
        self.fails(service, "key.pem")

    def test_no_certificate(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path)
        text = service.config.read_text().replace('certificate = "cert.pem"\n', "")
        service.config.write_text(text)
        self.fails(service, "server.certificate")

    def test_no_credentials(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path)
        service.config.write_text("[server]" + service.config.read_text().partition("[server]")[2])
        self.fails(service, "auth", "credentials")

    def test_unknown_setting(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path, extra="prot = 1")
        self.fails(service, "server.prot", "server.port")

    def test_wrong_setting(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path, extra='max_waiting = "many"')
        self.fails(service, "server.max_waiting")

    def test_no_settings_at_all(self, tmp_path: Path) -> None:
        service = RunningService(tmp_path)
        service.config.rename(tmp_path / "elsewhere.toml")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        result = subprocess.run(
            [str(COMMAND), "serve"], cwd=tmp_path, capture_output=True, env=environment, timeout=30
        )
        assert result.returncode == 1
        assert b"Traceback" not in result.stderr
        assert b"server.certificate" in result.stderr

    def test_development_mode_works_from_an_empty_folder_and_its_curl_lines_work(self, tmp_path: Path) -> None:
        port = free_port()
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        environment["WEBHOOKS_SERVER__PORT"] = str(port)
        with subprocess.Popen(
            [str(COMMAND), "serve", "--dev"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            try:
                lines: list[str] = []
                while not lines or "ends it" not in lines[-1]:
                    line = process.stdout.readline().decode()
                    assert line, lines
                    lines.append(line.strip())
                curls = [line for line in lines if line.startswith("curl ")]
                assert len(curls) == 2
                for curl in curls:
                    answer = subprocess.run(["sh", "-c", curl], cwd=tmp_path, capture_output=True, timeout=20)
                    assert json.loads(answer.stdout)["status"] == "queued", answer.stderr
                (listing,) = [line for line in lines if line.endswith("events list")]
                shown = subprocess.run(["sh", "-c", listing], cwd=tmp_path, capture_output=True, timeout=20)
                assert shown.stdout.count(b"IssuedBy") == 2
                assert (tmp_path / ".webhooks-dev").stat().st_mode & 0o777 == 0o700
                for secret in ("curl.conf", "key.pem", "password.txt", "inbox.db"):
                    assert (tmp_path / ".webhooks-dev" / secret).stat().st_mode & 0o077 == 0, secret
            finally:
                process.terminate()
            assert process.wait(15) == 0

    def test_development_mode_never_listens_beyond_loopback(self, tmp_path: Path) -> None:
        environment = os.environ | {"WEBHOOKS_SERVER__HOST": "0.0.0.0"}
        result = subprocess.run(
            [str(COMMAND), "serve", "--dev"], cwd=tmp_path, capture_output=True, env=environment, timeout=30
        )
        assert result.returncode == 1
        assert b"server.host" in result.stderr
