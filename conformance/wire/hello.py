"""What a TLS client offers, and the bytes of a ClientHello that no library would send any more.

A library refuses old versions and weak suites itself, before a byte leaves the machine, and that refusal looks like
the server's. So these offers are written byte by byte (RFC 2246 and RFC 5246, section 7.4.1.2).
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass


class CannotOfferError(Exception):
    """The suite's own machine cannot make this offer: nothing is known about the receiver."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One ClientHello, or one way to open a connection."""

    name: str
    versions: tuple[str, ...] = ("TLSv1.2", "TLSv1.3")
    """The protocol versions offered, such as `SSLv3`, `TLSv1`, `TLSv1.1`."""
    cipher_codes: tuple[int, ...] = ()
    """Only these cipher suites (IANA numbers); empty: the usual ones."""
    alpn: tuple[str, ...] = ()
    verify: str = ""
    """What of the certificate is checked: `chain`, `name`, `validity`, `issuer`; empty: nothing."""
    early_data: bool = False
    """Send a request as TLS 1.3 early data."""
    path: str = "/"
    """Below the base URL: where a request goes, if one is sent."""
    request: bool = False
    """Send a request without credentials afterwards: in TLS 1.3 a server asks for a client certificate, and refuses
    the one who has none, only then."""

    @property
    def needs_raw_bytes(self) -> bool:
        """Whether a library would not send it."""
        return bool(self.cipher_codes) or any(version in ("SSLv3", "TLSv1", "TLSv1.1") for version in self.versions)


VERSION_CODES = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
VERSION_NAMES = {code: name for name, code in VERSION_CODES.items()}

#: What a client of the years of SSL 3.0 to TLS 1.1 offered, elliptic curves included.
OLD_SUITES = (
    0xC00A, 0xC014, 0x0039, 0x0038, 0xC009, 0xC013, 0x0033, 0x0032, 0x0035, 0x002F,
    0xC008, 0xC012, 0x0016, 0x0013, 0x000A, 0xC007, 0xC011, 0x0005, 0x0004,
)  # fmt: skip

#: Suites that RFC 9325, section 4.1, forbids, by what is wrong with them.
WEAK_SUITES = {
    "no encryption (NULL)": (0x0001, 0x0002, 0x003B, 0xC001, 0xC006, 0xC00B, 0xC010),
    "no authentication (anonymous)": (
        0x0018, 0x001B, 0x0034, 0x003A, 0x006C, 0x006D, 0x00A6, 0x00A7, 0xC015, 0xC016, 0xC017, 0xC018, 0xC019,
    ),
    "EXPORT": (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0017, 0x0019, 0x0062, 0x0064),
    "RC4": (0x0004, 0x0005, 0xC002, 0xC007, 0xC00C, 0xC011),
    "3DES": (0x000A, 0x000D, 0x0010, 0x0013, 0x0016, 0xC003, 0xC008, 0xC00D, 0xC012),
}  # fmt: skip

_RENEGOTIATION_SCSV = 0x00FF
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0202)


def client_hello(offer: Offer, host: str) -> bytes:
    """The record with the ClientHello; the newest version of the offer is the one that it names.

    Raises:
        ValueError: TLS 1.3 cannot be offered in this way.
    """
    version = max(VERSION_CODES[name] for name in offer.versions)
    if version > VERSION_CODES["TLSv1.2"]:
        raise ValueError("TLS 1.3 is offered through the library")
    suites = (*(offer.cipher_codes or OLD_SUITES), _RENEGOTIATION_SCSV)
    body = _number(version) + os.urandom(32) + b"\x00"
    body += _counted(b"".join(map(_number, suites))) + b"\x01\x00"
    if version > VERSION_CODES["SSLv3"]:  # extensions came with TLS 1.0
        body += _counted(_extensions(version, host, offer.alpn))
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    # RFC 5246, appendix E.1: the record says 3.0 or 3.1 whatever the hello offers.
    record_version = min(version, VERSION_CODES["TLSv1"])
    return b"\x16" + _number(record_version) + _counted(handshake)


def _extensions(version: int, host: str, alpn: tuple[str, ...]) -> bytes:
    found = b""
    if not _is_ip(host):
        found += _extension(0, _counted(b"\x00" + _counted(host.encode("idna"))))
    found += _extension(10, _counted(b"".join(map(_number, _GROUPS))))
    found += _extension(11, b"\x01\x00")
    if version >= VERSION_CODES["TLSv1.2"]:
        found += _extension(13, _counted(b"".join(map(_number, _SIGNATURES))))
    if alpn:
        found += _extension(16, _counted(b"".join(bytes([len(name)]) + name.encode() for name in alpn)))
    return found


def _extension(kind: int, content: bytes) -> bytes:
    return _number(kind) + _counted(content)


def _number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def _counted(content: bytes) -> bytes:
    return _number(len(content)) + content


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
