"""What is measured: how each service is started, and the process that runs it. Linux only, for the memory."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import trustme

from bench.credentials import PASSWORD, USER

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 30.0
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Subject:
    """A service under measurement."""

    key: str
    title: str
    command: Callable[[Path, int], list[str]]
    """Prepares the folder for this port and says how to start there."""
    https: bool = False
    status_when_ready: int = 200
    """What `GET /health/ready` is answered."""


class StartError(Exception):
    """The service does not get ready; the text has the end of its log."""


class Running:
    """A started service that answers; a context manager that stops it.

    Raises:
        StartError: it does not answer.
    """

    def __init__(self, subject: Subject, folder: Path) -> None:
        self._subject = subject
        self._log = folder / "service.log"
        self.port = _free_port()
        command = subject.command(folder, self.port)
        self.ca = folder / "ca.pem" if subject.https else None
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("WEBHOOKS_", "UVICORN_"))}
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment | {"PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self.start_seconds = time.perf_counter() - began

    def peak_memory(self) -> int:
        """The most memory that the process ever held, in bytes."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found, "the kernel does not tell VmHWM"
        return int(found[1]) * 1024

    def _wait_until_ready(self) -> None:
        tls = ssl.create_default_context(cafile=self.ca) if self.ca else None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            connection = (
                http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=tls)
                if tls
                else http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            )
            try:
                connection.request("GET", "/health/ready")
                if connection.getresponse().status == self._subject.status_when_ready:
                    return
            except (OSError, http.client.HTTPException):
                pass
            finally:
                connection.close()
            time.sleep(0.01)
        log = self._log.read_text(errors="replace")
        raise StartError(f"{self._subject.title} did not start: {log[-2000:]}")

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _ours(*, https: bool) -> Callable[[Path, int], list[str]]:
    def command(folder: Path, port: int) -> list[str]:
        transport = 'certificate = "certificate.pem"\nkey = "key.pem"' if https else "behind_proxy = true"
        if https:
            _certificate(folder)
        config = folder / "webhooks.toml"
        config.write_text(
            f'[auth.basic.main]\nusername = "{USER}"\npassword = "{PASSWORD}"\n'
            f'[server]\nhost = "127.0.0.1"\nport = {port}\n{transport}\n',
            encoding="utf-8",
        )
        return webhooks_serve(config)

    return command


def webhooks_serve(config: Path) -> list[str]:
    """Our service with these settings, as an operator starts it."""
    return [str(Path(sys.executable).with_name("webhooks")), "serve", "--config", str(config)]


def _stock(_folder: Path, port: int) -> list[str]:
    arguments = [
        "--workers",
        "1",
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "warning",
    ]
    return [sys.executable, "-m", "uvicorn", "bench.stock:app", f"--port={port}", *arguments]


def _certificate(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for i, pem in enumerate(certificate.cert_chain_pems):
        pem.write_to_path(folder / "certificate.pem", append=i > 0)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


SUBJECTS = (
    Subject("ours_https", "ours, HTTPS", _ours(https=True), https=True),
    Subject("ours_http", "ours, plain HTTP", _ours(https=False)),
    Subject("stock", "stock connexion, plain HTTP", _stock, status_when_ready=404),
)
