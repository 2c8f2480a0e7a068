"""The TLS side of the receiver: which versions, suites, certificates and protocols it offers."""

from __future__ import annotations

import socket
import ssl
import warnings

from conformance.mutants import certificates as situations
from conformance.mutants.certificates import Certificates
from conformance.mutants.faults import Faults

_SITUATIONS = {
    "MU-18": situations.NO_INTERMEDIATE,
    "MU-19": situations.SELF_SIGNED,
    "MU-20": situations.OTHER_HOST,
    "MU-155": situations.EXPIRED,
    "MU-156": situations.NOT_YET_VALID,
    "MU-157": situations.FEW_DAYS_LEFT,
    "MU-158": situations.WITHOUT_SAN,
    "MU-164": situations.OTHER_AUTHORITY,
}
_HANDSHAKE = 0x16
_SSL_3_0 = b"\x03\x00"
_OFFERS_H2 = b"\x02h2"
_NO_APPLICATION_PROTOCOL = 120


def server_context(files: Certificates, faults: Faults) -> ssl.SSLContext:
    """The context that every connection is wrapped with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _loosen(context, faults)
    context.load_cert_chain(files.chain(_SITUATIONS.get(faults.fault or "", situations.GOOD)))
    if faults.on("MU-23"):
        context.load_verify_locations(files.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(_protocols(faults))
    return context


def _loosen(context: ssl.SSLContext, faults: Faults) -> None:
    if faults.on("MU-153"):
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if faults.on("BV-10"):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if faults.on("MU-161"):
        context.set_ciphers("ALL:eNULL:aNULL:@SECLEVEL=0")
    if faults.on("MU-17", "MU-152", "MU-165"):
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
            context.minimum_version = ssl.TLSVersion.TLSv1_1 if faults.on("MU-165") else ssl.TLSVersion.TLSv1
            if faults.on("MU-152"):
                context.maximum_version = ssl.TLSVersion.TLSv1_1


def _protocols(faults: Faults) -> list[str]:
    if faults.on("MU-162"):
        return ["h2"]
    if faults.on("BV-9", "MU-163"):
        return ["h2", "http/1.1"]
    return ["http/1.1"]


def looks_like_plain_http(connection: socket.socket) -> bool:
    """True when the first byte is no TLS record but a letter."""
    first = connection.recv(1, socket.MSG_PEEK)
    return first.isalpha()


def refuse_without_h2(connection: socket.socket) -> bool:
    """End the handshake of whoever does not offer h2 (the fault MU-162), by the alert of RFC 7301; True when so.

    The ssl module can only leave the extension out, so the alert is written by hand.
    """
    if _OFFERS_H2 in connection.recv(4096, socket.MSG_PEEK):
        return False
    connection.sendall(b"\x15\x03\x03\x00\x02\x02" + bytes([_NO_APPLICATION_PROTOCOL]))
    return True


def answer_ssl3(connection: socket.socket) -> bool:
    """Answer a hello of SSL 3.0 like a server of its time (the fault MU-154); True when it was one.

    OpenSSL has no SSL 3.0 any more, so the ServerHello is written by hand (RFC 6101, section 5.6.1.3).
    """
    start = connection.recv(11, socket.MSG_PEEK)
    if len(start) < 11 or start[0] != _HANDSHAKE or start[9:11] != _SSL_3_0:
        return False
    body = _SSL_3_0 + bytes(32) + b"\x00" + b"\x00\x35" + b"\x00"
    message = b"\x02" + len(body).to_bytes(3, "big") + body
    connection.sendall(b"\x16" + _SSL_3_0 + len(message).to_bytes(2, "big") + message)
    return True
