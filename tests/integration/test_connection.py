"""What a sender meets on the wire: real sockets, a server in a process of its own, a toy application behind it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from service.server import bind
from service.tls import CertificateError, Front, read_pair

ROOT = Path(__file__).resolve().parents[2]
SHORT: dict[str, Any] = {
    "header_timeout": 0.5,
    "body_timeout": 0.4,
    "keep_alive_timeout": 0.4,
    "tls_handshake_timeout": 0.5,
    "max_connections": 100,
    "linger_seconds": 0.7,
}
#: Long enough that only the limit under test can have closed a connection.
PATIENT = SHORT | {
    "header_timeout": 20,
    "body_timeout": 20,
    "keep_alive_timeout": 20,
    "linger_seconds": 20,
    "linger_bytes": 4 * 1024 * 1024,
}


class Running:
    """The toy server's process."""

    def __init__(self, limits: dict[str, Any], **settings: Any) -> None:
        document = json.dumps({"limits": limits, "drain_seconds": 3} | settings)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.connection_app", document],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline() or 0)

    def connect(self) -> Sender:
        """A new connection to it."""
        return Sender(self.port)

    def line(self) -> str:
        """The next line of what it tells."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def wait_for(self, line: str) -> None:
        """Read on until it tells this."""
        while (told := self.line()) != line:
            assert told or self.process.poll() is None, f"it never told {line!r}"

    def end(self, seconds: float = 10) -> tuple[int, str, str]:
        """SIGTERM; exit status and the rest of both outputs."""
        self.process.terminate()
        out, err = self.process.communicate(timeout=seconds)
        return self.process.returncode, out, err


@contextlib.contextmanager
def running(limits: dict[str, Any], **settings: Any) -> Iterator[Running]:
    """A server that is gone afterwards."""
    server = Running(limits, **settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()


class Sender:
    """One connection, byte by byte."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=8)
        if tls is not None:
            try:
                self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
            except BaseException:
                self.socket.close()
                raise
        self.began = time.monotonic()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def post(self, path: str, body: bytes, *headers: str) -> None:
        """Send a whole request."""
        self.send(head(path, f"Content-Length: {len(body)}", *headers) + body)

    def answer(self) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Read exactly one answer: status, headers, JSON body."""
        raw = b""
        while not raw.endswith(b"\r\n\r\n"):
            byte = self.socket.recv(1)
            assert byte, f"closed after {raw!r}"
            raw += byte
        lines = raw.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:-2])}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            body += self.socket.recv(int(headers["content-length"]) - len(body))
        return int(lines[0].split()[1]), headers, json.loads(body) if body else {}

    def closed_after(self) -> float:
        """Seconds since the connection was made when it is closed, which has to happen without an answer."""
        with contextlib.suppress(ConnectionResetError):
            assert self.socket.recv(1000) == b""
        return time.monotonic() - self.began


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


@pytest.fixture(scope="module")
def short() -> Iterator[Running]:
    with running(SHORT) as server:
        yield server


@pytest.fixture(scope="module")
def patient() -> Iterator[Running]:
    with running(PATIENT) as server:
        yield server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    certificate.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    return {"certificate": str(folder / "certificate.pem"), "key": str(folder / "key.pem")}


@pytest.fixture(scope="module")
def secure(files: dict[str, str]) -> Iterator[Running]:
    with running(SHORT, **files) as server:
        yield server


@pytest.fixture(scope="module")
def patient_secure(files: dict[str, str]) -> Iterator[Running]:
    with running(PATIENT, **files) as server:
        yield server


@pytest.fixture
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


# Slow and large senders


def test_sender_slow_with_headers_is_closed_without_an_answer(short: Running) -> None:
    with short.connect() as sender:
        sender.send(b"POST / HTTP/1.1\r\nHost:")
        time.sleep(0.2)
        sender.send(b" te")
        assert 0.4 < sender.closed_after() < 2


def test_sender_that_never_sends_is_closed_without_an_answer(short: Running) -> None:
    with short.connect() as sender:
        assert 0.4 < sender.closed_after() < 2


def test_sender_slow_with_the_headers_of_its_second_request_is_closed_without_an_answer() -> None:
    with running(PATIENT | {"header_timeout": 0.4}) as server, server.connect() as sender:
        sender.post("/", b"x")
        sender.answer()
        time.sleep(0.6)  # idle is not slow
        sender.began = time.monotonic()
        sender.send(b"POST ")
        assert 0.3 < sender.closed_after() < 2


def test_sender_slow_with_its_body_is_closed_without_an_answer_and_the_application_hears_of_it(
    short: Running,
) -> None:
    with short.connect() as sender:
        sender.send(head("/slow-body", "Content-Length: 10"))
        for _ in range(2):
            sender.send(b"x")
            time.sleep(0.1)
        assert 0.35 < sender.closed_after() < 2
    short.wait_for("disconnect /slow-body")


def test_body_is_not_late_while_the_application_does_not_wait_for_it(short: Running) -> None:
    with short.connect() as sender:
        sender.send(head("/busy", "Content-Length: 10") + b"12345")
        time.sleep(0.85)  # longer than body_timeout, but the application sleeps
        sender.send(b"67890")
        assert sender.answer()[2]["length"] == 10
        sender.send(head("/busy", "Content-Length: 10"))
        sender.began = time.monotonic()
        assert 1.0 < sender.closed_after() < 3  # 0.7 of the application, then 0.4 of the sender


def test_idle_kept_alive_connection_is_closed(short: Running) -> None:
    with short.connect() as sender:
        sender.post("/", b"x")
        assert sender.answer()[0] == 200
        assert 0.3 < sender.closed_after() < 2


def test_sender_that_pipelines_without_reading_is_cut_and_costs_no_memory(short: Running) -> None:
    before = resident_bytes(short)
    with short.connect() as sender:
        requests = head("/echo", method="GET") * 2000
        # Refused, or taken until the sender is cut: both are fine, growing is not.
        with contextlib.suppress(OSError):
            for _ in range(60):
                sender.send(requests)
        time.sleep(0.5)
    assert resident_bytes(short) - before < 40 * 1024 * 1024
    with short.connect() as sender:
        sender.post("/echo", b"x")
        assert sender.answer()[0] == 200


def test_head_request_is_answered_without_a_body(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(head("/echo", method="HEAD"))
        answer = sender.socket.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert answer.endswith(b"\r\n\r\n")
        sender.post("/echo", b"x")
        assert sender.answer()[0] == 200


def test_fault_of_ours_while_reading_a_body_is_no_answer_at_all() -> None:
    with running(PATIENT, fault_in_body=True) as server, server.connect() as sender:
        sender.post("/echo", b"x" * 100)
        sender.closed_after()


def resident_bytes(server: Running) -> int:
    """Memory of the server's process (Linux)."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    "part",
    [
        b"POST / HTTP/1.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\n" + b"A: xxxxxxxx\r\n" * 6_000 + b"\r\n",
        b"POST /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    ],
    ids=["one header", "many headers", "path"],
)
@pytest.mark.parametrize("piece", [100_000, 5_000], ids=["at once", "in pieces"])
def test_headers_over_the_limit_are_closed_without_an_answer(patient: Running, part: bytes, piece: int) -> None:
    with patient.connect() as sender:
        with contextlib.suppress(ConnectionError):
            for begin in range(0, len(part), piece):
                sender.send(part[begin : begin + piece])
        assert sender.closed_after() < 3


def test_headers_just_below_the_limit_are_taken(patient: Running) -> None:
    with patient.connect() as sender:
        sender.post("/", b"x", "A: " + "x" * 65_000)
        assert sender.answer()[0] == 200


def test_trailers_do_not_become_headers_and_endless_ones_end_the_body(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(head("/slow", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nAuthorization: x\r\n\r\n")
        seen = sender.answer()[2]
        assert (seen["length"], seen["malformed"]) == (3, False)
        assert "authorization" not in seen["headers"]
        sender.send(head("/", "Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(20):
                sender.send(b"X: " + b"x" * 8_000 + b"\r\n")
        seen = sender.answer()[2]
        assert (seen["length"], seen["malformed"]) == (3, True)


# Who may connect


def test_connection_over_the_maximum_is_closed_at_once_and_a_free_place_is_used_again() -> None:
    with running(PATIENT | {"max_connections": 2}) as server:
        with server.connect() as first, server.connect():
            first.post("/", b"x")
            first.answer()
            for _ in range(3):
                with server.connect() as third:
                    assert third.closed_after() < 1
        time.sleep(0.1)
        with server.connect() as again:
            again.post("/", b"x")
            assert again.answer()[0] == 200
        _, _, err = server.end()
        assert err.count("action=connection_refused") == 1


def test_peer_that_is_not_trusted_is_closed_at_once_without_an_answer() -> None:
    with running(PATIENT | {"trusted_peers": ["10.0.0.0/8", "fe80::/10"]}) as server, server.connect() as sender:
        with contextlib.suppress(ConnectionError):
            sender.post("/", b"x")
        assert sender.closed_after() < 1


def test_trusted_peer_is_served_also_when_the_socket_sees_it_as_ipv6() -> None:
    try:
        bind("::", 0).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with running(PATIENT | {"trusted_peers": ["127.0.0.0/8"]}, host="::") as server, server.connect() as sender:
        sender.post("/", b"x")
        assert sender.answer()[2]["client"] == "::ffff:127.0.0.1"


# Early answers


@pytest.mark.parametrize("path", ["/early", "/early-slow", "/closing"])
@pytest.mark.parametrize("pieces", [1, 768])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_sender_of_3_mib_reads_the_whole_early_answer_after_it_sent_everything(
    patient: Running,
    patient_secure: Running,
    client_tls: ssl.SSLContext,
    tls: bool,
    pieces: int,
    path: str,
) -> None:
    size = 3 * 1024 * 1024
    with Sender(patient_secure.port, client_tls) if tls else patient.connect() as sender:
        sender.send(head(path, f"Content-Length: {size}"))
        for _ in range(pieces):
            sender.send(b"x" * (size // pieces))
        assert sender.answer()[::2] == (401, {"early": True})
        if path == "/closing":
            assert sender.closed_after() < 3


def test_early_answer_whose_rest_is_known_to_be_too_long_announces_the_end_and_can_be_read() -> None:
    with running(PATIENT | {"linger_bytes": 100_000, "linger_seconds": 1}) as server, server.connect() as sender:
        sender.send(head("/early", "Content-Length: 3000000") + b"x" * 200_000)
        time.sleep(0.2)
        status, headers, _ = sender.answer()
        assert (status, headers["connection"]) == (401, "close")
        for _ in range(3):  # no reset while there is time to read the answer
            sender.send(b"x" * 150_000)
            time.sleep(0.1)
        assert sender.closed_after() < 3


def test_early_answer_whose_rest_turns_out_too_long_is_read_before_the_end() -> None:
    with running(PATIENT | {"linger_bytes": 100_000, "linger_seconds": 0.5}) as server, server.connect() as sender:
        sender.send(head("/early", "Transfer-Encoding: chunked"))
        for _ in range(30):
            sender.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        time.sleep(0.2)
        status, headers, _ = sender.answer()
        assert status == 401
        assert "connection" not in headers
        assert sender.closed_after() < 3


@pytest.mark.parametrize("path", ["/early", "/early-slow"])
def test_early_answer_with_a_small_rest_keeps_the_connection(patient: Running, path: str) -> None:
    with patient.connect() as sender:
        for _ in range(2):
            sender.send(head(path, "Content-Length: 300000") + b"x" * 100_000)
            status, headers, _ = sender.answer()
            assert status == 401
            assert "connection" not in headers
            sender.send(b"x" * 200_000)
        sender.post("/", b"abc")
        assert sender.answer()[2]["length"] == 3


def test_rest_of_an_early_answered_body_that_never_comes_ends_the_connection(short: Running) -> None:
    with short.connect() as sender:
        sender.send(head("/early", "Content-Length: 300000"))
        assert sender.answer()[0] == 401
        assert 0.35 < sender.closed_after() < 2


def test_closing_answer_is_followed_by_the_end_at_once_although_the_sender_still_sends(
    patient: Running,
) -> None:
    with patient.connect() as sender:
        sender.send(head("/closing", "Content-Length: 300000") + b"x" * 1000)
        status, headers, _ = sender.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert sender.closed_after() < 1  # half-closed: we see the end
        sender.send(b"x" * 299_000)  # and can still send without a reset


def test_http_1_0_is_answered_and_closed(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(b"POST / HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        status, headers, body = sender.answer()
        assert (status, headers["connection"], body["length"]) == (200, "close", 3)
        assert sender.closed_after() < 1


def test_expect_100_continue_is_granted_when_the_body_is_wanted(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(head("/", "Content-Length: 3", "Expect: 100-continue"))
        assert sender.answer()[0] == 100
        sender.send(b"abc")
        assert sender.answer()[2]["length"] == 3


def test_expect_100_continue_with_an_early_answer_gets_only_that_and_the_end(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(head("/early", "Content-Length: 3", "Expect: 100-continue"))
        status, headers, _ = sender.answer()
        assert (status, headers["connection"]) == (401, "close")
        assert sender.closed_after() < 1


# Strange and broken HTTP


@pytest.mark.parametrize(
    "rubbish", [b"rubbish\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"\x16\x03\x01"]
)
def test_malformed_http_is_answered_400_as_a_problem(patient: Running, rubbish: bytes) -> None:
    with patient.connect() as sender:
        sender.send(rubbish + b"x" * 50_000)
        status, headers, body = sender.answer()
        assert status == 400
        assert headers["content-type"] == "application/problem+json"
        assert headers["connection"] == "close"
        assert body["type"] == "urn:tradecloud-webhooks:problem:malformed-http"
        assert sender.closed_after() < 1


@pytest.mark.parametrize("path", ["/", "/slow"])
def test_body_with_broken_framing_is_left_to_the_application(patient: Running, path: str) -> None:
    with patient.connect() as sender:
        sender.send(head(path, "Transfer-Encoding: chunked") + b"3\r\nabc\r\nxyz\r\n" + b"x" * 10_000)
        status, headers, seen = sender.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert (seen["length"], seen["malformed"]) == (3, True)
        assert sender.closed_after() < 1


def test_malformed_http_behind_a_running_request_does_not_become_its_answer(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(head("/slow", method="GET") + b"rubbish\r\n\r\n")
        status, headers, seen = sender.answer()
        assert (status, seen["path"], headers["connection"]) == (200, "/slow", "close")
        assert sender.closed_after() < 2


def test_pipelined_requests_are_answered_in_order(patient: Running) -> None:
    with patient.connect() as sender:
        sender.send(
            head("/slow", "Content-Length: 1")
            + b"1"
            + head("/second", "Content-Length: 100000")
            + b"2" * 100_000
            + head("/third", method="GET")
        )
        seen = [sender.answer()[2] for _ in range(3)]
        assert [(one["path"], one["length"]) for one in seen] == [("/slow", 1), ("/second", 100_000), ("/third", 0)]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upgrade_is_ignored_and_the_body_taken(patient: Running, framing: str) -> None:
    with patient.connect() as sender:
        upgrade = ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
        if framing == "length":
            sender.send(head("/", "Content-Length: 5", *upgrade) + b"ab")
            time.sleep(0.1)
            sender.send(b"cde" + head("/next", method="GET"))
        else:
            sender.send(head("/", "Transfer-Encoding: chunked", *upgrade) + b"5\r\nab")
            time.sleep(0.1)
            sender.send(b"cde\r\n0\r\n\r\n" + head("/next", method="GET"))
        assert sender.answer()[2]["length"] == 5
        assert sender.answer()[2]["path"] == "/next"


def test_sender_that_closes_its_sending_half_gets_its_answer(patient: Running) -> None:
    with patient.connect() as sender:
        sender.post("/slow", b"abc")
        sender.socket.shutdown(socket.SHUT_WR)
        assert sender.answer()[2]["length"] == 3
        assert sender.closed_after() < 2


@pytest.mark.parametrize("path", ["/raise", "/silent"])
def test_application_without_an_answer_becomes_503_and_never_500(patient: Running, path: str) -> None:
    with patient.connect() as sender:
        sender.post(path, b"abc")
        status, headers, body = sender.answer()
        assert (status, headers["retry-after"]) == (503, "30")
        assert headers["content-type"] == "application/problem+json"
        assert body["type"] == "urn:tradecloud-webhooks:problem:unavailable"
        assert "date" in headers
        assert "server" not in headers


# TLS


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_accepted(secure: Running, client_tls: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    client_tls.minimum_version = client_tls.maximum_version = version
    client_tls.set_alpn_protocols(["h2", "http/1.1"])
    with Sender(secure.port, client_tls) as sender:
        assert isinstance(sender.socket, ssl.SSLSocket)
        assert sender.socket.selected_alpn_protocol() == "http/1.1"
        sender.post("/", b"abc")
        assert sender.answer()[2]["length"] == 3


def test_tls_1_1_is_refused(secure: Running, client_tls: ssl.SSLContext) -> None:
    client_tls.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client_tls.minimum_version = ssl.TLSVersion.TLSv1
        client_tls.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError) as refused:
        Sender(secure.port, client_tls)
    # uvloop closes without the alert; what must not stand here is a refusal of our own side
    assert refused.value.reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "UNEXPECTED_EOF_WHILE_READING")


def test_tls_versions_are_set_whatever_openssl_has_as_default(files: dict[str, str]) -> None:
    pair = read_pair(Path(files["certificate"]), Path(files["key"]), None)
    for context in (pair.context, Front(pair).context):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.maximum_version == ssl.TLSVersion.TLSv1_3
        assert context.verify_mode == ssl.CERT_NONE
        assert context.options & ssl.OP_NO_COMPRESSION


def test_plain_http_on_the_tls_port_gets_no_http_answer(secure: Running) -> None:
    with secure.connect() as sender:
        sender.send(head("/", method="GET"))
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while data := sender.socket.recv(1000):
                received += data
        assert b"HTTP" not in received


def test_slow_tls_handshake_is_closed(secure: Running) -> None:
    with secure.connect() as sender:
        sender.send(b"\x16\x03\x01")
        assert 0.3 < sender.closed_after() < 3


def test_slow_body_over_tls_is_closed_without_an_answer(secure: Running, client_tls: ssl.SSLContext) -> None:
    with Sender(secure.port, client_tls) as sender:
        sender.send(head("/", "Content-Length: 10"))
        with contextlib.suppress(ssl.SSLEOFError):
            assert sender.socket.recv(1000) == b""
        assert 0.35 < time.monotonic() - sender.began < 2


def test_certificate_trouble_is_told_in_one_sentence(files: dict[str, str], tmp_path: Path) -> None:
    certificate, key = Path(files["certificate"]), Path(files["key"])
    other = tmp_path / "other.pem"
    trustme.CA().issue_cert("localhost").private_key_pem.write_to_path(str(other))
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", encoding="ascii")
    for pair, part in [
        ((certificate, other), "does not belong"),
        ((tmp_path / "none.pem", key), "cannot be read (No such file"),
        ((certificate, certificate), "holds no key"),
        ((broken, key), "broken.pem is broken"),
    ]:
        with pytest.raises(CertificateError) as raised:
            read_pair(*pair, None)
        assert part in str(raised.value)
        assert "\n" not in str(raised.value)


def test_encrypted_key_needs_its_password(files: dict[str, str], tmp_path: Path) -> None:
    encrypted = tmp_path / "encrypted.pem"
    subprocess.run(
        ["openssl", "pkey", "-in", files["key"], "-aes128", "-passout", "pass:secret", "-out", str(encrypted)],
        check=True,
    )
    certificate = Path(files["certificate"])
    read_pair(certificate, encrypted, "secret")
    with pytest.raises(CertificateError, match="give its password"):
        read_pair(certificate, encrypted, None)
    with pytest.raises(CertificateError, match="correct the password"):
        read_pair(certificate, encrypted, "wrong")


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain_answers_what_is_in_flight_closes_idle_connections_flushes_and_exits_0(
    number: signal.Signals,
) -> None:
    with (
        running(PATIENT) as server,
        server.connect() as idle,
        server.connect() as half,
        server.connect() as busy,
    ):
        idle.post("/", b"x")
        idle.answer()
        half.send(b"POST /half HTTP/1.1\r\n")
        busy.post("/slow", b"abc")
        server.wait_for("request /slow")
        began = time.monotonic()
        server.process.send_signal(number)
        assert server.line() == "drain"
        half.send(b"Content-Length: 1\r\n\r\nx")
        for sender in (busy, half):
            status, headers, _ = sender.answer()
            assert (status, headers["connection"]) == (200, "close")
        assert idle.closed_after() < 5
        out, _ = server.process.communicate(timeout=10)
        assert server.process.returncode == 0
        assert out.split("\n")[-2] == "flush"
        assert time.monotonic() - began < 3
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_drain_over_tls_does_not_wait_for_idle_senders(files: dict[str, str], client_tls: ssl.SSLContext) -> None:
    with running(PATIENT, **files) as server, Sender(server.port, client_tls) as idle:
        idle.post("/", b"x")
        idle.answer()
        began = time.monotonic()
        assert server.end()[0] == 0
        assert time.monotonic() - began < 2


def test_request_that_outlasts_the_drain_is_cut_without_an_answer() -> None:
    with running(PATIENT, drain_seconds=0.5) as server, server.connect() as sender:
        sender.post("/stuck", b"x")
        server.wait_for("request /stuck")
        status, out, err = server.end()
        assert (status, out) == (0, "drain\nflush\n")
        assert "Traceback" not in err
        assert sender.closed_after() < 10


def test_second_signal_ends_the_drain() -> None:
    with running(PATIENT, drain_seconds=30) as server, server.connect() as sender:
        sender.post("/stuck", b"x")
        server.wait_for("request /stuck")
        server.process.terminate()
        server.wait_for("drain")
        assert server.end(5)[0] == 1
        assert sender.closed_after() < 10


def test_sighup_is_told_and_connections_live_on(patient: Running) -> None:
    with patient.connect() as sender:
        sender.post("/", b"x")
        sender.answer()
        patient.process.send_signal(signal.SIGHUP)
        patient.wait_for("hang up")
        sender.post("/", b"x")
        assert sender.answer()[0] == 200


def test_sighups_during_the_drain_neither_cut_it_short_nor_hold_it_up() -> None:
    with running(PATIENT) as server, server.connect() as busy:
        busy.post("/busy", b"abc")
        server.wait_for("request /busy")
        server.process.terminate()
        server.wait_for("drain")
        for _ in range(100):
            server.process.send_signal(signal.SIGHUP)
        assert busy.answer()[0] == 200
        assert server.process.wait(20) == 0


def test_application_that_does_not_start_ends_with_status_1() -> None:
    with running(PATIENT, startup_fails=True) as server:
        assert server.process.wait(10) == 1


def test_port_in_use_is_an_os_error(patient: Running) -> None:
    with pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", patient.port)
