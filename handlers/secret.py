"""Secrets that this service made itself, and the form in which they may be stored."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Self

#: RFC 4086 and NIST SP 800-63B ask for 112 bits of what nobody can try out; the next round number.
MIN_BITS = 128
#: Longer ones guard nothing better and only fill the head of every request.
MAX_BITS = 4096

_PREFIX = "v1:sha256:"
# A plain `sha256sum` of a password somebody chose must not fit: the only maker of hashes is `new_secret`.
_DOMAIN = b"tradecloud-webhooks secret v1\0"


@dataclass(frozen=True, slots=True)
class SecretHash:
    """What a presented secret is compared with.

    A fast hash is enough for a secret of 128 random bits or more: trying them all takes longer than anybody has,
    however fast each try is. A slow one (bcrypt and its like) protects passwords that people choose, and would let
    strangers keep the processor busy.
    """

    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> Self:
        """The hash of a secret."""
        return cls(hashlib.sha256(_DOMAIN + secret).digest())

    @classmethod
    def read(cls, text: str) -> Self:
        """The hash as `str` wrote it.

        Raises:
            ValueError: it is none.
        """
        if not re.fullmatch(_PREFIX + "[0-9a-f]{64}", text):
            raise ValueError(
                "must be a hash as `webhooks secret new` prints it; make a new secret with that command"
            )
        return cls(bytes.fromhex(text.removeprefix(_PREFIX)))

    def __str__(self) -> str:
        return _PREFIX + self.digest.hex()


def new_secret(bits: int) -> str:
    """A random secret of at least so many bits, made of letters, digits, - and _.

    These may stand in a password (RFC 7617) and in a token (RFC 6750, section 2.1, b64token) alike.

    Raises:
        ValueError: too few or too many bits; the text says how many there must be.
    """
    if not MIN_BITS <= bits <= MAX_BITS:
        raise ValueError(f"a secret needs {MIN_BITS} to {MAX_BITS} bits; one of fewer could be guessed")
    return secrets.token_urlsafe((bits + 7) // 8)
