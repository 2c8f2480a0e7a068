"""`python -m sandbox` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.control import Control
from sandbox.platform.platform import Platform
from sandbox.scenarios import reading
from sandbox.serving import HttpServer
from tests.acceptance.running import ROOT
from tests.sandbox.receiver import Arrival, Receiver

SECRETS = {"SANDBOX_PASSWORD": "pässword", "SANDBOX_TOKEN": "t0ken"}


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SANDBOX_")}
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str, **environment: str) -> tuple[int, str, str]:
    process = started(*arguments, **environment)
    out, error = process.communicate(timeout=60)
    return process.returncode, out, error


def test_a_run_ends_with_its_counts_and_leaves_truth_and_summary(tmp_path: Path) -> None:
    with Receiver(answers=lambda arrival, before: 503 if before == 0 else 202) as receiver:
        status, out, error = run(
            "send", "first-try", "--url", receiver.url, "--user", "me", "--folder", str(tmp_path), "--speed", "100",
            "--orders", "2",
            "--json", **SECRETS,
        )  # fmt: skip
    assert (status, error) == (0, "")
    summary = json.loads(out)
    assert summary["planned"] == summary["delivered"] == summary["repeatedBy"]["503"]
    assert summary["dropped"] == summary["left"] == 0
    assert summary["latencyMilliseconds"].keys() == {"p50", "p95", "max"}
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    assert len((tmp_path / "truth.jsonl").read_text().splitlines()) == 3
    assert {arrival.path for arrival in receiver.arrivals} == {
        "/webhooks/tradecloud/order",
        "/webhooks/tradecloud/shipment",
    }


def test_what_was_dropped_is_told_by_answer_and_the_status_is_1(tmp_path: Path) -> None:
    with Receiver(answers=lambda arrival, before: 401) as receiver:
        status, out, _ = run("send", "first-try", "--url", receiver.url, "--orders", "1", "--folder", str(tmp_path))
    assert status == 1
    assert "delivered  0" in out
    dropped = next(line for line in out.splitlines() if line.startswith("dropped"))
    assert dropped.endswith(f"(401: {len(receiver.arrivals)})")
    assert "first 401: OrderIssuedByBuyer, message " in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_in_order_with_its_summary(tmp_path: Path, number: signal.Signals) -> None:
    with Receiver(answers=lambda arrival, before: 503) as receiver:
        process = started("send", "first-try", "--url", receiver.url, "--folder", str(tmp_path), "--json")
        deadline = time.monotonic() + 30
        while not receiver.arrivals and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(number)
        out, error = process.communicate(timeout=30)
    assert (process.returncode, error) == (130, "")
    summary = json.loads(out)
    assert summary["interrupted"] is True
    assert summary["left"] == summary["planned"] > 0


def test_steps_run_a_command_and_post_to_the_control_port(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text(
        "title: mine\norders: 1\nsteps:\n"
        f"  - {{at: 0.5, command: touch {tmp_path / 'touched'}}}\n"
        "  - {at: 0.5, control: identity/rotate, body: {messageId: 00000000-0000-0000-0000-000000000000}}\n"
    )
    with Receiver() as receiver:
        arguments = ("send", str(scenario), "--url", receiver.url, "--folder", str(tmp_path))
        assert run(*arguments)[0] == 2
        status, _, error = run(*arguments, "--control", receiver.url)
    assert (status, error) == (0, "")
    assert (tmp_path / "touched").exists()
    paths = [arrival.path for arrival in receiver.arrivals]
    assert 0 < paths.index("/identity/rotate") < len(paths) - 1


def test_what_a_command_of_a_step_says_does_not_mix_with_the_json(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text("title: mine\norders: 1\nsteps:\n  - {at: 1, command: echo restarted}\n")
    with Receiver() as receiver:
        status, out, error = run("send", str(scenario), "--url", receiver.url, "--folder", str(tmp_path), "--json")
    assert (status, error) == (0, "restarted\n")
    assert json.loads(out)["left"] == 0


def test_the_platforms_stand_in_has_what_events_name_before_the_first_one_comes(tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text("title: mine\norders: 8\nstories: {administration: 1, shipment: 1}\n")
    functions, found = Control(), []
    with Platform() as platform, HttpServer(functions) as control, requests.Session() as anybody:
        platform.register(functions)

        def look(arrival: Arrival, before: int) -> int:
            for object_id, url in documents_of(json.loads(arrival.body)):
                if object_id is not None:
                    assert platform.store.document(object_id) is not None
                elif url is not None:
                    assert anybody.get(url, timeout=10).content.startswith(b"%PDF"), url
                found.append((object_id is not None, url is not None))
            return 202

        with Receiver(answers=look) as receiver:
            filled = ("--platform", control.url + "/", "--folder", str(tmp_path))
            status, _, error = run("send", str(scenario), "--url", receiver.url, *filled)
        stored = platform.store.counts()
    assert (status, error) == (0, "")
    assert {(True, False), (False, True)} <= set(found)
    kept = [json.loads(line) for line in (tmp_path / "truth.jsonl").read_text().splitlines()]
    assert stored["order"] + stored["single_delivery_order"] + stored["shipment"] == len(kept)


def documents_of(part: Any) -> list[tuple[str | None, str | None]]:
    """`objectId` and `url` of every document in a body."""
    if isinstance(part, dict):
        own = [(one.get("objectId"), one.get("url")) for one in part.get("documents") or []]
        return own + [each for value in part.values() for each in documents_of(value)]
    return [each for value in part for each in documents_of(value)] if isinstance(part, list) else []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("send", "first-try", "--url", "https://erp.example"), "--i-own-the-target erp.example"),
        (("send", "dya", "--url", "https://localhost:1"), "a scenario is a file, or one of day, "),
        (("send", "first-try", "--url", "https://localhost:1", "--user", "me"), "SANDBOX_PASSWORD is not set"),
        (("send", "first-try", "--url", "https://localhost:1", "--user", "me", "--bearer"), "is enough"),
        (("send", "first-try", "--url", "https://localhost:1", "--token-url", "https://x/"), "--client-id"),
        (("send", "first-try", "--url", "https://localhost:1", "--scope", "x"), "need --token-url"),
        (
            ("send", "first-try", "--url", "http://localhost:1", "--platform", "http://localhost:1"),
            "does not answer",
        ),
        (
            ("send", "first-try", "--url", "http://localhost:1", "--order-path", "orders"),
            "--order-path orders: a path begins with /",
        ),
        (
            ("send", "first-try", "--url", "http://localhost", "--shipment-path", ".example/x"),
            "--shipment-path .example/x: a path begins with /",
        ),
        (("send", "first-try", "--url", "https://localhost:1", "--user", "me:you"), "no colon"),
        (
            ("send", "first-try", "--url", "http://localhost:1", "--platform", "http://erp.example"),
            "--platform http://erp.example: erp.example is another machine",
        ),
        (
            ("send", "first-try", "--url", "http://localhost:1", "--control", "localhost:1"),
            "--control localhost:1: write it as",
        ),
        (("scenarios", "dya"), "there are day, "),
        (("compare", "no-such-folder"), "No such file"),
    ],
)
def test_a_users_mistake_is_one_line(arguments: tuple[str, ...], sentence: str) -> None:
    status, out, error = run(*arguments)
    assert (status, out) == (2, "")
    assert error.startswith("sandbox: ")
    assert sentence in error
    assert error.count("\n") == 1


def test_a_token_that_no_header_can_hold_is_told_without_the_token() -> None:
    for token in ("tok\nen", "tökén", "to ken"):
        status, out, error = run(
            "send", "first-try", "--url", "http://localhost:1", "--bearer", SANDBOX_TOKEN=token
        )
        assert (status, out) == (2, "")
        assert error.startswith("sandbox: the environment variable SANDBOX_TOKEN ")
        assert "ken" not in error.replace("token", "")


def test_shipments_need_credentials_of_their_own_beside_oauth(tmp_path: Path) -> None:
    oauth = ("--client-id", "c", "--scope", "x/.default", "--folder", str(tmp_path), "--orders", "1")
    with Receiver(token_answers=[(200, {"access_token": "from-oauth", "expires_in": 3600})]) as receiver:
        send = ("send", "first-try", "--url", receiver.url, "--token-url", f"{receiver.url}/token", *oauth)
        status, _, error = run(*send, SANDBOX_CLIENT_SECRET="s")
        assert status == 2
        assert "shipments know no OAuth 2.0" in error
        status, _, error = run(
            *send, "--shipment-bearer", SANDBOX_CLIENT_SECRET="s", SANDBOX_SHIPMENT_TOKEN="static"
        )
    assert (status, error) == (0, "")
    assert {
        (arrival.path.rpartition("/")[2], arrival.headers["Authorization"]) for arrival in receiver.arrivals
    } == {
        ("order", "Bearer from-oauth"),
        ("shipment", "Bearer static"),
    }


def test_scenarios_lists_all_and_prints_one_to_be_copied() -> None:
    status, out, _ = run("scenarios")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == reading.shipped()
    assert run("scenarios", "day")[1] == reading.text_of("day")


def test_compare_prints_differences_and_ends_with_1(tmp_path: Path) -> None:
    with Receiver() as receiver:
        run("send", "first-try", "--url", receiver.url, "--orders", "2", "--folder", str(tmp_path))
    script = tmp_path / "show.py"
    script.write_text(
        "import json, sys\n"
        f"for line in open({str(tmp_path / 'truth.jsonl')!r}):\n"
        "    row = json.loads(line, parse_float=str)\n"
        "    if row['id'] == sys.argv[1]:\n"
        "        print(line[line.index('\"state\":') + 8:-2])\n"
    )
    command = f"{sys.executable} {script} {{id}}"
    arguments = ("compare", str(tmp_path), "--orders-command", command, "--shipments-command", command)
    status, out, error = run(*arguments)
    assert (status, error) == (0, ""), out
    assert "3 of 3 orders and shipments" in out
    script.write_text(script.read_text().replace("print(line[", "print(line.replace('Completed', 'Complete')["))
    status, out, _ = run(*arguments, "--json")
    assert status == 1
    different: Any = json.loads(out)["different"]
    assert different[0]["differences"][0].endswith('/status/processStatus: "Completed" expected, "Complete" known')


@pytest.mark.parametrize("service", ["identity", "platform", "erp"])
def test_services_have_options_of_their_own_and_no_word_beside_them(service: str) -> None:
    status, out, error = run(service, "--help")
    assert (status, error) == (0, "")
    assert out.startswith(f"usage: python -m sandbox.{service} ")
    status, out, error = run(service, "--host", "0.0.0.0")
    assert (status, out) == (1, "")
    assert error.startswith(f"sandbox.{service}: ")
    assert error.count("\n") == 1
