"""SEC: other abuse: split headers, markup, overridden methods, odd paths, claimed addresses, calls to elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from conformance import yaml_text
from conformance.cases.credentials import OPEN, SCHEMES, at, controls, no_credentials
from conformance.catalogue import case
from conformance.checks import no_header, no_live_markup
from conformance.contract.reading import Payload
from conformance.oracle import ANY, Consequence
from conformance.requests.changes import Change, both, header, method, set_value, target, whole_body
from conformance.requests.request import Form
from conformance.steps import Blocked, CanaryHits, Case, NotApplicable, Twin
from conformance.subject import Subject
from conformance.verdict import Expect, ExpectFact, Level, accepted, accepted_or_refused, not_delivered

_D = Consequence.DELIVERED
_INJECTED = "x-tcconf-injected"


@case(
    "SEC-01",
    "Line breaks in values do not split the answer's header",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9110 5.5",),
    consequence="Whoever writes an order can write the answers' header fields, and what proxies keep of them.",
    fix="Never put a value of the request into a header field without checking it; better not at all.",
)
def split_header(subject: Subject) -> Case:
    expect = Expect(checks=(no_header(_INJECTED, "a value of the request became a header field"),))
    tail = "\r\nX-Tcconf-Injected: 1"
    for control in subject.goldens_at_endpoints():
        path = subject.operation(control.endpoint).path
        changes: list[tuple[str, Change]] = [
            ("messageId", set_value("/meta/messageId", "{{message}}" + tail)),
            ("eventName", set_value("/eventName", f"Tcconf{tail}")),
            ("traceId", set_value("/meta/source/traceId", "{{trace}}" + tail)),
            ("query", target(f"{path}?id=x%0d%0aX-Tcconf-Injected:%201")),
            ("path", target(f"{path}/x%0d%0aX-Tcconf-Injected:%201")),
            ("X-Request-Id", header("X-Request-Id", "x%0d%0aX-Tcconf-Injected: 1")),
            ("X-Correlation-Id", header("X-Correlation-Id", "x\\r\\nX-Tcconf-Injected: 1")),
        ]
        for name, change in changes:
            yield Twin(f"{control.endpoint}: {name}", control, change, expect)


@case(
    "SEC-02",
    "Markup in values does not come back as HTML",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="Whoever looks at the answer in a browser or a mail runs a stranger's script.",
    fix="Answer errors as application/problem+json, and do not repeat what was sent.",
)
def markup(subject: Subject) -> Case:
    script = "<script>tcconf(1)</script>"
    expect = Expect(checks=(no_live_markup(script),))
    for control in subject.goldens_at_endpoints():
        path = subject.operation(control.endpoint).path
        broken = f'{{"eventName": "{script}", "tcconf": {script}'
        changes = (
            ("eventName", set_value("/eventName", script)),
            ("messageId", set_value("/meta/messageId", script)),
            ("wrong type", set_value("/meta", script)),
            ("malformed body", whole_body("broken JSON with markup", broken)),
            ("path", target(f"{path}/%3Cscript%3Etcconf(1)%3C/script%3E")),
            ("media type", header("Content-Type", f"text/{script}")),
        )
        for name, change in changes:
            yield Twin(f"{control.endpoint}: {name}", control, change, expect)


@case(
    "SEC-03",
    "Fields that name another method are ignored",
    level=Level.MUST,
    wave=1,
    requirements=("R-TRN-4",),
    consequence="A rule of a proxy that lets only POST through, or only GET, can be got round.",
    fix="Switch the support for method override off.",
    hints={
        "dotnet": "No UseHttpMethodOverride().",
        "node": "No `method-override` middleware before the webhook.",
    },
)
def method_override(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints():
        for field in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            for verb in ("DELETE", "GET"):
                yield Twin(f"{control.endpoint}: {field}: {verb}", control, header(field, verb), accepted())
            write = both(f"GET with {field}: POST", method("GET"), header(field, "POST"))
            yield Twin(f"{control.endpoint}: GET with {field}: POST", control, write, not_delivered(405))
        path = subject.operation(control.endpoint).path
        yield Twin(
            f"{control.endpoint}: ?_method", control, target(f"{path}?_method=DELETE"), accepted_or_refused()
        )


@case(
    "SEC-04",
    "Other spellings of the path do not skip authentication",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=OPEN,
    fix="Authenticate in the application for every path, not in the proxy for a list of them.",
    hints={
        "nginx": "`location` compares the normalised path, the application behind it perhaps another one.",
        "iis": "No <location path> with anonymous access beside the webhook.",
        "node": "Routers ignore case and a slash at the end unless told (`caseSensitive`, `strict`).",
    },
)
def path_tricks(subject: Subject) -> Case:
    expect = Expect(must=ANY - {_D}, should=frozenset({Consequence.REFUSED, Consequence.UNDOCUMENTED}))
    for control in controls(subject, *SCHEMES):
        for name, path in _spellings(subject.operation(control.endpoint).path):
            change = both(f"no credentials, path {path}", no_credentials(), target(path))
            yield Twin(f"{at(control)}: {name}", control, change, expect)


def _spellings(path: str) -> Iterator[tuple[str, str]]:
    folder, _, last = path.rpartition("/")
    yield "double slash", f"{folder}//{last}"
    yield "dot segment", f"{folder}/./{last}"
    yield "encoded dot segment", f"{folder}/%2e/{last}"
    yield "up and down again", f"{folder}/health/../{last}"
    yield "encoded up and down again", f"{folder}/health/%2e%2e/{last}"
    yield "slash at the end", f"{path}/"
    yield "encoded slash at the end", f"{path}%2f"
    yield "dot at the end", f"{path}/."
    yield "upper case", f"{folder}/{last.upper()}"
    yield "encoded letter", f"{folder}/%{ord(last[0]):02x}{last[1:]}"
    yield "parameter", f"{path};tcconf=1"
    yield "suffix", f"{path}.json"
    yield "NUL at the end", f"{path}%00"
    yield "backslash", f"{folder}/\\{last}"
    yield "query that looks public", f"{path}?/health"


@case(
    "SEC-05",
    "A claimed address of Tradecloud does not replace credentials",
    level=Level.MUST,
    wave=1,
    requirements=("R-AUT-1",),
    consequence=OPEN + " The addresses are published.",
    fix="Trust X-Forwarded-For and its like only from your own proxy, and never instead of credentials.",
)
def claimed_address(subject: Subject) -> Case:
    for control in controls(subject, *SCHEMES):
        for address in _tradecloud_addresses() if subject.full else _tradecloud_addresses()[:1]:
            for field, value in (
                ("X-Forwarded-For", address),
                ("Forwarded", f"for={address};proto=https"),
                ("X-Real-IP", address),
                ("True-Client-IP", address),
                ("X-Client-IP", address),
            ):
                change = both(f"no credentials, {field}: {value}", no_credentials(), header(field, value))
                yield Twin(f"{at(control)}: {field} {address}", control, change, not_delivered(401, 403))
        inside = both("no credentials, as if from inside", no_credentials(), header("X-Forwarded-For", "127.0.0.1"))
        yield Twin(f"{at(control)}: X-Forwarded-For 127.0.0.1", control, inside, not_delivered(401, 403))


@cache
def _tradecloud_addresses() -> tuple[str, ...]:
    known = yaml_text.read(files("specs").joinpath("tradecloud-addresses.yaml").read_text(encoding="utf-8"))
    return tuple(address for group in known["environments"].values() for address in group)


@case(
    "SEC-06",
    "The address of a document is not called during the request",
    level=Level.SHOULD,
    wave=2,
    needs=("canary",),
    requirements=("P-1",),
    consequence="Whoever attaches a document makes the receiver call addresses inside your network.",
    fix="Fetch documents later, in the background, and only from Tradecloud's own addresses.",
)
def document_address(subject: Subject) -> Case:
    if Payload.DOCUMENTS not in subject.payloads:
        yield NotApplicable("documents", "the profile does not claim them")
        return
    if subject.canary_url is None:
        yield Blocked("documents", "the profile has no canary", "canary: {listen: …, url: …, reach: …}")
        return
    ends = ("none", "called")
    expect = ExpectFact(ends, must=frozenset(ends), should=frozenset({"none"}))
    for form in subject.forms(Payload.DOCUMENTS.endpoint):
        mark = f"sec-06-{form.value}-{subject.canary_token}"
        place = "/orderDocumentsEvent/lines/0/supplierLine/documents/0/url"
        change = set_value(place, f"{subject.canary_url.rstrip('/')}/{mark}.pdf")
        control = subject.golden(Payload.DOCUMENTS, Form(form))
        yield Twin(f"{form.value}: the event", control, change, accepted_or_refused())
        yield CanaryHits(f"{form.value}: the canary", mark, 0.0, expect)
