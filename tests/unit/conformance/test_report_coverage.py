"""What the reports say of a run's coverage, counted from what was sent and answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from conformance.contract.reading import Endpoint
from conformance.contract.text import JsonObject
from conformance.contract.txml import to_txml
from conformance.generative import GeneratedOutcome, Keywords
from conformance.report import coverage, html, json_report
from conformance.report.enumerations import EnumerationRow, enumeration_rows
from conformance.report.overview import overview
from conformance.report.records import RunReader
from conformance.report.tuples import TupleRow, tuple_rows
from conformance.requests.rendering import Rendered
from conformance.results import Exchange, Result
from conformance.verdict import Outcome
from tests.unit.conformance.sample_run import answer, request, result, write_run

PROBLEM = b"Server: nginx\r\ncontent-TYPE:  Application/Problem+JSON ; charset=utf-8\r\n"
GENERATED = GeneratedOutcome(
    findings=(),
    calls=(),
    warnings=(),
    errors=(),
    executed=7,
    seconds=1.5,
    keywords=Keywords({"type": 40, "maxLength": 2}, {"type": 3, "required": 1}),
    complete=True,
    seed=1,
)


# Requirements and event names


def test_event_names_are_counted_from_the_bytes_that_were_sent(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    rows = {(row.payload, row.name): row for row in coverage.event_rows(run, overview(run))}
    assert len(rows) == 43 + 43 + 2 + 8
    issued = rows["orderEvent", "OrderIssuedByBuyer"]
    # Five results with a control and a probe each; six of the ten were answered by a 2xx.
    assert (issued.sent, issued.delivered) == (10, 6)
    assert rows["shipment", "ShipmentIssuedBySupplier"].sent == 0


def test_a_requirement_is_tested_blocked_or_neither(tmp_path: Path) -> None:
    rows = {row.key: row for row in coverage.requirement_rows(overview(write_run(tmp_path)))}
    assert (rows["R-EVT-1"].state, rows["R-EVT-1"].failed) == ("tested", ("DEL-02",))
    assert (rows["R-EVT-2"].state, rows["R-EVT-2"].reason) == ("blocked", "the profile has no hook for erp-down")
    assert rows["R-FMT-3"].state == "tested"  # DEL-05 does not apply, but DEL-06 was noted
    assert (rows["R-AUT-2"].state, rows["R-AUT-2"].cases) == ("not testable", ())
    assert rows["R-AUT-2"].reason
    idle = [row for row in rows.values() if row.cases and not any(one.startswith("DEL") for one in row.cases)]
    assert {row.state for row in idle} <= {"not run"}


# Combinations of request and answer


def _probe(rendered: Rendered, status: int | None, head: bytes = PROBLEM) -> Exchange:
    return Exchange("probe", answer(status, b"{}", head), rendered)


def _tuples(folder: Path, *results: Result) -> list[TupleRow]:
    return tuple_rows(overview(write_run(folder, list(results))))


def test_only_what_was_judged_and_passed_is_a_match(tmp_path: Path) -> None:
    outcomes = {Outcome.PASS: 2, Outcome.WEAK: 1, Outcome.FAIL: 1, Outcome.INFO: 1, Outcome.BLOCKED: 1}
    rows = _tuples(
        tmp_path,
        *(
            result("DEL-01", outcome, 400, exchanges=(_probe(request(), 400),), endpoint="order")
            for outcome, times in outcomes.items()
            for _ in range(times)
        ),
    )
    found = TupleRow("order", "application/json", "basic", 400, "application/problem+json", 6, 4, 2)
    assert rows == [found]


def test_a_control_is_an_attempt_and_no_match(tmp_path: Path) -> None:
    rows = _tuples(tmp_path, result("DEL-01", Outcome.PASS, 400))
    assert [(row.status, row.attempts, row.judged, row.matches) for row in rows] == [(202, 1, 0, 0), (400, 1, 1, 1)]


@pytest.mark.parametrize(
    ("headers", "scheme", "said"),
    [
        ((("content-type", "APPLICATION/XML;v=1"), ("authorization", "bASIC x")), "", ("application/xml", "basic")),
        ((("Content-Type", "json"), ("Authorization", "Basic")), "basic", ("other", "basic")),
        ((), "basic", ("none", "none")),
        (
            (("Content-Type", "a/b"), ("Content-Type", "a/b"), ("Authorization", "Digest x")),
            "",
            ("several", "other"),
        ),
        ((("Content-Type", "text/<b>"), ("Authorization", "Bearer x")), "oauth", ("other", "oauth")),
        ((("Content-Type", " "), ("Authorization", "Bearer x")), "basic", ("other", "bearer")),
        ((("X", "1"), ("Authorization", "a"), ("Authorization", "b")), "bearer", ("none", "several")),
    ],
)
def test_the_head_that_went_out_says_media_type_and_scheme(
    tmp_path: Path, headers: tuple[tuple[str, str], ...], scheme: str, said: tuple[str, str]
) -> None:
    probe = _probe(request(headers=headers), 415)
    (row,) = _tuples(tmp_path, result("AUTH-01", Outcome.PASS, 415, exchanges=(probe,), scheme=scheme))
    assert (row.request_type, row.scheme) == said


def test_the_path_and_the_method_say_the_operation(tmp_path: Path) -> None:
    several = tuple(
        _probe(request(target=target, method=method), 404)
        for target, method in (("/order", "POST"), ("/order?x=1", "GET"), ("/odd/1", "POST"), ("/odd/2", "POST"))
    )
    named = result("SEC-01", Outcome.PASS, 404, exchanges=several, endpoint="order")
    # What is no comparison of two requests does not say its webhook.
    silent = result("TIM-01", Outcome.PASS, None, exchanges=(_probe(request(), None),), endpoint="")
    rows = _tuples(tmp_path, named, silent)
    assert [(row.operation, row.status, row.answer_type, row.attempts) for row in rows] == [
        ("GET order", 404, "application/problem+json", 1),
        ("another path", 404, "application/problem+json", 2),
        ("order", None, "none", 1),
        ("order", 404, "application/problem+json", 1),
    ]


# Documented values


def _order(process: str, logistics: str = "Open", item: str = "Item") -> JsonObject:
    status: JsonObject = {"processStatus": process, "logisticsStatus": logistics}
    return {"orderEvent": {"status": status, "lines": [{"lineType": "Service"}, {"lineType": item}]}}


def _values(folder: Path, *bodies: tuple[bytes, int]) -> dict[tuple[str, str], EnumerationRow]:
    some = [
        result("DEL-01", Outcome.PASS, status, exchanges=(Exchange("probe", answer(status), request(body)),))
        for body, status in bodies
    ]
    return {(row.endpoint, row.member): row for row in enumeration_rows(write_run(folder, some))}


@pytest.mark.parametrize("form", ["json", "txml"])
def test_documented_values_are_found_where_they_stand(tmp_path: Path, form: str) -> None:
    def written(body: JsonObject) -> bytes:
        return (json.dumps(body) if form == "json" else to_txml(Endpoint.ORDER, body)).encode()

    rows = _values(
        tmp_path,
        (written(_order("Issued")), 202),
        (written(_order("Rejected", item="Charge")), 400),
        (written(_order("Rejected", logistics="TomorrowsStatus")), 202),
        (written(_order("Completed")), 500),
    )
    process = rows["order", "OrderStatus.processStatus"]
    assert (process.known, process.sent, process.delivered) == (6, 3, 2)
    assert process.never_sent == ("InProgress", "Confirmed", "Cancelled")
    assert process.refused_only == ("Completed",)
    assert rows["order", "OrderStatus.logisticsStatus"].sent == 1
    assert rows["order", "OrderLine.lineType"].refused_only == ("Charge",)
    # The same names and values elsewhere, which nobody sent.
    for member in ("LineStatus.processStatus", "BuyerLine.lineType", "SingleDeliveryOrderLine.lineType"):
        assert rows["order", member].sent == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"orderEvent": {"elsewhere": {"processStatus": "Issued"}}}',
        b'{"processStatus": "Issued"}',
        b'{"orderEvent": {"status": {"processStatus": "Issued"}}',
        b'{"orderEvent": {"status": {"processStatus": "Issued"}}, "n": ' + b"[" * 100_000,
        b"<a><orderEvent><status><processStatus>Issued</processStatus></status></orderEvent>",
        b"<!DOCTYPE a><a><orderEvent><status><processStatus>Issued</processStatus></status></orderEvent></a>",
        b'{"orderEvent": [7, {"status": {"processStatus": ["Issued", null]}}]}',
        b'["orderEvent", {"orderEvent": {"status": {"processStatus": "Issued"}}}]',
        b"<a><meta><source><origin>Legacy</origin></source></meta></a>",
        b"",
    ],
    ids=[
        "other place",
        "no payload",
        "cut",
        "too deep",
        "cut XML",
        "document type",
        "other types",
        "array",
        "XML without payload",
        "empty",
    ],
)
def test_a_value_at_no_documented_place_is_not_sent(tmp_path: Path, body: bytes) -> None:
    assert {row.sent for row in _values(tmp_path, (body, 202)).values()} == {0}


def test_names_of_events_are_counted_elsewhere(tmp_path: Path) -> None:
    rows = _values(tmp_path)
    assert ("order", "WebhookBody.eventName") not in rows
    assert ("shipment", "MessageSource.origin") in rows


def test_a_value_that_was_first_refused_and_then_taken_is_delivered(tmp_path: Path) -> None:
    body = json.dumps(_order("Issued")).encode()
    row = _values(tmp_path, (body, 400), (body, 202))["order", "OrderStatus.processStatus"]
    assert (row.sent, row.delivered, row.refused_only) == (1, 1, ())


# All of it in the reports


def test_reports_show_combinations_values_and_keywords(tmp_path: Path) -> None:
    body = json.dumps(_order("Issued")).encode()
    probe = Exchange("probe", answer(202), request(body))
    reader = write_run(tmp_path, [result("DEL-01", Outcome.PASS, 202, exchanges=(probe,))], generated=GENERATED)
    document = json.loads(json_report.render(reader))
    assert list(jsonschema_rs.Draft202012Validator(json_report.SCHEMA).iter_errors(document)) == []
    assert document["keywords"] == [
        {"keyword": "maxLength", "met": 2, "broken": 0},
        {"keyword": "required", "met": 0, "broken": 1},
        {"keyword": "type", "met": 40, "broken": 3},
    ]
    assert document["generated"]["keywords"]["invalid"] == {"type": 3, "required": 1}
    assert (document["tuples"][0]["operation"], document["tuples"][0]["matches"]) == ("order", 1)
    sent = {row["member"]: row["sent"] for row in document["enumerations"] if row["sent"]}
    assert sent == {"OrderStatus.processStatus": 1, "OrderStatus.logisticsStatus": 1, "OrderLine.lineType": 2}
    titles = re.findall("<summary>(.*?)</summary>", html.render(reader))
    assert "Combinations of request and answer: 1" in titles
    assert "Schema keywords of generated bodies: 2 met, 2 broken" in titles
    assert any(re.fullmatch(r"Documented values: 4 of \d+ sent \(by member\)", title) for title in titles)


def test_a_run_of_an_older_suite_has_no_keywords(tmp_path: Path) -> None:
    write_run(tmp_path, generated=GENERATED)
    file = tmp_path / "run.ndjson"
    text = re.sub(r', "keywords": \{"valid".*?\}\}', "", file.read_text("utf-8"))
    file.write_text(text, "utf-8")
    reader = RunReader(tmp_path)
    assert json.loads(json_report.render(reader))["keywords"] == []
    assert "Schema keywords" not in html.render(reader)
