"""Development mode: a folder with all that a first try needs, made at the first start and kept.

What is made here is not for production, so nothing served with it may be reached from another machine.
"""

from __future__ import annotations

import os
import secrets
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

from service.settings import Settings, SettingsError

_USERNAME = "tradecloud"
_HOSTS = ("localhost", "127.0.0.1", "::1")
_VALID_FOR = timedelta(days=365)
#: A certificate that ends within this time is renewed, so that it does not end while it is served.
_RENEW_BEFORE_END = timedelta(days=7)

_SETTINGS = f"""\
# Settings of development mode, made by `webhooks serve --dev`. Delete this folder to start anew.
# All keys are documented in webhooks.example.toml.

[server]
host = "127.0.0.1"
port = 8443
certificate = "certificate.pem"
key = "key.pem"

[inbox]
url = "sqlite:///inbox.db"

[auth.basic.dev]
username = "{_USERNAME}"
password_file = "password.txt"
"""


@dataclass(frozen=True, slots=True)
class Development:
    """What `prepare` made; absolute paths."""

    folder: Path
    config: Path
    """The settings file."""
    curl_conf: Path
    """For `curl -K`: trusts the certificate and carries the credentials."""
    ca: Path
    """The certificate authority that a client has to trust."""


def prepare(folder: Path) -> Development:
    """Make the folder with certificate, credentials and settings; what is there already stays.

    A certificate that has ended is renewed.

    Raises:
        SettingsError: the folder cannot be made or used.
    """
    folder = folder.absolute()
    made = Development(folder, folder / "webhooks.toml", folder / "curl.conf", folder / "ca.pem")
    password = folder / "password.txt"
    try:
        _make_private(folder)
        _write_once(folder / ".gitignore", "*\n")
        _write_once(made.config, _SETTINGS)
        _write_once(password, secrets.token_urlsafe(24) + "\n")
        if _certificate_needed(folder):
            _make_certificate(folder)
        # Written at each start: it holds absolute paths, and the folder may have been moved.
        _write(made.curl_conf, _curl_conf(made.ca, password.read_text(encoding="utf-8").rstrip("\r\n")))
    except OSError as error:
        place = error.filename or folder
        raise SettingsError(f"{place}: development mode cannot use it: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{password}: not UTF-8 text; delete the file to get a new password") from error
    return made


def curl_lines(development: Development, port: int, examples: Mapping[str, Path]) -> list[str]:
    """Shell lines that deliver an example to the endpoint of the same name ("order", "shipment")."""
    return [
        shlex.join(
            [
                "curl",
                "-K",
                _shown(development.curl_conf),
                "-H",
                "Content-Type: application/json",
                "--data-binary",
                f"@{_shown(example)}",
                f"https://localhost:{port}/webhooks/tradecloud/{endpoint}",
            ]
        )
        for endpoint, example in examples.items()
    ]


def require_loopback(settings: Settings) -> None:
    """Check that nobody but this machine can connect.

    Raises:
        SettingsError: the settings, or the environment above them, say otherwise.
    """
    if not settings.server.on_loopback:
        raise SettingsError(
            f"server.host: {settings.server.listen_host} may be reached from other machines, which "
            'development mode never allows; set "127.0.0.1" (also WEBHOOKS_SERVER__HOST), or serve without --dev'
        )


def _make_private(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder}: is a file, but development mode needs a folder there; move the file away")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32":
        if folder.stat().st_uid != os.geteuid():
            raise SettingsError(
                f"{folder}: belongs to another user, who could read its keys; remove it or start elsewhere"
            )
        folder.chmod(0o700)


def _certificate_needed(folder: Path) -> bool:
    if not (folder / "ca.pem").is_file() or not (folder / "key.pem").is_file():
        return True
    try:
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    except (FileNotFoundError, ValueError):
        return True
    return certificate.not_valid_after_utc - _RENEW_BEFORE_END < datetime.now(UTC)


def _make_certificate(folder: Path) -> None:
    # The authority's own key is not kept: whoever trusts the authority trusts this certificate and no other.
    authority = trustme.CA(organization_name="Tradecloud webhooks, development")
    # trustme takes times without zone as UTC.
    end = (datetime.now(UTC) + _VALID_FOR).replace(tzinfo=None)
    issued = authority.issue_cert(*_HOSTS, common_name="localhost", not_after=end)
    # The certificate last: as long as it is missing or has ended, all three are made again.
    _write(folder / "key.pem", issued.private_key_pem.bytes().decode())
    _write(folder / "ca.pem", authority.cert_pem.bytes().decode())
    _write(folder / "certificate.pem", "".join(pem.bytes().decode() for pem in issued.cert_chain_pems))


def _curl_conf(ca: Path, password: str) -> str:
    return f"""\
# For `curl -K`; written at each start of development mode.
cacert = {_curl_quoted(str(ca))}
user = {_curl_quoted(f"{_USERNAME}:{password}")}
# A proxy of the company cannot reach this machine's own port.
noproxy = "localhost"
silent
show-error
# The prompt comes on a line of its own.
write-out = "\\n"
"""


def _curl_quoted(text: str) -> str:
    # curl(1), --config: within double quotes a backslash escapes these; the rest stands for itself.
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escaped)
    return f'"{text}"'


def _shown(path: Path) -> str:
    """The path as short as the shell understands it here."""
    absolute, here = path.absolute(), Path.cwd()
    return str(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _write_once(path: Path, text: str) -> None:
    if not path.exists():
        _write(path, text)


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text.encode("utf-8", "surrogateescape"))
    new.replace(path)
