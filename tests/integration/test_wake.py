"""Waking the worker through a pipe that really is one."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.wake import Waker, WakeUp, wake


@pytest.fixture
def wake_up(tmp_path: Path) -> Iterator[WakeUp]:
    one = WakeUp(tmp_path)
    yield one
    one.close()


def test_nobody_wakes_and_the_wait_ends_in_time(wake_up: WakeUp) -> None:
    began = time.monotonic()
    assert not wake_up.wait(0.1)
    assert 0.09 <= time.monotonic() - began < 2.0


def test_wait_of_no_time_or_less_is_none(wake_up: WakeUp) -> None:
    assert not wake_up.wait(0.0)
    assert not wake_up.wait(-1.0)


def test_wake_before_the_wait_is_not_lost(tmp_path: Path, wake_up: WakeUp) -> None:
    wake(tmp_path)
    assert wake_up.wait(5.0)


def test_many_wakes_are_one(tmp_path: Path, wake_up: WakeUp) -> None:
    for _ in range(5):
        wake(tmp_path)
    assert wake_up.wait(5.0)
    assert not wake_up.wait(0.0)


def test_wake_from_another_process_ends_the_wait_at_once(tmp_path: Path, wake_up: WakeUp) -> None:
    program = "import sys; from pathlib import Path; from service.wake import wake; wake(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert wake_up.wait(0.0)


def test_wake_from_another_thread_ends_the_wait(wake_up: WakeUp) -> None:
    threading.Timer(0.1, wake_up.wake).start()
    began = time.monotonic()
    assert wake_up.wait(10.0)
    assert time.monotonic() - began < 5.0


def test_nobody_is_there_to_be_woken_and_nothing_happens(tmp_path: Path) -> None:
    wake(tmp_path)  # no pipe at all
    WakeUp(tmp_path).close()
    wake(tmp_path)  # a pipe that nobody reads
    waker = Waker(tmp_path)
    waker.wake()
    waker.close()


def test_pipe_that_is_full_blocks_nobody_and_wakes(tmp_path: Path, wake_up: WakeUp) -> None:
    waker = Waker(tmp_path)
    for _ in range(70_000):  # a pipe holds 65,536 bytes
        waker.wake()
    wake(tmp_path)
    wake_up.wake()
    waker.close()
    assert wake_up.wait(0.0)
    assert not wake_up.wait(0.0)


def test_waker_that_was_there_first_finds_the_worker_that_comes_later(tmp_path: Path) -> None:
    waker = Waker(tmp_path)
    waker.wake()
    wake_up = WakeUp(tmp_path)
    waker.wake()
    assert wake_up.wait(0.0)
    wake_up.close()
    waker.close()


def test_waker_finds_the_next_worker_when_the_first_one_has_ended(tmp_path: Path) -> None:
    waker = Waker(tmp_path)
    first = WakeUp(tmp_path)
    waker.wake()
    first.close()
    waker.wake()
    second = WakeUp(tmp_path)
    second.wait(0.0)
    waker.wake()
    assert second.wait(0.0)
    second.close()
    waker.close()


def test_waker_finds_the_pipe_that_was_made_anew(tmp_path: Path) -> None:
    waker = Waker(tmp_path)
    first = WakeUp(tmp_path)
    waker.wake()
    first.close()
    (tmp_path / "worker.wake").unlink()
    second = WakeUp(tmp_path)
    waker.wake()
    assert second.wait(0.0)
    second.close()
    waker.close()


def test_file_in_place_of_the_pipe_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "worker.wake").write_text("from a backup")
    wake_up = WakeUp(tmp_path)
    assert stat.S_ISFIFO((tmp_path / "worker.wake").lstat().st_mode)
    wake(tmp_path)
    assert wake_up.wait(0.0)
    wake_up.close()


def test_pipe_is_for_its_owner_only(tmp_path: Path, wake_up: WakeUp) -> None:
    assert stat.S_IMODE(os.stat(tmp_path / "worker.wake").st_mode) == 0o600


def test_path_of_any_length_will_do(tmp_path: Path) -> None:
    folder = tmp_path / ("f" * 120)
    folder.mkdir()
    wake_up = WakeUp(folder)
    wake(folder)
    assert wake_up.wait(0.0)
    wake_up.close()
