"""The control port, the small server behind everything, and the stand-ins as processes of their own."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from sandbox.certificates import Authority
from sandbox.control import Control, ControlError
from sandbox.erp import Erp
from sandbox.identity.provider import IdentityProvider
from sandbox.platform.platform import Platform
from sandbox.serving import Answer, HttpServer, NotAllowedHostError, Request, check_host
from tests.acceptance.running import ROOT

LIGHTS: list[str] = []


def switch(color: str, times: int = 1) -> dict[str, int]:
    """Switch the light on.

    And this is not shown.
    """
    if color == "black":
        raise ControlError("there is no black light")
    LIGHTS.extend([color] * times)
    return {"lights": len(LIGHTS)}


def lights() -> list[str]:
    """What is on."""
    return LIGHTS


@pytest.fixture
def url() -> Iterator[str]:
    LIGHTS.clear()
    control = Control()
    control.register("light/switch", switch)
    control.register("light/state", lights, looks=True)
    with HttpServer(control) as running:
        yield running.url


class TestControl:
    def test_list_says_what_there_is_and_with_which_arguments(self, url: str) -> None:
        assert requests.get(url, timeout=10).json() == {
            "functions": [
                {"name": "light/state", "method": "GET", "says": "What is on.", "arguments": {}},
                {
                    "name": "light/switch",
                    "method": "POST",
                    "says": "Switch the light on.",
                    "arguments": {"color": "str", "times": "int = 1"},
                },
            ]
        }

    def test_function_is_done_and_its_result_answered(self, url: str) -> None:
        answer = requests.post(f"{url}/light/switch", json={"color": "red", "times": 2}, timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"lights": 2})
        assert requests.get(f"{url}/light/state", timeout=10).json() == ["red", "red"]

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ("{}", 400, "color: Missing required argument"),
            ('{"color": "red", "times": "often"}', 400, "times: Input should be a valid integer"),
            ('{"color": "red", "brightness": 1}', 400, "brightness: Unexpected keyword argument"),
            ("[]", 400, "must be a JSON object"),
            ("{", 400, "is no JSON"),
            ('{"color": "black"}', 409, "there is no black light"),
        ],
    )
    def test_what_is_wrong_is_problem_details(self, url: str, body: str, status: int, said: str) -> None:
        answer = requests.post(f"{url}/light/switch", data=body, timeout=10)
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.status_code == answer.json()["status"] == status
        assert said in answer.json()["detail"]
        assert not LIGHTS

    def test_unknown_name_is_404_and_a_wrong_method_405(self, url: str) -> None:
        assert requests.post(f"{url}/light/off", timeout=10).status_code == 404
        answer = requests.get(f"{url}/light/switch", timeout=10)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert requests.delete(url, timeout=10).status_code == 405

    def test_web_page_may_not(self, url: str) -> None:
        answer = requests.post(f"{url}/light/switch", json={"color": "red"}, headers={"Origin": "x"}, timeout=10)
        assert answer.status_code == 403
        assert not LIGHTS

    def test_name_cannot_be_taken_twice(self) -> None:
        control = Control()
        control.register("a", lights)
        with pytest.raises(ValueError, match="registered already"):
            control.register("a", lights)


class TestServing:
    def test_connection_is_kept_for_the_next_request(self) -> None:
        seen = []

        def answer(request: Request) -> Answer:
            seen.append(request.body)
            return Answer(200, request.body)

        with HttpServer(answer) as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
            for body in (b"one", b"two"):
                connection.sendall(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + body)
                received = b""
                while not received.endswith(body):
                    received += connection.recv(1000)
                assert received.startswith(b"HTTP/1.1 200 OK\r\n")
        assert seen == [b"one", b"two"]

    def test_stop_cuts_connections_that_wait_and_frees_the_port(self) -> None:
        server = HttpServer(lambda _: Answer(nothing=True)).start()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.1)
            server.stop()
            assert connection.recv(1) == b""
        HttpServer(lambda _: Answer(), port=server.port).stop()

    def test_fault_of_a_stand_in_is_500_with_its_text(self) -> None:
        def broken(_: Request) -> Answer:
            raise KeyError("missing")

        with HttpServer(broken) as server:
            answer = requests.get(server.url, timeout=10)
        assert answer.status_code == 500
        assert "KeyError: 'missing'" in answer.json()["detail"]

    @pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.3.4.5"])
    def test_loopback_needs_no_permission(self, host: str) -> None:
        check_host(host, None)

    @pytest.mark.parametrize(
        ("host", "allowed"), [("10.0.0.1", None), ("10.0.0.1", "10.0.0.2"), ("0.0.0.0", "0.0.0.0"), ("erp", "")]
    )
    def test_other_hosts_need_their_own_name_as_permission(self, host: str, allowed: str | None) -> None:
        with pytest.raises(NotAllowedHostError):
            check_host(host, allowed)

    def test_named_host_is_allowed(self) -> None:
        check_host("10.0.0.1", "10.0.0.1")


@contextmanager
def running(module: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """A stand-in as a process, and the facts of its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *options], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        word, _, *facts = process.stdout.readline().split()
        assert word == "ready"
        yield process, dict(fact.split("=", 1) for fact in facts)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


class TestProcesses:
    def test_identity_runs_by_itself_and_ends_at_once_on_sigterm(self, tmp_path: Any) -> None:
        ca_file = tmp_path / "ca.pem"
        with running("sandbox.identity", "--ca-file", str(ca_file), "--token-version", "1") as (process, facts):
            with requests.Session() as session:
                session.trust_env, session.verify = False, facts["ca"]
                found = session.get(f"{facts['entra']}/v2.0/.well-known/openid-configuration", timeout=10)
            assert found.json()["issuer"].startswith(facts["https"])
            state = requests.get(f"{facts['control']}/identity/state", timeout=10).json()
            assert state["asked"] == {"metadata": 1}
            requests.post(f"{facts['control']}/identity/outage", json={"kind": "no-answer"}, timeout=10)
            host, _, port = facts["http"].removeprefix("http://").partition(":")
            with socket.create_connection((host, int(port)), timeout=10) as waits:
                waits.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                process.send_signal(signal.SIGTERM)
                assert process.wait(5) == 0

    def test_platform_runs_by_itself_and_ends_at_once_on_sigterm(self) -> None:
        with running("sandbox.platform", "--basic-seconds", "0") as (process, facts):
            url = f"{facts['base']}/authentication/login"
            answer = requests.get(url, auth=(facts["username"], "wrong"), timeout=10)
            assert answer.status_code == 401
            assert requests.get(f"{facts['content']}/unknown", timeout=10).status_code == 404
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0

    def test_erp_runs_by_itself_and_ends_at_once_on_sigterm(self) -> None:
        with running("sandbox.erp") as (process, facts):
            headers = {"Idempotency-Key": "k"}
            assert requests.post(facts["url"], data=b"{}", headers=headers, timeout=10).status_code == 201
            assert requests.get(f"{facts['control']}/erp/state", timeout=10).json()["events"] == 1
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 0

    @pytest.mark.parametrize("module", ["sandbox.identity", "sandbox.platform"])
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--host", "192.0.2.1"], "to allow that: --i-own-the-target 192.0.2.1"),
            (["--host", "192.0.2.1", "--i-own-the-target", "192.0.2.1"], "of your own"),
        ],
    )
    def test_reachable_address_is_refused_in_one_line(self, module: str, options: list[str], said: str) -> None:
        ended = subprocess.run(
            [sys.executable, "-m", module, *options], cwd=ROOT, capture_output=True, text=True, timeout=30
        )
        assert ended.returncode == 1
        (line,) = ended.stderr.splitlines()
        assert said in line


def test_every_function_of_the_control_port_stands_in_the_documentation_and_no_other() -> None:
    control = Control()
    with Platform() as platform, IdentityProvider(Authority()) as provider, Erp() as erp:
        for part in (platform, provider, erp):
            part.register(control)
    with HttpServer(control) as running:
        listed = {each["name"] for each in requests.get(running.url, timeout=10).json()["functions"]}
    text = (ROOT / "docs" / "sandbox-services.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `((?:identity|platform|erp)/[a-z-]+)` \|", text, re.MULTILINE)) == listed
