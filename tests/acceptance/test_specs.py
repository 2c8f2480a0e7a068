"""`make specs` as a developer runs it: a process of its own, a copy of the checkout, a server with live files."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import trustme

from tests.acceptance.running import EXAMPLES, ORDER, SHIPMENT, RunningService, example
from tests.live_swagger import LiveServer, as_bytes, live_server, ours, published
from tools.generate.pipeline import CONTRACTS, ROOT, upstream_file

Result = subprocess.CompletedProcess[str]


@pytest.fixture
def live() -> Iterator[LiveServer]:
    """A server that publishes our own files."""
    with live_server() as server:
        for contract in CONTRACTS:
            server.publish(contract, upstream_file(CONTRACTS[contract]).read_bytes())
        yield server


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what `make specs` and `make generate` work on."""
    for folder in ("generated", "handlers", "service", "specs", "tools"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder: Path, module: str, *arguments: str) -> Result:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


def specs(live: LiveServer, *arguments: str, folder: Path = ROOT) -> Result:
    return run(folder, "tools.specs", "--base", live.base, *arguments)


def vendored(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "specs" / "upstream").iterdir())}


def assert_refused(result: Result, status: int, *reasons: str) -> None:
    assert result.returncode == status, result
    (line,) = result.stderr.splitlines()
    assert line.startswith("make specs: ")
    assert line.endswith("; nothing was changed")
    for reason in reasons:
        assert reason in line


def order_with(*path: Any, value: Any) -> Any:
    """Our order file with one thing put in."""
    document = copy.deepcopy(ours("order"))
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return document


MONEY = ("definitions", "Money", "properties")
NEW_MEMBER = order_with(*MONEY, "new", value={"type": "string"})
RETYPED = order_with(*MONEY, "currencyIso", value={"type": "integer"})


def test_same_files_are_no_drift(live: LiveServer) -> None:
    result = specs(live)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.count("no drift") == 2
    assert live.asked == [
        "/v2/order-webhook-connector/specs.yaml",
        "/v2/shipment-webhook-connector/specs.yaml",
    ]


def test_additive_drift_has_a_status_of_its_own(live: LiveServer) -> None:
    live.publish("order", NEW_MEMBER)
    result = specs(live)
    assert (result.returncode, result.stderr) == (3, "")
    assert "order: 1 additive difference\n" in result.stdout
    assert "member added" in result.stdout


def test_table_fits_100_columns_and_tells_place_change_and_how_sure_we_were(live: LiveServer) -> None:
    document = order_with("definitions", "OrderDocumentsEvent", "properties", "orderId", value={"type": "integer"})
    document["definitions"]["DeliveryScheduleLine"]["properties"]["n\x1b[31m[red]"] = {"type": "string"}
    document["definitions"]["WebhookBody"]["properties"]["eventName"]["x-known-values"].remove("OrderSynced")
    live.publish("order", document)
    result = specs(live, "--only", "order")
    assert result.returncode == 4
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[1] == "order: 2 breaking and 1 additive differences"
    rows = [line.split() for line in lines]
    assert ["event", "removed", "eventName", "OrderSynced", "doc"] in rows
    confidence = ours("order")["definitions"]["OrderDocumentsEvent"]["properties"]["orderId"]["x-confidence"]
    assert ["type", "changed", "orderDocumentsEvent.orderId", "string", "->", "integer"] in [
        row[:6] for row in rows
    ]
    assert confidence in next(row for row in rows if "orderDocumentsEvent.orderId" in row)
    assert f"SURE {confidence}: " in result.stdout
    assert r"n\x1b[31m[red]" in result.stdout.replace("\n", "").replace(" ", "")
    assert "\x1b" not in result.stdout
    assert lines.index("BREAKING") < lines.index("ADDITIVE")


def test_json_holds_the_same_facts_for_a_program(live: LiveServer) -> None:
    live.publish("order", RETYPED)
    result = specs(live, "--json")
    assert (result.returncode, result.stderr) == (4, "")
    report = json.loads(result.stdout)
    assert (report["base"], report["drift"]) == (live.base, "breaking")
    assert report["contracts"]["shipment"] | {"url": "", "sha256": ""} == {
        "url": "", "sha256": "", "drift": "none", "changes": [], "notes": [],
    }  # fmt: skip
    (change,) = report["contracts"]["order"]["changes"]
    assert len(change.pop("alsoAt")) > 3
    assert change == {
        "kind": "type changed",
        "severity": "breaking",
        "place": "WebhookBody.orderEvent.lines[].prices.grossPrice.priceInTransactionCurrency.currencyIso",
        "ours": "string",
        "live": "integer",
        "confidence": "doc",
    }


def test_only_one_contract_is_asked_for_on_demand(live: LiveServer) -> None:
    live.publish("order", RETYPED)
    assert specs(live, "--only", "shipment").returncode == 0
    assert live.asked == ["/v2/shipment-webhook-connector/specs.yaml"]


def test_base_may_have_a_path_and_be_redirected(live: LiveServer) -> None:
    live.publish("shipment", ours("shipment"), prefix="/mirror")
    live.answer("/old/v2/shipment-webhook-connector/specs.yaml", b"", 302,
                Location="/mirror/v2/shipment-webhook-connector/specs.yaml")  # fmt: skip
    for path in ("/mirror/", "/old"):
        assert run(ROOT, "tools.specs", "--base", live.base + path, "--only", "shipment").returncode == 0


@pytest.mark.parametrize("arguments", [("--base", "ftp://x"), ("--base", "api.example.com"), ("--only", "invoice"),
                                       ("--production", "--base", "https://example.com")])  # fmt: skip
def test_wrong_option_is_told_and_nothing_is_fetched(arguments: tuple[str, ...]) -> None:
    assert run(ROOT, "tools.specs", *arguments).returncode == 2


def test_offline_is_one_line_and_changes_nothing(checkout: Path) -> None:
    before = vendored(checkout)
    result = run(checkout, "tools.specs", "--base", "http://127.0.0.1:9", "--replace")
    assert_refused(result, 5, "http://127.0.0.1:9/v2/order-webhook-connector/specs.yaml", "cannot be reached")
    assert vendored(checkout) == before
    assert result.stdout == ""


def test_untrusted_certificate_is_told_and_a_ca_file_mends_it(tmp_path: Path) -> None:
    service = RunningService(tmp_path)
    base = service.url.replace("localhost", "127.0.0.1")
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    try:
        service.start()
        url = ("--base", base)
        assert_refused(run(ROOT, "tools.specs", *url, "--ca-file", str(other)), 5, "certificate cannot be trusted")
        assert_refused(run(ROOT, "tools.specs", *url, "--ca-file", str(service.ca)), 5, "answered 404")
        assert_refused(run(ROOT, "tools.specs", *url, "--ca-file", "no.pem"), 5, "invalid path: no.pem")
    finally:
        service.kill()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, {}, b"no"), "answered 404 Not Found"),
        ((500, {}, b"no"), "answered 500"),
        ((200, {}, b"<html>Please log in</html>"), "no Swagger file"),
        ((200, {}, b"swagger: '2.0'\npaths: {"), "line 3: did not find"),
        ((200, {}, b"swagger: '2.0'\npaths: []"), "list where a mapping is expected at #/paths"),
        ((200, {"Content_Length": "100000"}, b"swagger: '2.0'\n"), "broke off"),
        ((200, {"Content_Encoding": "gzip"}, b"no gzip"), "decompressing"),
        ((200, {}, b"#" * 9_000_000), "longer than 8388608 bytes"),
        ((302, {"Location": "/v2/shipment-webhook-connector/specs.yaml"}, b""), "redirected more than 5 times"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "file:///etc/passwd"),
    ],
    ids=["404", "500", "html", "yaml", "paths", "length", "gzip", "size", "redirects", "redirect"],
)
def test_second_file_that_cannot_be_had_leaves_the_first_in_place(
    live: LiveServer, checkout: Path, answer: tuple[int, dict[str, str], bytes], reason: str
) -> None:
    live.publish("order", NEW_MEMBER)
    status, headers, body = answer
    live.answer("/v2/shipment-webhook-connector/specs.yaml", body, status, **headers)
    before = vendored(checkout)
    result = specs(live, "--replace", folder=checkout)
    assert_refused(result, 5, "/v2/shipment-webhook-connector/specs.yaml", reason)
    assert vendored(checkout) == before
    assert result.stdout == ""
    assert len(live.asked) <= 7  # one file, and five redirects of the other


def test_file_without_end_is_not_read_to_the_end() -> None:
    with live_server() as live:
        live.publish("order", b"#" * 200_000_000)
        assert_refused(specs(live, "--only", "order"), 5, "longer than 8388608 bytes")
    assert live.hung_up_on == ["/v2/order-webhook-connector/specs.yaml"]


@pytest.mark.parametrize(
    ("contract", "path", "value", "reason"),
    [
        ("order", ("definitions", "Money", "oneOf"), [], "the keyword 'oneOf' at #/definitions/Money"),
        (
            "shipment",
            ("definitions", "Shipment", "xml"),
            {"wrapped": True},
            "xml with wrapped at #/definitions/Ship",
        ),
        ("shipment", ("definitions", "WebhookBody", "properties"), {"eventName": {"type": "string"}}, "'shipment'"),
        ("order", ("info",), {"contact": "x"}, 'no OpenAPI 3.0 document: "x" is not of type "object"'),
    ],
)
def test_file_that_the_generator_cannot_work_with_replaces_nothing(
    live: LiveServer, checkout: Path, contract: str, path: tuple[str, ...], value: Any, reason: str
) -> None:
    live.publish("order", NEW_MEMBER)
    document = copy.deepcopy(ours(contract))
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    live.publish(contract, document)
    before = vendored(checkout)
    result = specs(live, "--replace", folder=checkout)
    assert_refused(result, 6, "the generator cannot work with it", reason)
    assert vendored(checkout) == before


def test_second_file_that_cannot_be_written_puts_the_first_back(live: LiveServer, checkout: Path) -> None:
    live.publish("order", NEW_MEMBER)
    live.publish("shipment", upstream_file(CONTRACTS["shipment"]).read_bytes() + b"\n")
    # A folder where the new file would be written first.
    (checkout / "specs" / "upstream" / ".shipment-webhook-connector.yaml.new").mkdir()
    order = checkout / "specs" / "upstream" / "order-webhook-connector.yaml"
    before = order.read_bytes()
    result = specs(live, "--replace", folder=checkout)
    assert_refused(result, 6, "shipment-webhook-connector.yaml.new")
    assert order.read_bytes() == before


def test_replaced_file_is_the_live_one_to_the_byte_and_the_other_is_left(live: LiveServer, checkout: Path) -> None:
    sent = b"# exactly this\r\n" + as_bytes(NEW_MEMBER)
    live.publish("order", sent)
    before = vendored(checkout)
    result = specs(live, "--only", "order", "--replace", folder=checkout)
    assert (result.returncode, result.stderr.splitlines()) == (
        0,
        ["replaced specs/upstream/order-webhook-connector.yaml", "next: make generate, then make test"],
    )
    assert "member added" in result.stdout
    assert vendored(checkout) == before | {"order-webhook-connector.yaml": sent}
    assert specs(live, "--replace", folder=checkout).stderr == "nothing to replace\n"


STRICT_BREAKERS = {
    ORDER: {
        "eventName": "OrderEatenByDog",
        "new": {"deep": [1]},
        "orderEvent": {"status": None, "lines": [{"new": 1}], "orderId": "much longer than two characters"},
    },
    SHIPMENT: {
        "eventName": "ShipmentSunk",
        "new": 1,
        "shipment": {"lines": None, "status": {"processStatus": "Wet"}},
    },
}


def test_service_made_of_strict_live_files_loses_no_event(live: LiveServer, checkout: Path, tmp_path: Path) -> None:
    for contract in CONTRACTS:
        live.publish(contract, published(contract))
    assert specs(live, "--replace", folder=checkout).returncode == 0
    generated = run(checkout, "tools.generate")
    assert generated.returncode == 0, generated.stderr
    assert run(checkout, "tools.generate", "--check").returncode == 0
    assert specs(live, folder=checkout).returncode == 0

    folder = tmp_path / "service-of-the-copy"
    folder.mkdir()
    service = RunningService(folder)
    code = f"import sys; sys.path.insert(0, {str(checkout)!r}); from service.cli import main; main()"
    try:
        service.start(command=[sys.executable, "-c", code])
        drift: dict[str, int] = {}
        for path in sorted(EXAMPLES.iterdir()):
            url = SHIPMENT if path.name.startswith("shipment") else ORDER
            # Another message, or it would be the twin of one that is there already.
            sent = path.read_bytes().replace(b"<messageId>", b"<messageId>xml-")
            event_id = assert_accepted(service, url, sent, f"application/{path.suffix[1:]}")
            twin = json.loads(path.with_suffix(".json").read_bytes())
            row = service.event(event_id)
            assert row["eventName"] == twin["eventName"]
            # tXML is understood as well as JSON is: no element is unknown whose member is known.
            assert drift.setdefault(path.stem, row["driftCount"]) == row["driftCount"]
        for contract, (url, body) in zip(CONTRACTS, STRICT_BREAKERS.items(), strict=True):
            assert strictly_refused(contract, body)
            assert service.event(assert_accepted(service, url, json.dumps(body).encode()))["driftCount"] > 1
        # What is really the sender's fault is refused as before, and a shipment needs a shipment.
        for url, fault in (
            (ORDER, {"orderEvent": {}}),
            (SHIPMENT, {"eventName": "X"}),
            (ORDER, {"eventName": None}),
        ):
            assert service.post(url, json.dumps(fault)).status_code == 400
        assert service.post(ORDER, example("shipment-issued")).status_code == 400
    finally:
        service.kill()
    model = (checkout / "generated" / "models" / "order.py").read_text(encoding="utf-8")
    assert "value: ExactDecimal | None" in model
    assert ": float" not in model


def assert_accepted(service: RunningService, url: str, body: bytes, media_type: str = "application/json") -> str:
    response = service.post(url, body, headers={"Content-Type": media_type})
    assert response.status_code == 202, response.text
    event_id: str = response.json()["eventId"]
    assert service.raw(event_id) == body
    return event_id


def strictly_refused(contract: str, body: Any) -> bool:
    """Whether a validator that takes the live file at its word would refuse the body."""
    definitions = published(contract)["definitions"]
    schema = {"definitions": definitions, "allOf": [{"$ref": "#/definitions/com.example.WebhookBodyDto"}]}
    return not jsonschema_rs.Draft4Validator(schema).is_valid(body)
