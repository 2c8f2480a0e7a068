"""No secret leaves the suite: every text and every byte that is kept or printed goes through here first.

By value, not by the name of a header field: whatever is made of a secret is told to the redactor when it is made.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

#: What is shorter than this would tear unrelated text apart, and nobody could read anything from it.
_SHORTEST = 4
# What encoders escape in a JSON text beyond what they must: those of Go and .NET. That of PHP escapes the slash.
_ESCAPED_BY_GO = re.compile(r"[&<>]")
_ESCAPED_BY_DOTNET = re.compile(r"""["'&<>+`\x00-\x1f\x7f-\uffff]""")


def spellings(secret: str | bytes) -> frozenset[bytes]:
    """The secret in every spelling in which a receiver could send it back."""
    data = secret.encode("utf-8", "surrogateescape") if isinstance(secret, str) else secret
    texts = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    texts |= {text.rstrip("=") for text in texts}
    # Whoever takes UTF-8 for Latin-1 sends two letters back where there was one.
    texts.add(data.decode("latin-1"))
    found = {data, quote(data, safe="").encode(), quote(data).encode(), quote_plus(data).encode()}
    try:
        plain = data.decode()
    except UnicodeDecodeError:
        pass
    else:
        texts.add(plain)
        found |= {plain.encode("utf-16-le"), plain.encode("utf-16-be"), plain.encode("latin-1", "replace")}
    for text in texts:
        found |= {spelt.encode("utf-8", "surrogatepass") for spelt in _escaped(text)}
    return frozenset(one for one in found if len(one) >= _SHORTEST and one.strip(b"?")) | {data}


def _escaped(text: str) -> Iterator[str]:
    """The text as it stands in JSON, in HTML, in XML and in a URL."""
    yield text
    for as_ascii in (True, False):
        in_json = json.dumps(text, ensure_ascii=as_ascii)[1:-1]
        yield from (in_json, in_json.replace("/", "\\/"))
        yield from (_ESCAPED_BY_GO.sub(form, in_json) for form in (_upper, _lower))
    yield from (_ESCAPED_BY_DOTNET.sub(form, text.replace("\\", "\\\\")) for form in (_upper, _lower))
    # A text between tags keeps its quotation marks, an attribute does not; both marks have several names there.
    yield html.escape(text, quote=False)
    for double in ("&quot;", "&#34;", "&#x22;"):
        for single in ("&#x27;", "&#39;", "&apos;", "'"):
            marked = html.escape(text, quote=False).replace('"', double).replace("'", single)
            yield marked
            yield marked.encode("ascii", "xmlcharrefreplace").decode()
    yield re.sub(r"[^\x20-\x7e]|[&<>\"'+`]", lambda found: f"&#x{ord(found[0]):X};", text)
    percent = quote(text.encode("utf-8", "surrogatepass"), safe="")
    yield from (percent, re.sub("%..", lambda found: found[0].lower(), percent))


def _upper(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04X}"


def _lower(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def secrets_of(authorization: str) -> tuple[bytes, ...]:
    """What is secret in a value of Authorization: what follows the scheme; of Basic also pair and password."""
    scheme, _, credentials = authorization.partition(" ")
    if not credentials:
        return (authorization.encode(),)
    if scheme.lower() != "basic":
        return (credentials.encode(),)
    try:
        pair = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return (credentials.encode(),)
    return (credentials.encode(), pair, pair.partition(b":")[2])


class Redactor:
    """Knows the secrets of a run and what they look like."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()
        self._shown: dict[bytes, bytes] = {}
        self._longest_first: list[bytes] = []

    def add(self, secret: str | bytes, shown: str) -> None:
        """From now on this secret, in every spelling that it can have on the wire, is shown as `[shown]`."""
        data = secret.encode() if isinstance(secret, str) else secret
        if len(data) < _SHORTEST or data in self._known:
            return
        self._known.add(data)
        for spelling in spellings(data):
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
