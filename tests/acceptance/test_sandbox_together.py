"""All of the sandbox around one service, each part a process as a user starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from service.inbox.interface import State
from service.inbox.reader import EventFilter, InboxReader
from tests.acceptance.running import COMMAND, ROOT, TOKEN, RunningService
from tests.lifecycle.sending import waited_for


@contextmanager
def started(name: str, *options: str) -> Iterator[dict[str, str]]:
    """A service of the sandbox; what its ready line says."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox", name, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"ready {name} "), line
        yield dict(fact.partition("=")[::2] for fact in line.split()[2:])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()


def state(control: str, name: str) -> dict[str, object]:
    with urllib.request.urlopen(f"{control}/{name}/state") as response:  # noqa: S310 - our own
        found: dict[str, object] = json.load(response)
        return found


def sandbox(*arguments: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_events_by_oauth_with_a_key_rotation_reach_the_erp_and_the_platform_holds_their_documents(
    tmp_path: Path,
) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(
        "title: mine\norders: 4\nstories: {administration: 1, shipment: 1}\n"
        "steps: [{at: 0.5, control: identity/rotate}]\n"
    )
    with ExitStack() as parts:
        identity = parts.enter_context(started("identity"))
        platform = parts.enter_context(started("platform"))
        erp = parts.enter_context(started("erp"))
        service = RunningService(
            tmp_path,
            extra=f"""
[auth.oauth.entra]
authority = "{identity["entra"]}"
audiences = ["{identity["application"]}"]
clients = ["{identity["client"]}"]
ca_file = "{identity["ca"]}"
[destinations.erp]
type = "http"
url = "{erp["url"]}"
""",
        )
        parts.callback(service.kill)
        service.start()
        service.wait_for_log("signing_keys_loaded")
        printed = sandbox(
            "send", str(scenario), "--url", service.url, "--ca-file", str(service.ca), "--json",
            "--token-url", identity["token"], "--token-ca-file", identity["ca"], "--client-id", identity["client"],
            "--scope", identity["scope"], "--shipment-bearer", "--control", identity["control"],
            "--platform", platform["control"], "--folder", str(tmp_path / "run"),
            SANDBOX_CLIENT_SECRET="sandbox-client-secret", SANDBOX_SHIPMENT_TOKEN=TOKEN,
        )  # fmt: skip
        summary = json.loads(printed)
        assert summary["delivered"] == summary["planned"]
        reader = InboxReader(service.database)
        assert waited_for(
            lambda: len(reader.events(EventFilter(state=State.DONE, limit=1000))) == summary["planned"], 60
        )
        stored = state(platform["control"], "platform")["stored"]
        assert isinstance(stored, dict)
        assert stored["documents"] > 5
        assert (stored["order"], stored["shipment"]) == (4, 4)
        export = f"{COMMAND} {{}} export --config {service.config}"
        sandbox(
            "compare", str(tmp_path / "run"),
            "--orders-command", export.format("orders"), "--shipments-command", export.format("shipments"),
        )  # fmt: skip
        # Several senders at a time: an event that an earlier one overtook may have no news any more.
        handed_over = reader.events(EventFilter(destination="erp", limit=1000))
        assert state(erp["control"], "erp")["events"] == len(handed_over) > summary["planned"] // 2
