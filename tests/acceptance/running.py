"""The service as an operator starts it: a process of its own, HTTPS, a settings file, a database file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import requests
import trustme

from service.console.events import event_json
from service.inbox.place import Place
from service.inbox.reader import InboxReader

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "specs" / "examples"
COMMAND = Path(sys.executable).with_name("webhooks")
USER = ("tradecloud", "pass:wörd with: colons")
#: As bytes, because requests would encode a text as Latin-1.
BASIC: Any = (USER[0].encode(), USER[1].encode())
OTHER_USER = ("orders-only", "another secret")
TOKEN = "t0ken-of-some-length"

ORDER = "/webhooks/tradecloud/order"
SHIPMENT = "/webhooks/tradecloud/shipment"


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningService:
    """One folder with settings, certificate and inbox, and the process that serves from it."""

    def __init__(self, folder: Path, *, extra: str = "", https: bool = True) -> None:
        self.folder = folder
        self.https = https
        self.port = free_port()
        self.ca = folder / "ca.pem"
        self.config = folder / "webhooks.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self.log = folder / "service.log"
        self.place: Place = folder / "data" / "inbox.db"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.ca))
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        for i, pem in enumerate(certificate.cert_chain_pems):
            pem.write_to_path(str(folder / "cert.pem"), append=i > 0)
        self.config.write_text(self._settings(extra), encoding="utf-8")

    def _settings(self, extra: str) -> str:
        transport = 'certificate = "cert.pem"\nkey = "key.pem"' if self.https else "behind_proxy = true"
        server, _, rest = extra.partition("\n[")
        return f"""
[auth.basic.main]
username = "{USER[0]}"
password = "{USER[1]}"
[auth.basic.orders]
username = "{OTHER_USER[0]}"
password = "{OTHER_USER[1]}"
endpoints = ["order"]
[auth.bearer.robot]
token = "{TOKEN}"
{"[" + rest if rest else ""}
[server]
host = "127.0.0.1"
port = {self.port}
{transport}
{server}
"""

    @property
    def url(self) -> str:
        """Base URL."""
        return f"{'https' if self.https else 'http'}://localhost:{self.port}"

    @property
    def database(self) -> Path:
        """The inbox."""
        return self.folder / "data" / "inbox.db"

    def start(self, *, command: list[str] | None = None, wait_for: str = "/health/ready") -> RunningService:
        """Start the process and wait until that path answers 200."""
        command = command or [str(COMMAND)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("WEBHOOKS_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "serve", "--config", str(self.config)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.wait_until(wait_for)
        return self

    def wait_until(self, path: str, seconds: float = 30.0) -> None:
        """Until the path answers 200."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.get(path).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        raise AssertionError("not ready: " + self.log.read_text())

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(15)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        """GET without credentials."""
        return requests.get(self.url + path, verify=str(self.ca), timeout=20, **kwargs)

    def post(self, path: str, body: bytes | str, **kwargs: Any) -> requests.Response:
        """POST as Tradecloud does, unless told otherwise."""
        data = body.encode() if isinstance(body, str) else body
        kwargs.setdefault("auth", BASIC)
        headers = {"Content-Type": "application/json"} | kwargs.pop("headers", {})
        headers = {key: value for key, value in headers.items() if value is not None}
        return requests.post(self.url + path, data=data, headers=headers, verify=str(self.ca), timeout=30, **kwargs)

    def wait_for_log(self, text: str, times: int = 1, seconds: float = 30.0) -> None:
        """Until the log has the text so many times."""
        deadline = time.monotonic() + seconds
        while self.log.read_text().count(text) < times:
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def webhooks(
        self, *arguments: str, check: bool = True, config: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command line, against this service's settings unless told otherwise."""
        return subprocess.run(
            [str(COMMAND), *arguments, *(["--config", str(self.config)] if config else [])],
            cwd=self.folder,
            capture_output=True,
            check=check,
            timeout=60,
        )

    def events(self, *filters: str) -> list[dict[str, Any]]:
        """What `webhooks events list` shows, newest first."""
        result = self.webhooks("events", "list", "--json", "--limit", "100000", *filters)
        rows: list[dict[str, Any]] = json.loads(result.stdout)
        return rows

    def event(self, event_id: str) -> dict[str, Any]:
        """What `webhooks events show --json` shows, without starting a process for it."""
        row: dict[str, Any] = json.loads(event_json(InboxReader(self.place).event(event_id)))
        return row

    def wait_for_state(self, event_id: str, state: str, seconds: float = 30.0) -> dict[str, Any]:
        """The event, as soon as it stands there."""
        deadline = time.monotonic() + seconds
        while (row := self.event(event_id))["state"] != state:
            assert time.monotonic() < deadline, row
            time.sleep(0.05)
        return row

    def raw(self, event_id: str) -> bytes:
        """What `webhooks events show --raw` prints, without starting a process for it."""
        return InboxReader(self.place).body(event_id)


def example(name: str) -> bytes:
    """The bytes of an example body."""
    return (EXAMPLES / f"{name}.json").read_bytes()


def body(name: str = "order-resent-minimal", **members: Any) -> bytes:
    """An example body with other members at its root."""
    return json.dumps(json.loads(example(name)) | members).encode()
