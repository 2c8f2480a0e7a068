"""What a document's file may be called.

Three rules, each because the name is a stranger's:

- An extension that Tradecloud blocks on upload is refused here too: a url leads past the platform.
- What a browser would run as a page (HTML, SVG, other XML) is stored with ".txt" at its end and told as text/plain:
  whoever opens it, or a web server that hands it out, shows its source.
- A name stays in its folder and can be used on every system (`handlers.erp.folder_names`).
"""

from __future__ import annotations

import re
import unicodedata

from handlers.erp.folder_names import safe_name

#: Bytes of a file's name, so that a path of our own making before it fits everywhere.
MAX_NAME_BYTES = 120

#: What Tradecloud refuses on upload (behaviour.md, section 8).
BLOCKED_EXTENSIONS = (
    *("ade", "adp", "apk", "appx", "appxbundle", "bat", "cab", "chm", "cmd", "com", "cpl", "diagcab", "diagcfg"),
    *("diagpack", "dll", "dmg", "ex", "ex_", "exe", "hta", "img", "ins", "iso", "isp", "jar", "jnlp", "js", "jse"),
    *("lib", "lnk", "mde", "msc", "msi", "msix", "msixbundle", "msp", "mst", "nsh", "pif", "ps1", "scr", "sct"),
    *("shb", "sys", "vb", "vbe", "vbs", "vhd", "vxd", "wsc", "wsf", "wsh", "xll"),
)

PLAIN_TEXT = "text/plain"
UNKNOWN_TYPE = "application/octet-stream"

_ACTIVE_EXTENSIONS = {
    *("htm", "html", "shtml", "xht", "xhtm", "xhtml", "mht", "mhtml"),
    *("svg", "svgz", "xml", "xsl", "xslt", "xbl", "rdf", "atom", "rss"),
}
_ACTIVE_TYPES = re.compile(
    r"text/(html|xml|xsl|javascript)|multipart/related|message/rfc822|application/(xml|javascript|x-javascript)|.*\+xml"
)
#: What browsers take for a page by its first letters, whatever the name says (WHATWG MIME Sniffing, section 7.1).
_ACTIVE_BEGINNING = re.compile(
    rb"<(!doctype\s+(html|svg)|!--|\?xml|(html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|svg)[\s>/])",
    re.IGNORECASE,
)
#: So much of a file is looked at (section 5.2).
SNIFFED_BYTES = 1445


def extension_of(name: str) -> str:
    """The last extension, in lower case and without its dot; "" if there is none.

    As Windows would see it: dots and spaces at the end do not count, nor do invisible characters, and letters of
    full width are the usual ones.
    """
    plain = unicodedata.normalize("NFKC", name)
    plain = "".join(char for char in plain if unicodedata.category(char)[0] != "C").rstrip(". ")
    _, dot, extension = plain.rpartition(".")
    return extension.strip().lower() if dot else ""


def is_blocked(name: str, blocked: frozenset[str]) -> bool:
    """Whether its extension is one of `blocked`."""
    return extension_of(name) in blocked


def is_active(name: str, media_type: str, beginning: bytes) -> bool:
    """Whether a browser might run it, by its name, its declared type, or its first bytes."""
    declared = media_type.partition(";")[0].strip().lower()
    if extension_of(name) in _ACTIVE_EXTENSIONS or _ACTIVE_TYPES.fullmatch(declared):
        return True
    # UTF-16 has a zero beside each letter.
    letters = beginning[:SNIFFED_BYTES].lstrip(b"\xef\xbb\xbf\xff\xfe").replace(b"\0", b"").lstrip()
    return _ACTIVE_BEGINNING.match(letters) is not None


def stored_as(name: str, media_type: str, beginning: bytes) -> tuple[str, str]:
    """File name and media type under which a content is kept."""
    if is_active(name, media_type, beginning):
        return _file_name(f"{name}.txt"), PLAIN_TEXT
    declared = media_type.partition(";")[0].strip().lower()
    if not re.fullmatch(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,60}", declared):
        declared = UNKNOWN_TYPE
    return _file_name(name), declared


def _file_name(name: str) -> str:
    file_name = safe_name(name, MAX_NAME_BYTES)
    whole = safe_name(name, 12 * len(name) + MAX_NAME_BYTES)
    if file_name != whole and extension_of(file_name) != extension_of(whole):
        # It was cut where something else looks like an extension, perhaps one that is not to be.
        return safe_name(name.replace(".", "_"), MAX_NAME_BYTES)
    return file_name
