"""UTF-8 bytes to a tree of elements, with everything switched off that fetches, expands or grows without bound.

A refusal says in which line and at which element.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from lxml import etree

from service.problems import BodyRefusedError, Finding

#: Elements in a body. Each takes about 200 bytes of memory, and a body could hold one in four bytes; in an order
#: one takes about forty, so that the largest body has fewer.
MAX_ELEMENTS = 1_000_000
#: Attributes in a body, and declarations of namespaces in one tag. The samples have none.
MAX_ATTRIBUTES = 10_000
#: Elements of a body that is parsed once more to find the path of a mistake; an order of 500 lines has 60,000.
MAX_RETRACED = 200_000
#: Longest part of a foreign text that is shown in a reason.
MAX_SHOWN = 200

#: What may stand before the root element (XML 1.0, section 2.8). Comments are passed over whole, so that a DOCTYPE
#: in one is not taken for a real one, and a real one cannot hide behind one.
_PROLOG = re.compile(rb"(?:[ \t\r\n]|<\?.*?\?>|<!--.*?-->)*+", re.DOTALL)
_XINCLUDE = "{http://www.w3.org/2001/XInclude}"

#: What may have a `=` in it without being a text: comments and their like, and tags with attributes. All of what
#: is not closed, so that its end is looked for only once.
_WITH_ATTRIBUTES = re.compile(
    rb"<!--(?:.*?-->|.*)|<!\[CDATA\[(?:.*?\]\]>|.*)|<\?(?:.*?\?>|.*)"
    rb"|<[^!?/<>\s][^<>\s]*+\s(?P<attributes>(?:[^<>\"']++|\"[^\"<]*+\"|'[^'<]*+')*+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(rb"(?P<declaration>xmlns)?[^\s=\"']*+\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+')")


def parse(text: bytes) -> tuple[Any, int]:
    """The root element, and the number of tags, which is at least that of the elements.

    Elements in the namespace of the root have their plain names.

    Raises:
        BodyRefusedError: not well-formed, a document type, an inclusion, or too large in some way.
        MemoryError: there is no memory for it now.
    """
    prolog = _PROLOG.match(text)
    if prolog is not None and text.startswith(b"<!DOCTYPE", prolog.end()):
        raise refused(f"line {_line(text, prolog.end())}: a document type (DOCTYPE) is not taken")
    tags = text.count(b"<")
    if tags > MAX_ELEMENTS and tags - text.count(b"</") > MAX_ELEMENTS:
        raise refused(f"more than {MAX_ELEMENTS} elements")
    _check_attributes(text)
    root = _parsed(text)
    if b"xmlns" in text:
        _use_plain_names(root)
    return root, tags


def _check_attributes(text: bytes) -> None:
    """Before the parser sees the body: it takes a hundred times the memory for them, and its time.

    Raises:
        BodyRefusedError: too many.
    """
    if text.count(b"=") <= MAX_ATTRIBUTES:
        return
    attributes = 0
    for markup in _WITH_ATTRIBUTES.finditer(text):
        declarations = 0
        for attribute in _ATTRIBUTE.finditer(text, *markup.span("attributes")):
            if attribute["declaration"]:
                declarations += 1
            else:
                attributes += 1
            if max(attributes, declarations) > MAX_ATTRIBUTES:
                raise refused(f"more than {MAX_ATTRIBUTES} attributes")


def _parsed(text: bytes) -> Any:
    parser = _parser(etree.XMLParser)
    try:
        root = etree.fromstring(text, parser)
    except etree.XMLSyntaxError as error:
        if error.code == etree.ErrorTypes.ERR_NO_MEMORY:
            raise MemoryError from None  # not the sender's mistake
        raise refused(f"{_place(text, error)}: {_reason(error)}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise refused("a document type (DOCTYPE) is not taken")
    return root


def _parser(kind: Any, **options: Any) -> Any:
    return kind(
        encoding="UTF-8",  # to_utf8 saw to it; the declaration may still say something else
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        resolve_entities=False,
        huge_tree=False,  # bounds depth, names, attributes and texts
        collect_ids=False,  # nobody looks for them, and two alike are no mistake without a document type
        remove_comments=True,
        remove_pis=True,
        **options,
    )


def _use_plain_names(root: Any) -> None:
    """Elements in the namespace of the root are ours, whichever prefix stands for it."""
    space = etree.QName(root).namespace
    ours = f"{{{space}}}"
    for element in root.iter():
        tag = element.tag
        if tag.startswith(_XINCLUDE):
            raise refused(f"{at(element)}: an inclusion (XInclude) is not taken")
        if tag.startswith(ours):
            element.tag = tag[len(ours) :]
    if space:
        root.set("xmlns", space)


def at(element: Any) -> str:
    """Where an element stands, for a reason."""
    return f"line {element.sourceline}, {_shown(element.getroottree().getpath(element))}"


def refused(reason: str) -> BodyRefusedError:
    """The refusal of a body for this reason."""
    return BodyRefusedError("The body is not acceptable tXML.", [Finding("", reason)])


def _place(text: bytes, error: etree.XMLSyntaxError) -> str:
    line, column = error.position
    return f"line {line}, column {column}{_path(text)}"


def _path(text: bytes) -> str:
    """Where the parser stood when it gave up: the element that was open there."""
    if text.count(b"<") - text.count(b"</") > MAX_RETRACED:
        return ""
    open_elements = _OpenElements()
    with contextlib.suppress(etree.XMLSyntaxError):
        etree.fromstring(text, _parser(etree.XMLParser, target=open_elements))
    return f", in {_shown(open_elements.path)}" if open_elements.path else ""


class _OpenElements:
    """A parser's target that keeps the way from the root to the element that is open."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._siblings: list[dict[str, int]] = [{}]

    def start(self, tag: str, _attributes: object) -> None:
        name = tag.rpartition("}")[2]
        siblings = self._siblings[-1]
        siblings[name] = number = siblings.get(name, 0) + 1
        self._open.append(name if number == 1 else f"{name}[{number}]")
        self._siblings.append({})

    def end(self, _tag: str) -> None:
        self._open.pop()
        self._siblings.pop()

    def close(self) -> None:
        pass

    @property
    def path(self) -> str:
        return "".join(f"/{name}" for name in self._open)


def _reason(error: etree.XMLSyntaxError) -> str:
    # lxml repeats the place at the end of the message.
    return _shown(re.sub(r",? line \d+, column \d+$", "", (error.msg or "not well-formed").replace("\n", " ")))


def _line(text: bytes, end: int) -> int:
    return text.count(b"\n", 0, end) + 1


def _shown(text: Any) -> str:
    shown = str(text)
    return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + "…"
