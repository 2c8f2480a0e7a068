"""What the tests of files that change under a running service share."""

from __future__ import annotations

import signal
import ssl
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import trustme

from tests.acceptance.running import BASIC, ORDER, RunningService, body

NEXT: Any = ("tradecloud", "the-next-password")
NEXT_USER = f"""
[auth.basic.next]
username = "{NEXT[0]}"
password_file = "next.txt"
"""


def until(condition: Callable[[], object], service: RunningService) -> None:
    """Wait for it, as long as a busy machine may take."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, service.log.read_text()
        time.sleep(0.05)


def hang_up(service: RunningService) -> None:
    """SIGHUP."""
    assert service.process is not None
    service.process.send_signal(signal.SIGHUP)


def write(path: Path, data: bytes | str) -> None:
    """Replace the file as an editor does."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data if isinstance(data, bytes) else data.encode())
    new.replace(path)


class Renewal:
    """A new certificate and key that the senders of the service trust, too."""

    def __init__(self, service: RunningService, *, ends: datetime | None = None) -> None:
        self.folder = service.folder
        authority = trustme.CA()
        with service.ca.open("ab") as trusted:
            trusted.write(authority.cert_pem.bytes())
        end = ends.replace(tzinfo=None) if ends else None  # trustme takes times without zone as UTC
        self.end = str(ends.date()) if ends else ""
        issued = authority.issue_cert("localhost", "127.0.0.1", not_after=end)
        self.certificate = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
        self.key = issued.private_key_pem.bytes()

    def certificate_alone(self) -> None:
        """Put the first half in place."""
        write(self.folder / "cert.pem", self.certificate)

    def key_alone(self) -> None:
        """Put the other half in place."""
        write(self.folder / "key.pem", self.key)

    def both(self) -> None:
        """Put it in place."""
        self.certificate_alone()
        self.key_alone()

    def presented_by(self, service: RunningService) -> bool:
        """Whether a new handshake gets this certificate."""
        return presented(service) in self.certificate.decode()


def presented(service: RunningService) -> str:
    """The certificate that a new handshake gets, as PEM."""
    return ssl.get_server_certificate(("localhost", service.port), timeout=20)


def attention(service: RunningService) -> list[str]:
    """What /health/ready tells this machine; the service is ready all the while."""
    answer = service.get("/health/ready")
    assert answer.status_code == 200
    lines: list[str] = answer.json()["attention"]
    return lines


def told(service: RunningService, *words: str) -> bool:
    """Whether one line of what /health/ready tells has all these words."""
    return any(all(word in line for word in words) for line in attention(service))


def logged(service: RunningService, words: str) -> int:
    """How often this stands in the log; lines that are no warning come there a moment later."""
    return service.log.read_text().count(words)


def config_says(service: RunningService, *words: str) -> bool:
    """Whether `webhooks config` ends with status 1 and a line with all these words."""
    result = service.webhooks("config", check=False)
    lines = result.stderr.decode().splitlines()
    assert "Traceback" not in result.stderr.decode()
    kept = "a running service keeps the old one in force"
    return result.returncode == 1 and any(kept in line and all(word in line for word in words) for line in lines)


def delivered(service: RunningService, auth: Any = BASIC) -> int:
    """Status of a delivery."""
    return service.post(ORDER, body(), auth=auth).status_code
