"""XML as it is read by a library whose protections somebody switched off. Only faults come here."""

from __future__ import annotations

import re
import time
import urllib.request
from typing import Any

from lxml import etree

from conformance.mutants.answers import MALFORMED, refused
from conformance.mutants.faults import Faults
from conformance.mutants.xml_reading import Element

_FETCH_SECONDS = 2.0
_XINCLUDE = "{http://www.w3.org/2001/XInclude}include"
_SCHEMA_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_PSEUDO_HREF = "href="
_ENTITY = re.compile(rb"""<!ENTITY\s+([\w.-]+)\s+["']([^"']*)["']\s*>""")
_REFERENCE = re.compile(rb"&([A-Za-z_][\w.-]*);")
_IN_NUMBER = re.compile(rb"[qQ]uantity>&")
_DEEPEST = 50
_SECONDS_PER_MEBIBYTE = 0.3
_LONGEST_SECONDS = 20.0


def read(data: bytes, faults: Faults) -> Element:
    """The root element, with what the document asked to be looked up."""
    if faults.on("MU-75", "MU-257"):
        data = _expanded(data, only_flat=faults.on("MU-257"))
    if faults.on("MU-271") and _IN_NUMBER.search(data):
        raise refused(400, "A number is no number.", reason=MALFORMED)
    parser = etree.XMLParser(
        resolve_entities=faults.on("MU-73", "MU-74", "MU-271"),
        load_dtd=faults.on("MU-73", "MU-74", "MU-245", "MU-271"),
        no_network=True,  # the resolver below fetches, because libxml2 no longer does
        recover=faults.on("MU-248"),
    )
    parser.resolvers.add(_Resolver(faults))
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise refused(400, f"The body is not well-formed: {error}", reason=MALFORMED) from error
    if root is None:
        raise refused(400, "The body has no root element.", reason=MALFORMED)
    if faults.on("MU-247"):
        _follow_hints(root)
    return _plain(root)


def _expanded(data: bytes, *, only_flat: bool) -> bytes:
    """The document without its entities, after the time that it takes to write them out.

    lxml guards itself against expansion and cannot be told not to. So the size is worked out, and the time spent
    asleep: the sender sees what it would see, and the machine of the test has its memory left.
    """
    entities = dict(_ENTITY.findall(data))
    if only_flat and any(_REFERENCE.search(value) for value in entities.values()):
        raise refused(400, "Nested entities are not accepted.", reason=MALFORMED)
    sizes: dict[bytes, int] = {}

    def size(text: bytes, depth: int) -> int:
        total = len(text)
        for name in _REFERENCE.findall(text):
            if name not in sizes and depth < _DEEPEST:
                sizes[name] = size(entities.get(name, b""), depth + 1)
            total += sizes.get(name, 0)
        return total

    _, _, content = data.rpartition(b"]>")
    time.sleep(min(size(content, 0) / 2**20 * _SECONDS_PER_MEBIBYTE, _LONGEST_SECONDS))
    return _REFERENCE.sub(lambda found: b"" if found[1] in entities else found[0], content)


class _Resolver(etree.Resolver):  # type: ignore[misc]
    """Files for MU-73 and MU-271, http for MU-74, an external subset for MU-245; nothing for the others."""

    def __init__(self, faults: Faults) -> None:
        super().__init__()
        self._faults = faults

    def resolve(self, url: str | None, _public_id: str | None, context: Any) -> Any:
        if url is None:
            return None
        if url.startswith("http"):
            if self._faults.on("MU-74", "MU-245"):
                return self.resolve_string(_fetched(url), context)
            return self.resolve_empty(context)
        if self._faults.on("MU-73", "MU-271"):
            return None  # libxml2 reads files by itself
        return self.resolve_empty(context)


def _fetched(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - that is the fault
            text: str = answer.read(65536).decode("utf-8", "replace")
            return text
    except OSError:
        return ""


def _follow_hints(root: Any) -> None:
    """What a helpful library does with XInclude, schema locations and style sheets."""
    for node in root.iter(_XINCLUDE):
        _fetch_http(node.get("href", ""))
    for node in root.iter(etree.Element):
        for name in ("schemaLocation", "noNamespaceSchemaLocation"):
            for word in node.get(_SCHEMA_INSTANCE + name, "").split():
                _fetch_http(word)
    sibling = root.getprevious()
    while sibling is not None:
        if isinstance(sibling, etree._ProcessingInstruction) and _PSEUDO_HREF in (sibling.text or ""):
            _fetch_http(sibling.text.partition(_PSEUDO_HREF)[2].strip("\"' ").partition('"')[0].partition("'")[0])
        sibling = sibling.getprevious()


def _fetch_http(url: str) -> None:
    if url.startswith("http"):
        _fetched(url)


def _plain(node: Any) -> Element:
    name = etree.QName(node)
    element = Element(name.namespace or "", name.localname, node.prefix or "", dict(node.attrib))
    element.pieces.append(node.text or "")
    for child in node:
        if isinstance(child.tag, str):
            element.children.append(_plain(child))
        elif child.tag is etree.Entity:
            element.pieces.append("")
        element.pieces.append(child.tail or "")
    return element
