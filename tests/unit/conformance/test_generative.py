"""The generated phase against small receivers of the tests' own, over real sockets."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.generative import (
    Expectation,
    Finding,
    GeneratedOutcome,
    GenerativeSettings,
    freeze,
    frozen,
    replay,
    run_generated_phase,
    run_stock,
)
from conformance.generative.contract import ServedContract
from conformance.generative.frozen import over_network
from conformance.generative.identity import Identities, tokenised, with_identity
from conformance.generative.journal import Recorded
from conformance.generative.judging import wrongs
from conformance.generative.lean import lean
from conformance.generative.mapping import UNMAPPED, case_of
from conformance.generative.phase import _configured
from conformance.generative.process import load, prepared

ROOT = Path(__file__).resolve().parents[3]
SERVED = {
    endpoint: ROOT / "generated" / "openapi" / f"{endpoint}-webhook.yaml" for endpoint in ("order", "shipment")
}
SECRET = "Bearer a-secret-of-the-test"
PATH = "/hooks/orders"

Answer = tuple[int, dict[str, str], bytes]
Answering = Callable[[str, str, bytes], Answer]


def small_contract() -> dict[str, Any]:
    """A contract like the served one for orders, small enough to be generated from in a second."""
    member = {"type": "string", "nullable": True}
    body = {
        "type": "object",
        "required": ["eventName"],
        "properties": {
            "eventName": {"type": "string"},
            "orderEvent": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/OrderEvent"}]},
            "meta": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/MessageMeta"}]},
        },
    }
    queued = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
    example = {
        "eventName": "OrderIssuedByBuyer",
        "orderEvent": {"orderId": "X-1", "lines": [{"position": "10", "quantity": 5}]},
        "meta": {"messageId": "f036e937-3e0b-576f-968d-460000a78e71"},
    }
    return {
        "openapi": "3.0.3",
        "info": {"title": "small", "version": "1"},
        "paths": {
            "/contract/path": {
                "post": {
                    "requestBody": {
                        "required": True,
                        "content": {
                            "application/json": {
                                "schema": {"$ref": "#/components/schemas/WebhookBody"},
                                "examples": {"one": {"value": example}},
                            }
                        },
                    },
                    "responses": {
                        "202": {
                            "description": "Queued",
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Queued"}}},
                        }
                    },
                }
            }
        },
        "components": {
            "schemas": {
                "WebhookBody": body,
                "OrderEvent": {
                    "type": "object",
                    "properties": {
                        "orderId": member,
                        "lines": {
                            "type": "array",
                            "nullable": True,
                            "items": {"$ref": "#/components/schemas/Line"},
                        },
                    },
                },
                "Line": {
                    "type": "object",
                    "properties": {"position": member, "quantity": {"type": "number", "nullable": True}},
                },
                "MessageMeta": {"type": "object", "properties": {"messageId": member | {"format": "uuid"}}},
                "Queued": queued,
            }
        },
    }


@contextmanager
def receiver(answering: Answering) -> Iterator[tuple[str, list[bytes]]]:
    """A receiver on a free port, and the bytes of every request that it got."""
    got: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            head = f"{self.requestline}\r\n".encode() + b"".join(
                f"{n}: {v}\r\n".encode("latin-1") for n, v in self.headers.items()
            )
            got.append(head + b"\r\n" + body)
            status, headers, answer = answering(self.command, self.headers.get("Content-Type") or "", body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"):
        setattr(Handler, f"do_{method}", Handler.answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


ACCEPTED: Answer = (202, {"Content-Type": "application/json"}, b'{"status": "queued"}')


def correct(method: str, media_type: str, body: bytes) -> Answer:
    """As the contract wants it."""
    if method != "POST":
        return 405, {"Allow": "POST"}, b""
    verdict = ServedContract(small_contract()).judge(media_type, body)
    return ACCEPTED if verdict.expectation is not Expectation.INVALID else (400, {}, b"")


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """The small contract as a file."""
    file = tmp_path / "small.yaml"
    file.write_text(yaml.safe_dump(small_contract()), encoding="utf-8")
    return file


def run(url: str, contract: Path, **changes: Any) -> GeneratedOutcome:
    """A short phase against the receiver."""
    values: dict[str, Any] = {
        "contracts": {"order": contract},
        "base_url": url,
        "paths": {"order": PATH},
        "authorization": lambda endpoint: SECRET,
        "ca_file": None,
        "formats": {"order": ("json",)},
        "budget_seconds": 5.0,
        "deterministic": True,
        "seed": None,
        "time_budget": 30.0,
        "max_examples": 3,
    }
    return run_generated_phase(GenerativeSettings(**values | changes))


def test_correct_receiver_has_no_finding_and_two_deterministic_runs_send_the_same(
    contract: Path,
) -> None:
    with receiver(correct) as (url, got):
        first = run(url, contract)
        sent = [request.partition(b"\r\n\r\n")[2] for request in got if b"Bearer" in request]
        got.clear()
        second = run(url, contract, authorization=lambda endpoint: SECRET)
        again = [request.partition(b"\r\n\r\n")[2] for request in got if b"Bearer" in request]

    assert first.findings == ()
    assert first.errors == ()
    assert first.complete
    assert first.executed > 30
    assert {expectation for _, _, expectation, _, _ in first.counts} == set(Expectation)
    assert [call.fingerprint for call in first.calls] == [call.fingerprint for call in second.calls]
    assert sent == again
    assert first.keywords.valid["type"]
    assert first.keywords.invalid["required"]


def test_receiver_that_refuses_everything_is_found_though_no_body_is_wrong(contract: Path) -> None:
    with receiver(lambda *_: (401, {}, b"")) as (url, got):
        outcome = run(url, contract, phases=("examples",))
        found = [finding for finding in outcome.findings if finding.check == "valid_delivered"]

        assert {finding.case_id for finding in found} >= {"DEL-01"}
        assert not any(finding.case_id == UNMAPPED for finding in outcome.findings)
        # The bytes as sent, but for the credentials and the order of the host.
        kept = found[0].request.replace(b"{{authorization}}", SECRET.encode())
        assert any(sorted(kept.split(b"\r\n")) == sorted(request.split(b"\r\n")) for request in got)
    assert all(SECRET.encode() not in finding.request for finding in outcome.findings)


def test_receiver_that_accepts_everything_is_found_by_what_must_be_refused(contract: Path) -> None:
    with receiver(lambda *_: ACCEPTED) as (url, _):
        outcome = run(url, contract, deterministic=False, seed=7, phases=("coverage",))

    firm = {finding.case_id for finding in outcome.findings if not finding.weak}
    assert firm >= {"MAL-01", "MAL-05", "MAL-06", "MAL-14", "RSP-03"}
    assert outcome.seed == 7


def test_fresh_seeds_send_other_bodies(contract: Path) -> None:
    with receiver(correct) as (url, _):
        first, second = (run(url, contract, deterministic=False, seed=seed, phases=("fuzzing",)) for seed in (1, 2))

    assert {call.fingerprint for call in first.calls} != {call.fingerprint for call in second.calls}


def test_each_webhook_gets_its_own_credentials(contract: Path) -> None:
    with receiver(correct) as (url, got):
        run(
            url,
            contract,
            contracts={"order": contract, "shipment": contract},
            paths={"order": "/one", "shipment": "/other"},
            formats={"order": ("json",), "shipment": ("json",)},
            authorization=lambda endpoint: f"Bearer for-{endpoint}",
            phases=("examples",),
        )

    heads = [request.partition(b"\r\n\r\n")[0] for request in got if request.startswith(b"POST")]
    assert {b"/one" in head for head in heads} == {True, False}
    assert all((b"/one" in head) == (b"Bearer for-order" in head) for head in heads)
    assert all((b"/other" in head) == (b"Bearer for-shipment" in head) for head in heads)


def test_every_order_number_that_went_out_is_told(contract: Path, tmp_path: Path) -> None:
    folder = tmp_path / "regressions"
    body = Identities("one", "order").fresh({"eventName": 1, "orderEvent": {"purchaseOrderNumber": "X"}})
    freeze(finding(json.dumps(body).encode(), Expectation.INVALID), folder)
    with receiver(correct) as (url, got):
        outcome = run(url, contract, regressions=(folder,), phases=("coverage",))

    sent = {number.decode() for request in got for number in re.findall(rb"TCCONF-[A-Za-z0-9-]+", request)}
    assert len(sent) > 10
    assert set(outcome.orders) == sent
    assert len(outcome.orders) == len(sent)
    assert "TCCONF-generated-REG-0" in sent


def test_warnings_that_say_nothing_of_the_receiver_are_notes(contract: Path) -> None:
    with receiver(lambda *_: (404, {}, b"")) as (url, _):
        outcome = run(url, contract)

    assert outcome.notes
    assert outcome.warnings == ()
    assert all(note.startswith("order: ") for note in outcome.notes)


def test_pace_is_kept(contract: Path) -> None:
    came: list[float] = []

    def answering(method: str, media_type: str, body: bytes) -> Answer:
        came.append(time.monotonic())
        return correct(method, media_type, body)

    with receiver(answering) as (url, _):
        outcome = run(url, contract, pace=1, time_budget=12.0)

    assert not outcome.complete
    # A few come before the pace is counted.
    assert len(came) <= came[-1] - came[0] + 5


@pytest.mark.parametrize(("pace", "told"), [(None, None), (4, "4/s"), (2.7, "2/s"), (0.5, "30/m"), (0.001, "1/m")])
def test_pace_is_told_to_the_generator_and_never_rounded_up(contract: Path, pace: float, told: str | None) -> None:
    settings = GenerativeSettings(
        contracts={"order": contract},
        base_url="http://localhost",
        paths={"order": PATH},
        authorization=lambda endpoint: SECRET,
        ca_file=None,
        formats={"order": ("json",)},
        budget_seconds=5.0,
        deterministic=True,
        seed=None,
        time_budget=1.0,
        max_examples=1,
        pace=pace,
    )

    assert _configured(settings).get("rate-limit") == told


def test_receiver_that_is_not_there_is_an_error_and_not_green(contract: Path) -> None:
    outcome = run("http://127.0.0.1:9", contract, phases=("examples",))

    assert outcome.errors or outcome.findings


def finding(body: bytes, expectation: Expectation) -> Finding:
    """A finding as the phase makes them."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += f"Authorization: {{{{authorization}}}}\r\nContent-Length: {len(body)}\r\n\r\n"
    return Finding(
        case_id="MAL-06",
        operation="order",
        title="an invalid event was not refused: status 202",
        what="coverage incorrect_type: eventName: Incorrect type",
        request=head.encode() + body,
        status=202,
        response=b"",
        check="invalid_refused",
        expectation=expectation,
    )


def test_frozen_finding_is_the_same_file_in_every_run_and_is_sent_again_first(
    contract: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "regressions"
    body = Identities("one", "order").fresh({"eventName": 1, "orderEvent": {"purchaseOrderNumber": "X"}})
    later = Identities("two", "order").fresh({"eventName": 1, "orderEvent": {"purchaseOrderNumber": "X"}})
    kept = freeze(finding(json.dumps(body).encode(), Expectation.INVALID), folder)

    assert freeze(finding(json.dumps(later).encode(), Expectation.INVALID), folder) == kept
    (one,) = frozen(folder)
    with receiver(lambda *_: ACCEPTED) as (url, got):
        send = over_network(url, None, SECRET, 5)
        assert replay(one.addressed(PATH, "TCCONF-two-REG-1"), send) is not None
        assert b"TCCONF-two-REG-1" in got[0]
        assert SECRET.encode() in got[0]
        outcome = run(url, contract, regressions=(folder,), phases=("examples",))
        assert outcome.replayed == 1
        assert b"TCCONF-generated-REG-0" in got[1]
        assert any(found.what.startswith("frozen: ") for found in outcome.findings)
    with receiver(correct) as (url, _):
        assert replay(one, over_network(url, None, SECRET, 5)) is None
    assert replay(one, over_network("http://127.0.0.1:9", None, SECRET, 5)) is not None


def test_identity_replaces_only_what_is_there_and_well_formed() -> None:
    body = {
        "meta": {"messageId": "f036e937-3e0b-576f-968d-460000a78e71"},
        "orderEvent": {
            "meta": {"messageId": "no uuid"},
            "buyerOrder": {"purchaseOrderNumber": 4711, "companyId": "f036e937-3e0b-576f-968d-460000a78e71"},
            "lines": [{"purchaseOrderNumber": "P-1"}],
        },
    }
    made = Identities("run-1", "order").fresh(body)

    assert made["meta"]["messageId"].startswith("7c0f9e4e-")
    assert made["orderEvent"]["meta"]["messageId"] == "no uuid"
    assert made["orderEvent"]["buyerOrder"] == {
        "purchaseOrderNumber": 4711,
        "companyId": "7c0f0000-0000-4000-8000-00000000c0de",
    }
    assert made["orderEvent"]["lines"] == [{"purchaseOrderNumber": "TCCONF-run1-GEN-order-1"}]
    text = tokenised(json.dumps(made).encode())
    assert b"{{message}}" in text
    assert b'"purchaseOrderNumber": "{{order}}"' in text
    assert b"{{" not in with_identity(text, "TCCONF-x-REG-1")


@pytest.mark.parametrize(
    ("endpoint", "media_type", "body", "expectation"),
    [
        ("order", "application/json", '{"eventName": "E", "orderEvent": {"new": [1]}}', Expectation.VALID),
        ("order", "APPLICATION/JSON; charset=utf-8", '{"eventName": "E", "orderEvent": {}}', Expectation.VALID),
        ("order", "application/json", '{"eventName": "E", "orderEvent": {"lines": null}}', Expectation.VALID),
        ("order", "application/json", '{"eventName": "E", "orderEvent": {"lines": [7]}}', Expectation.INVALID),
        ("order", "application/json", '{"eventName": null, "orderEvent": {}}', Expectation.INVALID),
        ("order", "application/json", '{"eventName": "E"', Expectation.INVALID),
        ("order", "application/json", '{"eventName": "E", "shipment": {}}', Expectation.INVALID),
        ("order", "application/json", '{"eventName": "E"}', Expectation.EITHER),
        ("order", "application/json", '{"eventName": "", "orderEvent": {}}', Expectation.EITHER),
        ("order", "application/json", '{"eventName": "E\\u0000", "orderEvent": {}}', Expectation.EITHER),
        (
            "order",
            "application/json",
            '{"eventName": "E", "orderEvent": {}, "meta": {"createdDateTime": "soon"}}',
            Expectation.EITHER,
        ),
        ("order", "text/plain", '{"eventName": "E", "orderEvent": {}}', Expectation.INVALID),
        ("order", "", "", Expectation.INVALID),
        (
            "order",
            "text/xml",
            "<WebhookBody><eventName>7</eventName><orderEvent><line><id>00010</id></line></orderEvent></WebhookBody>",
            Expectation.VALID,
        ),
        (
            "order",
            "application/xml",
            "<WebhookBody><eventName>E</eventName><orderEvent>null</orderEvent></WebhookBody>",
            Expectation.INVALID,
        ),
        ("order", "application/xml", "<Envelope><eventName>E</eventName></Envelope>", Expectation.INVALID),
        ("order", "application/xml", "<WebhookBody><eventName>", Expectation.INVALID),
        ("shipment", "application/json", '{"eventName": "E", "shipment": {}}', Expectation.VALID),
        ("shipment", "application/json", '{"eventName": "E", "orderEvent": {}}', Expectation.INVALID),
    ],
)
def test_served_contract_judges_bodies(endpoint: str, media_type: str, body: str, expectation: Expectation) -> None:
    contract = ServedContract(load(SERVED[endpoint]))

    assert contract.judge(media_type, body.encode()).expectation is expectation


@pytest.mark.parametrize("endpoint", ["order", "shipment"])
def test_contract_that_the_generator_gets_has_all_that_it_refers_to(endpoint: str) -> None:
    made = prepared(load(SERVED[endpoint]), "/hook", ["json", "txml"], thorough=False)
    references = set(re.findall(r'"#/components/(\w+)/([^"]+)"', json.dumps(made)))

    assert {("schemas", "Queued"), ("schemas", "Finding"), ("responses", "Unavailable")} <= references
    assert [one for one in references if one[1] not in made["components"][one[0]]] == []


def test_lean_contract_refers_to_nothing_that_it_does_not_have() -> None:
    for endpoint, each in (("order", True), ("order", False), ("shipment", True)):
        schemas = load(SERVED[endpoint])["components"]["schemas"]
        made = lean(schemas, {"$ref": "#/components/schemas/WebhookBody"}, each_payload=each)
        text = json.dumps(made)

        assert {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]} <= set(made)
        assert '"example"' not in text


@pytest.mark.parametrize(
    ("expectation", "status", "check", "weak"),
    [
        (Expectation.VALID, 202, None, False),
        (Expectation.VALID, 204, "valid_status", True),
        (Expectation.VALID, 307, "valid_delivered", False),
        (Expectation.VALID, 400, "valid_delivered", False),
        (Expectation.VALID, 503, "valid_delivered", False),
        (Expectation.VALID, None, "valid_delivered", False),
        (Expectation.INVALID, 400, None, False),
        (Expectation.INVALID, 404, "refusal_status", True),
        (Expectation.INVALID, 500, "invalid_refused", True),
        (Expectation.INVALID, 503, "invalid_refused", False),
        (Expectation.INVALID, 200, "invalid_refused", False),
        (Expectation.EITHER, 202, None, False),
        (Expectation.EITHER, 422, None, False),
        (Expectation.EITHER, 500, "decided", False),
    ],
)
def test_fate_of_the_event_decides(
    expectation: Expectation, status: int | None, check: str | None, weak: bool
) -> None:
    found = list(wrongs(recorded(status), expectation, 5))

    assert [(wrong.check, wrong.weak) for wrong in found] == ([(check, weak)] if check else [])


def recorded(
    status: int | None,
    answer: bytes = b"",
    media_type: str = "",
    seconds: float = 0.1,
    repeats: bool = False,
) -> Recorded:
    """A call of a valid-looking body."""
    return Recorded(
        endpoint="order",
        label="positive",
        kind="fuzzing positive: ",
        method="POST",
        target=PATH,
        headers=(("Content-Type", "application/json"),),
        body=b"{}",
        status=status,
        reason="",
        answered=(("Content-Type", media_type),),
        answer=answer,
        seconds=seconds,
        repeats=repeats,
    )


@pytest.mark.parametrize(
    ("call", "check"),
    [
        (recorded(202, b"<html>", "application/json"), "body_fits_media_type"),
        (recorded(202, b"ok", ""), "body_fits_media_type"),
        (recorded(202, b"[credentials]", "text/plain", repeats=True), "credentials_kept"),
        (recorded(202, b"", "", seconds=6), "answered_in_time"),
        (recorded(400, b'  File "/opt/app/main.py", line 3', "text/plain"), "no_leak"),
        (recorded(400, b"Traceback (most recent call last):", "text/plain"), "no_leak"),
        (recorded(400, b"   at Shop.Orders.Post(Orders.cs:41)", "text/plain"), "no_leak"),
    ],
)
def test_answers_are_looked_at_whatever_their_status(call: Recorded, check: str) -> None:
    assert [wrong.check for wrong in wrongs(call, Expectation.EITHER, 5)] == [check]


@pytest.mark.parametrize(
    ("check", "what", "operation", "media_type", "status", "case_id"),
    [
        ("valid_delivered", "examples positive: Positive test case", "order", "application/json", 401, "DEL-01"),
        ("valid_delivered", "coverage example_value: Example value", "shipment", "application/json", 401, "DEL-04"),
        ("valid_delivered", "coverage example_value: Example value", "order", "text/xml", 400, "DEL-05"),
        ("valid_delivered", "fuzzing positive:  [unknown member]", "order", "application/json", 400, "FWD-01"),
        ("valid_delivered", "fuzzing positive:  [unknown event name]", "order", "application/json", 400, "FWD-05"),
        ("valid_delivered", "coverage valid_object: x [unknown value]", "order", "application/json", 400, "FWD-04"),
        ("valid_delivered", "coverage valid_object: x [null]", "order", "application/json", 400, "FWD-11"),
        ("valid_delivered", "coverage object_only_required: x", "order", "application/json", 500, "DEL-11"),
        ("valid_delivered", "coverage object_required_and_optional: x", "order", "application/json", 400, "FWD-10"),
        ("valid_delivered", "coverage maximum_items_array: x", "order", "application/json", 400, "LIM-01"),
        ("valid_delivered", "coverage maximum_items_array: x", "shipment", "application/json", 400, "LIM-02"),
        ("invalid_refused", "coverage missing_parameter: Missing request body", "order", "", 202, "MAL-01"),
        ("invalid_refused", "fuzzing syntax_fuzzing: [syntax: x]", "order", "application/json", 202, "MAL-02"),
        ("invalid_refused", "fuzzing positive: [syntax: root element]", "order", "text/xml", 202, "XML-10"),
        ("invalid_refused", "fuzzing value_violator required: ", "order", "application/json", 503, "MAL-05"),
        ("invalid_refused", "coverage incorrect_type: a -> b", "order", "application/json", 202, "MAL-06"),
        ("invalid_refused", "coverage valid_object: x [anyOf at /]", "order", "application/json", 202, "MAL-18"),
        (
            "invalid_refused",
            "fuzzing change_type type + negate_constraints anyOf: [anyOf at /meta]",
            "order",
            "",
            202,
            "MAL-06",
        ),
        ("invalid_refused", "coverage unsupported_content_type: x", "order", "text/plain", 202, "MAL-14"),
        ("decided", "fuzzing positive: [0 event blocks]", "order", "application/json", 500, "MAL-07"),
        ("decided", "fuzzing positive: [a text holds NUL or half a character]", "order", "text/xml", 500, "MAL-10"),
        ("decided", "coverage invalid_format: x [a text is not]", "order", "application/json", 503, "MAL-17"),
        ("method_refused", "coverage unspecified_http_method: PUT", "order", "", 202, "RSP-03"),
        ("response_schema_conformance", "x", "order", "application/json", 202, "DEL-15"),
        ("response_schema_conformance", "x", "order", "application/json", 400, "RSP-05"),
        ("something_new", "x", "order", "application/json", 400, UNMAPPED),
    ],
)
def test_findings_belong_to_cases_of_the_catalogue(
    check: str, what: str, operation: str, media_type: str, status: int, case_id: str
) -> None:
    assert case_of(check, what, operation, media_type, status) == case_id


def test_stock_schemathesis_notices_a_server_error_and_names_it(contract: Path) -> None:
    with receiver(lambda *_: (500, {}, b"")) as (url, _):
        outcome = run_stock(
            {"order": contract}, {"order": "/order"}, url, None, SECRET, max_examples=2, time_limit=30
        )

    assert outcome.killed
    assert any("Server error" in failure for failure in outcome.failures)
    assert outcome.cases > 0
