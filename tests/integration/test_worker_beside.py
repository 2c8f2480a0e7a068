"""The receiver's side of the worker: real processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from service.inbox.interface import State
from service.worker import beside
from service.worker.beside import LAST_RESTART, WorkerBeside, restart_pause
from service.worker.inline import InlineAnswer
from tests.integration.conftest import SQLITE
from tests.integration.taking import order
from tests.integration.working import Build, eventually


def settings(folder: Path, first: str = "pass") -> list[str]:
    """Of a worker with a destination that does something before it takes an event."""
    (folder / "own.py").write_text(
        "import time\nfrom handlers.interface import Accepted\nclass Own:\n"
        f"    def deliver(self, *_):\n        {first}\n        return Accepted()\n"
    )
    path = folder / "webhooks.toml"
    path.write_text(
        f'[inbox]\nurl = "sqlite:///{folder / "inbox.db"}"\n'
        '[destinations.own]\ntype = "python"\nclass = "own:Own"\ninline = true\n'
    )
    return ["--config", str(path)]


def with_worker(arguments: list[str], what: Callable[[WorkerBeside], Awaitable[None]]) -> float:
    """Do something with a worker that runs; the seconds that it took to stop it."""

    async def whole() -> float:
        worker = WorkerBeside(arguments)
        worker.start()
        try:
            await what(worker)
        finally:
            began = time.monotonic()
            await worker.stop()
        return time.monotonic() - began

    return asyncio.run(whole())


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


async def knows_no_event(worker: WorkerBeside) -> bool:
    """Whether the worker answers."""
    return await worker.attempt("no-such-event", 5.0) == (InlineAnswer.TROUBLE, "the event is not there")


def pid_of(worker: WorkerBeside) -> int:
    assert worker._process is not None
    return worker._process.pid


def test_worker_answers_and_stops_in_time(tmp_path: Path) -> None:
    async def ask(worker: WorkerBeside) -> None:
        await until(lambda: knows_no_event(worker))
        assert worker.attention() == []

    assert with_worker(settings(tmp_path), ask) < 3.0


def test_killed_worker_is_replaced_and_who_waits_is_told(tmp_path: Path) -> None:
    async def kill(worker: WorkerBeside) -> None:
        await until(lambda: knows_no_event(worker))
        os.kill(pid_of(worker), signal.SIGSTOP)
        waiting = asyncio.create_task(worker.attempt("x", 20.0))
        await asyncio.sleep(0.1)
        os.kill(pid_of(worker), signal.SIGKILL)
        assert await waiting == (InlineAnswer.TROUBLE, "the worker ended")
        await until(lambda: knows_no_event(worker))

    with_worker(settings(tmp_path), kill)


def test_worker_that_does_not_answer_is_trouble_after_the_time_given(tmp_path: Path) -> None:
    async def freeze(worker: WorkerBeside) -> None:
        await until(lambda: knows_no_event(worker))
        os.kill(pid_of(worker), signal.SIGSTOP)
        assert await worker.attempt("x", 0.2) == (InlineAnswer.TROUBLE, "the worker did not answer in time")

    # It cannot end by itself any more.
    assert with_worker(settings(tmp_path), freeze) < beside.STOP_SECONDS + 2.0


def test_worker_that_ends_at_once_again_and_again_is_started_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LAST_RESTART", 0.2)
    pids: set[int] = set()

    async def watch(worker: WorkerBeside) -> None:
        async def three() -> bool:
            if worker._process is not None:
                pids.add(worker._process.pid)
            return len(pids) >= 3

        await until(three)
        assert (await worker.attempt("x", 0.1))[0] is InlineAnswer.TROUBLE

    assert with_worker(["--config", str(tmp_path / "missing.toml")], watch) < 4.0


def test_pauses_between_starts_grow_and_stay_in_bounds_however_often_it_failed() -> None:
    assert restart_pause(1) < restart_pause(2) < restart_pause(3)
    assert restart_pause(100_000) == LAST_RESTART


RECEIVER = """
import asyncio, sys
from service.worker.beside import WorkerBeside

async def run():
    worker = WorkerBeside(sys.argv[1:])
    worker.start()
    while worker._process is None:
        await asyncio.sleep(0.01)
    while (await worker.attempt("no-such-event", 5.0))[1] != "the event is not there":
        await asyncio.sleep(0.05)
    print(worker._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


def started_receiver(arguments: list[str]) -> tuple[subprocess.Popen[str], int]:
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER, *arguments], stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    pid = int(receiver.stdout.readline())
    receiver.stdout.close()
    return receiver, pid


def is_there(pid: int) -> bool:
    try:
        # An orphan that has ended may wait for somebody to notice.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@SQLITE
def test_worker_of_a_killed_receiver_ends_although_it_is_busy_and_the_next_one_takes_its_place(
    house: Build,
) -> None:
    at = house(destinations={})
    (event_id,) = at.accept(order())
    receiver, pid = started_receiver(settings(at.folder, "time.sleep(60)"))
    eventually(lambda: at.handover(event_id, "own")["started_at"] is not None)
    receiver.kill()
    receiver.wait()
    eventually(lambda: not is_there(pid), 10.0)
    receiver, pid = started_receiver(settings(at.folder))
    at.wait_for_state(State.DONE, event_id)
    receiver.kill()
    receiver.wait()
    eventually(lambda: not is_there(pid), 10.0)
    assert at.outcomes(event_id, "own") == ["interrupted", "accepted"]


def try_to_open(fifo: Path, opened: list[int]) -> list[int]:
    """Open a named pipe for writing, which succeeds only while somebody reads it."""
    with contextlib.suppress(OSError):
        opened.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
    return opened


@pytest.mark.parametrize("how", ["receiver gone", "SIGTERM"])
def test_worker_that_waits_for_a_file_of_its_settings_ends_when_it_is_to(tmp_path: Path, how: str) -> None:
    secret = tmp_path / "password.txt"
    os.mkfifo(secret)
    config = tmp_path / "webhooks.toml"
    config.write_text('[auth.basic.main]\nusername = "tradecloud"\npassword_file = "password.txt"\n')
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-c", "from service.cli import main; main()", "work"]
            process = subprocess.Popen(
                [*command, "--config", str(config), "--link", str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )
        opened: list[int] = []
        try:
            eventually(lambda: bool(try_to_open(secret, opened)), saying=lambda: "the settings are not being read")
            if how == "SIGTERM":
                process.terminate()
            else:
                ours.close()
            assert process.wait(10) == (-signal.SIGTERM if how == "SIGTERM" else 0)
        finally:
            process.kill()
            process.wait()
            for descriptor in opened:
                os.close(descriptor)


@SQLITE
def test_busy_worker_is_not_waited_for_longer_than_the_service_has(house: Build) -> None:
    at = house(destinations={})
    (event_id,) = at.accept(order())

    async def begin(worker: WorkerBeside) -> None:
        async def begun() -> bool:
            return bool(at.rows("SELECT 1 FROM handover WHERE started_at IS NOT NULL"))

        await until(begun)

    assert with_worker(settings(at.folder, "time.sleep(60)"), begin) < beside.STOP_SECONDS + 1.0
    assert at.handover(event_id, "own")["started_at"] is not None
