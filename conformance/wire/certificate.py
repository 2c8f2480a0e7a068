"""The certificate that a server shows, one question at a time; OpenSSL answers, with nothing but what was sent."""

from __future__ import annotations

import datetime
import socket
import ssl
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from conformance.wire.address import Address
from conformance.wire.answer import Fact

SECONDS = 5.0
#: Less than this is "expires soon".
DAYS_LEFT = 21

#: X509_V_FLAG_NO_CHECK_TIME: Python has no name for it.
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
_EXPIRED = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def look_at(address: Address, question: str) -> Fact:
    """The answer to one question: `completed`, or what is wrong.

    `chain`: does it lead to a trusted authority (a public one, or the address's own)? `certificate-untrusted`.
    `name`: does it name the host? `certificate-other-name`.
    `validity`: is today inside? `certificate-expired`, `certificate-not-yet-valid`, `certificate-expires-soon`.
    `issuer`: is the authority a public one? `certificate-private` (it is the address's own one),
    `certificate-self-signed`, `certificate-unknown-authority`.

    Raises:
        OSError: no connection, or no handshake for another reason.
    """
    if question == "chain":
        return _verdict(_verify(address, _trusting(address.ca_file)), "certificate-untrusted")
    leaf = _leaf(address)
    if question == "name":
        return _name(address, leaf)
    if question == "validity":
        return _validity(address, leaf)
    if question == "issuer":
        if _is_self_signed(leaf):
            return Fact("certificate-self-signed", f"{leaf.subject.rfc4514_string()} vouches for itself")
        return _authority(address)
    raise ValueError(f"no question about certificates: {question}")


def _authority(address: Address) -> Fact:
    public = _verify(address, _trusting(None))
    if public is not None and address.ca_file is not None and _verify(address, _trusting(address.ca_file)) is None:
        return Fact("certificate-private", f"the authority is one of {address.ca_file.name}, not a public one")
    return _verdict(public, "certificate-unknown-authority")


def _verdict(error: ssl.SSLCertVerificationError | None, otherwise: str) -> Fact:
    if error is None:
        return Fact("completed")
    return Fact(otherwise, error.verify_message)


def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.check_hostname = False
    context.verify_flags |= _NO_CHECK_TIME
    return context


def _verify(address: Address, context: ssl.SSLContext) -> ssl.SSLCertVerificationError | None:
    with socket.create_connection((address.host, address.port), SECONDS) as raw:
        try:
            with context.wrap_socket(raw, server_hostname=address.host):
                return None
        except ssl.SSLCertVerificationError as error:
            return error


def _leaf(address: Address) -> x509.Certificate:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((address.host, address.port), SECONDS) as raw,
        context.wrap_socket(raw, server_hostname=address.host) as secured,
    ):
        shown = secured.getpeercert(binary_form=True)
    if shown is None:
        raise ssl.SSLError("the server showed no certificate")
    return x509.load_der_x509_certificate(shown)


def _name(address: Address, leaf: x509.Certificate) -> Fact:
    # With the certificate itself as the anchor nothing but the name can be wrong.
    context = ssl.create_default_context(cadata=leaf.public_bytes(serialization.Encoding.DER))
    context.verify_flags |= _NO_CHECK_TIME | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    context.hostname_checks_common_name = False
    error = _verify(address, context)
    return Fact("completed", _names(leaf)) if error is None else Fact("certificate-other-name", _names(leaf))


def _names(leaf: x509.Certificate) -> str:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it names no host (no subjectAltName)"
    return "it names " + ", ".join(str(name.value) for name in names)


def _validity(address: Address, leaf: x509.Certificate) -> Fact:
    now = datetime.datetime.now(datetime.UTC)
    left = (leaf.not_valid_after_utc - now).days
    period = f"valid from {leaf.not_valid_before_utc:%Y-%m-%d} to {leaf.not_valid_after_utc:%Y-%m-%d}"
    if leaf.not_valid_before_utc > now:
        return Fact("certificate-not-yet-valid", period)
    if leaf.not_valid_after_utc < now:
        return Fact("certificate-expired", period)
    context = _trusting(address.ca_file)
    context.verify_flags &= ~_NO_CHECK_TIME
    error = _verify(address, context)
    if error is not None and error.verify_code in _EXPIRED:
        return Fact("certificate-expired", f"another certificate of the chain: {error.verify_message}")
    return Fact("certificate-expires-soon" if left < DAYS_LEFT else "completed", f"{period}, {left} days left")


def _is_self_signed(leaf: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(leaf)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


# For the suite's own server.


def self_signed(folder: str) -> str:
    """A file in this folder with a key and a certificate for `localhost` that vouches for itself."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    shown = builder.sign(key, hashes.SHA256())
    path = Path(folder) / "own.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + shown.public_bytes(serialization.Encoding.PEM))
    return str(path)


def set_versions(context: ssl.SSLContext, only: ssl.TLSVersion) -> None:
    """Let a context speak one version, an old one too."""
    with warnings.catch_warnings():
        # Python warns of old versions; here an old one is wanted.
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = only
        context.maximum_version = only
