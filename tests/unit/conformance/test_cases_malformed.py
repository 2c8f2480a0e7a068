"""LIM, MAL and XML: what the cases send is as broken, large or harmless as their names say. Nothing is sent."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree

from conformance.catalogue import Area, CaseInfo, catalogue
from conformance.contract import text
from conformance.contract.reading import Endpoint, Payload
from conformance.profile import Profile
from conformance.proof.flip import MadeUpReceiver, flip, perfect
from conformance.requests.rendering import Rendered, aspects_that_differ, render
from conformance.requests.request import Form, Identity, Request
from conformance.results import Result
from conformance.runner.driving import Driver
from conformance.steps import Observation, Probe, Step, Together, Twin
from conformance.subject import Subject
from conformance.verdict import Outcome

ME = Identity(
    "7c0f0000-0000-4000-8000-000000000001", "TCCONF-r1-T-1", "7c0f0000-0000-4000-8000-000000000002",
    "7c0f0000-0000-4000-8000-000000000003",
)  # fmt: skip
MINE = [info for info in catalogue().values() if info.area in (Area.LIMITS, Area.MALFORMED, Area.TXML)]
#: What they lie about does not depend on the webhook.
SLOW = ("LIM-05", "LIM-06", "LIM-08", "MAL-05", "MAL-06", "MAL-17")
STRICT = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)


def subject(*formats: str, full: bool = True, **changed: Any) -> Subject:
    claims = dict.fromkeys(
        ("durable_queue", "http2", "duplicates_recognised", "types_checked", "required_checked", "problem_details"),
        True,
    )
    common = {"formats": formats or ("json", "txml"), "schemes": ["basic"]}
    orders = [Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY, Payload.DOCUMENTS]
    values = {
        "name": "made up",
        "operations": {
            "order": {"path": "/order", "payloads": orders, **common},
            "shipment": {"path": "/shipment", "payloads": [Payload.SHIPMENT], **common},
        },
        "basic": {"username": "tradecloud", "password": {"env": "TEST_CONFORMANCE_PASSWORD"}},
        "claims": {**claims, "public_certificate": False},
        "max_body_bytes": 4_000_000,
        "canary": {"listen": "127.0.0.1:1", "url": "http://canary.example", "reach": "true"},
        **changed,
    }
    return Subject(Profile.model_validate(values), canary_url="http://canary.example", full=full)


def without_orders(profile: Profile) -> Profile:
    return profile.model_copy(update={"operations": {Endpoint.SHIPMENT: profile.operations[Endpoint.SHIPMENT]}})


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CONFORMANCE_PASSWORD", "a made-up password")


def rendered(request: Request) -> Rendered:
    return render(request, ME, path="/webhook", host="localhost")


def steps_of(id: str, receiver: Subject) -> Iterator[Step]:
    """The steps of a case, as a receiver sees them that does everything right."""
    steps = catalogue()[id].steps(receiver)
    made_up = MadeUpReceiver()
    observed: Observation = None
    while True:
        try:
            step = steps.send(observed)
        except StopIteration:
            return
        observed = None
        if isinstance(step, Twin | Probe):
            observed = perfect(step.expect)
        elif isinstance(step, Together):
            observed = tuple(exchange.answer for exchange in made_up.together(step.requests, 0.0))
        yield step


def twins(id: str, receiver: Subject) -> Iterator[Twin]:
    return (step for step in steps_of(id, receiver) if isinstance(step, Twin))


def bodies(id: str, form: Form) -> dict[str, bytes]:
    receiver = subject()
    return {
        twin.variant: rendered(twin.change.apply(twin.control)).content
        for twin in twins(id, receiver)
        if twin.control.form is form
    }


def results_of(info: CaseInfo, receiver: Subject) -> list[Result]:
    results: list[Result] = []
    Driver(info, receiver, MadeUpReceiver(), results.append).run()
    return results


def test_every_case_of_the_three_areas_is_there() -> None:
    ids = {f"LIM-{n:02d}" for n in range(1, 12)}
    ids |= {f"MAL-{n:02d}" for n in range(1, 19)} | {f"XML-{n:02d}" for n in range(1, 13)}

    assert {info.id for info in MINE} == ids


@pytest.mark.parametrize("info", MINE, ids=lambda info: info.id)
def test_each_variant_has_a_name_of_its_own(info: CaseInfo) -> None:
    names = Counter(step.variant for step in steps_of(info.id, subject()) if hasattr(step, "variant"))

    assert names
    assert not [name for name, number in names.items() if number > 1]


@pytest.mark.parametrize("info", MINE, ids=lambda info: info.id)
def test_no_lie_of_a_receiver_goes_unnoticed(info: CaseInfo) -> None:
    # An observer for the cases that have more to say with one.
    receiver = subject(full=False, observer={"command": "true"})
    if info.id in SLOW:
        receiver = Subject(without_orders(receiver.profile), full=False)
    tried, dead = flip(info, receiver)

    assert not dead
    assert tried or info.id == "LIM-11"


@pytest.mark.parametrize("info", MINE, ids=lambda info: info.id)
def test_changed_request_differs_from_its_control_only_in_what_it_names(info: CaseInfo) -> None:
    for twin in twins(info.id, subject(full=False)):
        control, probe = rendered(twin.control), rendered(twin.change.apply(twin.control))
        aspects = aspects_that_differ(control, probe)
        assert aspects, twin.variant
        assert all(twin.change.allows(aspect) for aspect in aspects), twin.variant


@pytest.mark.parametrize("id", [info.id for info in MINE if info.area is Area.TXML])
def test_receiver_without_txml_is_sent_one_document_per_webhook_which_it_has_to_refuse(id: str) -> None:
    changed = list(twins(id, subject("json")))

    assert [twin.control.endpoint for twin in changed] == list(Endpoint)
    for twin in changed:
        assert twin.expect.codes == (415,)
        probe = rendered(twin.change.apply(twin.control))
        assert dict(probe.headers)["Content-Type"] == "application/xml"


def is_json(body: bytes) -> bool:
    try:
        text.parse(body)
    except ValueError:
        return False
    return True


def is_well_formed(body: bytes) -> bool:
    try:
        etree.fromstring(body, STRICT)
    except etree.XMLSyntaxError:
        return False
    return True


@pytest.mark.parametrize("id", ["MAL-01", "MAL-02", "MAL-03"])
def test_what_has_to_be_refused_is_no_json(id: str) -> None:
    for variant, body in bodies(id, Form.JSON).items():
        assert not is_json(body), variant


def test_bytes_that_are_no_utf_8_are_none_or_no_json() -> None:
    for variant, body in bodies("MAL-09", Form.JSON).items():
        if "UTF-8 with byte order mark" not in variant:
            assert not is_json(body), variant


def test_documents_that_have_to_be_refused_are_not_well_formed() -> None:
    for variant, body in bodies("XML-08", Form.TXML).items():
        assert not is_well_formed(body), variant


def test_documents_in_other_words_say_the_same() -> None:
    for twin in twins("XML-11", subject()):
        original = etree.fromstring(rendered(twin.control).content, STRICT)
        other = etree.fromstring(rendered(twin.change.apply(twin.control)).content, STRICT)
        assert content(other) == content(original), twin.variant


def content(element: Any) -> Any:
    """Local names and texts, without comments and processing instructions."""
    children = [child for child in element if isinstance(child.tag, str)]
    if not children:
        return (etree.QName(element).localname, "".join(element.itertext(element.tag)))
    return (etree.QName(element).localname, [content(child) for child in children])


@pytest.mark.parametrize("id", ["XML-04", "XML-05"])
def test_entities_grow_to_50_mb_and_no_further(id: str) -> None:
    for body in bodies(id, Form.TXML).values():
        assert len(body) < 200_000
        document_type = body.decode().partition("[")[2].partition("]>")[0]
        entities = dict(part.split(" ", 1) for part in document_type.replace(">", "").split("<!ENTITY ")[1:])
        reference = body.decode().partition("<eventName>")[2].partition("</eventName>")[0]
        assert (
            expanded_length(reference, {name: value.strip('"') for name, value in entities.items()}) == 50_000_000
        )


def expanded_length(content: str, entities: dict[str, str]) -> int:
    total, rest = len(content), dict(entities)
    for name, value in rest.items():
        times = content.count(f"&{name};")
        if times:
            total += times * (expanded_length(value, entities) - len(f"&{name};"))
    return total


def test_largest_event_has_500_lines_with_positions_of_their_own() -> None:
    receiver = subject("json")
    steps = catalogue()["LIM-05"].steps(receiver)
    probes = [step for step in steps if isinstance(step, Probe)]

    for probe, payload in zip(probes, Payload, strict=True):
        lines = text.get(text.parse(rendered(probe.request).content), f"/{payload}/lines")
        assert isinstance(lines, list)
        assert len(lines) == 500
        assert len({text.write(line) for line in lines}) == 500


def test_body_over_the_limit_is_valid_and_one_byte_too_long() -> None:
    for body in bodies("LIM-05", Form.JSON).values():
        if len(body) > 2_000_000:
            assert len(body) == 4_000_001
            assert text.parse(body)


def test_wrong_type_is_another_one_than_the_contract_has() -> None:
    for twin in twins("MAL-06", subject("json")):
        pointer = twin.variant.partition(" ")[0]
        right = text.get(twin.control.values, pointer)
        wrong = text.get(twin.change.apply(twin.control).values, pointer)
        if " of " in twin.variant:
            assert isinstance(right, list)
            assert isinstance(wrong, list)
        elif "a word" in twin.variant or "in quotes" in twin.variant:
            assert isinstance(wrong, str)
            assert not isinstance(right, str)
        else:
            assert kind_of(right) != kind_of(wrong), twin.variant


def kind_of(value: text.JsonValue) -> type:
    return Decimal if isinstance(value, int) and not isinstance(value, bool) else type(value)


def test_each_member_of_each_kind_of_object_gets_a_wrong_type() -> None:
    quick = {twin.variant.partition(" ")[0] for twin in twins("MAL-06", subject("json", full=False))}
    full = {twin.variant.partition(" ")[0] for twin in twins("MAL-06", subject("json"))}

    assert quick == full
    assert "/orderEvent/lines/0/deliverySchedule/0/quantity" in full
    assert "/shipment/lines/0/supplierLine/despatchQuantity" in full


@pytest.mark.parametrize(("id", "claim"), [("MAL-05", "required_checked"), ("MAL-06", "types_checked")])
def test_receiver_that_does_not_check_is_not_asked_to(id: str, claim: str) -> None:
    receiver = subject()
    claims = receiver.claims.model_copy(update={claim: False})
    lenient = Subject(receiver.profile.model_copy(update={"claims": claims}))

    assert [result.outcome for result in results_of(catalogue()[id], lenient)] == [Outcome.NOT_APPLICABLE]


def test_missing_canary_blocks_the_cases_that_need_it() -> None:
    receiver = Subject(subject().profile)

    for id in ("XML-02", "XML-03", "XML-07"):
        assert {result.outcome for result in results_of(catalogue()[id], receiver)} == {Outcome.BLOCKED}


def test_second_answer_is_seen_as_a_smuggled_request() -> None:
    (twin,) = (
        t
        for t in twins("MAL-16", subject("json"))
        if t.variant.startswith("two lengths, the first one true, order")
    )
    body = rendered(twin.change.apply(twin.control))
    first_length = int(body.head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])

    assert text.parse(body.content[:first_length])
    assert body.content[first_length:].startswith(b"GET /tcconf-smuggled HTTP/1.1\r\n")
