"""XML-01 to XML-05 and XML-07: no document makes the receiver read a file, call anybody, or grow."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from conformance.cases.txml import (
    BEST_REFUSED,
    DTD_HINTS,
    NO_DTD,
    ROOT,
    Document,
    Edit,
    before_root,
    documents,
    twin,
    where_not_claimed,
)
from conformance.catalogue import Safety, case
from conformance.contract.reading import Endpoint
from conformance.oracle import Consequence, consequence
from conformance.requests.request import Form, Request
from conformance.steps import Blocked, CanaryHits, Case, Judge, Mirror, Probe, answer_of, fact_of
from conformance.subject import Subject
from conformance.verdict import (
    Check,
    Expect,
    ExpectFact,
    Level,
    accepted,
    accepted_or_refused,
    refused_as_malformed,
)
from conformance.wire.answer import Answer, Fact

_READS = "Whoever can send a body reads files of the receiver, such as its secrets."
_CALLS = "Whoever can send a body makes the receiver call addresses inside your network."
_GROWS = "One small body takes all memory; every delivery of that moment is lost."
_EVENT_NAME = re.compile("<eventName>[^<]*</eventName>")
#: Of places, items and documents: texts that receivers keep.
_NAMES = re.compile("<((?!eventName)\\w*[nN]ame)>[^<]*<")
_QUANTITY = re.compile("<(quantity|despatchQuantity)>[^<]*<")

#: By name: from an address at the canary to what makes the golden document ask for it.
_Addressed = Mapping[str, Callable[[str], Edit]]


def _with_entity(doctype: str, reference: str) -> Edit:
    """A DOCTYPE, and the event name made of a reference to its entity."""
    event_name = f"<eventName>{reference}</eventName>"
    return lambda text: _EVENT_NAME.sub(lambda _: event_name, before_root(doctype)(text), count=1)


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
    fix=NO_DTD,
    hints=DTD_HINTS,
)
def file_entity(subject: Subject) -> Case:
    expect = replace(BEST_REFUSED, checks=(_NO_FILE,))
    found = []
    for name, (url, _) in _FILES.items():
        doctype = f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>'
        found.append(Document(f"{name} as every name", _with_names(doctype), expect))
        found.append(Document(f"{name} as event name", _with_entity(doctype, "&file;"), expect))
        found.append(Document(f"{name} as quantity", _with_quantity(doctype), expect))
    for endpoint in subject.endpoints:
        if Form.TXML not in subject.forms(endpoint):
            yield where_not_claimed(subject, endpoint, found[0])
            continue
        control = subject.golden_at(endpoint, Form.TXML)
        yield from _file_that_matters(control, expect)
        shows_orders = subject.profile.observer is not None and subject.profile.observer.mirror is not None
        for document in found:
            if shows_orders and endpoint is Endpoint.ORDER:
                yield from _and_its_effect(control, document)
            else:
                yield twin(control, replace(document, name=f"{document.name} (the answer only)"))


_LEAKS = ExpectFact(("nothing of the file", "content of the file"), must=frozenset({"nothing of the file"}))


def _and_its_effect(control: Request, document: Document) -> Case:
    """What was taken must not hold the file either: the receiver is asked for the order as it has it."""
    label = document.name
    plain = twin(control, document)
    change = replace(plain.change, apply=lambda request: plain.change.apply(request).named(label))
    answer = yield from answer_of(replace(plain, change=change))
    if consequence(answer.status) is not Consequence.DELIVERED:
        return
    state = yield from fact_of(Mirror(label))
    leaked = any(mark.decode() in state.detail for mark in _LEAKED)
    fact = Fact("content of the file" if leaked else "nothing of the file", "in the order as the receiver has it")
    yield Judge(f"{document.name}: the order, {control.endpoint}", fact, _LEAKS)


def _with_quantity(doctype: str) -> Edit:
    return lambda text: _QUANTITY.sub(r"<\1>&file;<", before_root(doctype)(text), count=1)


def _with_names(doctype: str) -> Edit:
    return lambda text: _NAMES.sub(r"<\1>&file;<", before_root(doctype)(text))


def _file_that_matters(control: Request, expect: Expect) -> Case:
    """A file that holds a number and one that holds none: who answers differently has read them (Linux only)."""
    answers: list[Answer] = []
    for name, path in (("number", "/proc/sys/kernel/ngroups_max"), ("words", "/proc/version")):
        edit = _with_quantity(f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "file://{path}">]>')
        answers.append(
            (yield from answer_of(twin(control, Document(f"file with a {name} as quantity", edit, expect))))
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


def _canary_case(subject: Subject, case_id: str, calling: _Addressed, expect: Expect) -> Case:
    """Each document has an address of its own at the canary; nobody must have called one of them in the end."""
    marks: dict[str, str] = {}
    for endpoint in subject.endpoints:
        claimed = Form.TXML in subject.forms(endpoint)
        if claimed and subject.canary_url is None:
            yield Blocked(f"all, {endpoint}", "there is no canary that could be called", "canary")
            continue
        for index, (name, edit) in enumerate(calling.items()):
            mark = f"{case_id.lower()}-{endpoint}-{index}-{subject.canary_token}"
            document = Document(name, edit(f"{subject.canary_url or 'http://canary.invalid'}/{mark}"), expect)
            if not claimed:
                yield where_not_claimed(subject, endpoint, document)
                break
            yield twin(subject.golden_at(endpoint, Form.TXML), document)
            marks[f"{name}: nobody called, {endpoint}"] = mark
    # The wait is for all of them; it is not needed twice.
    seconds = _SECONDS if subject.full else _SECONDS / 3
    for index, (variant, mark) in enumerate(marks.items()):
        yield CanaryHits(variant, mark, 0.0 if index else seconds, _NONE)


@case(
    "XML-02",
    "An external entity does not make the receiver call anybody",
    level=Level.MUST,
    wave=2,
    requirements=("OWASP XXE",),
    consequence=_CALLS,
    fix=NO_DTD,
    needs=("canary",),
    hints=DTD_HINTS,
)
def called_entity(subject: Subject) -> Case:
    calling: _Addressed = {
        "entity as event name": lambda url: _with_entity(
            f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>', "&file;"
        ),
        "entity as quantity": lambda url: _with_quantity(f'<!DOCTYPE WebhookBody [<!ENTITY file SYSTEM "{url}">]>'),
        "public entity": lambda url: _with_entity(
            f'<!DOCTYPE WebhookBody [<!ENTITY file PUBLIC "-//TCCONF//TEXT//EN" "{url}">]>', "&file;"
        ),
    }
    yield from _canary_case(subject, "XML-02", calling, BEST_REFUSED)


@case(
    "XML-03",
    "Parameter entities and external DTDs do not make the receiver call anybody",
    level=Level.MUST,
    wave=2,
    requirements=("OWASP XXE",),
    consequence=_CALLS,
    fix=NO_DTD,
    needs=("canary",),
    hints=DTD_HINTS,
)
def called_dtd(subject: Subject) -> Case:
    calling: _Addressed = {
        "parameter entity": lambda url: before_root(
            f'<!DOCTYPE WebhookBody [<!ENTITY % dtd SYSTEM "{url}"> %dtd;]>'
        ),
        "external DTD": lambda url: before_root(f'<!DOCTYPE WebhookBody SYSTEM "{url}">'),
        "public DTD": lambda url: before_root(f'<!DOCTYPE WebhookBody PUBLIC "-//TCCONF//DTD//EN" "{url}">'),
        "external DTD with an internal subset": lambda url: before_root(
            f'<!DOCTYPE WebhookBody SYSTEM "{url}" [<!ELEMENT WebhookBody ANY>]>'
        ),
    }
    yield from _canary_case(subject, "XML-03", calling, BEST_REFUSED)


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

    def in_root(attributes: str) -> Edit:
        return lambda text: text.replace(ROOT, f"<WebhookBody {attributes}>", 1)

    def included(url: str, more: str) -> Edit:
        include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{url}"{more}/>'
        return lambda text: text.replace(ROOT, ROOT + include, 1)

    calling: _Addressed = {
        "XInclude": lambda url: included(url, ""),
        "XInclude of text": lambda url: included(url, ' parse="text"'),
        "schemaLocation": lambda url: in_root(f'{instance} xsi:schemaLocation="urn:tcconf {url}"'),
        "noNamespaceSchemaLocation": lambda url: in_root(f'{instance} xsi:noNamespaceSchemaLocation="{url}"'),
        "style sheet": lambda url: before_root(f'<?xml-stylesheet type="text/xsl" href="{url}"?>'),
    }
    yield from _canary_case(subject, "XML-07", calling, accepted_or_refused())


# XML-04 and XML-05: growth, bounded to 50 MB.

_SECONDS_TO_ANSWER = 2.0
_AT_ONCE = Check(
    f"answers within {_SECONDS_TO_ANSWER:.0f} s",
    Level.MUST,
    lambda answer: f"it took {answer.seconds:.1f} s" if answer.seconds > _SECONDS_TO_ANSWER else None,
    good=lambda answer: replace(answer, seconds=0.1),
    bad=lambda answer: replace(answer, seconds=_SECONDS_TO_ANSWER * 3),
)


def _growing(subject: Subject, document: Document) -> Case:
    """The entity is the whole event name: who leaves entities alone finds no name, who expands them 50 MB of it."""
    yield from documents(subject, document)
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
    fix=NO_DTD,
    safety=Safety.INTRUSIVE,
    hints=DTD_HINTS,
)
def nested_entities(subject: Subject) -> Case:
    levels = 6
    entities = f'<!ENTITY e0 "{"Tradecloud" * 5}">' + "".join(
        f'<!ENTITY e{level} "{f"&e{level - 1};" * 10}">' for level in range(1, levels + 1)
    )
    edit = _with_entity(f"<!DOCTYPE WebhookBody [{entities}]>", f"&e{levels};")
    yield from _growing(
        subject, Document("50 MB of nested entities", edit, refused_as_malformed(checks=(_AT_ONCE,)))
    )


@case(
    "XML-05",
    "A long entity is not repeated without bound",
    level=Level.MUST,
    wave=3,
    requirements=("OWASP XXE",),
    consequence=_GROWS,
    fix=NO_DTD,
    safety=Safety.INTRUSIVE,
    hints=DTD_HINTS,
)
def repeated_entity(subject: Subject) -> Case:
    edit = _with_entity(f'<!DOCTYPE WebhookBody [<!ENTITY long "{"Tradecloud" * 500}">]>', "&long;" * 10_000)
    yield from _growing(subject, Document("50 MB of one entity", edit, refused_as_malformed(checks=(_AT_ONCE,))))
