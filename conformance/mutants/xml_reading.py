"""Well-formed XML to plain elements, without lookups: no document type, no entities, no network, bounded depth.

expat is used, because it stops at the first byte of a document type declaration. The faulty readings use lxml with
its protections off.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from conformance.mutants.answers import MALFORMED, RefusedError, problem, refused
from conformance.mutants.faults import Faults

MAX_DEPTH = 200
MAX_ATTRIBUTES = 1000
READ_WITH_LXML = ("MU-73", "MU-74", "MU-75", "MU-245", "MU-246", "MU-247", "MU-248", "MU-257", "MU-271")


@dataclass
class Element:
    """One element: namespace, local name, text and children; attributes only as far as faults need them."""

    namespace: str
    name: str
    prefix: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text of the element itself."""
        return "".join(self.pieces)


def read(data: bytes, faults: Faults) -> Element:
    """The root element.

    Raises:
        RefusedError: not well-formed, not UTF-8, with a document type, or out of bounds.
    """
    if faults.on(*READ_WITH_LXML):
        from conformance.mutants.xml_unprotected import read as read_unprotected

        return read_unprotected(data, faults)
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refused(400, "The body is not UTF-8.", reason=MALFORMED) from error
    if faults.on("MU-250") and data.startswith(b"\xef\xbb\xbf"):
        raise refused(503, "Data at the root level is invalid. Line 1, position 1.")
    return _Reading(faults).of(data)


class _Reading:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._root: Element | None = None
        self._open: list[Element] = []
        self._in_cdata = False

    def of(self, data: bytes) -> Element:
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.namespace_prefixes = True
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartCdataSectionHandler = lambda: self._cdata(True)
        parser.EndCdataSectionHandler = lambda: self._cdata(False)
        parser.CommentHandler = self._comment
        try:
            parser.Parse(data, True)
        except expat.ExpatError as error:
            if self._faults.on("MU-76"):
                raise RefusedError(problem(503, "The body could not be read, try again later.")) from error
            raise refused(400, f"The body is not well-formed: {error}", reason=MALFORMED) from error
        if self._root is None:
            raise refused(400, "The body has no root element.", reason=MALFORMED)
        return self._root

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii") and not self._faults.on("MU-249"):
            raise refused(400, f"The body has to be UTF-8, and says {encoding}.", reason=MALFORMED)

    def _doctype(self, *_: Any) -> None:
        raise refused(400, "A document type declaration is not accepted.", reason=MALFORMED)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            if self._faults.on("MU-255"):
                raise refused(500, "RecursionError: maximum recursion depth exceeded")
            raise refused(400, f"The body is nested deeper than {MAX_DEPTH}.")
        if len(attributes) > MAX_ATTRIBUTES:
            if self._faults.on("MU-256"):
                raise refused(503, "The body could not be mapped.")
            raise refused(400, f"An element has more than {MAX_ATTRIBUTES} attributes.")
        element = element_of(name, attributes)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self._root = element
        self._open.append(element)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if not (self._in_cdata and self._faults.on("MU-253")):
            self._open[-1].pieces.append(text)

    def _cdata(self, inside: bool) -> None:
        self._in_cdata = inside

    def _comment(self, _text: str) -> None:
        if self._faults.on("MU-268") and self._open:
            raise refused(500, "Unhandled exception. InvalidCastException: XmlComment to XmlElement")


def element_of(name: str, attributes: dict[str, str]) -> Element:
    """An element by the name that expat gives: namespace, local name and prefix, apart by spaces."""
    parts = name.split(" ")
    if len(parts) == 1:
        return Element("", parts[0], attributes=attributes)
    return Element(parts[0], parts[1], parts[2] if len(parts) > 2 else "", attributes)
