"""How a TLS handshake ends, and who ended it: an alert or a close that was seen on the wire is the server's."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from tempfile import TemporaryDirectory

from conformance.wire import certificate
from conformance.wire.address import Address
from conformance.wire.answer import Fact
from conformance.wire.early_data import try_early_data
from conformance.wire.hello import VERSION_CODES, VERSION_NAMES, Offer, client_hello

CONNECT_SECONDS = 10.0
#: How long a server may think about a hello.
HELLO_SECONDS = 5.0
#: How long after the handshake a refusal for want of a client certificate can come.
AFTERWARDS_SECONDS = 3.0

_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow",
    40: "handshake_failure", 42: "bad_certificate", 47: "illegal_parameter", 50: "decode_error",
    70: "protocol_version", 71: "insufficient_security", 80: "internal_error", 86: "inappropriate_fallback",
    109: "missing_extension", 112: "unrecognized_name", 116: "certificate_required",
    120: "no_application_protocol",
}  # fmt: skip

#: How the detail of `no-answer` begins where not even TCP was answered.
NOBODY_THERE = "no connection"


def shake_hands(offer: Offer, address: Address) -> Fact:
    """What an offer came to.

    The value is `completed`, `refused` (the server said no), `no-answer` (nobody is there, or it is silent) or
    `certificate-…` (see `certificate.look_at`). With `alpn` it is the protocol that the server chose, or `no-alpn`.
    With `early_data` see `early_data.try_early_data`.

    Raises:
        CannotOfferError: the suite's own machine cannot make this offer.
    """
    if offer.early_data:
        return try_early_data(address, offer.path)
    if offer.verify:
        return _look_at_certificate(offer, address)
    if offer.needs_raw_bytes:
        return _say_hello(offer, address)
    return _by_library(offer, address)


# By the library, to the end.


def _by_library(offer: Offer, address: Address) -> Fact:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion(min(VERSION_CODES[name] for name in offer.versions))
    context.maximum_version = ssl.TLSVersion(max(VERSION_CODES[name] for name in offer.versions))
    if offer.alpn:
        context.set_alpn_protocols(list(offer.alpn))
    try:
        raw = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    except OSError as error:
        return Fact("no-answer", f"{NOBODY_THERE}: {error.strerror or error}")
    with raw:
        raw.settimeout(HELLO_SECONDS)
        try:
            with context.wrap_socket(raw, server_hostname=address.host) as secured:
                spoken = f"{secured.version()} with {(secured.cipher() or ('no suite',))[0]}"
                if offer.request:
                    refusal = _refusal_afterwards(secured, offer, address)
                    if refusal is not None:
                        return Fact("refused", f"{spoken}, then {refusal}")
                if offer.alpn:
                    return Fact(secured.selected_alpn_protocol() or "no-alpn", spoken)
                return Fact("completed", spoken)
        except TimeoutError:
            return Fact("no-answer", f"nothing within {HELLO_SECONDS:.0f} s")
        except OSError as error:
            return Fact("refused", _reason(error))


def _refusal_afterwards(secured: ssl.SSLSocket, offer: Offer, address: Address) -> str | None:
    """Why the server broke off after the handshake; None if it did not."""
    secured.settimeout(AFTERWARDS_SECONDS)
    head = f"GET {address.base_path}{offer.path} HTTP/1.1\r\nHost: {address.authority}\r\nConnection: close\r\n\r\n"
    try:
        secured.sendall(head.encode())
        return None if secured.recv(1) else "the server closed the connection without an answer"
    except TimeoutError:
        return None
    except OSError as error:
        return _reason(error)


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason
    return error.strerror or str(error) or type(error).__name__


# By bytes, as far as the ServerHello.


def _say_hello(offer: Offer, address: Address) -> Fact:
    try:
        connection = socket.create_connection((address.host, address.port), CONNECT_SECONDS)
    except OSError as error:
        return Fact("no-answer", f"{NOBODY_THERE}: {error.strerror or error}")
    with connection:
        connection.settimeout(HELLO_SECONDS)
        try:
            connection.sendall(client_hello(offer, address.host))
            return _read_reply(connection, offer)
        except TimeoutError:
            return Fact("no-answer", f"nothing within {HELLO_SECONDS:.0f} s")
        except OSError as error:
            return Fact("refused", f"the server broke the connection ({error.strerror or error})")


def _read_reply(connection: socket.socket, offer: Offer) -> Fact:
    head = _exactly(connection, 5)
    if not head:
        return Fact("refused", "the server closed the connection")
    kind, size = head[0], int.from_bytes(head[3:5], "big")
    if kind == 21 and len(head) == 5:
        alert = _exactly(connection, size)
        name = _ALERTS.get(alert[1], f"number {alert[1]}") if len(alert) > 1 else "cut short"
        return Fact("refused", f"alert {name}")
    if kind != 22 or len(head) < 5:
        return Fact("refused", f"the server answered with something that is no TLS: {head!r}")
    hello = _exactly(connection, min(size, 200))
    # HandshakeType 2, length, version, random, session id, suite (RFC 5246, section 7.4.1.3).
    if len(hello) < 41 or hello[0] != 2:
        return Fact("refused", "the server answered with a handshake message that is no ServerHello")
    version = int.from_bytes(hello[4:6], "big")
    after_session = 39 + hello[38]
    suite = int.from_bytes(hello[after_session : after_session + 2], "big")
    said = f"ServerHello with {VERSION_NAMES.get(version, hex(version))} and suite 0x{suite:04X}"
    if version > max(VERSION_CODES[name] for name in offer.versions):
        return Fact("refused", f"{said}, which was not offered")
    return Fact("completed", said)


def _exactly(connection: socket.socket, count: int) -> bytes:
    """So many bytes; fewer if the server closes before."""
    found = b""
    while len(found) < count and (more := connection.recv(count - len(found))):
        found += more
    return found


# The certificate.


def _look_at_certificate(offer: Offer, address: Address) -> Fact:
    try:
        return certificate.look_at(address, offer.verify)
    except TimeoutError:
        return Fact("no-answer", f"nothing within {HELLO_SECONDS:.0f} s")
    except ssl.SSLError as error:
        return Fact("refused", _reason(error))
    except OSError as error:
        return Fact("no-answer", f"{NOBODY_THERE}: {error.strerror or error}")


# PRE-2: the suite proves that it would see an old version.


def self_check() -> str | None:
    """What is wrong with the suite's own eyes; None if a TLS 1.0 server of our own is seen as speaking 1.0, and a
    modern one as refusing it."""
    for speaks_old, wanted in ((True, "completed"), (False, "refused")):
        with own_server(old=speaks_old) as port:
            found = shake_hands(Offer("self check", ("TLSv1",)), Address("127.0.0.1", port))
        if found.value != wanted:
            kind = "TLS 1.0" if speaks_old else "TLS 1.2"
            return f"the suite's own {kind} server was asked for TLS 1.0 and seen as {found.value} ({found.detail})"
        if speaks_old and "TLSv1 " not in found.detail:
            return f"a TLS 1.0 server of the suite's own was seen as: {found.detail}"
    return None


@contextlib.contextmanager
def own_server(*, old: bool) -> Iterator[int]:
    """The port of a server on loopback that speaks TLS 1.0 and nothing else, or TLS 1.2 and later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if old:
        # The key exchange without a signature: some systems forbid SHA-1 signatures whatever the settings say.
        context.set_ciphers("AES128-SHA:@SECLEVEL=0")
        certificate.set_versions(context, ssl.TLSVersion.TLSv1)
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    with TemporaryDirectory() as folder:
        context.load_cert_chain(certificate.self_signed(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_serve, args=(listener, context), daemon=True)
        serving.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes the thread: closing a listening socket does not.
            listener.shutdown(socket.SHUT_RDWR)
            serving.join(5)


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.settimeout(2)
        # What becomes of the handshake is the other side's to say; a broken one is the point here.
        with connection, contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
            pass
