"""Development mode: what its folder holds, that curl can use it, and that it stays on this machine."""

from __future__ import annotations

import http.server
import json
import os
import shlex
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from service import development
from service.settings import Settings, SettingsError, load, require_serving

#: Everything in a path that curl's config syntax or a shell could misread.
AWKWARD = 'a folder "with" \\n back\\slashes & $HOME'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where development mode keeps its things, in the working directory; not made yet."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".webhooks-dev"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def settings_of(made: development.Development, **environ: str) -> Settings:
    return load(made.config, environ=environ)


def test_first_start_makes_all_that_serving_needs(folder: Path) -> None:
    settings = settings_of(development.prepare(folder))
    require_serving(settings)
    development.require_loopback(settings)
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8443)
    assert settings.inbox.path == folder / "inbox.db"
    dev = settings.auth.basic["dev"]
    assert dev.username == "tradecloud"
    password = dev.secret()
    assert isinstance(password, str)
    assert len(password) >= 32
    assert password.replace("-", "").replace("_", "").isalnum()
    assert (folder / ".gitignore").read_text() == "*\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX permissions")
def test_nobody_else_can_read_what_was_made(folder: Path) -> None:
    previous = os.umask(0)
    try:
        development.prepare(folder)
    finally:
        os.umask(previous)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="no POSIX permissions")
def test_folder_that_others_could_read_is_closed(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    development.prepare(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_second_start_keeps_everything(folder: Path) -> None:
    made = development.prepare(folder)
    made.config.write_text(made.config.read_text().replace("8443", "9443"))
    before = contents(folder)
    assert development.prepare(Path(".webhooks-dev")) == made
    assert contents(folder) == before
    assert settings_of(made).server.port == 9443


def test_two_folders_share_no_secret(tmp_path: Path) -> None:
    first, second = (contents(development.prepare(tmp_path / name).folder) for name in "ab")
    assert all(first[name] != second[name] for name in ("password.txt", "key.pem", "ca.pem"))


def test_certificate_is_for_this_machine_only_and_no_authority_key_is_kept(folder: Path) -> None:
    development.prepare(folder)
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    assert certificate.not_valid_after_utc < datetime.now(UTC) + timedelta(days=366)
    assert [name for name, text in contents(folder).items() if b"PRIVATE KEY" in text] == ["key.pem"]


def test_certificate_that_has_ended_is_renewed_and_the_password_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as past:
        past.setattr(development, "_VALID_FOR", timedelta(days=-1))
        development.prepare(folder)
    before = contents(folder)
    development.prepare(folder)
    after = contents(folder)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"certificate.pem", "key.pem", "ca.pem"}
    certificate = x509.load_pem_x509_certificate(after["certificate.pem"])
    assert certificate.not_valid_after_utc > datetime.now(UTC)


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem", "ca.pem"])
def test_certificate_of_which_a_part_is_lost_is_made_anew(folder: Path, name: str) -> None:
    made = development.prepare(folder)
    (folder / name).unlink()
    development.prepare(folder)
    tls = ssl.create_default_context(cafile=str(made.ca))
    tls.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(made.ca.read_bytes()))


def test_moved_folder_gets_curl_settings_of_its_new_place(folder: Path, tmp_path: Path) -> None:
    development.prepare(folder)
    moved = tmp_path / "moved"
    folder.rename(moved)
    made = development.prepare(moved)
    assert str(moved / "ca.pem") in made.curl_conf.read_text()
    assert str(folder) not in made.curl_conf.read_text()


# What goes wrong is one line


def one_line(folder: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        development.prepare(folder)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(str(folder))
    return line


def test_file_in_place_of_the_folder_is_one_line(folder: Path) -> None:
    folder.touch()
    assert "is a file" in one_line(folder)


def test_folder_below_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "Not a directory" in one_line(tmp_path / "file" / "dev")


@pytest.mark.skipif(sys.platform == "win32", reason="no owners")
def test_folder_of_another_user_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    assert "belongs to another user" in one_line(folder)
    assert contents(folder) == {}


def test_folder_that_cannot_be_written_to_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "open", refuse)  # root, who runs tests in containers, may write everywhere
    assert "Permission denied" in one_line(folder)


# Loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_address_beyond_this_machine_is_refused(folder: Path, host: str) -> None:
    settings = settings_of(development.prepare(folder), WEBHOOKS_SERVER__HOST=host)
    with pytest.raises(SettingsError, match=r"^server\.host: .*development mode"):
        development.require_loopback(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_address_of_this_machine_is_allowed(folder: Path, host: str) -> None:
    development.require_loopback(settings_of(development.prepare(folder), WEBHOOKS_SERVER__HOST=host))


# curl


def test_curl_lines_are_short_inside_the_working_directory_and_quoted(folder: Path, tmp_path: Path) -> None:
    made = development.prepare(folder)
    examples = {"order": tmp_path / "my examples" / "o.json", "shipment": Path("/elsewhere/s.json")}
    assert development.curl_lines(made, 9443, examples) == [
        "curl -K .webhooks-dev/curl.conf -H 'Content-Type: application/json' --data-binary '@my examples/o.json' "
        "https://localhost:9443/webhooks/tradecloud/order",
        "curl -K .webhooks-dev/curl.conf -H 'Content-Type: application/json' --data-binary @/elsewhere/s.json "
        "https://localhost:9443/webhooks/tradecloud/shipment",
    ]


class _Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what came."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        seen = {name: self.headers[name] for name in ("Authorization", "Content-Type")}
        answer = json.dumps({"path": self.path, "body": body, **seen}).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def echoing(settings: Settings) -> Iterator[int]:
    """A server with the certificate of these settings; gives its port."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert settings.server.certificate is not None
    tls.load_cert_chain(settings.server.certificate, settings.server.key)
    with http.server.HTTPServer((settings.server.host, 0), _Echo) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="such names do not exist there")
@pytest.mark.parametrize("name", [".webhooks-dev", "a folder", AWKWARD])
def test_curl_line_delivers_the_example_from_any_folder(tmp_path: Path, name: str) -> None:
    made = development.prepare(tmp_path / name)
    example = made.folder / "an example.json"
    example.write_text('{"a":\n1}')
    settings = settings_of(made)
    with echoing(settings) as port:
        (line,) = development.curl_lines(made, port, {"order": example})
        assert shlex.split(line)[0] == "curl"
        done = subprocess.run(
            ["sh", "-c", line],
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
            env=os.environ | {"HTTPS_PROXY": "http://127.0.0.1:1"},
        )
    assert done.stderr == ""
    assert done.stdout.endswith("}\n")
    answer = json.loads(done.stdout)
    assert answer["path"] == "/webhooks/tradecloud/order"
    assert answer["body"] == '{"a":\n1}'
    assert answer["Content-Type"] == "application/json"
    assert answer["Authorization"].startswith("Basic ")
