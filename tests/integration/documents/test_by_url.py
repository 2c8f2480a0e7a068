"""Documents on a sender's own server: where a stranger's url may lead, and what its content may be."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pytest
import trustme

from handlers.documents.addresses import AddressRules
from handlers.documents.fetching import FetchRules, NotTaken, StoredFile
from handlers.interface import Refused
from tests.integration.documents.standing_in import LOCAL, by_url, fetching, files_in, sends
from tests.integration.erp.recipient import Recipient, Reply
from tests.integration.working import eventually

QUICK = FetchRules(timeout=10.0, addresses=LOCAL)


@pytest.fixture
def sender() -> Iterator[Recipient]:
    """A content server."""
    with Recipient() as recipient:
        recipient.replies["/manual.pdf"] = [Reply(200, b"%PDF-1.7", {"Content-Type": "application/pdf"})]
        yield recipient


def test_document_is_stored_without_credentials_and_cookies(tmp_path: Path, sender: Recipient) -> None:
    sender.replies["/first"] = [Reply(302, b"", {"Location": "/manual.pdf", "Set-Cookie": "a=b"})]
    stored = fetching(tmp_path).fetch(by_url(f"{sender.url}/first"))
    assert isinstance(stored, StoredFile)
    assert (Path(stored.path).read_bytes(), stored.media_type) == (b"%PDF-1.7", "application/pdf")
    assert all(not {"authorization", "cookie"} & set(request.headers) for request in sender.requests)


def test_plain_http_is_not_asked_unless_allowed(tmp_path: Path, sender: Recipient) -> None:
    rules = FetchRules(addresses=AddressRules(allow_private=True))
    outcome = fetching(tmp_path, rules=rules).fetch(by_url(f"{sender.url}/manual.pdf"))
    assert isinstance(outcome, NotTaken)
    assert "documents.allow_http" in outcome.reason
    assert sender.requests == []


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"])
def test_this_machine_is_not_asked_in_any_spelling(tmp_path: Path, sender: Recipient, host: str) -> None:
    port = sender.url.rpartition(":")[2]
    rules = FetchRules(timeout=5.0, addresses=AddressRules(allow_http=True))
    outcome = fetching(tmp_path, rules=rules).fetch(by_url(f"http://{host}:{port}/manual.pdf"))
    assert isinstance(outcome, NotTaken | Refused)
    assert sender.requests == []
    assert files_in(tmp_path) == []


def test_redirect_to_a_private_address_is_not_followed(tmp_path: Path) -> None:
    """The first host counts as public here, by a rule of the test; where it leads to does not."""
    with Recipient() as public, Recipient() as private:
        public.replies["/"] = [Reply(307, b"", {"Location": f"http://127.0.0.3:{private.url.rpartition(':')[2]}/"})]
        addresses = AddressRules(allow_http=True, is_public=lambda address: address == "127.0.0.1")
        outcome = fetching(tmp_path, rules=FetchRules(timeout=5.0, addresses=addresses)).fetch(
            by_url(f"http://127.0.0.1:{public.url.rpartition(':')[2]}/")
        )
        assert isinstance(outcome, NotTaken)
        assert "127.0.0.3" in outcome.reason
        assert len(public.requests) == 1
        assert private.requests == []


def test_redirect_to_plain_http_or_a_file_is_not_followed(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))
    rules = FetchRules(timeout=5.0, addresses=AddressRules(allow_private=True))
    with Recipient(authority) as sender:
        for location in ("http://localhost:1/x", "file:///etc/passwd", "//user:secret@localhost:1/x"):
            sender.replies["/"] = [Reply(301, b"", {"Location": location})]
            outcome = fetching(tmp_path / "d", rules=rules, authority=pem).fetch(by_url(f"{sender.url}/"))
            assert isinstance(outcome, NotTaken), location
            assert "secret" not in outcome.reason


def test_redirects_in_a_circle_come_to_an_end(tmp_path: Path, sender: Recipient) -> None:
    sender.replies["/a"] = [Reply(302, b"", {"Location": "/b"})]
    sender.replies["/b"] = [Reply(302, b"", {"Location": "/a"})]
    outcome = fetching(tmp_path).fetch(by_url(f"{sender.url}/a"))
    assert isinstance(outcome, Refused)
    assert "redirects more than 5 times" in outcome.reason
    assert len(sender.requests) == 6


class _Says(BaseHTTPRequestHandler):
    def __init__(self, word: bytes, *args: Any) -> None:
        self._word = word
        super().__init__(*args)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self._word)))
        self.end_headers()
        self.wfile.write(self._word)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def test_address_that_was_checked_is_connected_to_though_the_name_means_another_one_a_moment_later(
    tmp_path: Path,
) -> None:
    """127.0.0.2 counts as public, 127.0.0.1 as private; the name server says the first once, then the second."""
    public = ThreadingHTTPServer(("127.0.0.2", 0), functools.partial(_Says, b"public"))
    port = public.server_address[1]
    private = ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Says, b"private"))
    servers = [public, private]
    threads = [threading.Thread(target=each.serve_forever, args=(0.02,)) for each in servers]
    for thread in threads:
        thread.start()
    answers = iter(["127.0.0.2"])
    asked = []

    def rebinding(host: str, port: int) -> Sequence[Any]:
        asked.append(host)
        return socket.getaddrinfo(next(answers, "127.0.0.1"), port, type=socket.SOCK_STREAM)

    addresses = AddressRules(allow_http=True, resolve=rebinding, is_public=lambda address: address == "127.0.0.2")
    try:
        documents = fetching(tmp_path, rules=FetchRules(timeout=5.0, addresses=addresses))
        stored = documents.fetch(by_url(f"http://rebinding.example:{port}/x"))
        assert isinstance(stored, StoredFile)
        assert Path(stored.path).read_bytes() == b"public"
        assert asked == ["rebinding.example"]
        # Asked again, the name means the private one: refused, not connected to.
        assert isinstance(documents.fetch(by_url(f"http://rebinding.example:{port}/y")), NotTaken)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
        for thread in threads:
            thread.join()


def test_certificate_is_checked_for_the_name_though_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    authority = trustme.CA()
    pem = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(pem))

    def to_loopback(_: str, port: int) -> Sequence[Any]:
        return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)

    rules = FetchRules(timeout=5.0, addresses=AddressRules(allow_private=True, resolve=to_loopback))
    with Recipient(authority) as sender:  # its certificate is for localhost
        port = sender.url.rpartition(":")[2]
        documents = fetching(tmp_path / "d", rules=rules, authority=pem)
        assert isinstance(documents.fetch(by_url(f"https://localhost:{port}/a.pdf")), StoredFile)
        outcome = documents.fetch(by_url(f"https://supplier.example:{port}/a.pdf"))
    assert isinstance(outcome, Refused)
    assert "certificate" in outcome.reason
    assert sender.requests[0].headers["host"] == f"localhost:{port}"


def test_proxy_of_the_environment_is_used_only_if_set(
    tmp_path: Path, sender: Recipient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recipient() as proxy:
        proxy.replies["http://supplier.example/a.pdf"] = [Reply(200, b"by proxy")]
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert isinstance(fetching(tmp_path).fetch(by_url(f"{sender.url}/manual.pdf")), StoredFile)
        assert proxy.requests == []
        by_proxy = FetchRules(timeout=5.0, addresses=AddressRules(allow_http=True, by_proxy=True))
        stored = fetching(tmp_path, rules=by_proxy).fetch(by_url("http://supplier.example/a.pdf"))
        assert isinstance(stored, StoredFile)
        assert Path(stored.path).read_bytes() == b"by proxy"


@pytest.mark.parametrize(
    ("name", "media_type", "content"),
    [
        ("drawing.svg", "image/svg+xml", b"<svg onload='alert(1)'/>"),
        ("page.html", "text/html", b"<p>hello"),
        ("picture.png", "image/png", b"\xef\xbb\xbf  <!DOCTYPE HTML><script>alert(1)</script>"),
        ("manual", "application/octet-stream", "<html>".encode("utf-16")),
        ("manual.pdf", "text/html; charset=utf-8", b"anything"),
        ("invoice.xml", "application/octet-stream", b"<Invoice/>"),
    ],
)
def test_what_a_browser_would_run_is_kept_as_plain_text(
    tmp_path: Path, sender: Recipient, name: str, media_type: str, content: bytes
) -> None:
    sender.replies["/x"] = [Reply(200, content, {"Content-Type": media_type})]
    stored = fetching(tmp_path).fetch(by_url(f"{sender.url}/x", name=name))
    assert isinstance(stored, StoredFile)
    assert Path(stored.path).name == f"{name}.txt"
    assert stored.media_type == "text/plain"
    assert Path(stored.path).read_bytes() == content


@pytest.mark.parametrize(
    "name", ["../../x.pdf", "CON", "con.pdf", "a" * 300 + ".pdf", "\u202efdp.pdf", "a\0b.pdf", "/etc/passwd", ".."]
)
def test_name_stays_in_its_folder_and_can_be_used_everywhere(tmp_path: Path, sender: Recipient, name: str) -> None:
    root = tmp_path / "documents"
    stored = fetching(root).fetch(by_url(f"{sender.url}/x", name=name))
    assert isinstance(stored, StoredFile)
    path = Path(stored.path)
    assert path.resolve().is_relative_to(root.resolve())
    assert len(path.name.encode()) <= 120
    assert path.name.isprintable()
    assert not path.name.upper().startswith("CON.")
    assert path.name.upper() != "CON"
    assert [each.name for each in tmp_path.iterdir()] == ["documents"]


@pytest.mark.parametrize("name", ["a.exe", "a.pdf.Js", "a.exe. .", "a.ex\u200be", "ａ．ｅｘｅ"])
def test_blocked_extension_is_not_taken_in_any_spelling(tmp_path: Path, sender: Recipient, name: str) -> None:
    outcome = fetching(tmp_path).fetch(by_url(f"{sender.url}/x", name=name))
    assert isinstance(outcome, NotTaken)
    assert sender.requests == []


def test_blocked_extension_at_the_end_of_a_redirect_is_not_taken(tmp_path: Path, sender: Recipient) -> None:
    sender.replies["/x"] = [Reply(302, b"", {"Location": "/virus%2Eexe"})]
    assert isinstance(fetching(tmp_path).fetch(by_url(f"{sender.url}/x", name="a.pdf")), NotTaken)
    assert files_in(tmp_path) == []


def test_server_that_is_not_there_is_a_refusal_that_may_heal(tmp_path: Path) -> None:
    """`Unavailable` would keep back the documents of all other senders."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/a.pdf"
        assert isinstance(fetching(tmp_path).fetch(by_url(url)), Refused)


def test_server_that_drips_is_left_alone_for_a_while_and_others_are_not(tmp_path: Path, sender: Recipient) -> None:
    drip = Reply(act=sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", then="drip", pause=0.2))
    sender.replies["/slow.pdf"] = [drip]
    documents = fetching(tmp_path, rules=FetchRules(timeout=0.5, addresses=LOCAL))
    assert isinstance(documents.fetch(by_url(f"{sender.url}/slow.pdf")), Refused)
    outcome = documents.fetch(by_url(f"{sender.url}/manual.pdf"))
    assert isinstance(outcome, Refused)
    assert "too slow a moment ago" in outcome.reason
    with Recipient() as other:
        assert isinstance(documents.fetch(by_url(f"{other.url}/a.pdf")), StoredFile)
    eventually(lambda: isinstance(documents.fetch(by_url(f"{sender.url}/manual.pdf")), StoredFile))


_FETCHES = """
import sys
from tests.integration.documents.standing_in import by_url, fetching
print(fetching(sys.argv[1]).fetch(by_url(sys.argv[2])), flush=True)
"""


def test_kill_in_the_middle_leaves_no_file_to_be_seen_and_the_next_attempt_gets_all_of_it(
    tmp_path: Path, sender: Recipient
) -> None:
    sender.replies["/big.bin"] = [
        Reply(
            act=sends(
                b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 200_000, then="drip", pause=0.05
            )
        ),
        Reply(200, b"y" * 1_000_000),
    ]
    command = [sys.executable, "-c", _FETCHES, str(tmp_path), f"{sender.url}/big.bin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        incoming = tmp_path / ".incoming"
        eventually(lambda: any(file.stat().st_size > 60_000 for file in incoming.glob("*.part")))
        process.send_signal(signal.SIGKILL)
        process.wait(10.0)
    assert list(tmp_path.glob("[!.]*")) == []
    stored = fetching(tmp_path).fetch(by_url(f"{sender.url}/big.bin"))
    assert isinstance(stored, StoredFile)
    assert Path(stored.path).read_bytes() == b"y" * 1_000_000
    assert [path.name for path in tmp_path.glob("[!.]*/*/*")] == ["big.bin"]


def test_what_a_crash_left_behind_is_removed_when_it_is_old(tmp_path: Path) -> None:
    incoming = tmp_path / ".incoming"
    incoming.mkdir()
    old, new = incoming / "old.part", incoming / "new.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    fetching(tmp_path)
    assert [path.name for path in incoming.iterdir()] == ["new.part"]


def test_location_of_fsspec_gets_whole_files_only(tmp_path: Path, sender: Recipient) -> None:
    memory = fsspec.filesystem("memory")
    location = f"memory:///documents-{tmp_path.name}"
    documents = fetching(location)
    stored = documents.fetch(by_url(f"{sender.url}/manual.pdf"))
    assert isinstance(stored, StoredFile)
    assert stored.path.startswith(location)
    assert memory.cat_file(stored.path) == b"%PDF-1.7"
    assert documents.has(stored)
    # The same document again, in place of the first; then one that breaks off.
    assert documents.fetch(by_url(f"{sender.url}/manual.pdf")) == stored
    sender.replies["/cut.pdf"] = [Reply(act=sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"))]
    assert isinstance(documents.fetch(by_url(f"{sender.url}/cut.pdf")), Refused)
    assert memory.find(location) == [memory._strip_protocol(stored.path)]
    memory.rm(stored.path)
    assert not documents.has(stored)
