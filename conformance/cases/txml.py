"""XML: tXML that is none is refused, and the same document in other words is the same.

Where tXML is not claimed, each case sends its first document all the same: it has to be refused, best with 415.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from conformance.cases.malformed import FINAL, WRONG_ANSWER
from conformance.catalogue import case
from conformance.contract.reading import Endpoint
from conformance.oracle import Consequence
from conformance.requests.changes import Change, both, edit_bytes, edit_text, header, whole_body
from conformance.requests.request import Form, Request, Values
from conformance.steps import Case, Effects, Probe, Twin
from conformance.subject import Subject
from conformance.verdict import (
    Expect,
    ExpectFact,
    Level,
    accepted,
    accepted_or_refused,
    refused,
    refused_as_malformed,
)

_D, _R, _C = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED
NO_DTD = "Refuse every body with a DOCTYPE (400); switch off DTDs, external entities and XInclude in the parser."
DTD_HINTS = {
    "dotnet": "XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null }.",
    "java": 'factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true).',
    "node": "libxmljs: noent: false, nonet: true; fast-xml-parser: processEntities: false.",
    "sap": "if_ixml_parser: set_dtd_restriction( if_ixml_parser=>co_dtd_prohibited ).",
    "python": "defusedxml, or lxml with resolve_entities=False, no_network=True, load_dtd=False.",
}
ROOT = "<WebhookBody>"
# A DOCTYPE may be passed over, if nothing in it is followed.
BEST_REFUSED = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,))


#: From the text of the golden document to another one.
Edit = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Document:
    """A document that differs from the golden one in one thing."""

    name: str
    edit: Edit
    expect: Expect


def documents(subject: Subject, *several: Document) -> Case:
    """Send each of them to each endpoint; where tXML is not claimed, the first one, which has to be refused."""
    for endpoint in subject.endpoints:
        if Form.TXML not in subject.forms(endpoint):
            yield where_not_claimed(subject, endpoint, several[0])
            continue
        control = subject.golden_at(endpoint, Form.TXML)
        for document in several:
            yield twin(control, document)


def twin(control: Request, document: Document) -> Twin:
    """The golden document with one difference."""
    return Twin(
        f"{document.name}, {control.endpoint}", control, edit_text(document.name, document.edit), document.expect
    )


def where_not_claimed(subject: Subject, endpoint: Endpoint, document: Document) -> Twin:
    """The document at an endpoint that takes no tXML."""
    control = subject.golden_at(endpoint)
    body = document.edit(Values(endpoint, Form.TXML, control.values).text())
    change = both(document.name, header("Content-Type", "application/xml"), whole_body("", body))
    return Twin(f"not claimed: {document.name}, {endpoint}", control, change, refused(415))


def before_root(markup: str) -> Edit:
    """Markup between the declaration and the root element."""
    return lambda text: text.replace(ROOT, f"{markup}{ROOT}", 1)


@case(
    "XML-06",
    "A DOCTYPE is refused even if it is harmless",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="A parser that reads DOCTYPEs is one setting away from reading files for strangers.",
    fix=NO_DTD,
    hints=DTD_HINTS,
)
def harmless_doctype(subject: Subject) -> Case:
    doctypes = {
        "name only": "<!DOCTYPE WebhookBody>",
        "element declaration": "<!DOCTYPE WebhookBody [<!ELEMENT WebhookBody ANY>]>",
        "unused entity": '<!DOCTYPE WebhookBody [<!ENTITY unused "x">]>',
    }
    found = [Document(name, before_root(doctype), BEST_REFUSED) for name, doctype in doctypes.items()]
    yield from documents(subject, *found)


# XML-08 to XML-10 and XML-12: what is no tXML.


def _in_body(markup: str) -> Edit:
    return lambda text: text.replace(ROOT, ROOT + markup, 1)


_NOT_WELL_FORMED: dict[str, Edit] = {
    "root not closed": lambda text: text.replace("</WebhookBody>", ""),
    "cut in the middle": lambda text: text[: len(text) // 2],
    "cut in a tag": lambda text: text[: text.rindex("</") + 4],
    "tags crossed": _in_body("<a><b></a></b>"),
    "two roots": lambda text: text + "<WebhookBody/>",
    "text behind the root": lambda text: text + "and more",
    "undeclared prefix": _in_body("<tcconf:a>1</tcconf:a>"),
    "control character": _in_body("<a>\x01</a>"),
    "reference to a control character": _in_body("<a>&#1;</a>"),
    "reference to a surrogate": _in_body("<a>&#xD800;</a>"),
    "reference to NUL": _in_body("<a>&#0;</a>"),
    "undeclared entity": _in_body("<a>&nbsp;</a>"),
    "ampersand alone": _in_body("<a>R & D</a>"),
    "attribute twice": _in_body('<a b="1" b="2"/>'),
    "attribute without quotes": _in_body("<a b=1/>"),
    "declaration not at the start": lambda text: " " + text,
    "two hyphens in a comment": _in_body("<!-- a -- b -->"),
    "end of CDATA in a text": _in_body("<a>]]></a>"),
    "CDATA that does not end": _in_body("<a><![CDATA[x</a>"),
    "no XML at all": lambda _: "eventName=OrderIssuedByBuyer",
}


@case(
    "XML-08",
    "XML that is not well-formed is refused",
    level=Level.MUST,
    wave=1,
    requirements=("XML 1.0 2.1",),
    consequence=WRONG_ANSWER,
    fix="Read the whole document before anything else, catch every error of the parser, and answer 400.",
    hints={
        "dotnet": "Catch XmlException; XmlSerializer wraps it into InvalidOperationException.",
        "sap": "Catch CX_SXML_PARSE_ERROR and CX_TRANSFORMATION_ERROR.",
    },
)
def not_well_formed(subject: Subject) -> Case:
    found = [Document(name, edit, refused_as_malformed()) for name, edit in _NOT_WELL_FORMED.items()]
    yield from documents(subject, *found)


def _declared(encoding: str) -> Edit:
    return lambda text: re.sub('encoding="[^"]*"', f'encoding="{encoding}"', text, count=1)


def _recoded(encoding: str, codec: str) -> Callable[[bytes], bytes]:
    return lambda data: _declared(encoding)(data.decode()).encode(codec)


@case(
    "XML-09",
    "The declared encoding and the bytes agree, or the body is refused",
    level=Level.MUST,
    wave=1,
    requirements=("XML 1.0 4.3.3", "R-FMT-4"),
    consequence="Names and addresses are stored as garbage, or the receiver crashes at a letter.",
    fix="Take UTF-8 only; answer 400 to a document that declares another encoding, or that is no UTF-8.",
)
def encodings(subject: Subject) -> Case:
    final, broken = FINAL, refused_as_malformed()
    variants: tuple[tuple[Change, Expect], ...] = (
        (edit_bytes("UTF-8 with byte order mark", lambda data: b"\xef\xbb\xbf" + data), accepted_or_refused()),
        (edit_bytes("UTF-16 with byte order mark", _recoded("UTF-16", "utf-16")), final),
        (edit_bytes("ISO-8859-1 declared and sent", _latin), final),
        (edit_text("ISO-8859-1 declared, UTF-8 sent", _declared("ISO-8859-1")), final),
        (edit_text("UTF-16 declared, UTF-8 sent", _declared("UTF-16")), final),
        (edit_text("US-ASCII declared, UTF-8 sent", _declared("US-ASCII")), final),
        # U+FFFF is no character of XML, but its three bytes are letters of ISO-8859-1: who takes it holds garbage.
        (edit_bytes("ISO-8859-1 declared, U+FFFF sent as UTF-8", _noncharacter), broken),
        (edit_text("unknown encoding declared", _declared("x-tcconf")), final),
        (
            edit_bytes(
                "UTF-8 declared, ISO-8859-1 sent", lambda data: data.replace(b"<eventName>", b"<eventName>\xe9", 1)
            ),
            broken,
        ),
        (edit_bytes("overlong form", lambda data: data.replace(b"<eventName>", b"<eventName>\xc0\xaf", 1)), broken),
    )
    for endpoint in subject.endpoints:
        if Form.TXML not in subject.forms(endpoint):
            document = Document("ISO-8859-1 declared, UTF-8 sent", _declared("ISO-8859-1"), final)
            yield where_not_claimed(subject, endpoint, document)
            continue
        control = subject.golden_at(endpoint, Form.TXML)
        for change, expect in variants:
            yield Twin(f"{change.name}, {endpoint}", control, change, expect)


def _noncharacter(data: bytes) -> bytes:
    declared = _declared("ISO-8859-1")(data.decode()).encode()
    return declared.replace(b"<eventName>", b"<eventName>\xef\xbf\xbf", 1)


def _latin(data: bytes) -> bytes:
    return _declared("ISO-8859-1")(data.decode()).encode("latin-1", "xmlcharrefreplace")


@case(
    "XML-10",
    "A document with another root is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=WRONG_ANSWER,
    fix="Look at the name of the root element (WebhookBody) and answer 400 to another one.",
)
def other_root(subject: Subject) -> Case:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"

    def renamed(name: str) -> Edit:
        return lambda text: text.replace("WebhookBody>", f"{name}>")

    def enveloped(text: str) -> str:
        body = f'<s:Envelope xmlns:s="{soap}"><s:Body>{ROOT}'
        return text.replace(ROOT, body, 1).replace("</WebhookBody>", "</WebhookBody></s:Body></s:Envelope>")

    roots = {
        "other name": renamed("Order"),
        "name in lower case": renamed("webhookBody"),
        "SOAP envelope": enveloped,
        "page in XHTML": lambda _: '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Hello</p></body></html>',
    }
    yield from documents(subject, *(Document(name, edit, refused_as_malformed()) for name, edit in roots.items()))


_SAME: dict[str, Edit] = {
    "CDATA": lambda text: re.sub("<eventName>([^<]*)<", r"<eventName><![CDATA[\1]]><", text, count=1),
    "comments": lambda text: text.replace("<eventName>", "<!-- 1 --><eventName>", 1).replace(
        ROOT, f"<!-- 2 -->{ROOT}"
    ),
    "comment inside a text": lambda text: re.sub(
        "<eventName>(...)", r"<eventName>\1<!-- in between -->", text, count=1
    ),
    "processing instruction": _in_body("<?tcconf keep?>"),
    "character references": lambda text: re.sub(
        "(?<=<eventName>)[^<]*", lambda name: "".join(f"&#x{ord(letter):x};" for letter in name[0]), text, count=1
    ),
    "empty default namespace": lambda text: text.replace(ROOT, '<WebhookBody xmlns="">', 1),
    "declared prefix that is not used": lambda text: text.replace(ROOT, '<WebhookBody xmlns:tc="urn:tcconf">', 1),
    "namespace with a prefix": lambda text: re.sub("<(/?)(?=[A-Za-z])", r"<\1tc:", text).replace(
        "<tc:WebhookBody>", '<tc:WebhookBody xmlns:tc="urn:tcconf">', 1
    ),
    "same namespace without a prefix": lambda text: text.replace(ROOT, '<WebhookBody xmlns="urn:tcconf">', 1),
    "no declaration": lambda text: text[text.index(ROOT) :],
    "declaration in single quotes": lambda text: text.replace(
        '"1.0" encoding="UTF-8"', "'1.0' encoding='utf-8'", 1
    ),
    "standalone": lambda text: text.replace('encoding="UTF-8"', 'encoding="UTF-8" standalone="yes"', 1),
    "white space between elements": lambda text: re.sub("><(?!/)", ">\r\n  <", text),
}


@case(
    "XML-11",
    "The same document in other words has the same effect",
    level=Level.SHOULD,
    wave=1,
    requirements=("XML 1.0 2.4",),
    consequence="The event is dropped as soon as Tradecloud writes its XML with another library.",
    fix="Read tXML with an XML parser, never with patterns of text.",
)
def same_in_other_words(subject: Subject) -> Case:
    expect = Expect(should=frozenset({_D}))
    yield from documents(subject, *(Document(name, edit, expect) for name, edit in _SAME.items()))
    if subject.profile.observer is None or not subject.full:
        return
    once = ExpectFact(("0", "1", "2"), frozenset({"0", "1", "2"}), should=frozenset({"1"}))
    for endpoint in subject.endpoints:
        if Form.TXML in subject.forms(endpoint):
            control = subject.golden_at(endpoint, Form.TXML)
            for name, edit in _SAME.items():
                label = f"{name}, {endpoint}"
                yield Probe(f"{label}, observed", edit_text(name, edit).apply(control).named(label), expect)
                yield Effects(f"{label}, effect", label, once)


@case(
    "XML-12",
    "Endless nesting and countless attributes are a final answer",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-4",),
    consequence="One body ends the worker, or is sent again without end.",
    fix="Limit the depth of nesting and answer 400 beyond; read without recursion.",
    hints={"dotnet": "An own recursive reader dies of a stack overflow, which nobody can catch."},
)
def nesting(subject: Subject) -> Case:
    count = 10_000
    attributes = " ".join(f'a{number}="{number}"' for number in range(count))
    final = accepted_or_refused()
    endless = (
        Document("10000 nested elements", _in_body("<tcconf>" * count + "</tcconf>" * count), final),
        Document("10000 elements side by side", _in_body("<tcconf/>" * count), final),
        Document("10000 attributes", _in_body(f"<tcconf {attributes}/>"), final),
        Document(
            "10000 attributes of the root",
            lambda text: text.replace(ROOT, f"<WebhookBody {attributes}>", 1),
            final,
        ),
        Document(
            "10000 nested elements that do not end",
            lambda _: "<WebhookBody>" + "<a>" * count,
            refused_as_malformed(),
        ),
    )
    yield from documents(subject, *endless)
    for endpoint in subject.endpoints:
        yield Probe(f"alive after, {endpoint}", subject.golden_at(endpoint, subject.forms(endpoint)[0]), accepted())
