"""What the contract accepts, refuses and merely notices."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from handlers.interface import JsonObject
from handlers.orders import receive_order_event
from handlers.shipments import receive_shipment_event
from service.contract import webhook_contracts
from service.drift import Drift, DriftFinder
from service.json_body import parse
from service.parsed_body import MAX_SEARCHED, ParsedBody
from service.problems import BodyRefusedError
from service.validation import BodyValidator
from tests.acceptance.running import EXAMPLES

ORDER, SHIPMENT = webhook_contracts()
VALIDATORS = {name: BodyValidator(contract) for name, contract in (("order", ORDER), ("shipment", SHIPMENT))}
FINDERS = {name: DriftFinder(contract) for name, contract in (("order", ORDER), ("shipment", SHIPMENT))}
HANDLERS = {"order": receive_order_event, "shipment": receive_shipment_event}


def documents() -> list[tuple[str, Any]]:
    found = []
    for path in sorted(EXAMPLES.glob("*.json")):
        endpoint = "shipment" if path.name.startswith("shipment") else "order"
        found.append((endpoint, parse(path.read_bytes()).document))
    return found


def parsed(document: Any, values: int = 0) -> ParsedBody:
    return ParsedBody(document, values)


def validate(endpoint: str, document: Any) -> JsonObject:
    return VALIDATORS[endpoint].validate(parsed(document))


def drift_of(endpoint: str, document: Any) -> Drift:
    kind = HANDLERS[endpoint](validate(endpoint, document)).payload_kind
    body = parsed(document)
    return FINDERS[endpoint].summary(FINDERS[endpoint].beyond(body), body, payload_kind=kind)


def members(node: Any, path: tuple[Any, ...] = ()) -> Any:
    """Every member of every object, with the path to it."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield (*path, name)
            yield from members(value, (*path, name))
    elif isinstance(node, list):
        for i, value in enumerate(node):
            yield from members(value, (*path, i))


def put(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    node = changed
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value
    return changed


DOCUMENTED = [one for one in documents() if drift_of(*one).count == 0]


@pytest.mark.parametrize(("endpoint", "document"), documents())
def test_every_optional_member_may_be_null_and_every_required_one_may_not(endpoint: str, document: Any) -> None:
    for path in members(document):
        required = path == ("eventName",) or (endpoint == "shipment" and path == ("shipment",))
        changed = put(document, path, None)
        if required:
            with pytest.raises(BodyRefusedError):
                validate(endpoint, changed)
        else:
            validate(endpoint, changed)


@pytest.mark.parametrize(("endpoint", "document"), DOCUMENTED)
def test_every_documented_member_of_another_json_type_is_refused_at_its_pointer(
    endpoint: str, document: Any
) -> None:
    for path in members(document):
        value = document
        for part in path:
            value = value[part]
        if "eventDates" in path[:-1]:
            continue  # an open object
        wrong: Any = "text" if not isinstance(value, str) else ["text"]
        with pytest.raises(BodyRefusedError) as caught:
            validate(endpoint, put(document, path, wrong))
        assert "/" + "/".join(map(str, path)) in {finding.pointer for finding in caught.value.findings}


@pytest.mark.parametrize(("endpoint", "document"), documents())
def test_unknown_member_in_every_object_is_accepted_and_counted(endpoint: str, document: Any) -> None:
    before = drift_of(endpoint, document).count
    objects = {path[:-1] for path in members(document)}
    for path in objects:
        if "eventDates" in path:
            continue
        node = document
        for part in path:
            node = node[part]
        if isinstance(node, dict):
            after = drift_of(endpoint, put(document, (*path, "x-new"), {"deep": [1]})).count
            assert after in (before, before + 1)
            if before == 0:
                assert after == 1, path


def test_documented_schema_never_accepts_what_the_tolerant_one_refuses() -> None:
    for endpoint, document in documents():
        for path in members(document):
            others: tuple[Any, ...] = (None, 1, "x", [], {}, True)
            for other in others:
                changed = put(document, path, other)
                try:
                    validate(endpoint, changed)
                except BodyRefusedError:
                    assert FINDERS[endpoint].beyond(parsed(changed)), path


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        (("eventName",), "OrderEatenByDog", "unknown value"),
        (("orderEvent", "status", "processStatus"), "Eaten", "unknown value"),
        (("orderEvent", "lastUpdatedAt"), "yesterday", "unexpected form"),
        (("orderEvent", "lines", 0, "deliverySchedule", 0, "date"), "2026-02-30", "unexpected form"),
        (("orderEvent", "buyerOrder", "erpIssueDateTime"), "", "unexpected form"),
        (("orderEvent", "buyerOrder", "notes"), ["x"] * 101, "over the documented limit"),
        (("orderEvent", "lines"), [{}] * 501, "over the documented limit"),
    ],
)
def test_value_beyond_the_documented_is_accepted_and_counted(path: tuple[Any, ...], value: Any, kind: str) -> None:
    document = json.loads((EXAMPLES / "order-issued.json").read_text(encoding="utf-8"))
    drift = drift_of("order", parse(json.dumps(put(document, path, value)).encode()).document)
    assert [(item["kind"], item["count"]) for item in drift.items] == [(kind, 1)]


@pytest.mark.parametrize("text", ["2019-12-31T10:11:12", "2020-09-09T08:43:52Z", "2025-04-23T10:01:53.812+02:00"])
def test_date_time_with_or_without_zone_is_nothing_new(text: str) -> None:
    document = parse((EXAMPLES / "order-issued.json").read_bytes()).document
    assert drift_of("order", put(document, ("orderEvent", "lastUpdatedAt"), text)).count == 0


def test_event_without_a_known_payload_is_accepted_and_counted() -> None:
    for sent in ('{"eventName": "OrderIssuedByBuyer"}', '{"eventName": "New", "orderQualityEvent": {"score": 1}}'):
        drift = drift_of("order", parse(sent.encode()).document)
        assert "no known payload" in {item["kind"] for item in drift.items}


def test_repeated_drift_is_one_item_with_a_count() -> None:
    document: Any = {"eventName": "OrderIssuedByBuyer", "orderEvent": {"lines": [{"new": i} for i in range(300)]}}
    drift = drift_of("order", document)
    assert drift.count == 300
    assert [(item["place"], item["detail"], item["count"]) for item in drift.items] == [
        ("/orderEvent/lines/*", "new", 300)
    ]


def test_large_body_full_of_mistakes_is_searched_only_in_its_first_part() -> None:
    lines = b",".join([b"1"] * 400_000)
    body = parse(b'{"orderEvent": {"lines": [' + lines + b']}, "eventName": "X"}')
    with pytest.raises(BodyRefusedError, match="At least") as caught:
        VALIDATORS["order"].validate(body)
    assert 1000 < len(caught.value.findings) <= MAX_SEARCHED
    assert "/eventName" not in {finding.pointer for finding in caught.value.findings}


def test_large_body_full_of_news_is_accepted_and_searched_only_in_its_first_part() -> None:
    lines = b",".join(b'{"new%d": 1}' % i for i in range(150_000))
    body = parse(b'{"eventName": "OrderIssuedByBuyer", "orderEvent": {"lines": [' + lines + b"]}}")
    beyond = FINDERS["order"].beyond(body)
    VALIDATORS["order"].validate(body, known_to_be_valid=not beyond)
    drift = FINDERS["order"].summary(beyond, body, payload_kind="orderEvent")
    assert 1000 < drift.count <= MAX_SEARCHED
    assert len(drift.items) == 100


def test_flood_of_news_at_the_root_is_searched_only_in_its_first_part() -> None:
    news = b",".join(b'"new%d": 1' % i for i in range(150_000))
    body = parse(b'{"eventName": "OrderIssuedByBuyer", "orderEvent": {}, ' + news + b"}")
    drift = FINDERS["order"].summary(FINDERS["order"].beyond(body), body, payload_kind="orderEvent")
    assert 1000 < drift.count <= MAX_SEARCHED
