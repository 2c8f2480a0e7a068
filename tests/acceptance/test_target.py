"""The target of the conformance suite: every state by its command, and what a sender is answered meanwhile."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.acceptance.running import COMMAND, ORDER, ROOT, SHIPMENT, example, free_port
from tests.issuer import IssuerServer, rsa_key


class Target:
    """A target in a folder of its own, driven by its commands alone."""

    def __init__(self, folder: Path, issuer: str = "http://localhost:9", *options: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.issuer = issuer
        self.options = options

    def command(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Carry out `python -m tools.target ... --folder ...`; a failure is shown with what was said."""
        done = subprocess.run(self.words(*words), cwd=ROOT, capture_output=True, text=True, timeout=90)
        assert not check or done.returncode == 0, done.stderr
        return done

    def words(self, first: str, *others: str) -> list[str]:
        """The command as a shell would be given it."""
        return [sys.executable, "-m", "tools.target", first, "--folder", str(self.folder), *others]

    def start(self) -> Target:
        """Start the service; its port and its issuer are this target's own."""
        self.command("start", *self.places)
        return self

    @property
    def places(self) -> list[str]:
        """Options of `start` and `run`."""
        return ["--port", str(self.port), "--issuer", self.issuer, *self.options]

    @property
    def secrets(self) -> dict[str, str]:
        """What secrets.env holds."""
        lines = (self.folder / "secrets.env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def effects(self, order: str, *options: str) -> list[dict[str, Any]]:
        """What the observer sees."""
        rows: list[dict[str, Any]] = json.loads(self.command("effects", "--order", order, *options).stdout)
        return rows

    def handled(self, order: str, count: int) -> list[dict[str, Any]]:
        """What came of the order, as soon as so much came of it."""
        deadline = time.monotonic() + 30
        while len(rows := json.loads(self.command("handled", "--order", order).stdout)) < count:
            assert time.monotonic() < deadline, f"{rows}, and {self.effects(order)}"
        assert len(rows) == count, rows
        return list(rows)

    def get(self, path: str) -> requests.Response:
        """GET without credentials."""
        return requests.get(f"https://localhost:{self.port}{path}", verify=str(self.folder / "ca.pem"), timeout=20)

    def post(
        self,
        path: str,
        body: bytes,
        auth: Any = None,
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> requests.Response:
        """POST as Tradecloud does, unless told otherwise."""
        if auth is None and headers is None:
            auth = (b"tradecloud", self.secrets["TC_PASSWORD"].encode())
        return requests.post(
            f"https://localhost:{port or self.port}{path}",
            data=body,
            auth=auth,
            headers={"Content-Type": "application/json"} | (headers or {}),
            verify=str(self.folder / "ca.pem"),
            timeout=30,
        )


def order(number: str) -> bytes:
    """An event of this purchase order, which no other test has, in a message of its own."""
    event = json.loads(example("order-issued"))
    event["orderEvent"]["orderId"] = f"{uuid.UUID(int=0)}-{number}"
    event["meta"] = {"messageId": str(uuid.uuid4())}
    event["orderEvent"]["buyerOrder"]["purchaseOrderNumber"] = number
    return json.dumps(event).encode()


def shipment(number: str) -> bytes:
    """An event of a new shipment with a line of this purchase order."""
    event = json.loads(example("shipment-issued"))
    event["shipment"]["shipmentId"] = str(uuid.uuid4())
    event["meta"] = {"messageId": str(uuid.uuid4())}
    for line in event["shipment"]["lines"]:
        line["purchaseOrderNumber"] = number
    return json.dumps(event).encode()


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerServer]:
    """An issuer of tokens."""
    server = IssuerServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory, issuer: IssuerServer) -> Iterator[Target]:
    """A started target that the tests of this module share; every test leaves all states off."""
    running = Target(tmp_path_factory.mktemp("target") / "folder", issuer.url).start()
    yield running
    running.command("stop")


def number() -> str:
    """A purchase order number that no other test has."""
    return f"TCCONF-{uuid.uuid4().hex[:6]}x-RET-01-1"


def test_secrets_are_for_their_owner_only_and_hard_to_get_right(target: Target) -> None:
    assert (target.folder / "secrets.env").stat().st_mode & 0o777 == 0o600
    assert (target.folder / "webhooks.toml").stat().st_mode & 0o777 == 0o600
    assert list(target.secrets) == [
        "TC_PASSWORD",
        "TC_TOKEN",
        "TC_ORDERS_ONLY_PASSWORD",
        "TC_SHIPMENTS_ONLY_PASSWORD",
    ]
    assert target.secrets["TC_PASSWORD"].count(":") >= 2
    assert not target.secrets["TC_PASSWORD"].isascii()
    sourced = subprocess.run(
        ["sh", "-c", '. "$0/secrets.env"; printf %s "$TC_PASSWORD"', str(target.folder)], capture_output=True
    )
    assert sourced.stdout.decode() == target.secrets["TC_PASSWORD"]


def test_every_credential_may_deliver_what_its_name_says(target: Target) -> None:
    orders_only = ("orders-only", target.secrets["TC_ORDERS_ONLY_PASSWORD"])
    shipments_only = ("shipments-only", target.secrets["TC_SHIPMENTS_ONLY_PASSWORD"])
    bearer = {"Authorization": f"Bearer {target.secrets['TC_TOKEN']}"}
    for path, body in ((ORDER, order(number())), (SHIPMENT, shipment(number()))):
        assert target.post(path, body).status_code == 202
        assert target.post(path, body, headers=bearer).status_code == 202
    assert target.post(ORDER, order(number()), auth=orders_only).status_code == 202
    assert target.post(SHIPMENT, shipment(number()), auth=orders_only).status_code == 403
    assert target.post(SHIPMENT, shipment(number()), auth=shipments_only).status_code == 202
    assert target.post(ORDER, order(number()), auth=shipments_only).status_code == 403


def test_token_of_the_issuer_with_the_role_may_deliver_both(target: Target, issuer: IssuerServer) -> None:
    good: dict[str, Any] = {"iss": issuer.url, "aud": "api://tradecloud-conformance", "roles": ["Webhooks.Deliver"]}
    headers = {"Authorization": f"Bearer {issuer.token(**good)}"}
    assert target.post(ORDER, order(number()), headers=headers).status_code == 202
    assert target.post(SHIPMENT, shipment(number()), headers=headers).status_code == 202
    for wrong, status in (({"aud": "api://other"}, 401), ({"roles": ["Other"]}, 403)):
        headers = {"Authorization": f"Bearer {issuer.token(**(good | wrong))}"}
        assert target.post(ORDER, order(number()), headers=headers).status_code == status


def test_issuer_that_comes_up_after_the_service_is_asked_at_the_first_token(
    tmp_path: Path, issuer: IssuerServer
) -> None:
    port = free_port()
    late = Target(tmp_path / "folder", f"http://localhost:{port}").start()
    try:
        key = rsa_key()
        claims = issuer.claims(iss=late.issuer, aud="api://tradecloud-conformance", roles=["Webhooks.Deliver"])
        headers = {"Authorization": f"Bearer {key.token(claims)}"}
        with subprocess.Popen(
            [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
            cwd=_published(tmp_path, key.jwk()),
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        ) as server:
            try:
                _wait_for(port)
                assert late.post(ORDER, order(number()), headers=headers).status_code == 202
            finally:
                server.terminate()
    finally:
        late.command("stop")


def _published(folder: Path, jwk: dict[str, Any]) -> Path:
    place = folder / "published"
    place.mkdir()
    (place / "keys").write_text(json.dumps({"keys": [jwk]}))
    return place


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            requests.get(f"http://127.0.0.1:{port}/keys", timeout=5)
            return
        except requests.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("state", ["overloaded", "store-down", "store-full"])
def test_state_that_is_on_is_503_and_the_same_bytes_are_202_when_it_is_off(target: Target, state: str) -> None:
    if state == "store-full" and sys.platform != "linux":
        pytest.skip("only Linux can limit the files of a running process")
    mine = number()
    sent = order(mine)
    for _ in range(2):  # turning it on or off again changes nothing
        target.command(state, "on")
    try:
        for path, body in ((ORDER, sent), (SHIPMENT, shipment(mine)), (ORDER, b"{")):
            response = target.post(path, body)
            assert response.status_code == 503
            assert int(response.headers["Retry-After"]) > 0
        assert target.effects(mine) == []
    finally:
        for _ in range(2):
            target.command(state, "off")
    assert target.post(ORDER, sent).json()["duplicate"] is False
    assert len(target.effects(mine)) == 1


@pytest.mark.parametrize(("path", "event"), [(ORDER, order), (SHIPMENT, shipment)], ids=["order", "shipment"])
def test_poison_is_500_and_its_body_is_in_quarantine(target: Target, path: str, event: Any) -> None:
    mine = f"TCCONF-500-{number()}"
    response = target.post(path, event(mine))
    assert response.status_code == 500
    assert target.effects(mine) == []
    (kept,) = target.effects(mine, "--quarantined")
    assert kept["id"] == response.json()["quarantineId"]
    assert target.post(path, event(f"TCCONF-501-{mine}")).status_code == 202


def test_effects_are_what_the_service_lists_of_the_order(target: Target) -> None:
    mine = number()
    sent = order(mine)
    for path, body in ((ORDER, sent), (ORDER, sent), (ORDER, order(mine)), (SHIPMENT, shipment(mine))):
        assert target.post(path, body).status_code == 202
    target.handled(mine, 3)  # from now on their states stay as they are
    listed = subprocess.run(
        [
            COMMAND,
            "events",
            "list",
            "--json",
            "--purchase-order",
            mine,
            "--config",
            target.folder / "webhooks.toml",
        ],
        capture_output=True,
        check=True,
    )
    found = target.effects(mine)
    assert [row["endpoint"] for row in found] == ["shipment", "order", "order"]
    assert [row["deliveries"] for row in found] == [1, 1, 2]
    assert found == [{name: row[name] for name in found[0]} for row in json.loads(listed.stdout)]
    assert target.effects(mine + "0") == []


@pytest.mark.parametrize("state", ["erp-down", "erp-slow"])
def test_event_that_came_while_the_erp_had_trouble_is_handled_once_afterwards(target: Target, state: str) -> None:
    mine = number()
    target.command(state, "on")
    try:
        assert target.post(ORDER, order(mine)).status_code == 202
        time.sleep(1)
        target.handled(mine, 0 if state == "erp-down" else 1)
        assert [row["state"] for row in target.effects(mine)] != ["done"]
    finally:
        target.command(state, "off")
    (row,) = target.handled(mine, 1)
    assert row["outcome"].startswith("taken by the ERP as ")


@pytest.mark.parametrize("beginning", ["TCCONF-422", "TCCONF-404", "TCCONF-CRASH"])
def test_event_that_the_processing_refuses_is_handled_when_it_is_dead(target: Target, beginning: str) -> None:
    mine = f"{beginning}-{number()}"
    assert target.post(ORDER, order(mine)).status_code == 202
    (row,) = target.handled(mine, 1)
    assert (row["state"], row["outcome"]) == ("dead", "kept")


def test_order_is_shown_as_it_is_after_its_events(target: Target) -> None:
    mine = number()
    sent = order(mine)
    assert target.post(ORDER, sent).status_code == 202
    shown = json.loads(target.command("order", "--order", mine).stdout)
    lines = json.loads(sent)["orderEvent"]["lines"]
    assert [line["id"] for line in shown["lines"]] == [line["id"] for line in lines]
    assert shown["version"] == json.loads(sent)["orderEvent"]["version"]
    one_line(target.command("order", "--order", "no such order", check=False), "no such order")


@pytest.fixture(scope="module")
def inline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A target that answers what its ERP says, with a second node."""
    folder = tmp_path_factory.mktemp("inline") / "folder"
    started = Target(folder, "http://localhost:9", "--mode", "inline", "--second-port", str(free_port())).start()
    yield started
    second = int(started.options[-1])
    started.command("stop")
    for port in (started.port, second, int((folder / "erp-port").read_text())):
        with pytest.raises(requests.ConnectionError):
            requests.get(f"https://localhost:{port}/", timeout=5)


@pytest.mark.parametrize(("state", "status"), [("erp-down", 502), ("erp-slow", 504)])
def test_trouble_of_the_erp_is_answered_and_its_repetition_is_handled_once(
    inline: Target, state: str, status: int
) -> None:
    mine = number()
    sent = order(mine)
    inline.command(state, "on")
    try:
        for _ in range(2):
            answer = inline.post(ORDER, sent)
            assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (status, True)
            assert answer.elapsed.total_seconds() < 5
    finally:
        inline.command(state, "off")
    answer = inline.post(ORDER, sent)
    assert (answer.status_code, answer.json()["status"]) == (200, "processed")
    inline.handled(mine, 1)


@pytest.mark.parametrize(
    ("beginning", "status"), [("TCCONF-422", 400), ("TCCONF-404", 404), ("TCCONF-CRASH", 500), ("TCCONF-500", 500)]
)
def test_refusal_of_the_processing_is_the_answer_and_the_event_is_kept(
    inline: Target, beginning: str, status: int
) -> None:
    mine = f"{beginning}-{number()}"
    assert inline.post(ORDER, order(mine)).status_code == status
    (row,) = inline.handled(mine, 1)
    assert row["outcome"] == "kept"


def test_second_node_knows_what_came_to_the_first_one(inline: Target) -> None:
    mine = number()
    sent = order(mine)
    assert inline.post(ORDER, sent).status_code == 200
    assert inline.post(ORDER, sent, port=int(inline.options[-1])).json()["duplicate"] is True
    inline.handled(mine, 1)


def test_service_that_answers_inline_is_back_with_its_worker(inline: Target) -> None:
    inline.command("kill")
    assert inline.post(ORDER, order(number())).status_code == 200


@pytest.mark.parametrize("action", ["kill", "restart"])
def test_service_comes_back_on_its_port_with_its_events(target: Target, action: str) -> None:
    mine = number()
    sent = order(mine)
    assert target.post(ORDER, sent).status_code == 202
    before = (target.folder / "service.pid").read_text()
    target.command(action)
    assert (target.folder / "service.pid").read_text() != before
    assert target.get("/health/ready").status_code == 200
    assert target.post(ORDER, sent).json()["duplicate"] is True
    assert len(target.effects(mine)) == 1


def test_service_that_is_killed_while_overloaded_is_overloaded_afterwards(target: Target) -> None:
    target.command("overloaded", "on")
    try:
        target.command("kill")
        assert target.post(ORDER, order(number())).status_code == 503
    finally:
        target.command("overloaded", "off")
    assert target.post(ORDER, order(number())).status_code == 202


def one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed, and said why in one line."""
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_what_cannot_be_done_is_one_line(target: Target, tmp_path: Path) -> None:
    one_line(target.command("start", *target.places, check=False), "runs already", "stop --folder")
    nobody = Target(tmp_path / "nothing")
    for words in (["kill"], ["restart"], ["overloaded", "on"], ["store-down", "on"], ["effects", "--order", "1"]):
        one_line(nobody.command(*words, check=False), str(nobody.folder))
    assert not nobody.folder.exists()
    target.command("store-down", "on")
    try:
        one_line(target.command("restart", check=False), "store-down off")
    finally:
        target.command("store-down", "off")
    other = Target(tmp_path / "other", "http://issuer.example.com")
    one_line(other.command("start", *other.places, check=False), "did not start", "must start with https://")
    other.issuer, other.port = target.issuer, target.port
    one_line(other.command("start", *other.places, check=False), "did not start", "in use")


def test_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "webhooks.toml").write_text("# a real one")
    foreign = Target(tmp_path)
    one_line(foreign.command("start", *foreign.places, check=False), "not the folder of a target")
    assert [path.name for path in tmp_path.iterdir()] == ["webhooks.toml"]


def test_number_of_a_process_that_died_is_not_taken_for_a_running_one(tmp_path: Path) -> None:
    target = Target(tmp_path / "folder").start()
    try:
        pid = int((target.folder / "service.pid").read_text())
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.2)
        # Somebody else's number by now: it must not be ended.
        (target.folder / "service.pid").write_text(str(os.getpid()))
        one_line(target.command("kill", check=False), "does not run")
        assert "not running" in target.command("stop").stdout
        target.start()
        assert target.get("/health/ready").status_code == 200
    finally:
        target.command("stop")


def test_run_gives_the_command_its_target_and_stops_whatever_happens(tmp_path: Path) -> None:
    target = Target(tmp_path / "folder")
    hook = shlex.join([sys.executable, "-m", "tools.target", "overloaded", "on"])
    script = (
        f'{hook} && curl -sS --cacert "$TC_CA_FILE" "$TC_TARGET_URL/health/ready"; test -n "$TC_PASSWORD" && exit 7'
    )
    done = target.command("run", *target.places, "--", "sh", "-c", script, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert json.loads(done.stdout)["reason"] == "maintenance"
    with pytest.raises(requests.ConnectionError):
        target.get("/health/live")
    done = target.command("run", *target.places, "--", "no-such-command", check=False)
    assert (done.returncode, done.stderr) == (
        127,
        "target: cannot run no-such-command: No such file or directory\n",
    )
    with pytest.raises(requests.ConnectionError):
        target.get("/health/live")


def test_run_that_is_ended_ends_its_command_and_stops(tmp_path: Path) -> None:
    target = Target(tmp_path / "folder")
    words = target.words("run", *target.places, "--", "sh", "-c", "echo begun; exec sleep 60")
    with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        running.terminate()
        assert running.wait(30) == 128 + signal.SIGTERM
        assert running.stdout.read() == b""
    with pytest.raises(requests.ConnectionError):
        target.get("/health/live")
