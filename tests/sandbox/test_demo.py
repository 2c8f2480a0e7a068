"""The demo, as `make demo` runs it, with fewer orders; and its verdict."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.commands.demo import told
from sandbox.delivery.summary import Summary
from sandbox.demo.day import Day
from sandbox.demo.service import MARK

GOOD = Day(
    orders=2,
    shipments=1,
    summary=Summary(planned=5, sent=6, delivered=5),
    accepted=5,
    lost=(),
    unfinished=0,
    handed_over=frozenset({"1", "2"}),
    booked=frozenset({"1", "2"}),
    came_again=1,
    named=frozenset({"a"}),
    fetched=frozenset({"a", "b"}),
    different=(),
    seconds=3.0,
)


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "demo", *arguments], capture_output=True, text=True, timeout=300
    )


def test_a_day_with_an_outage_a_restart_and_a_rotation_loses_nothing_and_ends_with_equal_counts(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "day"
    folder.mkdir()
    (folder / MARK).write_text("of an earlier day\n")
    result = demo("--orders", "12", "--seed", "7", "--folder", str(folder))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "All is well." in result.stdout
    log = (folder / "service.log").read_text()
    assert "outcome=unavailable" in log, "the outage was not felt"
    assert log.count("action=started") == 2, "the service was not restarted once"


def test_folder_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = demo("--folder", str(tmp_path))
    assert result.returncode == 2
    assert "name another one with --folder" in result.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_folder_in_which_a_service_works_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "webhooks.toml").write_text("[server]\n")
    (tmp_path / "inbox.db").write_text("events")
    result = demo("--folder", str(tmp_path))
    assert result.returncode == 2
    assert "name another one with --folder" in result.stderr
    assert (tmp_path / "inbox.db").read_text() == "events"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_demo_that_is_ended_leaves_no_service_behind(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "day"
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", "demo", "--orders", "12", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Whoever runs the tests may have it ignored, as nohup does.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert process.stderr is not None
    port = next(found[1] for line in process.stderr if (found := re.search(r"listens at \S+:(\d+),", line)))
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(port)), 5)


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, lost=("m1",)),
        replace(GOOD, unfinished=1),
        replace(GOOD, booked=frozenset({"1"})),
        replace(GOOD, booked=frozenset({"1", "2", "3"})),
        replace(GOOD, fetched=frozenset({"b"})),
        replace(GOOD, different=("order-1",)),
        replace(GOOD, summary=Summary(planned=5, sent=6, delivered=4, dropped=Counter({"400": 1}))),
        replace(GOOD, summary=Summary(planned=5, sent=6, delivered=4)),
    ],
)
def test_whatever_is_missing_or_too_much_makes_the_day_a_bad_one(bad: Day) -> None:
    assert GOOD.good
    assert "All is well." in told(GOOD, Path("day"))
    assert not bad.good
    assert "Something is wrong." in told(bad, Path("day"))
