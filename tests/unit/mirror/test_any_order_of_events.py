"""Every permutation and duplication of a timestamped history ends in the same mirror: the history's own last state.

The history plays the platform: it keeps the order and sends what each action touched. What a permutation cannot
bring together is left out, and said in `handlers/mirror/lines.py`: splits without an id keep their delivery until
they have a position, and come together with all lines of their origin, which form one schedule on the platform
(behaviour.md, section 5).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.interface import Role
from handlers.orders import merge_order_event
from tests.unit.mirror.events import ORDER_ID, order_of

#: What an unpositioned split does to its id: keeps it for ever, has none, or gets one of its position.
IDS = ("stable", "none", "of the position")


@dataclass
class History:
    """The platform's own order, and the events that it sent."""

    single: bool
    ids: str
    now: int = 0
    counter: int = 0
    header: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)
    documents: dict[tuple[str, str], dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By line ("" is the header) and place, then by code."""
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return "singleDeliveryOrderEvent" if self.single else "orderEvent"

    def moment(self) -> str:
        # The same moment in many forms: all have a zone.
        hour, tick = self.now % 20, self.now // 20
        forms = (f"2026-10-01T{hour:02d}:00:{tick:02d}Z", f"2026-10-01T{hour + 2:02d}:00:{tick:02d}.000+02:00")
        return forms[self.now % 2]

    def fresh(self) -> int:
        self.counter += 1
        return self.counter

    def delivery(self) -> dict[str, Any]:
        number = self.fresh()
        return {"date": f"2027-{1 + number // 28:02d}-{1 + number % 28:02d}", "quantity": number}

    def touch(self, key: str, delivery: dict[str, Any] | None = None) -> None:
        each = self.lines[key]
        if delivery is not None:
            if self.single:
                each["statusLine"] = {"scheduledDelivery": delivery}
            else:
                each["deliverySchedule"] = [delivery]
        each["lastUpdatedAt"] = self.moment()

    def whole(self, *, lines: list[str], documents: bool) -> dict[str, Any]:
        """The order as it is, with some of its lines."""
        payload = copy.deepcopy(self.header)
        payload["orderId"] = ORDER_ID
        payload["version"] = self.now
        payload["lastUpdatedAt"] = self.moment()
        payload["lines"] = [copy.deepcopy(self.lines[key]) for key in lines]
        if documents:
            for key, each in (("", payload), *zip(lines, payload["lines"], strict=True)):
                self.attach(each, key)
        return payload

    def attach(self, part: dict[str, Any], key: str) -> None:
        for (owner, place), known in self.documents.items():
            if owner == key:
                holder = part.setdefault(place, {}) if place else part
                holder["documents"] = copy.deepcopy(list(known.values()))

    def send(self, kind: str, payload: dict[str, Any]) -> None:
        self.events.append({"eventName": f"Event{self.now}", kind: payload, "meta": {"messageId": f"m{self.now}"}})

    def key_of(self, position: str | None, origin: str | None) -> str:
        return position or f"{origin}/{self.fresh()}"


@st.composite
def histories(draw: st.DrawFn) -> History:
    history = History(draw(st.booleans()), draw(st.sampled_from(IDS)))
    for position in draw(st.lists(st.sampled_from(["2", "10", "9", "x"]), min_size=1, max_size=3, unique=True)):
        history.lines[position] = {"id": f"{ORDER_ID}-{position}", "buyerLine": {"position": position}}
    history.now = 1
    for key in history.lines:
        history.touch(key, history.delivery())
    history.header = {"buyerOrder": {"purchaseOrderNumber": "PO-1"}, "status": {"processStatus": "Issued"}}
    history.send(history.kind, history.whole(lines=list(history.lines), documents=True))
    for _ in range(draw(st.integers(1, 6))):
        history.now += 1
        actions = [change_lines, change_header, attach_documents]
        if history.single:
            actions += [split_line, split_line, assign_position, assign_position]
        draw(st.sampled_from(actions))(draw, history)
    return history


def change_lines(draw: st.DrawFn, history: History) -> None:
    keys = draw(st.lists(st.sampled_from(sorted(history.lines)), min_size=1, unique=True))
    for key in keys:
        may_change = history.ids == "stable" or "/" not in key
        history.touch(key, history.delivery() if may_change else None)
        history.lines[key]["reason"] = f"reason {history.fresh()}"
    send_lines(draw, history, keys)


def change_header(draw: st.DrawFn, history: History) -> None:
    history.header["buyerOrder"] = {"purchaseOrderNumber": "PO-1", "description": f"text {history.fresh()}"}
    send_lines(draw, history, [])


def split_line(draw: st.DrawFn, history: History) -> None:
    origin = draw(st.sampled_from(sorted(key for key in history.lines if "/" not in key)))
    key = history.key_of(None, origin)
    history.lines[key] = {"buyerLine": {"originalPosition": origin}}
    if history.ids != "none":
        history.lines[key]["id"] = f"split {key}"
    history.touch(key, history.delivery())
    history.touch(origin, history.delivery())
    send_lines(draw, history, [origin, key])


def assign_position(draw: st.DrawFn, history: History) -> None:
    keys = sorted(key for key in history.lines if "/" in key)
    if not keys:
        return change_header(draw, history)
    key = draw(st.sampled_from(keys))
    split = history.lines.pop(key)
    position = str(100 + history.fresh())
    split["buyerLine"]["position"] = position
    if history.ids == "of the position":
        split["id"] = f"{ORDER_ID}-{position}"
    history.lines[position] = split
    for (owner, place), known in list(history.documents.items()):
        if owner == key:
            history.documents[position, place] = known
            del history.documents[owner, place]
    history.touch(position, history.delivery() if history.ids == "stable" and draw(st.booleans()) else None)
    return send_lines(draw, history, [position])


def attach_documents(draw: st.DrawFn, history: History) -> None:
    owners = ["", *sorted(key for key, each in history.lines.items() if "/" not in key or "id" in each)]
    owner = draw(st.sampled_from(owners))
    part: dict[str, Any] = {}
    if owner:
        named: list[dict[str, Any]] = [{"buyerLine": {"position": owner}}, {"position": owner}]
        by_id = [{"id": history.lines[owner]["id"]}] if "id" in history.lines[owner] else []
        part = copy.deepcopy(draw(st.sampled_from(by_id if "/" in owner else named + by_id)))
    places = ("", "buyerLine", "supplierLine") if owner else ("", "buyerOrder", "supplierOrder")
    place = draw(st.sampled_from(places))
    code = draw(st.sampled_from(["A", "B"]))
    document = {"code": code, "revision": str(history.now)}
    history.documents.setdefault((owner, place), {})[code] = document
    holder = part.setdefault(place, {}) if place else part
    holder["documents"] = [document]
    payload: dict[str, Any] = {"orderId": ORDER_ID, "version": history.now, "lastUpdatedAt": history.moment()}
    payload |= {"lines": [part]} if owner else part
    history.send("orderDocumentsEvent", copy.deepcopy(payload))


def send_lines(draw: st.DrawFn, history: History, keys: list[str]) -> None:
    """Lines that were touched, and maybe more; splits that only their delivery tells, with all of their origin."""
    keys = [*keys, *draw(st.lists(st.sampled_from(sorted(history.lines)), max_size=2))]
    if history.ids != "stable":
        origins = {history.lines[key]["buyerLine"].get("originalPosition") for key in keys} - {None}
        keys += [key for key, each in history.lines.items() if each["buyerLine"].get("originalPosition") in origins]
    unique = list(dict.fromkeys(keys))
    history.send(history.kind, history.whole(lines=unique, documents=draw(st.booleans())))


def outcome(events: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    state = None
    for event in events:
        merged = merge_order_event(state, event, role=Role.BUYER)
        state = merged.state
    (kind,) = merged.current.keys() - {"eventName", "meta"}
    return order_of(merged), kind


def unordered(part: Any) -> Any:
    """Documents in one order, and no lists of none: what the history says about neither."""
    if isinstance(part, dict):
        found = {name: unordered(value) for name, value in part.items()}
        if found.get("documents") == []:
            del found["documents"]
        elif "documents" in found:
            found["documents"] = sorted(found["documents"], key=lambda document: str(document["code"]))
        return found
    return [unordered(each) for each in part] if isinstance(part, list) else part


def without_marks(order: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in order.items() if name not in ("version", "lastUpdatedAt", "lines")}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), histories())
def test_any_order_and_any_repetition_ends_in_the_state_of_the_history(
    data: st.DataObject, history: History
) -> None:
    events = history.events
    repeated = data.draw(st.lists(st.sampled_from(events), max_size=5))
    shuffled = data.draw(st.permutations([*events, *repeated]))
    straight, kind = outcome(events)
    assert outcome(shuffled) == (straight, kind)
    assert kind == history.kind
    expected = history.whole(lines=list(history.lines), documents=True)
    assert without_marks(unordered(straight)) == without_marks(unordered(expected))

    def by_content(line: Any) -> str:
        return repr(sorted(unordered(line).items(), key=str))

    assert sorted(map(by_content, straight["lines"])) == sorted(map(by_content, expected["lines"]))


@pytest.mark.parametrize("ids", IDS)
def test_split_that_comes_before_and_after_its_position_is_one_line(ids: str) -> None:
    history = History(single=True, ids=ids, now=1)
    history.lines["1"] = {"id": f"{ORDER_ID}-1", "buyerLine": {"position": "1"}}
    history.touch("1", {"date": "2026-11-30", "quantity": 180})
    split: dict[str, Any] = {"buyerLine": {"originalPosition": "1"}}
    if ids != "none":
        split["id"] = "split"
    history.lines["1/1"] = split
    history.touch("1/1", {"date": "2026-12-14", "quantity": 70})
    history.send(history.kind, history.whole(lines=["1", "1/1"], documents=False))
    history.now = 2
    split["buyerLine"]["position"] = "2"
    if ids == "of the position":
        split["id"] = f"{ORDER_ID}-2"
    history.touch("1/1", None)
    history.send(history.kind, history.whole(lines=["1/1"], documents=False))
    for events in (history.events, history.events[::-1], history.events * 2, history.events[::-1] * 2):
        order, _ = outcome(events)
        assert [each["buyerLine"]["position"] for each in order["lines"]] == ["1", "2"]
