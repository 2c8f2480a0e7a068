"""tXML bytes to the values that the JSON twin of the message would have given.

Nothing is left out: what the contract does not know stands in the result under a name that the contract does not
know either, and so is found as drift like an unknown member of a JSON body:

    <tomorrow>1</tomorrow>          "tomorrow": "1"           a text, for nobody knows its type
    <line status="x">               "@status": "x"            in the line
    <quantity unit="PCE">5<         "quantity@unit": "PCE"    beside the quantity
    <a xmlns:e="urn:e"><e:b>1       "{urn:e}b": "1"
    <terms>text<code/>              "#text": "text"           text between elements
    <notes><note>a</note><x>1       "notes/x": "1"            beside the items in an element around a list
"""

from __future__ import annotations

from typing import Any

from lxml import etree

from handlers.interface import JsonObject
from service.parsed_body import MAX_DEPTH, ParsedBody
from service.problems import BodyRefusedError
from service.txml.encoding import to_utf8
from service.txml.mapping import WHITE_SPACE, Entry, Mapping, Member, NumberError
from service.txml.parsing import at, parse, refused

_HAS_ATTRIBUTES = etree.XPath("boolean(//@*)")
_NOTHING: dict[str, Entry] = {}


def read(body: bytes, mapping: Mapping, charset: str | None = None) -> ParsedBody:
    """The body as exact values in the shape of its JSON twin; empty elements are absent.

    `charset` is the parameter of the Content-Type.

    Raises:
        BodyRefusedError: not well-formed, another root element, a document type, an inclusion, the same single
            member twice, too deep, too large in some other way, or in an encoding that cannot be read whole. Says
            in which line and at which element.
        MemoryError: there is no memory for it now.
    """
    text, remarks = to_utf8(body, charset)
    root, tags = parse(text)
    if root.tag not in mapping.roots:
        raise refused(f"{at(root)}: the root element is not {mapping.root}")
    conversion = _Conversion(attributes=_HAS_ATTRIBUTES(root))
    document = conversion.document(root, mapping)
    return ParsedBody(document, tags + conversion.beside, ambiguous=conversion.ambiguous, remarks=remarks)


class _Conversion:
    """From elements to values, in one pass over all elements in the order of the document.

    Not a recursion: to visit all elements in a row takes a third of the time of visiting the children of each.
    """

    def __init__(self, *, attributes: bool) -> None:
        self._attributes = attributes
        self._around: list[tuple[JsonObject, str, JsonObject, str]] = []
        self.ambiguous = False
        """Another body might have given the same values."""
        self.beside = 0
        """Values that are no elements."""

    def document(self, root: Any, mapping: Mapping) -> JsonObject:
        """The values of all elements below the root."""
        document: JsonObject = {}
        current, entries, left = document, mapping.members.entries, len(root)
        enclosing: list[tuple[JsonObject, dict[str, Entry], int]] = []
        attributes = self._attributes
        elements = root.iter()
        self._keep_beside_elements(document, next(elements))
        # Little is called from inside this loop: the calls would take as long as all of the rest.
        for element in elements:
            left -= 1
            entry = entries.get(element.tag)
            children = len(element)
            tail = element.tail
            if tail is not None and tail.strip(WHITE_SPACE):
                self._keep_text(current, tail)
            if children:
                enclosing.append((current, entries, left))
                if len(enclosing) >= MAX_DEPTH:
                    raise refused(f"{at(element)}: nested deeper than {MAX_DEPTH} levels")
                left = children
                current, entries = self._open(current, entry, element)
                text = element.text
                if attributes or (text is not None and text.strip(WHITE_SPACE)):
                    self._keep_beside_elements(current, element)
            elif entry is None or attributes:
                self._keep_unusual_value(current, entry, element)
            else:
                name, repeated, convert, inner, _ = entry
                value = element.text
                if inner is not None:
                    self._keep_unusual_value(current, entry, element)
                    value = None
                elif value is not None and convert is not None:
                    try:
                        value = convert(value)
                    except NumberError as error:
                        raise _number_refused(error, element) from None
                if value is not None:
                    if repeated:
                        if name in current:
                            current[name].append(value)  # type: ignore[union-attr]
                        else:
                            current[name] = [value]
                    elif name in current:
                        raise _twice(element)
                    else:
                        current[name] = value
            while not left and enclosing:
                current, entries, left = enclosing.pop()
        self._keep_beside_items()
        return document

    def _open(self, current: JsonObject, entry: Entry | None, element: Any) -> tuple[JsonObject, dict[str, Entry]]:
        """What an element with children opens, and how to read these."""
        opened: JsonObject = {}
        if entry is None:
            _add(current, element.tag, opened)
            return opened, _NOTHING
        name, repeated, _, inner, member = entry
        if repeated:
            tag = element.tag
            if (tag != member.element or member.wrapper) and _is_wrapper(member, element):
                return self._open_around(current, member, tag), {member.element: entry}
            if name in current:
                current[name].append(opened)  # type: ignore[union-attr]
            else:
                current[name] = [opened]
        elif name in current:
            raise _twice(element)
        else:
            current[name] = opened
        return opened, _NOTHING if inner is None else inner

    def _open_around(self, current: JsonObject, member: Member, tag: str) -> JsonObject:
        """What an element around a list opens: the list belongs to the parent, and nothing else in it does."""
        opened: JsonObject = {member.name: current.setdefault(member.name, [])}
        self._around.append((current, tag, opened, member.name))
        return opened

    def _keep_beside_items(self) -> None:
        for parent, tag, opened, name in self._around:
            if not opened.pop(name):
                parent.pop(name, None)  # all items were empty
            for beside, value in opened.items():
                _add(parent, f"{tag}/{beside}", value)

    def _keep_beside_elements(self, opened: JsonObject, element: Any) -> None:
        """Attributes of an element that has children, and the text before the first of them."""
        if self._attributes:
            self._keep_attributes(opened, "@", element)
        text = element.text
        if text is not None and text.strip(WHITE_SPACE):
            self._keep_text(opened, text)

    def _keep_text(self, current: JsonObject, text: str) -> None:
        self.ambiguous = True  # before or after which element it stood
        self.beside += 1
        _add(current, "#text", text)

    def _keep_attributes(self, current: JsonObject, prefix: str, element: Any) -> None:
        for name, value in element.attrib.items():
            self.beside += 1
            _add(current, prefix + name, value)

    def _keep_unusual_value(self, current: JsonObject, entry: Entry | None, element: Any) -> None:
        """An element without children that the contract does not know, has attributes, or ought to be an object."""
        member = None if entry is None else entry[4]
        text = element.text
        blank = text is None or not text.strip(WHITE_SPACE)
        if blank and element.attrib and (member is None or member.members is not None):
            opened: JsonObject = {}
            self._keep_attributes(opened, "@", element)
            if member is None:
                _add(current, element.tag, opened)
            else:
                _keep(current, member, opened, element)
            return
        if member is None:
            _add(current, element.tag, text)  # None if it is empty: that it was there is news
        elif member.members is not None:
            if blank:
                return
            # The text of what ought to be an object: for the validation to refuse, with the place.
            _keep(current, member, text, element)
        elif text is not None:
            try:
                value = text if member.convert is None else member.convert(text)
            except NumberError as error:
                raise _number_refused(error, element) from None
            if value is not None:
                _keep(current, member, value, element)
        if element.attrib:
            self.ambiguous = True  # of which element of this name they are
            self._keep_attributes(current, f"{element.tag}@", element)


def _keep(current: JsonObject, member: Member, value: Any, element: Any) -> None:
    if not member.repeated:
        if member.name in current:
            raise _twice(element)
        current[member.name] = value
    else:
        items = current.setdefault(member.name, [])
        assert isinstance(items, list)  # noqa: S101 - nothing else has this name
        items.append(value)


def _number_refused(error: NumberError, element: Any) -> BodyRefusedError:
    return refused(f"{at(element)}: {error}")


def _twice(element: Any) -> BodyRefusedError:
    return refused(f"{at(element)}: this element stands twice in its parent; the contract has it once")


def _is_wrapper(member: Member, element: Any) -> bool:
    """Whether this element holds the items of a list instead of being one. The samples have no such elements, but
    another reading of the contract writes them."""
    if all(child.tag != member.element for child in element):
        return False
    return member.members is None or member.element not in member.members.by_element


def _add(current: JsonObject, name: str, value: Any) -> None:
    """Keep something that the contract does not know; what comes again makes a list."""
    if name not in current:
        current[name] = value
        return
    known = current[name]
    if isinstance(known, list):
        known.append(value)
    else:
        current[name] = [known, value]
