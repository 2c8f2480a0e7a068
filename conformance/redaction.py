"""No secret leaves the suite: every text and every byte that is kept or printed goes through here first.

By value, not by the name of a header field: whatever is made of a secret is told to the redactor when it is made.
"""

from __future__ import annotations

import base64
import json
from urllib.parse import quote


class Redactor:
    """Knows the secrets of a run and what they look like."""

    def __init__(self) -> None:
        self._shown: dict[bytes, bytes] = {}
        self._longest_first: list[bytes] = []

    def add(self, secret: str | bytes, shown: str) -> None:
        """From now on this secret, in every spelling that it can have on the wire, is shown as `[shown]`."""
        data = secret.encode() if isinstance(secret, str) else secret
        if len(data) < 4:
            return  # would tear unrelated text apart, and nobody could read anything from it
        spellings = {
            data,
            base64.b64encode(data),
            base64.urlsafe_b64encode(data),
            base64.urlsafe_b64encode(data).rstrip(b"="),
        }
        spellings |= {base64.b64encode(data).rstrip(b"="), quote(data, safe="").encode(), quote(data).encode()}
        try:
            text = data.decode()
        except UnicodeDecodeError:
            pass
        else:
            spellings.add(json.dumps(text, ensure_ascii=False)[1:-1].encode())
            spellings |= {json.dumps(text)[1:-1].encode(), text.encode("utf-16-le"), text.encode("utf-16-be")}
            spellings.add(text.encode("latin-1", "replace"))
        for spelling in spellings:
            self._shown.setdefault(spelling, f"[{shown}]".encode())
        self._longest_first = sorted(self._shown, key=len, reverse=True)

    def clean(self, data: bytes) -> bytes:
        """The bytes without secrets."""
        for secret in self._longest_first:
            if secret in data:
                data = data.replace(secret, self._shown[secret])
        return data

    def clean_text(self, text: str) -> str:
        """The text without secrets."""
        return self.clean(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
