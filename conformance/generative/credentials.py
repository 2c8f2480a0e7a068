"""The credentials of the phase: kept nowhere, and looked for in every answer."""

from __future__ import annotations

from conformance.redaction import Redactor, secrets_of, spellings

# A word of an answer can be a short password by chance.
_LONG_ENOUGH_TO_ACCUSE = 8


class KnownCredentials:
    """Those of one value of the Authorization header."""

    def __init__(self, authorization: str) -> None:
        secrets = secrets_of(authorization)
        self._redactor = Redactor()
        for secret in secrets:
            self._redactor.add(secret, "credentials")
        self._spellings = frozenset(
            spelt for one in secrets if len(one) >= _LONG_ENOUGH_TO_ACCUSE for spelt in spellings(one)
        )

    def are_in(self, answer: bytes) -> bool:
        """Whether an answer repeats them, or the password that is in them."""
        return any(one in answer for one in self._spellings)

    def clean(self, data: bytes) -> bytes:
        """The bytes without them."""
        return self._redactor.clean(data)

    def clean_text(self, text: str) -> str:
        """The text without them."""
        return self._redactor.clean_text(text)
