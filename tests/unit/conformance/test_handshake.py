"""The suite's eyes for TLS, against servers of our own."""

from __future__ import annotations

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from conformance.wire.address import Address
from conformance.wire.certificate import set_versions
from conformance.wire.handshake import own_server, self_check, shake_hands
from conformance.wire.hello import WEAK_SUITES, Offer


class _Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Handshakes that fail are the point."""


@contextlib.contextmanager
def _serving(context: ssl.SSLContext) -> Iterator[int]:
    server = _Server(("127.0.0.1", 0), _Quiet)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost",))).configure_cert(context)
    return context


def test_own_tls_1_0_server_is_seen_as_speaking_it() -> None:
    assert self_check() is None


@pytest.mark.parametrize("version", ["SSLv3", "TLSv1", "TLSv1.1"])
def test_old_version_is_refused_by_an_alert_of_a_modern_server(authority: trustme.CA, version: str) -> None:
    context = _context(authority)
    set_versions(context, ssl.TLSVersion.TLSv1_2)
    with _serving(context) as port:
        found = shake_hands(Offer(version, (version,)), Address("localhost", port))
    assert found.value == "refused"
    assert "alert" in found.detail


def test_tls_1_1_server_with_an_elliptic_key_is_seen(authority: trustme.CA) -> None:
    context = _context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    set_versions(context, ssl.TLSVersion.TLSv1_1)
    with _serving(context) as port:
        found = shake_hands(Offer("old", ("TLSv1.1",)), Address("localhost", port))
    assert found.value == "completed"
    assert "TLSv1.1" in found.detail


def test_weak_suite_is_seen_where_it_is_on_and_refused_where_it_is_off(authority: trustme.CA) -> None:
    weak, strong = _context(authority), _context(authority)
    weak.set_ciphers("aNULL:eNULL:@SECLEVEL=0")
    for context in (weak, strong):
        set_versions(context, ssl.TLSVersion.TLSv1_2)
    offers = [Offer(what, ("TLSv1.2",), WEAK_SUITES[what]) for what in WEAK_SUITES if "no " in what]
    with _serving(weak) as port:
        assert [shake_hands(offer, Address("localhost", port)).value for offer in offers] == ["completed"] * 2
    with _serving(strong) as port:
        assert [shake_hands(offer, Address("localhost", port)).value for offer in offers] == ["refused"] * 2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_demanded_client_certificate_is_seen_as_refusal(authority: trustme.CA, version: ssl.TLSVersion) -> None:
    demanding, easy = _context(authority), _context(authority)
    demanding.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(demanding)
    offer = Offer("no client certificate", request=True)
    for context in (demanding, easy):
        set_versions(context, version)
    with _serving(demanding) as port:
        assert shake_hands(offer, Address("localhost", port)).value == "refused"
    with _serving(easy) as port:
        assert shake_hands(offer, Address("localhost", port)).value == "completed"


def test_certificate_of_a_private_authority(authority: trustme.CA, ca_file: Path) -> None:
    with _serving(_context(authority, "localhost")) as port:
        lab = Address("localhost", port, ca_file=ca_file)
        public = Address("localhost", port)
        questions = {
            question: shake_hands(Offer(question, verify=question), lab).value
            for question in ("chain", "name", "validity", "issuer")
        }
        assert shake_hands(Offer("chain", verify="chain"), public).value == "certificate-untrusted"
    assert questions == {
        "chain": "completed",
        "name": "completed",
        "validity": "completed",
        "issuer": "certificate-private",
    }


def test_missing_intermediate_is_seen(authority: trustme.CA, ca_file: Path) -> None:
    leaf = authority.create_child_ca().issue_cert("localhost")
    for keep, wanted in ((2, "completed"), (1, "certificate-untrusted")):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems[:keep])
        file = ca_file.with_name("chain.pem")
        file.write_bytes(leaf.private_key_pem.bytes() + chain)
        context.load_cert_chain(str(file))
        with _serving(context) as port:
            assert (
                shake_hands(Offer("chain", verify="chain"), Address("localhost", port, ca_file=ca_file)).value
                == wanted
            )


def test_certificate_of_another_host_is_seen(authority: trustme.CA, ca_file: Path) -> None:
    with _serving(_context(authority, "other.example")) as port:
        found = shake_hands(Offer("name", verify="name"), Address("localhost", port, ca_file=ca_file))
    assert found.value == "certificate-other-name"
    assert "other.example" in found.detail


def test_certificate_that_vouches_for_itself_and_ends_soon_is_seen() -> None:
    with own_server(old=False) as port:
        address = Address("localhost", port)
        assert shake_hands(Offer("issuer", verify="issuer"), address).value == "certificate-self-signed"
        assert shake_hands(Offer("validity", verify="validity"), address).value == "certificate-expires-soon"


def test_alpn_is_what_the_server_chose(authority: trustme.CA) -> None:
    context = _context(authority)
    context.set_alpn_protocols(["http/1.1"])
    with _serving(context) as port:
        assert shake_hands(Offer("1.1", alpn=("http/1.1",)), Address("localhost", port)).value == "http/1.1"


def test_nobody_there_is_no_refusal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for offer in (Offer("new"), Offer("old", ("TLSv1",)), Offer("chain", verify="chain")):
        assert shake_hands(offer, Address("127.0.0.1", port)).value == "no-answer"


def test_early_data_is_not_offered_by_a_python_server(authority: trustme.CA) -> None:
    with _serving(_context(authority)) as port:
        found = shake_hands(Offer("early", ("TLSv1.3",), early_data=True), Address("localhost", port))
    assert found.value == "not-offered"
