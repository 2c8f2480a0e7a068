"""RSP: answers in general, whatever they are about."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conformance.cases.retry import functional
from conformance.catalogue import case
from conformance.checks import allow_post, declared_media_type, no_internals, problem_details
from conformance.contract.samples import with_lines
from conformance.oracle import ANY, Consequence
from conformance.requests.changes import Change, both, edit_text, header, method, target, whole_body
from conformance.requests.request import Request
from conformance.steps import Blocked, Case, Control, Enter, Leave, NotApplicable, Probe, Twin
from conformance.subject import Subject
from conformance.verdict import Check, Expect, Level, accepted, delivered_at_best
from conformance.wire.answer import Answer

_D, _R, _C, _T = Consequence.DELIVERED, Consequence.REFUSED, Consequence.FAILED, Consequence.RETRIED
_UNDOCUMENTED, _NO_ANSWER = Consequence.UNDOCUMENTED, Consequence.NO_ANSWER
_NO_SUCH_PATH = "/tcconf-no-such-path/{{order}}"


def _no_content_complaint(answer: Answer) -> str | None:
    return "the documents name only 200 and 202" if answer.status == 204 else None


_NOT_204 = Check(
    "not 204",
    Level.INFO,
    _no_content_complaint,
    lambda answer: replace(answer, status=202),
    lambda answer: replace(answer, status=204),
)
#: A SHOULD: that it is delivered at all is for the cases of the payloads to judge.
_DOCUMENTED = delivered_at_best(202, 200, 204, checks=(_NOT_204,))


@case(
    "RSP-01",
    "Success is told with 200 or 202",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-RSP-1",),
    consequence="None today, since every 2xx counts as delivered; but 201 or 206 say something that is not so.",
    fix="Answer 200 when the event was processed and 202 when it was queued.",
    hints={"dotnet": "`Ok()` or `Accepted()` instead of `CreatedAtAction()`."},
)
def documented_success(subject: Subject) -> Case:
    for control in subject.goldens():
        yield Probe(f"{control.payload} {control.form}", control, _DOCUMENTED)


_NO_DETOUR = Expect(must=ANY - {_UNDOCUMENTED, _NO_ANSWER})


@case(
    "RSP-02",
    "A valid event is never answered with a redirect or an interim answer alone",
    level=Level.MUST,
    wave=1,
    requirements=("R-RSP-1",),
    consequence="What Tradecloud does at a 3xx is not documented: the event may be lost.",
    fix="Give Tradecloud the final address, and answer there.",
    hints={
        "dotnet": "`UseHttpsRedirection()` answers 307; cookie authentication answers 302 to the login page.",
        "nginx": "A `location` without its trailing slash answers 301.",
        "iis": "URL Rewrite rules for host names or letter case answer 301.",
    },
)
def no_redirect(subject: Subject) -> Case:
    for control in subject.goldens():
        yield Probe(f"{control.payload} {control.form}", control, _NO_DETOUR)


_NOT_ALLOWED_CHECKS = (allow_post(),)
_WRITING = Expect(must=ANY - {_D}, should=frozenset({_R}), codes=(405,), checks=_NOT_ALLOWED_CHECKS)
_READING = Expect(must=ANY, should=frozenset({_R}), codes=(405,), checks=_NOT_ALLOWED_CHECKS)
#: RFC 9110, section 9.1: 501 is right for a method that the server has never heard of.
_UNKNOWN = Expect(must=ANY - {_D}, should=frozenset({_R, _T}), codes=(405, 501))
_METHODS = {
    "GET": _READING,
    "HEAD": _READING,
    "TRACE": Expect(must=ANY, should=frozenset({_R, _T}), codes=(405, 501)),
    "PUT": _WRITING,
    "PATCH": _WRITING,
    "DELETE": _WRITING,
    "TCCONF": _UNKNOWN,
}


@case(
    "RSP-03",
    "Other methods than POST are refused, best with 405 and Allow",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-TRN-4", "RFC 9110 15.5.6"),
    consequence="A receiver that takes events by any method hides wrong settings; Tradecloud sends POST only.",
    fix="Answer 405 with `Allow: POST` to every other method.",
    hints={
        "iis": "WebDAV takes PUT and DELETE for itself: remove the module.",
        "nginx": "`limit_except POST { deny all; }` answers 403; return 405 with `add_header Allow POST always`.",
    },
)
def other_methods(subject: Subject) -> Case:
    for control in subject.goldens_at_endpoints():
        for verb, expect in _METHODS.items():
            change = method(verb)
            if verb in ("GET", "HEAD", "TRACE", "DELETE"):
                # Bodies of these are unusual or forbidden, and the framing is no matter of this case.
                change = both(f"{verb} without a body", change, whole_body("no body", b""))
            yield Twin(f"{control.endpoint} {verb}", control, change, expect)


_FOUND_NOWHERE = Expect(must=ANY, should=frozenset({_R}), codes=(404,))


@case(
    "RSP-04",
    "A valid event at an unknown path is not delivered",
    level=Level.SHOULD,
    wave=1,
    requirements=("R-RSP-6",),
    consequence="A slip in the configured address is answered 2xx by a catch-all page: events are lost unseen.",
    fix="Answer 404 to every path that is no webhook.",
    hints={
        "node": "A catch-all route for a single-page application must be for GET only.",
        "nginx": "`try_files ... /index.html` answers 200 to any path; limit it to the pages' own location.",
        "iis": "A login portal in front answers 200 to everything; exclude the webhook's host from it.",
    },
)
def unknown_path(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
        path = subject.operation(control.endpoint).path
        for name, other in {
            "elsewhere": _NO_SUCH_PATH,
            "below": f"{path}/tcconf-no-such-path",
            "longer name": f"{path}-tcconf",
        }.items():
            change = target(other, f"at {other}, which does not exist")
            yield Twin(f"{control.endpoint} {control.form} {name}", control, change, _FOUND_NOWHERE)


# What makes a receiver answer with an error.

_ERRORS: dict[str, Change] = {
    "no credentials": header("Authorization", None),
    "malformed body": edit_text("body cut in half", lambda text: text[: len(text) // 2]),
    "other media type": header("Content-Type", "text/plain"),
    "other method": both("GET without a body", method("GET"), whole_body("no body", b"")),
    "unknown path": target(_NO_SUCH_PATH, "at a path that does not exist"),
}


def _each_error(subject: Subject, expect: Expect) -> Case:
    for control in subject.goldens_in_each_form():
        for name, change in _ERRORS.items():
            yield Twin(f"{control.endpoint} {control.form} {name}", control, change, expect)


def _on_errors(check: Check) -> Check:
    """The check for errors only: whether the event should have been refused is judged by other cases."""

    def complaint(answer: Answer) -> str | None:
        return check.complaint(answer) if answer.status is not None and answer.status >= 400 else None

    return replace(
        check,
        complaint=complaint,
        good=lambda answer: check.good(replace(answer, status=400)),
        bad=lambda answer: check.bad(replace(answer, status=400)),
    )


_PROBLEM = Expect(checks=(_on_errors(problem_details()),))
_DISCREET = Expect(checks=(no_internals(),))
_DECLARED = Expect(checks=(declared_media_type(),))


@case(
    "RSP-05",
    "Errors are told as problem details, with the status of the answer",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1", "RFC 9457 3.1.2"),
    consequence="Whoever looks for the cause of a lost event finds a page that says nothing, or another status.",
    fix="Answer errors as application/problem+json with `title` and `status`.",
    hints={
        "dotnet": "`AddProblemDetails()` and `UseStatusCodePages()`.",
        "nginx": "`proxy_intercept_errors off` keeps the application's own errors.",
    },
)
def problems(subject: Subject) -> Case:
    if not subject.claims.problem_details:
        yield NotApplicable("all", "the profile says that errors have another form")
        return
    yield from _each_error(subject, _PROBLEM)


@case(
    "RSP-06",
    "The body of every answer is what its Content-Type says, and no page for people",
    level=Level.SHOULD,
    wave=1,
    requirements=("P-1",),
    consequence="An HTML page in an answer shows that something else than the receiver answered.",
    fix="Send application/json or application/problem+json, or no body at all.",
    hints={
        "dotnet": "Switch `UseDeveloperExceptionPage()` off.",
        "iis": '`<httpErrors existingResponse="PassThrough" />` keeps the application\'s own errors.',
        "nginx": "Give `error_page` a JSON file and `default_type application/json`.",
    },
)
def declared_bodies(subject: Subject) -> Case:
    for control in subject.goldens():
        yield Probe(f"{control.payload} {control.form} delivered", control, _DECLARED)
    yield from _each_error(subject, _DECLARED)


@case(
    "RSP-07",
    "Answers tell nothing of the receiver's inside",
    level=Level.SHOULD,
    wave=1,
    requirements=("RFC 9457 5",),
    consequence="Stack traces, paths and versions help an attacker.",
    fix="Log the details, and send a sentence and a reference to the log.",
    hints={
        "dotnet": "Switch `UseDeveloperExceptionPage()` off; `AddServerHeader = false` in Kestrel.",
        "iis": "Remove `X-Powered-By` and `X-AspNet-Version`; `removeServerHeader`.",
        "node": "`app.disable('x-powered-by')`, and NODE_ENV=production, else Express sends the stack.",
        "nginx": "`server_tokens off;`",
    },
)
def discretion(subject: Subject) -> Case:
    for control in subject.goldens():
        yield Probe(f"{control.payload} {control.form} delivered", control, _DISCREET)
    yield from _each_error(subject, _DISCREET)


_EARLY = Expect(must=ANY - {_NO_ANSWER})
_DELIVERED = accepted()


@case(
    "RSP-08",
    "After an error that came before the body was read, the connection still works or was closed cleanly",
    level=Level.MUST,
    wave=1,
    requirements=("RFC 9112 9.3",),
    consequence="The rest of a refused body is read as the next request: a good event behind it is lost.",
    fix="Read the body to its end before you answer, or close the connection after the answer.",
    hints={
        "node": "Answer with `Connection: close` when the body was not read.",
        "nginx": "`lingering_close on` (the default) lets the sender read the answer.",
    },
)
def error_before_the_body(subject: Subject) -> Case:
    for control in _large(subject):
        for name, change in _EARLY_ERRORS.items():
            yield Control(control)
            yield Probe(f"{control.endpoint} {name}: answered", change.apply(control), _EARLY)
            yield Probe(f"{control.endpoint} {name}: next event", control, _DELIVERED)


_EARLY_ERRORS: dict[str, Change] = {
    "no credentials": header("Authorization", None),
    "wrong credentials": header("Authorization", "Basic dGNjb25mOndyb25n"),
    "other media type": header("Content-Type", "text/plain"),
    "unknown path": target(_NO_SUCH_PATH, "at a path that does not exist"),
    "other method": method("PUT"),
}


def _large(subject: Subject) -> Iterator[Request]:
    """Bodies that are larger than what operating systems buffer of a connection."""
    for control in subject.goldens_at_endpoints():
        if control.payload is not None:
            values = with_lines(control.payload, 500)
            yield subject.request(control.payload, values, control.form, name="500 lines")


_FORBIDDEN = Expect(must=ANY, should=frozenset({_R}), codes=(403,))


@case(
    "RSP-09",
    "Credentials that are good but not allowed here are refused",
    level=Level.SHOULD,
    wave=2,
    requirements=("R-RSP-6",),
    needs=("not_allowed",),
    consequence="Whoever has credentials for one webhook can send to the other.",
    fix="Answer 403 to credentials that are known and not allowed here.",
)
def not_allowed_here(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
        credential = subject.operation(control.endpoint).not_allowed
        name = f"{control.endpoint} {control.form}"
        if credential is None:
            needed = f"operations.{control.endpoint}.not_allowed"
            yield Blocked(name, "the profile has no credentials that are good but not allowed here", needed)
            continue
        change = header("Authorization", subject.of(credential), "credentials that are not allowed here")
        yield Twin(name, control, change, _FORBIDDEN)


@case(
    "RSP-10",
    "An event about an order that is not known is refused",
    level=Level.SHOULD,
    wave=2,
    requirements=("R-RSP-6",),
    needs=("unknown-order",),
    consequence="Above 500 Tradecloud repeats it without end; at a 2xx nobody learns that it was not processed.",
    fix="Answer 404 or 400 to what no repetition can heal.",
)
def unknown_order(subject: Subject) -> Case:
    for control in subject.goldens_in_each_form():
        yield Control(control)
    expect = functional(subject, 404, 400)
    # A SHOULD: the class of a functional error as such is judged by RET-04.
    expect = replace(expect, must=ANY, should=expect.wanted)
    yield Enter("unknown-order")
    for control in subject.goldens_in_each_form():
        yield Probe(f"{control.endpoint} {control.form}", control, expect)
    yield Leave("unknown-order")
