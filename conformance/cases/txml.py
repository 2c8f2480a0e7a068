"""XML: tXML that is none is refused, and no document makes the receiver read, call or grow.

Where tXML is not claimed, each case sends its first document all the same: it has to be refused, best with 415.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.catalogue import Safety, case
from conformance.contract.reading import Endpoint
from conformance.oracle import Consequence, consequence
from conformance.requests.changes import Change, both, edit_bytes, edit_text, header, whole_body
from conformance.requests.request import Form, Request, Values
from conformance.steps import Blocked, CanaryHits, Case, Effects, Judge, Probe, Twin, answer_of
from conformance.subject import Subject
from conformance.verdict import (
    Check,
    Expect,
    ExpectFact,
    Level,
    accepted,
    accepted_or_refused,
    refused,
    refused_as_malformed,
)
from conformance.wire.answer import Answer, Fact

_D, _R, _C = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED
_READS = "Whoever can send a body reads files of the receiver, such as its secrets."
_CALLS = "Whoever can send a body makes the receiver call addresses inside your network."
_GROWS = "One small body takes all memory; every delivery of that moment is lost."
_BROKEN = (
    "After a 2xx the event counts as delivered although nobody understood it; after a 501-599 Tradecloud sends the"
    " same broken body again, without end."
)
_NO_DTD = "Refuse every body with a DOCTYPE (400); switch off DTDs, external entities and XInclude in the parser."
_DTD_HINTS = {
    "dotnet": "XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit, XmlResolver = null }.",
    "java": 'factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true).',
    "node": "libxmljs: noent: false, nonet: true; fast-xml-parser: processEntities: false.",
    "sap": "if_ixml_parser: set_dtd_restriction( if_ixml_parser=>co_dtd_prohibited ).",
    "python": "defusedxml, or lxml with resolve_entities=False, no_network=True, load_dtd=False.",
}
_ROOT = "<WebhookBody>"
_EVENT_NAME = re.compile("<eventName>[^<]*</eventName>")
_QUANTITY = re.compile("<(quantity|despatchQuantity)>[^<]*<")
# A DOCTYPE may be passed over, if nothing in it is followed.
_BEST_REFUSED = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400,))


@dataclass(frozen=True, slots=True)
class _Document:
    """A document that differs from the golden one in one thing."""

    name: str
    edit: Callable[[str], str]
    expect: Expect


def _documents(subject: Subject, *documents: _Document) -> Case:
    for endpoint in subject.endpoints:
        if Form.TXML not in subject.forms(endpoint):
            yield _where_not_claimed(subject, endpoint, documents[0])
            continue
        control = subject.golden_at(endpoint, Form.TXML)
        for document in documents:
            yield _twin(control, document)


def _twin(control: Request, document: _Document) -> Twin:
    return Twin(
        f"{document.name}, {control.endpoint}", control, edit_text(document.name, document.edit), document.expect
    )


def _where_not_claimed(subject: Subject, endpoint: Endpoint, document: _Document) -> Twin:
    control = subject.golden_at(endpoint)
    body = document.edit(Values(endpoint, Form.TXML, control.values).text())
    change = both(document.name, header("Content-Type", "application/xml"), whole_body("", body))
    return Twin(f"not claimed: {document.name}, {endpoint}", control, change, refused(415))


def _before_root(markup: str) -> Callable[[str], str]:
    return lambda text: text.replace(_ROOT, f"{markup}{_ROOT}", 1)


def _with_entity(doctype: str, reference: str) -> Callable[[str], str]:
    """A DOCTYPE, and the event name made of a reference to its entity."""
    event_name = f"<eventName>{reference}</eventName>"
    return lambda text: _EVENT_NAME.sub(lambda _: event_name, _before_root(doctype)(text), count=1)


# XML-01: files.

_FILES = {
    "passwd": ("file:///etc/passwd", b"root:x:0"),
    "win.ini": ("file:///c:/windows/win.ini", b"16-bit app support"),
}
_LEAKED = tuple(mark for _, mark in _FILES.values())
_NO_FILE = Check(
    "no content of a file in the answer",
    Level.MUST,
    lambda answer: "it holds the content of a file" if any(mark in answer.body for mark in _LEAKED) else None,
    good=lambda answer: replace(answer, body=b""),
    bad=lambda answer: replace(answer, body=b"root:x:0:0:root:/root:/bin/sh"),
)


@case(
    "XML-01",
    "An external entity does not read a file",
    level=Level.MUST,
    wave=1,
    requirements=("OWASP XXE",),
    consequence=_READS,
    fix=_NO_DTD,
    hints=_DTD_HINTS,
)
def file_entity(subject: Subject) -> Case:
    expect = replace(_BEST_REFUSED, checks=(_NO_FILE,))
    documents = []
    for name, (url, _) in _FILES.items():
        doctype = f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>'
        documents.append(_Document(f"{name} as event name", _with_entity(doctype, "&file;"), expect))
        documents.append(_Document(f"{name} as quantity", _with_quantity(doctype), expect))
    yield from _documents(subject, *documents)
    for endpoint in subject.endpoints:
        if Form.TXML in subject.forms(endpoint):
            yield from _file_that_matters(subject.golden_at(endpoint, Form.TXML), expect)


def _with_quantity(doctype: str) -> Callable[[str], str]:
    return lambda text: _QUANTITY.sub(r"<\1>&file;<", _before_root(doctype)(text), count=1)


def _file_that_matters(control: Request, expect: Expect) -> Case:
    """A file that holds a number and one that holds none: who answers differently has read them (Linux only)."""
    answers: list[Answer] = []
    for name, path in (("number", "/proc/sys/kernel/ngroups_max"), ("words", "/proc/version")):
        edit = _with_quantity(f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "file://{path}">]>')
        answers.append(
            (yield from answer_of(_twin(control, _Document(f"file with a {name} as quantity", edit, expect))))
        )
    classes = [consequence(answer.status).value for answer in answers]
    fact = Fact("same" if classes[0] == classes[1] else "differs", f"{classes[0]} and {classes[1]}")
    yield Judge(
        f"the content of a file changes nothing, {control.endpoint}",
        fact,
        ExpectFact(("same", "differs"), frozenset({"same"})),
    )


# XML-02, XML-03 and XML-07: calls.

_SECONDS = 10.0
_NONE = ExpectFact(("none", "called"), frozenset({"none"}))


def _canary_case(
    subject: Subject, case_id: str, documents: dict[str, Callable[[str], Callable[[str], str]]], expect: Expect
) -> Case:
    """Each document has an address of its own at the canary; nobody must have called one of them in the end."""
    marks: dict[str, str] = {}
    for endpoint in subject.endpoints:
        claimed = Form.TXML in subject.forms(endpoint)
        if claimed and subject.canary_url is None:
            yield Blocked(f"all, {endpoint}", "there is no canary that could be called", "canary")
            continue
        for index, (name, edit) in enumerate(documents.items()):
            mark = f"{case_id.lower()}-{endpoint}-{index}"
            document = _Document(name, edit(f"{subject.canary_url or 'http://canary.invalid'}/{mark}"), expect)
            if not claimed:
                yield _where_not_claimed(subject, endpoint, document)
                break
            yield _twin(subject.golden_at(endpoint, Form.TXML), document)
            marks[f"{name}: nobody called, {endpoint}"] = mark
    # The wait is for all of them; it is not needed twice.
    for index, (variant, mark) in enumerate(marks.items()):
        yield CanaryHits(variant, mark, 0.0 if index else _SECONDS, _NONE)


@case(
    "XML-02",
    "An external entity does not make the receiver call anybody",
    level=Level.MUST,
    wave=2,
    requirements=("OWASP XXE",),
    consequence=_CALLS,
    fix=_NO_DTD,
    needs=("canary",),
    hints=_DTD_HINTS,
)
def called_entity(subject: Subject) -> Case:
    documents: dict[str, Callable[[str], Callable[[str], str]]] = {
        "entity as event name": lambda url: _with_entity(
            f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>', "&file;"
        ),
        "entity as quantity": lambda url: _with_quantity(f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>'),
        "public entity": lambda url: _with_entity(
            f'<!DOCTYPE WebhookBody [<!ENTITY file PUBLIC "-//TCCONF//TEXT//EN" "{url}">]>', "&file;"
        ),
    }
    yield from _canary_case(subject, "XML-02", documents, _BEST_REFUSED)


@case(
    "XML-03",
    "Parameter entities and external DTDs do not make the receiver call anybody",
    level=Level.MUST,
    wave=2,
    requirements=("OWASP XXE",),
    consequence=_CALLS,
    fix=_NO_DTD,
    needs=("canary",),
    hints=_DTD_HINTS,
)
def called_dtd(subject: Subject) -> Case:
    documents: dict[str, Callable[[str], Callable[[str], str]]] = {
        "parameter entity": lambda url: _before_root(
            f'<!DOCTYPE WebhookBody [<!ENTITY % dtd SYSTEM "{url}"> %dtd;]>'
        ),
        "external DTD": lambda url: _before_root(f'<!DOCTYPE WebhookBody SYSTEM "{url}">'),
        "public DTD": lambda url: _before_root(f'<!DOCTYPE WebhookBody PUBLIC "-//TCCONF//DTD//EN" "{url}">'),
        "external DTD with an internal subset": lambda url: _before_root(
            f'<!DOCTYPE WebhookBody SYSTEM "{url}" [<!ELEMENT WebhookBody ANY>]>'
        ),
    }
    yield from _canary_case(subject, "XML-03", documents, _BEST_REFUSED)


@case(
    "XML-07",
    "XInclude, schema locations and style sheets do not make the receiver call anybody",
    level=Level.MUST,
    wave=2,
    requirements=("OWASP XXE",),
    consequence=_CALLS,
    fix="Do not process XInclude, schema locations and style sheets of a document that you received.",
    needs=("canary",),
    hints={"dotnet": "XmlReaderSettings: no ProcessSchemaLocation.", "java": "setXIncludeAware(false)."},
)
def called_hints(subject: Subject) -> Case:
    instance = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'

    def in_root(attributes: str) -> Callable[[str], str]:
        return lambda text: text.replace(_ROOT, f"<WebhookBody {attributes}>", 1)

    def included(url: str, more: str) -> Callable[[str], str]:
        include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}"{more}/>'
        return lambda text: text.replace(_ROOT, _ROOT + include, 1)

    documents: dict[str, Callable[[str], Callable[[str], str]]] = {
        "XInclude": lambda url: included(url, ""),
        "XInclude of text": lambda url: included(url, ' parse="text"'),
        "schemaLocation": lambda url: in_root(f'{instance} xsi:schemaLocation="urn:tcconf {url}"'),
        "noNamespaceSchemaLocation": lambda url: in_root(f'{instance} xsi:noNamespaceSchemaLocation="{url}"'),
        "style sheet": lambda url: _before_root(f'<?xml-stylesheet type="text/xsl" href="{url}"?>'),
    }
    yield from _canary_case(subject, "XML-07", documents, accepted_or_refused())


# XML-04 and XML-05: growth, bounded to 50 MB.

_SECONDS_TO_ANSWER = 2.0
_AT_ONCE = Check(
    f"answers within {_SECONDS_TO_ANSWER:.0f} s",
    Level.MUST,
    lambda answer: f"it took {answer.seconds:.1f} s" if answer.seconds > _SECONDS_TO_ANSWER else None,
    good=lambda answer: replace(answer, seconds=0.1),
    bad=lambda answer: replace(answer, seconds=_SECONDS_TO_ANSWER * 3),
)


def _growing(subject: Subject, document: _Document) -> Case:
    """The entity is the whole event name: who leaves entities alone finds no name, who expands them 50 MB of it."""
    yield from _documents(subject, document)
    for endpoint in subject.endpoints:
        control = subject.golden_at(endpoint, subject.forms(endpoint)[0])
        yield Probe(f"alive after, {endpoint}", control, accepted())


@case(
    "XML-04",
    "Nested entities are not expanded",
    level=Level.MUST,
    wave=3,
    requirements=("OWASP XXE",),
    consequence=_GROWS,
    fix=_NO_DTD,
    safety=Safety.INTRUSIVE,
    hints=_DTD_HINTS,
)
def nested_entities(subject: Subject) -> Case:
    levels = 6
    entities = f'<!ENTITY e0 "{"Tradecloud" * 5}">' + "".join(
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels + 1)
    )
    edit = _with_entity(f"<!DOCTYPE WebhookBody [{entities}]>", f"&e{levels};")
    yield from _growing(
        subject, _Document("50 MB of nested entities", edit, refused_as_malformed(checks=(_AT_ONCE,)))
    )


@case(
    "XML-05",
    "A long entity is not repeated without bound",
    level=Level.MUST,
    wave=3,
    requirements=("OWASP XXE",),
    consequence=_GROWS,
    fix=_NO_DTD,
    safety=Safety.INTRUSIVE,
    hints=_DTD_HINTS,
)
def repeated_entity(subject: Subject) -> Case:
    edit = _with_entity(f'<!DOCTYPE WebhookBody [<!ENTITY long "{"Tradecloud" * 500}">]>', "&long;" * 10_000)
    yield from _growing(subject, _Document("50 MB of one entity", edit, refused_as_malformed(checks=(_AT_ONCE,))))


@case(
    "XML-06",
    "A DOCTYPE is refused even if it is harmless",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="A parser that reads DOCTYPEs is one setting away from reading files for strangers.",
    fix=_NO_DTD,
    hints=_DTD_HINTS,
)
def harmless_doctype(subject: Subject) -> Case:
    doctypes = {
        "name only": "<!DOCTYPE WebhookBody>",
        "element declaration": "<!DOCTYPE WebhookBody [<!ELEMENT WebhookBody ANY>]>",
        "unused entity": '<!DOCTYPE WebhookBody [<!ENTITY unused "x">]>',
    }
    documents = [_Document(name, _before_root(doctype), _BEST_REFUSED) for name, doctype in doctypes.items()]
    yield from _documents(subject, *documents)


# XML-08 to XML-10 and XML-12: what is no tXML.


def _in_body(markup: str) -> Callable[[str], str]:
    return lambda text: text.replace(_ROOT, _ROOT + markup, 1)


_NOT_WELL_FORMED: dict[str, Callable[[str], str]] = {
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
    consequence=_BROKEN,
    fix="Read the whole document before anything else, catch every error of the parser, and answer 400.",
    hints={
        "dotnet": "Catch XmlException; XmlSerializer wraps it into InvalidOperationException.",
        "sap": "Catch CX_SXML_PARSE_ERROR and CX_TRANSFORMATION_ERROR.",
    },
)
def not_well_formed(subject: Subject) -> Case:
    documents = [_Document(name, edit, refused_as_malformed()) for name, edit in _NOT_WELL_FORMED.items()]
    yield from _documents(subject, *documents)


def _declared(encoding: str) -> Callable[[str], str]:
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
    final, broken = accepted_or_refused(), refused_as_malformed()
    # Who takes them has passed over the declaration, or holds garbage; from outside nobody can tell.
    doubtful = Expect(must=frozenset({_D, _R, _C}), should=frozenset({_R}), codes=(400, 415))
    variants: tuple[tuple[Change, Expect], ...] = (
        (edit_bytes("UTF-8 with byte order mark", lambda data: b"\xef\xbb\xbf" + data), final),
        (edit_bytes("UTF-16 with byte order mark", _recoded("UTF-16", "utf-16")), final),
        (edit_bytes("ISO-8859-1 declared and sent", _latin), final),
        (edit_text("ISO-8859-1 declared, UTF-8 sent", _declared("ISO-8859-1")), doubtful),
        (edit_text("UTF-16 declared, UTF-8 sent", _declared("UTF-16")), doubtful),
        (edit_text("US-ASCII declared, UTF-8 sent", _declared("US-ASCII")), doubtful),
        (edit_text("unknown encoding declared", _declared("x-tcconf")), doubtful),
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
            document = _Document("ISO-8859-1 declared, UTF-8 sent", _declared("ISO-8859-1"), doubtful)
            yield _where_not_claimed(subject, endpoint, document)
            continue
        control = subject.golden_at(endpoint, Form.TXML)
        for change, expect in variants:
            yield Twin(f"{change.name}, {endpoint}", control, change, expect)


def _latin(data: bytes) -> bytes:
    return _declared("ISO-8859-1")(data.decode()).encode("latin-1", "xmlcharrefreplace")


@case(
    "XML-10",
    "A document with another root is refused",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-6",),
    consequence=_BROKEN,
    fix="Look at the name of the root element (WebhookBody) and answer 400 to another one.",
)
def other_root(subject: Subject) -> Case:
    soap = "http://schemas.xmlsoap.org/soap/envelope/"

    def renamed(name: str) -> Callable[[str], str]:
        return lambda text: text.replace("WebhookBody>", f"{name}>")

    def enveloped(text: str) -> str:
        body = f'<s:Envelope xmlns:s="{soap}"><s:Body>{_ROOT}'
        return text.replace(_ROOT, body, 1).replace("</WebhookBody>", "</WebhookBody></s:Body></s:Envelope>")

    documents = {
        "other name": renamed("Order"),
        "name in lower case": renamed("webhookBody"),
        "SOAP envelope": enveloped,
        "page in XHTML": lambda _: '<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Hello</p></body></html>',
    }
    yield from _documents(
        subject, *(_Document(name, edit, refused_as_malformed()) for name, edit in documents.items())
    )


_SAME: dict[str, Callable[[str], str]] = {
    "CDATA": lambda text: re.sub("<eventName>([^<]*)<", r"<eventName><![CDATA[\1]]><", text, count=1),
    "comments": lambda text: text.replace("<eventName>", "<!-- 1 --><eventName>", 1).replace(
        _ROOT, f"<!-- 2 -->{_ROOT}"
    ),
    "comment inside a text": lambda text: re.sub(
        "<eventName>(...)", r"<eventName>\1<!-- in between -->", text, count=1
    ),
    "processing instruction": _in_body("<?tcconf keep?>"),
    "character references": lambda text: re.sub(
        "(?<=<eventName>)[^<]*", lambda name: "".join(f"&#x{ord(letter):x};" for letter in name[0]), text, count=1
    ),
    "empty default namespace": lambda text: text.replace(_ROOT, '<WebhookBody xmlns="">', 1),
    "declared prefix that is not used": lambda text: text.replace(_ROOT, '<WebhookBody xmlns:tc="urn:tcconf">', 1),
    "namespace with a prefix": lambda text: re.sub("<(/?)(?=[A-Za-z])", r"<\1tc:", text).replace(
        "<tc:WebhookBody>", '<tc:WebhookBody xmlns:tc="urn:tcconf">', 1
    ),
    "same namespace without a prefix": lambda text: text.replace(_ROOT, '<WebhookBody xmlns="urn:tcconf">', 1),
    "no declaration": lambda text: text[text.index(_ROOT) :],
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
    yield from _documents(subject, *(_Document(name, edit, expect) for name, edit in _SAME.items()))
    if subject.profile.observer is None:
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
    documents = (
        _Document("10000 nested elements", _in_body("<tcconf>" * count + "</tcconf>" * count), final),
        _Document("10000 elements side by side", _in_body("<tcconf/>" * count), final),
        _Document("10000 attributes", _in_body(f"<tcconf {attributes}/>"), final),
        _Document(
            "10000 attributes of the root",
            lambda text: text.replace(_ROOT, f"<WebhookBody {attributes}>", 1),
            final,
        ),
        _Document(
            "10000 nested elements that do not end",
            lambda _: "<WebhookBody>" + "<a>" * count,
            refused_as_malformed(),
        ),
    )
    yield from _documents(subject, *documents)
    for endpoint in subject.endpoints:
        yield Probe(f"alive after, {endpoint}", subject.golden_at(endpoint, subject.forms(endpoint)[0]), accepted())
