"""Bytes of an XML body in whatever encoding to UTF-8, refusing what would not come through whole.

What decides, strongest first: a byte order mark or the pattern of UTF-16 (XML 1.0, appendix F); that the bytes
are valid UTF-8, because a label that says otherwise is then a mistake and following it would make garbage of every
letter beyond ASCII; the charset of the Content-Type (RFC 7303, section 3); the XML declaration; UTF-8.
"""

from __future__ import annotations

import codecs
import re

from service.parsed_body import Remark
from service.problems import BodyRefusedError, Finding, Problem

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PATTERNS = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
_DECLARED = re.compile(rb"""<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z][A-Za-z0-9._-]{0,39})["']""")
_ASCII = bytes(range(128))
#: Python's names of encodings whose bytes are UTF-8 bytes.
_UTF_8 = ("utf-8", "ascii")
#: Python's names of what other people call charsets; it knows encodings for quite other ends too.
_CHARSET = re.compile(
    r"ascii|iso8859-\d+|cp\d+|koi8-[rtu]|mac-\w+|hp-roman8|tis-620|gbk|gb2312|gb18030|big5\w*|euc_\w+|shift_jis\w*"
)


def to_utf8(body: bytes, charset: str | None) -> tuple[bytes, tuple[Remark, ...]]:
    """The body in UTF-8 without byte order mark, and what was odd about its label.

    `charset` is the parameter of the Content-Type.

    Raises:
        BodyRefusedError: 400 if the bytes are not what they are labelled as, 415 for an encoding that is unknown or
            that would lose something.
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return _transcoded(body[len(mark) :], encoding), ()
    for pattern, encoding in _PATTERNS:
        if body.startswith(pattern):
            return _transcoded(body, encoding), ()
    declared = _DECLARED.match(body)
    label = charset or (declared[1].decode("ascii") if declared else "utf-8")
    encoding = _encoding(label)
    if encoding in _UTF_8:
        return body, ()  # the parser looks at every byte anyway, and is as strict as Python is
    if (text := _decoded(body, "utf-8")) is None:
        return _transcoded(body, encoding), ()
    if text.isascii():
        return body, ()
    return body, (Remark("wrong label", f"labelled {label}, but it is UTF-8 and was read so"),)


def _encoding(label: str) -> str:
    """Python's name of an encoding in which ASCII is itself: others cannot be told from UTF-8 by their bytes."""
    try:
        encoding = codecs.lookup(label).name
    except (LookupError, ValueError):
        encoding = ""
    if encoding.startswith(("utf-8", "utf-16", "utf-32")):
        return "utf-8"  # the others of the family have been found by mark or pattern
    if not _CHARSET.fullmatch(encoding) or _decoded(_ASCII, encoding) != _ASCII.decode("ascii"):
        raise BodyRefusedError(
            f"This endpoint does not take the charset {label!r}; send UTF-8.",
            problem=Problem.UNSUPPORTED_MEDIA_TYPE,
        )
    return encoding


def _decoded(body: bytes, encoding: str) -> str | None:
    try:
        return body.decode(encoding)
    except UnicodeDecodeError:
        return None


def _transcoded(body: bytes, encoding: str) -> bytes:
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        raise _not(encoding, error) from None
    if text.encode(encoding, "replace") != body:
        raise BodyRefusedError(
            f"The body cannot be read from {encoding} without loss; send UTF-8.",
            problem=Problem.UNSUPPORTED_MEDIA_TYPE,
        )
    return text.encode("utf-8")


def _not(label: str, error: UnicodeDecodeError) -> BodyRefusedError:
    reason = f"not {label} at byte {error.start}: {error.reason}"
    return BodyRefusedError("The body is not acceptable tXML.", [Finding("", reason)])
