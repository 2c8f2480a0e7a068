"""The pair in force is exchanged under a listening server: either event loop, TLS 1.2 and 1.3, real sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
import trustme
import uvloop
from cryptography.hazmat.primitives import serialization

from service.tls import CertificateError, Front, Pair, read_pair


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """What the clients trust."""
    return trustme.CA()


def pair(folder: Path, authority: trustme.CA, kind: trustme.KeyType) -> Pair:
    """A new certificate, with a key of this kind."""
    issued = authority.issue_cert("localhost", key_type=kind)
    certificate, key = folder / f"{kind.name}.pem", folder / f"{kind.name}-key.pem"
    certificate.write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    return read_pair(certificate, key, None)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def listening(request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA) -> Iterator[tuple[Front, int]]:
    """A server that listens with a front; its port."""
    make_loop: Callable[[], asyncio.AbstractEventLoop] = request.param
    loop = make_loop()
    front = Front(pair(tmp_path, authority, trustme.KeyType.RSA))
    server = loop.run_until_complete(loop.create_server(_Echo, "127.0.0.1", 0, ssl=front.context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield front, server.sockets[0].getsockname()[1]
    # Both in the thread of the loop: uvloop's may miss what another thread does to it, and would never stop.
    loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.run_until_complete(asyncio.sleep(0.1))  # for connections that are being closed
    loop.close()


@pytest.mark.parametrize("name", ["localhost", None], ids=["with SNI", "without SNI"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_new_handshake_gets_the_new_pair_and_old_connections_and_sessions_live_on(
    listening: tuple[Front, int],
    tmp_path: Path,
    authority: trustme.CA,
    version: ssl.TLSVersion,
    name: str | None,
) -> None:
    front, port = listening
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    context.check_hostname = name is not None

    def connect(session: ssl.SSLSession | None = None) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", port), timeout=30)
        return context.wrap_socket(plain, server_hostname=name, session=session)

    def presented(sender: ssl.SSLSocket) -> str:
        sender.sendall(b"x")
        assert sender.recv(1) == b"x"
        assert sender.selected_alpn_protocol() == "http/1.1"
        return ssl.DER_cert_to_PEM_cert(sender.getpeercert(binary_form=True) or b"")

    with connect() as before:
        assert presented(before) in front.pair.chain
        with connect(before.session) as resumed:
            presented(resumed)
            assert resumed.session_reused
        old, front.pair = front.pair, pair(tmp_path, authority, trustme.KeyType.ECDSA)
        with connect() as after:
            assert presented(after) in front.pair.chain
        with connect(before.session) as resumed:
            presented(resumed)
            assert resumed.session_reused
        assert presented(before) in old.chain


def test_names_of_a_certificate_are_those_that_senders_check(tmp_path: Path, authority: trustme.CA) -> None:
    assert pair(tmp_path, authority, trustme.KeyType.ECDSA).names == ("localhost",)


def test_certificate_of_a_version_that_does_not_exist_is_broken(tmp_path: Path, authority: trustme.CA) -> None:
    chain = pair(tmp_path, authority, trustme.KeyType.ECDSA).chain
    certificate = ssl.PEM_cert_to_DER_cert(chain)
    version = b"\xa0\x03\x02\x01"
    assert version + b"\x02" in certificate
    broken = tmp_path / "broken.pem"
    broken.write_text(ssl.DER_cert_to_PEM_cert(certificate.replace(version + b"\x02", version + b"\x7e")))
    with pytest.raises(CertificateError, match="not a certificate of X"):
        read_pair(broken, tmp_path / "ECDSA-key.pem", None)


@pytest.mark.parametrize("password", ["x" * 2000, "\udcff"], ids=["long", "no text"])
def test_password_that_openssl_does_not_take_is_told(tmp_path: Path, authority: trustme.CA, password: str) -> None:
    pair(tmp_path, authority, trustme.KeyType.ECDSA)
    key = tmp_path / "ECDSA-key.pem"
    loaded = serialization.load_pem_private_key(key.read_bytes(), None)
    encrypted = serialization.BestAvailableEncryption(b"right")
    key.write_bytes(loaded.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encrypted))
    with pytest.raises(CertificateError, match="the password of the key file"):
        read_pair(tmp_path / "ECDSA.pem", key, password)
