"""The sandbox plays against the real service over HTTPS; the service knows in the end what is true."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from sandbox import truth
from service.inbox.interface import State
from service.inbox.reader import EventFilter, InboxReader
from tests.acceptance.running import COMMAND, ROOT, USER, RunningService
from tests.lifecycle.sending import waited_for


def sent(service: RunningService, scenario: str, *options: str) -> Any:
    """The summary of a run whose folder is `run` in the service's."""
    result = subprocess.run(
        [
            sys.executable, "-m", "sandbox", "send", scenario, "--url", service.url, "--user", USER[0],
            "--ca-file", str(service.ca), "--folder", str(service.folder / "run"), "--json", *options,
        ],
        cwd=ROOT,
        env=os.environ | {"SANDBOX_PASSWORD": USER[1]},
        capture_output=True,
        timeout=120,
        check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def worked_off(service: RunningService) -> bool:
    reader = InboxReader(service.database)
    return not any(
        reader.events(EventFilter(state=state, limit=1))
        for state in (State.RECEIVED, State.PROCESSING, State.WAITING)
    )


def compared(service: RunningService, *options: str) -> subprocess.CompletedProcess[str]:
    """What the command says, which asks the service by its command line."""
    export = f"{COMMAND} {{kind}} export --config {service.config}"
    return subprocess.run(
        [
            sys.executable, "-m", "sandbox", "compare", str(service.folder / "run"),
            "--orders-command", export.replace("{kind}", "orders"),
            "--shipments-command", export.replace("{kind}", "shipments"), *options,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )  # fmt: skip


def test_30_orders_late_twice_and_with_lost_answers_are_known_as_they_are(own_service: RunningService) -> None:
    own_service.start()
    summary = sent(own_service, "unkind")
    assert summary["dropped"] == summary["left"] == 0
    assert summary["delivered"] == summary["planned"]
    assert summary["repeated"] > 20
    assert summary["duplicates"] > 20
    assert waited_for(lambda: worked_off(own_service), 60)
    messages = len(own_service.events())
    assert messages == summary["planned"] - summary["duplicates"], "a repetition was not recognised"
    result = compared(own_service)
    assert result.returncode == 0, result.stdout + result.stderr
    assert own_service.webhooks("drift").stdout == b"Nothing beyond the contract was received.\n"


def test_compare_finds_a_planted_difference_and_no_other(own_service: RunningService) -> None:
    own_service.start()
    sent(own_service, "first-try", "--orders", "1")
    assert waited_for(lambda: worked_off(own_service), 60)
    result = compared(own_service)
    assert result.returncode == 0, result.stdout + result.stderr
    kept = own_service.folder / "run" / truth.FILE
    kept.write_text(kept.read_text().replace('"processStatus":"Completed"', '"processStatus":"Cancelled"', 1))
    result = compared(own_service)
    assert result.returncode == 1
    assert '"Cancelled" expected, "Completed" known' in result.stdout


@pytest.mark.parametrize("scenario", ["every-event", "future"])
def test_every_event_in_both_modes_and_formats_is_taken_and_known(
    own_service: RunningService, scenario: str
) -> None:
    """Read in this process: a command for each order would take most of a minute."""
    own_service.start()
    summary = sent(own_service, scenario)
    assert summary["delivered"] == summary["sent"] == summary["planned"]
    assert waited_for(lambda: worked_off(own_service), 60)
    result = compared(own_service)
    assert result.returncode == 0, result.stdout + result.stderr
    if scenario == "every-event":
        assert own_service.webhooks("drift").stdout == b"Nothing beyond the contract was received.\n"
    else:
        assert b"OrderForecastPublishedByBuyer" in own_service.webhooks("drift").stdout
