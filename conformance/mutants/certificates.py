"""The throw-away certificates of a receiver: a root, an intermediate, and a leaf per situation.

All are made at the first start in a folder, which takes some hundredths of a second, and used again afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

HOST = "localhost"
ADDRESS = "127.0.0.1"
FEW_DAYS = 14

GOOD = "good"
NO_INTERMEDIATE = "no-intermediate"
SELF_SIGNED = "self-signed"
OTHER_HOST = "other-host"
EXPIRED = "expired"
NOT_YET_VALID = "not-yet-valid"
FEW_DAYS_LEFT = "few-days-left"
WITHOUT_SAN = "without-san"
OTHER_AUTHORITY = "other-authority"


@dataclass(frozen=True)
class Certificates:
    """The files of a folder: `ca` is what a client trusts, `chain` what the server sends with its key."""

    folder: Path

    @property
    def ca(self) -> Path:
        """The root certificate."""
        return self.folder / "ca.pem"

    def chain(self, situation: str) -> Path:
        """Private key, leaf and what the server sends beside it, in one file."""
        return self.folder / f"{situation}.pem"


def certificates(folder: Path) -> Certificates:
    """The certificates below this folder, made if they are not there yet."""
    found = Certificates(folder / "tls")
    if not found.ca.exists():
        found.folder.mkdir(parents=True, exist_ok=True)
        _make(found)
    return found


def _make(files: Certificates) -> None:
    import trustme

    now = datetime.now(UTC)
    root = trustme.CA(organization_name="Conformance test root")
    intermediate = root.create_child_ca()
    other_root = trustme.CA(organization_name="Another root")
    leaf = intermediate.issue_cert(HOST, ADDRESS, not_after=now + timedelta(days=365))
    _write(files.chain(GOOD), leaf)
    files.chain(NO_INTERMEDIATE).write_bytes(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())
    _write(files.chain(OTHER_HOST), intermediate.issue_cert("receiver.example"))
    _write(files.chain(WITHOUT_SAN), intermediate.issue_cert(common_name=HOST))
    _write(files.chain(OTHER_AUTHORITY), other_root.issue_cert(HOST, ADDRESS))
    for situation, begins, ends in (
        (EXPIRED, now - timedelta(days=90), now - timedelta(days=1)),
        (NOT_YET_VALID, now + timedelta(days=2), now + timedelta(days=90)),
        (FEW_DAYS_LEFT, now - timedelta(days=76), now + timedelta(days=FEW_DAYS)),
    ):
        _write(files.chain(situation), intermediate.issue_cert(HOST, ADDRESS, not_before=begins, not_after=ends))
    files.chain(SELF_SIGNED).write_bytes(_self_signed(now))
    # Last, because its presence says that the others are there.
    root.cert_pem.write_to_path(str(files.ca))


def _write(path: Path, leaf: object) -> None:
    import trustme

    assert isinstance(leaf, trustme.LeafCert)  # noqa: S101 - narrows the type
    path.write_bytes(leaf.private_key_pem.bytes() + b"".join(pem.bytes() for pem in leaf.cert_chain_pems))


def _self_signed(now: datetime) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
