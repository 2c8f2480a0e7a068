"""From a table [auth.oauth.NAME] to an issuer in force: derives what follows from it and reads its files."""

from __future__ import annotations

import ssl
from pathlib import Path

from handlers.oauth.access_token import TokenPolicy
from handlers.oauth.issuers import TokenIssuer
from handlers.oauth.key_server import KeySource
from handlers.oauth.key_set import KeySetError, read_key_set
from service.errors import StartError
from service.settings_models import OAuth


def token_issuer(name: str, oauth: OAuth) -> TokenIssuer:
    """The issuer that the table of this name describes.

    Raises:
        StartError: jwks_file or ca_file cannot be read or used.
    """
    key = f"auth.oauth.{name}"
    derived = oauth.derived
    return TokenIssuer(
        name=name,
        issuers=derived.issuers,
        keys=KeySource(
            metadata_urls=derived.metadata_urls,
            jwks_url=oauth.jwks_url,
            given=_keys_in(oauth.jwks_file, f"{key}.jwks_file") if oauth.jwks_file else None,
            authorities=_authorities_in(oauth.ca_file, f"{key}.ca_file") if oauth.ca_file else None,
        ),
        policy=TokenPolicy(
            audiences=frozenset(oauth.audiences),
            clients=frozenset(oauth.clients or ()),
            roles=frozenset(oauth.roles or ()),
            tenant=derived.tenant,
            leeway=oauth.leeway,
        ),
        endpoints=frozenset(oauth.endpoints),
    )


def _keys_in(path: Path, key: str) -> bytes:
    document = _read(path, key)
    try:
        read_key_set(document)
    except KeySetError as error:
        raise StartError(f"{key}: {path}: {error}; save the issuer's key document (JWKS) there") from error
    return document


def _authorities_in(path: Path, key: str) -> str:
    content = _read(path, key)
    try:
        text = content.decode("ascii", "ignore")  # letters of other scripts stand in comments only
        # Not create_default_context: that takes an empty text for none, and trusts the usual authorities alone.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise StartError(
            f"{key}: {path}: no certificates in it; it must hold the authority's certificate as PEM text, "
            "beginning with -----BEGIN CERTIFICATE-----"
        ) from error
    return text


def _read(path: Path, key: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StartError(f"{key}: cannot read {path}: {error.strerror}") from error
