"""The folder of a target: certificate, secrets, settings, inbox and log of the service, and what its ERP notes."""

from __future__ import annotations

import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tools.target.errors import TargetError
from tools.target.settings import SECRETS, Mode, settings
from tools.target.store import emptied


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of one target is."""

    path: Path

    @property
    def ca(self) -> Path:
        """Certificate of the authority that the target's own is signed by."""
        return self.path / "ca.pem"

    @property
    def secrets(self) -> Path:
        """NAME=value, one a line; can be read by a shell."""
        return self.path / "secrets.env"

    @property
    def settings(self) -> Path:
        """Settings of the service."""
        return self.path / "webhooks.toml"

    @property
    def data(self) -> Path:
        """Where the service keeps what belongs to this machine."""
        return self.path / "data"

    @property
    def inbox(self) -> Path | str:
        """Database of the service: a file, or the address of one on a PostgreSQL server."""
        try:
            written = tomllib.loads(self.settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            written = {}
        address: str | None = written.get("inbox", {}).get("url")
        return address or self.data / "inbox.db"

    @property
    def log(self) -> Path:
        """What the service says."""
        return self.path / "service.log"

    @property
    def erp_journal(self) -> Path:
        """What the stand-in of the ERP notes, a line of JSON for each request."""
        return self.path / "erp.ndjson"

    @property
    def port(self) -> int:
        """Where the service listens, by its settings.

        Raises:
            TargetError: nothing was ever started here.
        """
        self.require_made()
        port: int = tomllib.loads(self.settings.read_text(encoding="utf-8"))["server"]["port"]
        return port

    @property
    def url(self) -> str:
        """Base URL of the service."""
        return f"https://localhost:{self.port}"

    def require_made(self) -> None:
        """Check that this is the folder of a target.

        Raises:
            TargetError: nothing was ever started here.
        """
        if not self.secrets.is_file():
            start = f"python -m tools.target start --folder {self.path}"
            raise TargetError(f"nothing was started in {self.path} yet; start it with: {start}")

    def environment(self) -> dict[str, str]:
        """The variables by which a command knows the target, secrets included."""
        lines = self.secrets.read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines) | {
            "TC_TARGET_URL": self.url,
            "TC_CA_FILE": str(self.ca),
            "TC_TARGET_FOLDER": str(self.path),
        }

    def prepare(self, port: int, issuer: str, mode: Mode, inbox_url: str | None) -> None:
        """Make what is missing, write the settings, and begin with an empty inbox, an empty log and an ERP that has
        seen nothing.

        Secrets and certificate stay as they are, for whoever has read them.

        Raises:
            TargetError: the folder holds something else.
        """
        if self.path.exists() and not self.secrets.is_file() and any(self.path.iterdir()):
            # Its webhooks.toml and its inbox could be those of a real service.
            raise TargetError(
                f"{self.path} is not the folder of a target; name one that is empty or does not exist"
            )
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.path / ".gitignore").write_text("*\n", encoding="utf-8")
        if not self.ca.is_file():
            self._make_certificate()
        if not self.secrets.is_file():
            lines = "".join(f"{name}={_secret(name)}\n" for name in SECRETS)
            _write_private(self.secrets, lines)
        from tools.target.erp import free_port  # most commands need no server

        erp_port = free_port()
        _write_private(self.path / "erp-port", str(erp_port))
        known = dict(line.split("=", 1) for line in self.secrets.read_text(encoding="utf-8").splitlines())
        text = settings(known, port=port, issuer=issuer, erp_port=erp_port, mode=mode, inbox_url=inbox_url)
        _write_private(self.settings, text)
        # A full quarantine would answer 503 to whatever the next run sends.
        for name in ("inbox.db", "inbox.db-wal", "inbox.db-shm", "maintenance"):
            (self.data / name).unlink(missing_ok=True)
        if inbox_url is not None:
            emptied(inbox_url)
        for path in (self.erp_journal, self.path / "erp-slow"):
            path.unlink(missing_ok=True)
        _write_private(self.log, "")

    def _make_certificate(self) -> None:
        import trustme  # most commands need no certificate and should not wait for the library

        authority = trustme.CA(organization_name="Target of the conformance suite")
        issued = authority.issue_cert("localhost", "127.0.0.1", common_name="localhost")
        _write_private(self.path / "key.pem", issued.private_key_pem.bytes().decode())
        chain = "".join(pem.bytes().decode() for pem in issued.cert_chain_pems)
        _write_private(self.path / "certificate.pem", chain)
        _write_private(self.ca, authority.cert_pem.bytes().decode())


def _secret(name: str) -> str:
    random = secrets.token_urlsafe(24)
    # Colons and letters beyond ASCII are where receivers go wrong. All of them exist in Latin-1 too, so that a
    # sender can also be tried that encodes them so; none of them means anything to a shell.
    return f"pass:wörd:é-{random}" if name == "TC_PASSWORD" else random


def _write_private(path: Path, text: str) -> None:
    """A file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
