"""The server's certificate and key: read as one pair, and exchanged while connections live on."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

#: Days before its end from which a certificate is told to end soon: time enough to get a new one.
ENDS_SOON_DAYS = 21


class CertificateError(ValueError):
    """Certificate or key cannot be used; the text names the file, what is wrong with it and what to do."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain, and the key that fits."""

    context: ssl.SSLContext
    chain: str
    """The PEM text."""
    names: tuple[str, ...]
    """The host names and addresses that it is for; without any, its subject."""
    valid_from: datetime
    valid_until: datetime

    def trouble(self) -> str | None:
        """Why no sender would accept the certificate now, such as "ended on …"; None if nothing is wrong."""
        now = datetime.now(UTC)
        if self.valid_until < now:
            return f"ended on {self.valid_until.date()}"
        if self.valid_from > now:
            return f"is not valid before {self.valid_from:%Y-%m-%d %H:%M} UTC"
        return None

    def ends_soon(self) -> str | None:
        """When the certificate ends, if that is not far away, such as "ends in 5 days (2026-11-29)"."""
        days = (self.valid_until - datetime.now(UTC)).days
        return f"ends in {days} days ({self.valid_until.date()})" if 0 <= days < ENDS_SOON_DAYS else None


class Front:
    """What the server listens with: every new handshake gets the pair that is in force at that moment.

    A context of its own, without a certificate, that hands each connection over to the context of the pair.
    Loading a pair into a context that is in use would leave it broken when the pair is. OpenSSL calls back for
    senders that name no host (SNI) too. A sender that resumes a session of the old pair is not asked to look at the
    new one: the tickets are the front's, so an exchange costs nobody a connection.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        """The one in force; to be exchanged by setting it."""
        self.context = _context()
        self.context.sni_callback = self._hand_over

    def _hand_over(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.pair.context


def read_pair(certificate: Path, key: Path, password: str | None) -> Pair:
    """The pair in these two PEM files, for TLS 1.2 and 1.3; it may have ended (see `Pair.trouble`).

    Raises:
        CertificateError: a file is missing, broken, or does not fit.
    """
    chain_pem = _pem(certificate, "certificate", "CERTIFICATE-----")
    key_pem = _pem(key, "key", "PRIVATE KEY-----")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=chain_pem)
        leaf = x509.load_pem_x509_certificate(chain_pem.encode())
        validity = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    except (ssl.SSLError, ValueError, x509.InvalidVersion) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else "not a certificate of X.509"
        raise CertificateError(
            f"the certificate file {certificate} is broken ({reason}); put the PEM chain there again"
        ) from error
    context = _context()
    try:
        # Without a callback OpenSSL would ask at the terminal, and a service has none.
        context.load_cert_chain(certificate, key, password=lambda: password or "")
    except ssl.SSLError as error:
        raise CertificateError(_key_trouble(certificate, key, key_pem, password, error)) from error
    except ValueError as error:  # more than 1024 bytes, or no text
        raise CertificateError(
            f"the password of the key file {key} cannot be used; correct the password"
        ) from error
    except OSError as error:
        raise CertificateError(f"{certificate} or {key} went away while it was read") from error
    return Pair(context, chain_pem, _names(leaf), *validity)


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    return context


def _names(leaf: x509.Certificate) -> tuple[str, ...]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        # Only shown to people: what OpenSSL can serve is not refused for an odd extension.
        return (leaf.subject.rfc4514_string(),)
    return tuple(str(name.value) for name in names)


def _pem(file: Path, what: str, label: str) -> str:
    try:
        text = file.read_text(encoding="ascii", errors="ignore")
    except OSError as error:
        raise CertificateError(
            f"the {what} file {file} cannot be read ({error.strerror}); "
            "correct the path, or let the user of the service read it"
        ) from error
    if label not in text:
        raise CertificateError(f"the {what} file {file} holds no {what} in PEM form; convert it to PEM")
    return text


def _key_trouble(certificate: Path, key: Path, pem: str, password: str | None, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the key file {key} does not belong to the certificate {certificate}; give the matching pair"
    if "ENCRYPTED" in pem:
        if not password:
            return f"the key file {key} is encrypted; give its password"
        return f"the key file {key} cannot be opened with the password that is set; correct the password"
    return f"the key file {key} cannot be used with {certificate} ({error.reason}); give a new pair"
