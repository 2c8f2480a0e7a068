"""No acknowledged event is ever lost: kill -9, a full disk, and the disk's own word for it."""

from __future__ import annotations

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.acceptance.running import BASIC, COMMAND, ORDER, RunningService, body

ROUNDS = 20
SENDERS = 2


class Sender(threading.Thread):
    """Sends distinct events one after the other and, like Tradecloud, sends again what was not answered."""

    def __init__(self, service: RunningService, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.service = service
        self.stop_sending = stop
        self.acknowledged: dict[str, str] = {}
        self.unexpected: list[str] = []

    def run(self) -> None:
        session = requests.Session()
        session.auth = BASIC
        session.headers["Content-Type"] = "application/json"
        while not self.stop_sending.is_set():
            message_id = str(uuid.uuid4())
            sent = body("order-issued", meta={"messageId": message_id})
            while not self.stop_sending.is_set():
                try:
                    response = session.post(
                        self.service.url + ORDER, data=sent, verify=str(self.service.ca), timeout=10
                    )
                except requests.RequestException:
                    time.sleep(0.02)
                    continue
                if response.status_code == 202:
                    self.acknowledged[message_id] = response.json()["eventId"]
                    break
                if response.status_code < 501:
                    self.unexpected.append(f"{response.status_code} {response.text}")
                    break


def test_no_acknowledged_event_is_missing_or_doubled_after_kill_9(own_service: RunningService) -> None:
    own_service.start()
    stop = threading.Event()
    senders = [Sender(own_service, stop) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    acknowledged_by_round = []
    for _ in range(ROUNDS):
        before = sum(len(sender.acknowledged) for sender in senders)
        deadline = time.monotonic() + 20
        while sum(len(sender.acknowledged) for sender in senders) < before + 10:
            assert time.monotonic() < deadline, own_service.log.read_text()[-2000:]
            time.sleep(0.01)
        acknowledged_by_round.append(sum(len(sender.acknowledged) for sender in senders) - before)
        assert own_service.process is not None
        own_service.process.send_signal(signal.SIGKILL)
        own_service.process.wait()
        own_service.start()
    stop.set()
    for sender in senders:
        sender.join(15)
    assert [sender.unexpected for sender in senders] == [[]] * SENDERS
    acknowledged = {message: event for sender in senders for message, event in sender.acknowledged.items()}
    stored = [(row["messageId"], row["id"]) for row in own_service.events()]
    assert len(acknowledged) >= 10 * ROUNDS
    assert len({message for message, _ in stored}) == len(stored), "a message was stored twice"
    assert acknowledged.items() <= dict(stored).items(), "an acknowledged event is missing"


def test_answer_is_written_only_after_the_log_of_the_database_is_on_disk(tmp_path: Path) -> None:
    traces = traced_delivery(tmp_path, "FULL")
    assert traces
    for before_answer in traces:
        assert "fdatasync" in before_answer


def test_without_synchronous_commits_the_durability_test_would_fail(tmp_path: Path) -> None:
    assert any("fdatasync" not in before_answer for before_answer in traced_delivery(tmp_path, "OFF"))


def traced_delivery(folder: Path, synchronous: str) -> list[list[str]]:
    """For each of three deliveries, what the process asked of the database's log and had answered, from the
    arrival of the request to the moment in which the 202 was written to the socket."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed, so durability is not proved on this machine")
    service = RunningService(folder, https=False)  # so that the 202 can be read in the trace
    trace = folder / "trace"
    program = (
        "import sys; from service.inbox import sqlite; "
        f"sqlite.SYNCHRONOUS = {synchronous!r}; from service.cli import main; main()"
    )
    calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg,recvfrom,read,pwrite64"
    tracing = [strace, "-f", "-y", "-s", "40", "-e", calls, "-o", str(trace), sys.executable, "-c", program]
    try:
        service.start(command=tracing)
        for i in range(3):
            assert service.post(ORDER, body(meta={"messageId": f"traced-{i}"})).status_code == 202
    finally:
        subprocess.run(["pkill", "-TERM", "-f", str(service.config)], check=False)
        service.kill()
    return list(_deliveries(trace.read_text(encoding="utf-8", errors="replace").splitlines()))


def _deliveries(lines: list[str]) -> Iterator[list[str]]:
    """One list for each delivery; calls on the log count at the line where they *return*."""
    done: list[str] = []
    syncing: set[str] = set()
    for line in lines:
        thread, _, call = line.partition(" ")
        call = call.strip()
        if "POST /webhooks" in call:
            done = []
        elif re.match(r"fdatasync\(\d+<[^>]*-wal>\) += 0", call):
            done.append("fdatasync")
        elif re.match(r"fdatasync\(\d+<[^>]*-wal>.*unfinished", call):
            syncing.add(thread)
        elif "fdatasync resumed" in call and thread in syncing and call.endswith("= 0"):
            syncing.discard(thread)
            done.append("fdatasync")
        elif re.match(r"pwrite64\(\d+<[^>]*-wal>", call):
            # Written after the last sync: that one does not count any more.
            done = [*[one for one in done if one != "fdatasync"], "write"]
        elif '"HTTP/1.1 202' in call:
            yield done


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, b"size=24m") != 0:
        pytest.skip(f"cannot mount a small file system here ({os.strerror(ctypes.get_errno())}); run as root")
    yield folder
    libc.umount2(bytes(folder), 2)


def test_full_disk_is_503_without_loss_and_recovers(small_disk: Path) -> None:
    service = RunningService(small_disk, extra="\n[inbox]\nmin_free_bytes = 4194304\n")
    try:
        service.start()  # waits until it is ready
        accepted: dict[str, bytes] = {}
        refused: list[bytes] = []
        for i in range(200):
            sent = body("order-issued", meta={"messageId": f"m{i}"}, padding="x" * 200_000)
            response = service.post(ORDER, sent)
            if response.status_code == 202:
                accepted[response.json()["eventId"]] = sent
            else:
                assert response.status_code == 503, response.text
                assert int(response.headers["Retry-After"]) > 0
                refused.append(sent)
                if len(refused) == 3:
                    break
        assert len(accepted) > 10
        assert len(refused) == 3
        time.sleep(1.1)
        assert service.get("/health/ready").status_code == 503
        # A bad body cannot be kept now, so it gets no final answer either.
        assert service.post(ORDER, b"{" + b" " * 200_000).status_code == 503
        _make_room(small_disk)
        time.sleep(1.1)
        assert service.get("/health/ready").status_code == 200
        for sent in refused:
            response = service.post(ORDER, sent)
            assert response.status_code == 202, response.text
            accepted[response.json()["eventId"]] = sent
        for event_id, sent in accepted.items():
            assert service.raw(event_id) == sent
        assert {row["id"] for row in service.events()} == accepted.keys()
        assert service.stop() == 0
    finally:
        service.kill()


def _make_room(folder: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 32, b"size=64m") == 0  # 32: remount


def test_sigterm_answers_what_is_inside_and_ends_with_0(own_service: RunningService) -> None:
    own_service.start()
    results: list[int] = []

    def send() -> None:
        results.append(own_service.post(ORDER, slowly(body(meta={"messageId": "slow"}))).status_code)

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(0.5)
    started = time.monotonic()
    assert own_service.stop() == 0
    assert time.monotonic() - started < 10
    sender.join(10)
    assert results == [202]
    assert [row["messageId"] for row in own_service.events()] == ["slow"]


def slowly(sent: bytes) -> bytes:
    """Sent in two halves, a second apart."""

    def halves() -> Iterator[bytes]:
        yield sent[:20]
        time.sleep(1.5)
        yield sent[20:]

    return halves()  # type: ignore[return-value]


def test_database_that_somebody_locks_is_503_and_recovers(tmp_path: Path) -> None:
    import sqlite3

    service = RunningService(tmp_path, extra="\n[inbox]\nbusy_timeout = 0.3\n")
    try:
        service.start()
        other = sqlite3.connect(service.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert service.post(ORDER, body(meta={"messageId": "m"})).status_code == 503
        other.execute("ROLLBACK")
        response = service.post(ORDER, body(meta={"messageId": "m"}))
        assert response.json()["duplicate"] is False
    finally:
        service.kill()


def test_command_line_needs_no_receiver(own_service: RunningService) -> None:
    own_service.start()
    event_id = own_service.post(ORDER, body()).json()["eventId"]
    assert own_service.stop() == 0
    shown = subprocess.run(
        [str(COMMAND), "events", "show", event_id[:18], "--config", str(own_service.config), "--json"],
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert json.loads(shown.stdout)["id"] == event_id
