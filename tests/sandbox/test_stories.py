"""Stories are consistent life cycles: what each event says agrees with all the others and with the contract."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
import yaml

from sandbox.story import future
from sandbox.story.event import Webhook
from sandbox.story.line import ISSUED, REJECTED, ImpossibleError
from sandbox.story.order import BUYER_COMPANY, SUPPLIER_COMPANY
from sandbox.story.telling import Story, event_names
from sandbox.truth import differences
from sandbox.wire import json_text
from tests.acceptance.running import ROOT
from tests.sandbox.reading import (
    every_value,
    instant,
    is_order_event,
    lines_told,
    merged,
    meta,
    payload,
    shipment_lines,
    stories,
    without_documents,
)

#: statuses.md, "Transitions", read a second time: from process status and finer one to what. Where a request is
#: refused or withdrawn, where the supplier accepts what was reissued or wanted again, the contract is silent.
ALLOWED = {
    ("Issued", None): {
        "Issued",
        "Confirmed",
        "Rejected",
        "InProgress/OpenSupplierProposal",
        "Cancelled",
        "Completed",
    },
    ("InProgress", "OpenSupplierProposal"): {"Confirmed", "InProgress/RejectedSupplierProposal", "Cancelled"},
    ("InProgress", "RejectedSupplierProposal"): {"Confirmed", "InProgress/OpenSupplierProposal", "Cancelled"},
    ("Rejected", None): {"InProgress/ReissuedRejectedLine", "Cancelled", "Completed"},
    ("InProgress", "ReissuedRejectedLine"): {"Confirmed", "Cancelled"},
    ("Confirmed", None): {
        "InProgress/OpenBuyerReopenRequest",
        "InProgress/OpenSupplierReopenRequest",
        "InProgress/OpenBuyerReconfirmationRequest",
        "InProgress/OpenSupplierShipmentRescheduleRequest",
        "Cancelled",
        "Completed",
    },
    ("InProgress", "OpenBuyerReopenRequest"): {"Confirmed", "Cancelled"},
    ("InProgress", "OpenSupplierReopenRequest"): {"Confirmed", "Cancelled"},
    ("InProgress", "OpenBuyerReconfirmationRequest"): {"Confirmed", "Cancelled"},
    ("InProgress", "OpenSupplierShipmentRescheduleRequest"): {
        "InProgress/ApprovedDeliverySchedule",
        "InProgress/RejectedDeliverySchedule",
        "Cancelled",
    },
    ("InProgress", "ApprovedDeliverySchedule"): {"Completed", "Cancelled"},
    ("InProgress", "RejectedDeliverySchedule"): {"Completed", "Cancelled"},
    ("Completed", None): {"InProgress/RevertedCompletedLine"},
    ("InProgress", "RevertedCompletedLine"): {"Completed", "Cancelled"},
    ("Cancelled", None): {"InProgress/RevertedCancelledLine"},
    ("InProgress", "RevertedCancelledLine"): {"Confirmed", "Cancelled"},
}


@pytest.fixture(scope="module")
def told() -> list[Story]:
    return stories()


def test_the_53_current_names_are_those_that_the_conformance_suite_has_read_from_the_contract() -> None:
    suite = yaml.safe_load((ROOT / "conformance" / "contract" / "event_names.yaml").read_text())
    names = event_names()
    assert {webhook: len(found) for webhook, found in names.items()} == {
        Webhook.ORDER: 43,
        Webhook.DOCUMENTS: 2,
        Webhook.SHIPMENT: 8,
    }
    assert sorted(name for found in names.values() for name in found) == sorted(
        name for kind in suite.values() for name in kind["current"]
    )


@pytest.mark.parametrize("single", [0.0, 1.0])
def test_a_few_orders_of_each_plot_tell_every_event_on_its_webhook(single: float) -> None:
    seen: dict[Webhook, set[str]] = {webhook: set() for webhook in Webhook}
    for story in stories(54, single_delivery=single):
        for event in story.events:
            seen[event.webhook].add(event.name)
    assert seen == {webhook: set(names) for webhook, names in event_names().items()}


def test_version_and_stamp_rise_with_each_event_but_a_resend(told: list[Story]) -> None:
    for story in told:
        before: Any = None
        for event in story.events:
            if event.webhook is Webhook.SHIPMENT:
                continue
            here = (event.version, instant(payload(event)["lastUpdatedAt"]))
            assert payload(event)["version"] == event.version
            if "Resent" in event.name:
                assert payload(event)["version"] == before[0]
            elif before is not None:
                assert here[0] == before[0] + 1, event.name
                assert here[1] > before[1], event.name
            before = here


def test_a_shipments_stamp_rises_with_each_event_but_a_resend(told: list[Story]) -> None:
    for story in told:
        for shipment in story.shipments:
            events = [event for event in story.events if event.subject_id == shipment.id]
            stamps = [(event.name, instant(payload(event)["meta"]["lastUpdatedAt"])) for event in events]
            for (_, earlier), (name, later) in pairwise(stamps):
                assert later == earlier if "Resent" in name else later > earlier, name


def test_each_message_is_made_later_than_the_one_before_it_also_when_it_is_sent_again(told: list[Story]) -> None:
    for story in told:
        made = [instant(meta(event)["createdDateTime"]) for event in story.events]
        assert all(earlier < later for earlier, later in pairwise(made)), story.plot


def test_the_party_that_acted_is_the_company_of_the_message(told: list[Story]) -> None:
    for story in told:
        for event in story.events:
            by_supplier = event.name.endswith("BySupplier") or event.name == "OrderLinesItemDetailsChanged"
            company = SUPPLIER_COMPANY if by_supplier else BUYER_COMPANY
            assert meta(event)["source"]["companyId"] == company, event.name


def test_indicators_of_the_buyer_are_not_set_by_the_supplier(told: list[Story]) -> None:
    looked_at = 0
    for story in told:
        for event in story.events:
            if event.name == "OrderLinesMarkedAsDeliveredBySupplier":
                for line in payload(event)["lines"]:
                    assert line["status"]["logisticsStatus"] == "Delivered"
                    assert "delivered" not in line["buyerLine"].get("indicators", {})
                    looked_at += 1
    assert looked_at > 5


def test_shipments_of_one_line_come_to_what_was_ordered(told: list[Story]) -> None:
    for story in told:
        if story.plot != "shipment":
            continue
        first, second = story.shipments
        for one, other in zip(first.loads[1:], second.loads[1:], strict=True):  # the first one was corrected
            assert one.backorder == other.quantity


def test_every_array_of_orders_is_told_with_more_than_one_item_in_both_formats() -> None:
    told = stories(108)
    for xml in (False, True):
        longest: dict[str, int] = {}
        for story in told:
            for event in story.events:
                if event.xml is xml and is_order_event(event):
                    count_items(event.body, longest)
        wanted = {"lines", "names", "addressLines", "properties", "documents", "notes", "labels", "dimensions"}
        wanted |= {"deliverySchedule", "deliveryScheduleIncludingRequests", "deliveryHistory"}
        assert {name for name, count in longest.items() if count > 1} >= wanted


def count_items(value: Any, longest: dict[str, int]) -> None:
    """The most items of each array."""
    for name, part in value.items() if isinstance(value, dict) else ():
        if isinstance(part, list):
            longest[name] = max(longest.get(name, 0), len(part))
        for each in part if isinstance(part, list) else [part]:
            count_items(each, longest)


def test_message_ids_are_unique(told: list[Story]) -> None:
    ids = [event.message_id for story in told for event in story.events]
    assert len(set(ids)) == len(ids)


def test_an_order_event_carries_the_lines_that_it_touched_and_no_other(told: list[Story]) -> None:
    partial = 0
    for story in told:
        for event in filter(is_order_event, story.events):
            if "Resent" in event.name:
                continue
            stamps = {line["lastUpdatedAt"] for line in lines_told(event).values()}
            assert stamps <= {payload(event)["lastUpdatedAt"]}
            partial += len(event.touched) < len(story.order.lines)
    assert partial > 50


def test_what_the_events_told_last_is_the_true_state(told: list[Story]) -> None:
    for story in told:
        true = without_documents(story.order.true_state())
        assert differences(true, without_documents(merged(story.events))) == [], story.plot


def test_line_states_change_as_the_contract_allows(told: list[Story]) -> None:
    seen = set()
    for story in told:
        states: dict[str, tuple[str, str | None]] = {}
        for event in filter(is_order_event, story.events):
            for key, line in lines_told(event).items():
                status = line["status"]
                state = (status["processStatus"], status.get("inProgressStatus"))
                assert (state[0] == "InProgress") is (state[1] is not None)
                before = states.get(key, ("Issued", None))
                name = state[0] if state[1] is None else f"{state[0]}/{state[1]}"
                assert state == before or name in ALLOWED[before], (story.plot, event.name, before, state)
                states[key] = state
                seen.add(state)
    assert seen == set(ALLOWED)


def test_a_story_that_breaks_the_transitions_fails_instead_of_being_told(told: list[Story]) -> None:
    line = stories(1)[0].order.lines[0]
    assert line.state not in (ISSUED, REJECTED)
    with pytest.raises(ImpossibleError):
        line.move(REJECTED)


def test_the_headers_status_is_that_of_all_lines_also_of_those_not_sent(told: list[Story]) -> None:
    for story in told:
        lines: dict[str, Any] = {}
        for event in filter(is_order_event, story.events):
            lines |= lines_told(event)
            processes = {line["status"]["processStatus"] for line in lines.values()}
            header = payload(event)["status"]["processStatus"]
            if len(processes) == 1:
                assert header in processes
            elif header == "Confirmed":
                assert processes <= {"Confirmed", "Completed", "Cancelled"}
            logistics = {line["status"]["logisticsStatus"] for line in lines.values()}
            if "Open" in logistics:
                assert payload(event)["status"]["logisticsStatus"] == "Open"


def test_an_open_request_is_in_the_values_with_requests_and_not_in_the_others(told: list[Story]) -> None:
    looked_at = 0
    for story in told:
        for event in story.events:
            if event.name not in ("OrderLinesReopenRequestedByBuyer", "OrderLinesReopenRequestedBySupplier"):
                continue
            half = "buyerLine" if event.name.endswith("Buyer") else "supplierLine"
            for line in payload(event)["lines"]:
                request = line[half]["requests"]["reopenRequest"]
                values = line.get("statusLine", line)
                with_requests = values.get("pricesInclRequests") or values["pricesIncludingRequests"]
                assert request["status"] == "Open"
                assert with_requests == request["prices"]
                assert values["prices"] == line["confirmedLine"]["prices"] != request["prices"]
                looked_at += 1
    assert looked_at > 10


def test_shipments_always_carry_everything_and_mark_what_is_new(told: list[Story]) -> None:
    looked_at = 0
    for story in told:
        before: dict[str, Any] = {}
        for event in story.events:
            if event.webhook is not Webhook.SHIPMENT:
                continue
            shipment = payload(event)
            now = {line["supplierLine"]["despatchAdviceLinePosition"]: line for line in shipment_lines(shipment)}
            known = before.get(shipment["id"], {})
            assert known.keys() <= now.keys()
            if "Resent" not in event.name:
                changed = {name for name, line in now.items() if line != known.get(name)}
                marked = {
                    name
                    for name, line in now.items()
                    if line["meta"]["lastUpdatedAt"] == shipment["meta"]["lastUpdatedAt"]
                }
                assert marked == changed, event.name
            before[shipment["id"]] = now
            looked_at += 1
    assert looked_at > 40


def test_a_split_comes_without_position_and_gets_one_later(told: list[Story]) -> None:
    nameless, named = 0, 0
    for story in stories(27, stories={"split": 1}):
        for event in filter(is_order_event, story.events):
            for line in payload(event).get("lines", []):
                if "singleDeliveryOrderEvent" in event.body:
                    if line["buyerLine"].get("originalPosition"):
                        nameless += not line["buyerLine"].get("position")
                        named += bool(line["buyerLine"].get("position"))
                else:
                    schedule = line["deliverySchedule"]
                    nameless += any("position" not in one for one in schedule)
                    assert all("position" in one for one in schedule[:-1])  # appended at the end
    assert nameless > 10
    assert named > 5


def test_each_mode_has_the_members_of_its_own(told: list[Story]) -> None:
    modes = set()
    for story in told:
        for event in filter(is_order_event, story.events):
            single = "singleDeliveryOrderEvent" in event.body
            assert single is story.order.traits.single
            modes.add(single)
            for line in payload(event).get("lines", []):
                assert ("statusLine" in line) is single
                assert ("deliverySchedule" in line) is not single
    assert modes == {True, False}


def test_documents_hang_in_all_six_places_and_the_truth_knows_the_latest_revision(told: list[Story]) -> None:
    places = set()
    for story in told:
        latest: dict[Any, Any] = {}
        for event in story.events:
            if event.webhook is not Webhook.DOCUMENTS:
                continue
            for where, holder in _holders(payload(event)):
                for document in holder.get("documents", []):
                    places.add((where[0] is None, where[1]))
                    latest[where, document["code"]] = document
        for where, holder in _holders(story.order.true_state()):
            for document in holder.get("documents", []):
                assert latest.pop((where, document["code"])) == document
        assert latest == {}
    assert places == {
        (True, ""), (True, "buyerOrder"), (True, "supplierOrder"),
        (False, ""), (False, "buyerLine"), (False, "supplierLine"),
    }  # fmt: skip


def _holders(order: Any) -> list[tuple[tuple[Any, str], Any]]:
    found = [((None, half), order.get(half, {}) if half else order) for half in ("", "buyerOrder", "supplierOrder")]
    for line in order.get("lines", []):
        position = line.get("position") or line.get("buyerLine", {}).get("position")
        found += [
            ((position, half), line.get(half, {}) if half else line) for half in ("", "buyerLine", "supplierLine")
        ]
    return found


def test_names_come_in_several_scripts(told: list[Story]) -> None:
    scripts = set()
    for story in told:
        for event in story.events:
            for value in every_value(event.body):
                for char in value if isinstance(value, str) else "":
                    scripts.add(unicodedata.name(char, "").split(" ")[0])
    assert {"LATIN", "GREEK", "CYRILLIC", "CJK", "ARABIC"} <= scripts
    texts = json_text.write([event.body for story in told for event in story.events])
    assert "😀" in texts
    assert "ß" in texts


def test_numbers_are_exact_and_some_have_more_digits_than_a_float_holds(told: list[Story]) -> None:
    values = [value for story in told for event in story.events for value in every_value(event.body)]
    assert not any(isinstance(value, float) for value in values)
    assert any(isinstance(value, Decimal) and Decimal(str(float(value))) != value for value in values)


def test_the_same_seed_tells_the_same_and_another_seed_does_not() -> None:
    def bodies(seed: int) -> list[str]:
        return [json_text.write(event.body) for story in stories(9, seed=seed) for event in story.events]

    assert bodies(4) == bodies(4)
    assert not set(bodies(4)) & set(bodies(5))


def test_an_order_may_have_500_lines_and_no_more() -> None:
    weights = {"split": 1, "shipment": 1, "administration": 1}
    for story in stories(3, lines={"least": 500, "most": 500}, stories=weights):
        issued = payload(story.events[0])["lines"]
        assert len(issued) == (499 if story.plot == "split" else 500)
        assert len(story.order.lines) <= 500
        assert all(len(shipment.loads) <= 500 for shipment in story.shipments)


def test_the_future_brings_names_members_and_values_that_nobody_knows() -> None:
    today = {name for names in event_names().values() for name in names}
    told = stories(27, future=True)
    names = {event.name for story in told for event in story.events}
    assert names - today == {future.ORDER_EVENT, future.ORDER_EVENT_OF_ANOTHER_KIND, future.SHIPMENT_EVENT}
    states = [story.order.true_state() for story in told]
    assert all("sustainability" in state for state in states)
    assert all(line["lineType"] == "Bundle" for state in states for line in _items(state, "lines"))
    assert "sustainability" not in stories(1)[0].order.true_state()


def test_every_object_that_an_event_names_has_a_content_to_be_stored(told: list[Story]) -> None:
    named, stored = set(), {}
    for story in told:
        for event in story.events:
            named |= set(_object_ids(event.body))
        for document in story.stored_documents():
            stored[document.object_id] = document
    assert named == stored.keys()
    assert len(named) > 20
    assert len({document.content for document in stored.values()}) == len(stored)


def _object_ids(value: Any) -> Any:
    if isinstance(value, dict):
        if "objectId" in value:
            yield value["objectId"]
        value = list(value.values())
    for part in value if isinstance(value, list) else ():
        yield from _object_ids(part)


def _items(holder: Any, name: str) -> Any:
    return holder[name]
