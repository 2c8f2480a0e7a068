"""Cases with receivers that claim a part only, or answer in their own way. Nothing is sent."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.cases.delivery import _keeps_schema, _what_became_of
from conformance.catalogue import catalogue
from conformance.contract.answers import success_schema
from conformance.contract.reading import Endpoint, Payload
from conformance.profile import Profile
from conformance.requests.request import Form, Request
from conformance.runner.issuer import TokenIssuer
from conformance.steps import (
    CanaryHits,
    Control,
    Effects,
    Judge,
    Mirror,
    NotApplicable,
    Observation,
    Probe,
    Send,
    Step,
    Together,
    Twin,
)
from conformance.subject import Subject
from conformance.wire.answer import Answer, Fact

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "generated" / "openapi" / "order-webhook.yaml"
ACCEPTED = Answer(202)
ABOUT_JSON = {"FWD-03", "FWD-07", "FWD-11", "MAL-08", "MAL-11"}


def subject(payloads: list[Payload], *formats: str, full: bool = False) -> Subject:
    claims = dict.fromkeys(
        ("durable_queue", "http2", "duplicates_recognised", "types_checked", "required_checked", "problem_details"),
        True,
    )
    endpoint = payloads[0].endpoint
    values: dict[str, Any] = {
        "name": "made up",
        "operations": {endpoint: {"path": "/x", "payloads": payloads, "formats": formats, "schemes": ["basic"]}},
        "basic": {"username": "tradecloud", "password": {"env": "TEST_CONFORMANCE_PASSWORD"}},
        "claims": {**claims, "public_certificate": False},
        "max_body_bytes": 4_000_000,
        "observer": {"http": "GET http://localhost:1/", "count": "$", "mirror": "http GET http://localhost:1/"},
        "canary": {"listen": "127.0.0.1:1", "url": "http://canary.example", "reach": "true"},
    }
    profile = Profile.model_validate(values).model_copy(update={"second_url": "https://localhost:2"})
    issuer = TokenIssuer("127.0.0.1:1", "http://localhost:1")
    return Subject(profile, issuer=issuer, canary_url="http://canary.example", full=full)


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_CONFORMANCE_PASSWORD", "päss:word")


def observed(step: Step, answer: Answer = ACCEPTED, state: str = "{}") -> Observation:
    match step:
        case Control() | Probe() | Twin() | Send():
            return answer
        case Together(requests=requests):
            return tuple(answer for _ in requests)
        case Mirror():
            return Fact("state", state)
        case Effects(expect=expect) | CanaryHits(expect=expect):
            return Fact(expect.best)
    return None


def steps(id: str, receiver: Subject, answer: Answer = ACCEPTED, state: str = "{}") -> Iterator[Step]:
    case = catalogue()[id].steps(receiver)
    step = next(case, None)
    while step is not None:
        yield step
        try:
            step = case.send(observed(step, answer, state))
        except StopIteration:
            return


def requests_of(step: Step) -> tuple[Request, ...]:
    match step:
        case Control(request=request) | Probe(request=request) | Send(request=request):
            return (request,)
        case Twin(control=control):
            return (control,)
        case Together(requests=requests):
            return requests
    return ()


#: Those that wait for something else than an answer.
IDS = [id for id in catalogue() if not id.startswith(("TLS", "RET", "TIM-04", "AUTH-21", "IDM-07"))]


class TestReceiversOfAPart:
    @pytest.mark.parametrize("id", IDS)
    def test_receiver_of_txml_alone_is_sent_txml_by_every_case_that_is_not_about_json(self, id: str) -> None:
        orders = [Payload.ORDER_EVENT, Payload.SINGLE_DELIVERY, Payload.DOCUMENTS]
        found = list(steps(id, subject(orders, "txml")))

        assert bool(found) is (id not in ABOUT_JSON)
        assert all(request.form is Form.TXML for step in found for request in requests_of(step))

    @pytest.mark.parametrize("payload", [Payload.SINGLE_DELIVERY, Payload.DOCUMENTS, Payload.SHIPMENT])
    @pytest.mark.parametrize("id", ["DEL-09", "DEL-10", "LIM-05", "LIM-06", "LIM-08"])
    def test_receiver_of_one_payload_loses_no_case(self, payload: Payload, id: str) -> None:
        found = list(steps(id, subject([payload], "json")))

        assert found
        if id.startswith("LIM"):
            assert any(payload.value in getattr(step, "variant", "") for step in found)


class TestCanary:
    @pytest.mark.parametrize("id", ["XML-02", "XML-03", "XML-07"])
    def test_two_runs_have_no_address_in_common(self, id: str) -> None:
        receiver = subject([Payload.ORDER_EVENT], "txml")

        def marks(one: Subject) -> list[str]:
            return [step.mark for step in steps(id, one) if isinstance(step, CanaryHits)]

        assert marks(receiver)
        assert marks(receiver) == marks(receiver)
        assert not set(marks(receiver)) & set(marks(subject([Payload.ORDER_EVENT], "txml")))

    def test_documents_have_an_address_of_the_run_too(self) -> None:
        receivers = [subject([Payload.DOCUMENTS], "json") for _ in range(2)]
        found = [s.mark for one in receivers for s in steps("SEC-06", one) if isinstance(s, CanaryHits)]

        assert len(set(found)) == 2


class TestLinesThatAreNotSent:
    BEFORE = ('{"position":"0010"}', '{"position":"0020"}', '{"position":"0030"}')

    @pytest.mark.parametrize(
        ("after", "found"),
        [
            (
                ('{"position":"0030"}', '{"position":"0020","status":"Confirmed"}', '{"position":"0010"}'),
                "untouched",
            ),
            (('{"position":"0010"}', '{"position":"0020"}', '{"position":"0030","n":0}'), "changed"),
            (('{"position":"0020"}',), "other lines"),
        ],
    )
    def test_only_the_line_of_the_event_may_change(self, after: tuple[str, ...], found: str) -> None:
        assert _what_became_of(list(self.BEFORE), list(after)).value == found

    def test_where_no_positions_are_shown_one_line_may_change(self) -> None:
        assert _what_became_of(["10", "20", "30"], ["10", "99", "30"]).value == "untouched"
        assert _what_became_of(["10", "20", "30"], ["10", "99", "98"]).value == "changed"

    @pytest.mark.parametrize("state", ["no JSON", "{}", '{"lines": 3}', '{"lines": ["0010"]}'])
    def test_mirror_without_the_lines_blocks(self, state: str) -> None:
        found = list(steps("DEL-13", subject([Payload.ORDER_EVENT], "json"), state=state))

        assert type(found[-1]).__name__ == "Blocked"


class TestBodyOfASuccess:
    def test_schema_is_that_of_the_status(self) -> None:
        schema = success_schema(CONTRACT, 202)

        assert schema is not None
        assert schema.is_valid(
            {"status": "queued", "eventId": "019ab2f0-6f3c-7cc1-8a52-0f6d3c1b9e77", "duplicate": False}
        )
        assert not schema.is_valid({"status": "queued", "eventId": 42})
        assert success_schema(CONTRACT, 299) is None

    @pytest.mark.parametrize(
        ("body", "media_type", "is_wrong"),
        [
            (b"", "application/json", False),
            (b"[1]", "application/json", True),
            (b"no JSON", "application/json", False),
            (b"[1]", "text/plain", False),
        ],
    )
    def test_only_json_is_held_to_it(self, body: bytes, media_type: str, is_wrong: bool) -> None:
        answer = replace(ACCEPTED, body=body, headers=(("content-type", media_type),))

        assert (_keeps_schema(CONTRACT).complaint(answer) is not None) is is_wrong


class TestEncodingOfCredentials:
    @pytest.mark.parametrize(
        ("challenge", "is_tried"),
        [
            ('Basic realm="x", charset="UTF-8"', True),
            ('Basic charset=utf-8, realm="x"', True),
            ('Basic realm="x"', False),
            ('Basic realm="x", Bearer charset="x"', False),
        ],
    )
    def test_password_beyond_ascii_is_tried_where_the_challenge_names_utf_8(
        self, challenge: str, is_tried: bool
    ) -> None:
        answer = Answer(401, (("www-authenticate", challenge),))
        found = list(steps("AUTH-08", subject([Payload.ORDER_EVENT], "json"), answer))

        assert len([step for step in found if isinstance(step, Probe)]) == 1 + is_tried
        assert any(isinstance(step, NotApplicable) for step in found) is not is_tried


class TestFilesInDocuments:
    def test_order_that_holds_the_file_is_found_out(self) -> None:
        state = json.dumps({"lines": [{"name": "root:x:0:0:root"}]})
        facts = [s.fact.value for s in self.judged(subject([Payload.ORDER_EVENT], "txml"), state)]

        assert "content of the file" in facts

    def test_without_a_mirror_the_variants_say_that_the_answer_alone_was_looked_at(self) -> None:
        receiver = subject([Payload.ORDER_EVENT], "txml")
        receiver = replace(receiver, profile=receiver.profile.model_copy(update={"observer": None}))
        found = [step for step in steps("XML-01", receiver) if isinstance(step, Twin)]

        assert sum("(the answer only)" in twin.variant for twin in found) == 6
        assert "content of the file" not in [step.fact.value for step in self.judged(receiver, "{}")]

    def judged(self, receiver: Subject, state: str) -> list[Judge]:
        return [step for step in steps("XML-01", receiver, state=state) if isinstance(step, Judge)]


def test_goldens_come_in_the_first_format_in_one_or_in_each() -> None:
    receiver = subject([Payload.SHIPMENT], "txml", "json")

    assert [one.form for one in receiver.goldens_at_endpoints()] == [Form.TXML]
    assert [one.form for one in receiver.goldens_at_endpoints(Form.JSON)] == [Form.JSON]
    assert [one.form for one in receiver.goldens_in_each_form()] == [Form.TXML, Form.JSON]
    assert list(subject([Payload.SHIPMENT], "txml").goldens_at_endpoints(Form.JSON)) == []
    assert receiver.endpoints == (Endpoint.SHIPMENT,)
