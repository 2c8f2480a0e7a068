"""The service of the demo: settings, certificate, process, and what its command line says. A black box."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.certificates import Authority
from sandbox.errors import SandboxError
from sandbox.platform.logins import PASSWORD, USERNAME

#: Only a folder with this file may be removed by the next demo: one with settings may be anybody's service.
MARK = "demo.txt"
#: Seconds that it has to start or to stop.
_PATIENCE = 60.0

_SETTINGS = """\
# Written by the demo. Each command of the service can be tried with it: webhooks --help
[server]
host = "127.0.0.1"
port = {port}
certificate = "certificate.pem"
key = "key.pem"

# Order events: access tokens of the sandbox's identity provider, found by the authentication URL.
[auth.oauth.tradecloud]
authority = "{authority}"
audiences = ["{audience}"]
clients = ["{client}"]
ca_file = "ca.pem"
endpoints = ["order"]

# Shipments: Tradecloud has no access tokens for them.
[auth.basic.shipments]
username = "tradecloud"
password = "{password}"
endpoints = ["shipment"]

[destinations.erp]
type = "http"
url = "{erp}"

# Documents become files before their event goes to the ERP.
[documents]
url = "{platform}"
username = "{platform_user}"
password = "{platform_password}"
# Everything here is on this machine.
allow_http = true
allow_private = true
"""


class Service:
    """`webhooks serve` in a folder of its own; a context manager that ends it."""

    def __init__(
        self, folder: Path, *, ca: Authority, authority: str, audience: str, client: str, erp: str, platform: str
    ) -> None:
        self.folder = folder
        self.port = _free_port()
        self.url = f"https://localhost:{self.port}"
        self.ca_file = folder / "ca.pem"
        self.password = secrets.token_urlsafe(24)
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        (folder / MARK).write_text("Of `python -m sandbox demo`, which removes this folder when it runs again.\n")
        self.ca_file.write_text(ca.pem, encoding="ascii")
        for name, content in ca.server_files().items():
            _secret_file(folder / name, content)
        text = _SETTINGS.format(
            port=self.port,
            authority=authority,
            audience=audience,
            client=client,
            password=self.password,
            erp=erp,
            platform=platform,
            platform_user=USERNAME,
            platform_password=PASSWORD,
        )
        _secret_file(folder / "webhooks.toml", text)

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "service.log"

    def start(self) -> None:
        """Start it; it listens on return.

        Raises:
            SandboxError: it does not start; the text ends with its last line.
        """
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [*command(), "serve"], cwd=self.folder, env=_environment(), stdout=log, stderr=log
            )
        deadline = time.monotonic() + _PATIENCE
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it said nothing"]
                raise SandboxError(f"the service did not start: {lines[-1]} ({self.log})")
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM; it has ended on return."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def events(self, *filters: str) -> list[dict[str, Any]]:
        """What `webhooks events list` says.

        Raises:
            SandboxError: the command fails.
        """
        rows: list[dict[str, Any]] = json.loads(
            self._asked("events", "list", "--json", "--limit", "100000", *filters)
        )
        return rows

    def documents(self) -> list[dict[str, Any]]:
        """What `webhooks documents list` says.

        Raises:
            SandboxError: the command fails.
        """
        rows: list[dict[str, Any]] = json.loads(self._asked("documents", "list", "--json", "--limit", "100000"))
        return rows

    def command_line(self, *arguments: str) -> str:
        """One of its commands, to be run from anywhere."""
        return shlex.join([*command(), *arguments, "--config", str(self.folder.absolute() / "webhooks.toml")])

    def _asked(self, *arguments: str) -> bytes:
        result = subprocess.run(  # noqa: S603
            [*command(), *arguments], cwd=self.folder, env=_environment(), capture_output=True, check=False
        )
        if result.returncode != 0:
            said = result.stderr.decode(errors="replace").strip().splitlines() or [f"status {result.returncode}"]
            raise SandboxError(f"webhooks {' '.join(arguments)}: {said[-1]}")
        return result.stdout

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1.0):
            return True
        return False


def command() -> list[str]:
    """The service's command, installed beside this Python."""
    return [str(Path(sys.executable).with_name("webhooks"))]


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WEBHOOKS_")}


def _secret_file(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
