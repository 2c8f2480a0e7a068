"""A small run with every outcome in it, written as the runner writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.generative import GeneratedOutcome
from conformance.redaction import Redactor
from conformance.report.records import RunReader, RunWriter
from conformance.requests.rendering import Rendered
from conformance.requests.request import Channel, Framing
from conformance.results import Exchange, Result
from conformance.runner.running import summary
from conformance.verdict import Level, Outcome
from conformance.wire.answer import Answer

BODY = '{"eventName":"OrderIssuedByBuyer","note":"</script><b>Größe & it\'s</b> $HOME `id` !"}'.encode()


def request(body: bytes = BODY, **changes: Any) -> Rendered:
    """A request of the suite to https://localhost:8443/order."""
    headers = changes.pop(
        "headers", (("Authorization", "Basic dXNlcjpzZWNyZXQ="), ("Content-Type", "application/json"))
    )
    members: dict[str, Any] = {
        "method": "POST",
        "target": "/order",
        "headers": headers,
        "content": body,
        "framing": Framing(),
        "channel": Channel(),
        "host": "localhost:8443",
        **changes,
    }
    return Rendered(**members)


def answer(status: int | None, body: bytes = b"", head: bytes = b"Server: nginx\r\n") -> Answer:
    """An answer as it comes off the wire."""
    if status is None:
        return Answer(None, failure="the receiver closed the connection without an answer", seconds=0.5)
    raw = b"HTTP/1.1 %d Some\r\n%bContent-Length: %d\r\n\r\n" % (status, head, len(body)) + body
    return Answer(status, (), body, raw, seconds=0.25)


def result(case: str, outcome: Outcome, status: int | None = None, **members: Any) -> Result:
    """A result; with a probe unless it is about something that was not sent."""
    if outcome in (Outcome.PASS, Outcome.WEAK, Outcome.FAIL, Outcome.INFO):
        back = answer(status, b'{"detail":"no"}')
        pair = (Exchange("control", answer(202), request(), "O-1"), Exchange("probe", back, request(), "O-2"))
        members = {"exchanges": pair, "endpoint": "order", "payload": "orderEvent", "form": "json", **members}
    members = {"variant": "orderEvent", "level": Level.MUST, "reason": f"answered {status}", **members}
    return Result(case=case, outcome=outcome, status=status, **members)


def every_outcome() -> list[Result]:
    """One or two of each."""
    return [
        result("DEL-01", Outcome.PASS, 202),
        result(
            "DEL-02", Outcome.FAIL, 500, reason="answered 500; Tradecloud drops the event for good", change="none"
        ),
        result("DEL-02", Outcome.FAIL, None, variant="no answer", reason="no answer (closed)"),
        result("DEL-03", Outcome.WEAK, 422, reason="answered 422; better 400", level=Level.SHOULD),
        result("DEL-04", Outcome.BLOCKED, reason="the profile has no hook for erp-down", needs="erp-down"),
        result("DEL-05", Outcome.NOT_APPLICABLE, reason="the profile does not claim it"),
        result("DEL-06", Outcome.INFO, 429, level=Level.INFO),
        result("DEL-07", Outcome.ERROR, reason="the probe differs\x00 in more than its change"),
    ]


def write_run(
    folder: Path,
    results: list[Result] | None = None,
    *,
    redactor: Redactor | None = None,
    strict: bool = False,
    verdict: str | None = "NOT CONFORMANT",
    preflight_ok: bool = True,
    profile: str = "reference",
    only: tuple[str, ...] = (),
    generated: GeneratedOutcome | None = None,
    surprises: Sequence[str] = (),
    contract: str = "ab" * 32,
) -> RunReader:
    """Write the folder of a run and open it; `verdict` None leaves it without an end."""
    writer = RunWriter(folder, redactor or Redactor())
    results = every_outcome() if results is None else results
    writer.write(
        "run",
        id="r0a1b2c3d",
        started="2026-08-01T12:00:00+00:00",
        suite="1.0",
        target="https://localhost:8443",
        profile=profile,
        contract_sha256=contract,
        ca_file="lab-ca.pem",
        options={"strict": strict, "waves": [1, 2], "only": list(only)},
    )
    found = "all 7 accepted" if preflight_ok else "orderEvent in json: answered 401"
    writer.write(
        "preflight", id="PRE-3", title="golden events are accepted", ok=preflight_ok, reason=found, fatal=True
    )
    for number, one in enumerate(results, 1):
        writer.result(number, one)
    if generated is not None:
        writer.write("generated", **summary(generated))
    rows = [{"endpoint": "order", "code": 202, "state": "elicited", "by": ["DEL-01"]}]
    writer.write("codes", rows=[*rows, {"endpoint": "order", "code": 503, "state": "not seen", "by": []}])
    if verdict is not None:
        writer.write(
            "end",
            verdict=verdict,
            exit_status=1,
            counts={},
            cases=len({one.case for one in results}),
            seconds=12.5,
            blocked=[
                {
                    "case": one.case,
                    "needs": one.needs,
                    "reason": one.reason,
                    "level": "MUST",
                    "expected": False,
                    "because": "",
                }
                for one in results
                if one.outcome is Outcome.BLOCKED
            ],
            surprises=list(surprises),
            baseline={"accepted": ["DEL-02 no answer"], "passed": [], "ended": []},
            orders=17,
        )
    writer.close()
    return RunReader(folder)
