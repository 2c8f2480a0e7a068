"""Secrets of our own making, and the only form in which they may be stored."""

from __future__ import annotations

import hashlib
import re

import pytest

from handlers.secret import SecretHash, new_secret


@pytest.mark.parametrize(("bits", "letters"), [(128, 22), (129, 23), (256, 43), (4096, 683)])
def test_new_secret_is_long_enough_and_fits_both_schemes(bits: int, letters: int) -> None:
    made = new_secret(bits)
    assert re.fullmatch(rf"[A-Za-z0-9_-]{{{letters}}}", made)
    assert made != new_secret(bits)


@pytest.mark.parametrize("bits", [-1, 0, 127, 4097])
def test_secret_that_could_be_guessed_is_not_made(bits: int) -> None:
    with pytest.raises(ValueError, match="128 to 4096 bits"):
        new_secret(bits)


def test_hash_is_the_same_after_reading_and_of_this_secret_only() -> None:
    made = SecretHash.of(b"secret")
    assert SecretHash.read(str(made)) == made != SecretHash.of(b"Secret")
    # Fixed for ever: whoever stored a hash must be able to log in after an upgrade.
    assert str(made) == "v1:sha256:" + hashlib.sha256(b"tradecloud-webhooks secret v1\0secret").hexdigest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        hashlib.sha256(b"secret").hexdigest(),
        "v1:sha256:" + "0" * 63,
        "v1:sha256:" + "0" * 65,
        "v1:sha256:" + "G" * 64,
        "v1:sha256:" + "A" * 64,
        "v2:sha256:" + "0" * 64,
        "v1:sha256:" + "0" * 64 + "\n",
    ],
)
def test_anything_else_is_no_hash(text: str) -> None:
    with pytest.raises(ValueError, match="webhooks secret new"):
        SecretHash.read(text)


def test_digest_does_not_show_in_the_representation() -> None:
    made = SecretHash.of(b"secret")
    assert made.digest.hex() not in repr(made)
    assert str(made.digest) not in repr(made)
