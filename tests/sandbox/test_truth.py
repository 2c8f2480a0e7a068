"""The comparison finds what a receiver knows differently, and nothing else."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sandbox import asking, truth
from sandbox.errors import SandboxError
from sandbox.truth import Truth, differences
from sandbox.wire import json_text
from tests.sandbox.reading import stories


@pytest.fixture(scope="module")
def order() -> Any:
    (story,) = stories(1, single_delivery=0.0, stories={"administration": 1}, lines={"least": 3, "most": 3})
    return story.order.true_state()


@pytest.fixture(scope="module")
def shipment() -> Any:
    states: list[Any] = [story.shipments[0].true_state() for story in stories(20, stories={"shipment": 1})]
    return next(state for state in states if len(state["supplierShipment"]["documents"]) == 2)


def found(state: Any, spoil: Callable[[Any], object]) -> list[str]:
    known = copy.deepcopy(state)
    spoil(known)
    return differences(state, known)


def test_equal_states_have_no_difference(order: Any, shipment: Any) -> None:
    assert found(order, lambda known: None) == []
    assert found(shipment, lambda known: None) == []


def test_what_means_the_same_is_no_difference(order: Any) -> None:
    def spell(known: Any) -> None:
        known["lines"].reverse()
        known["meta"] = {"messageId": "of the last message"}
        known["buyerOrder"]["customLabels"] = []
        known["supplierOrder"]["notes"] = None
        known["buyerOrder"]["documents"] = list(reversed(known["buyerOrder"].get("documents", [])))
        prices = known["lines"][0]["prices"]
        prices["priceUnitQuantity"] = Decimal(prices["priceUnitQuantity"]).quantize(Decimal("1.0000"))
        known["lines"][0]["supplierLine"]["properties"] = []
        known["emptyThing"] = {"documents": []}

    assert found(order, spell) == []


def test_each_kind_of_difference_is_found_and_named_by_its_place(order: Any, shipment: Any) -> None:
    def last_digit(known: Any) -> None:
        money = known["lines"][0]["prices"]["netPrice"]["priceInTransactionCurrency"]
        money["value"] = Decimal(f"{money['value']:f}{'' if money['value'] % 1 else '.'}00000000000000000001")

    position = order["lines"][0]["buyerLine"]["position"]
    for spoil, place in (
        (lambda known: known.update(version=known["version"] + 1), "/version: "),
        (lambda known: known.pop("portalUrl"), "/portalUrl: not known"),
        (lambda known: known.update(surplus="x"), "/surplus: known, but not expected"),
        (last_digit, f"/lines/{position}/prices/netPrice/priceInTransactionCurrency/value: "),
        (lambda known: known["lines"].pop(0), f"/lines/{position}: not known"),
        (lambda known: known["lines"].append(known["lines"][0]), f"/lines/{position} again: known, but not"),
        (
            lambda known: known["indicators"].update(deliveryOverdue=0),
            "/indicators/deliveryOverdue: false expected",
        ),
        (lambda known: known["lines"][0]["deliverySchedule"].pop(), f"/lines/{position}/deliverySchedule: "),
    ):
        sentences = found(order, spoil)
        assert sentences, place
        assert sentences[0].startswith(place)
    code = shipment["supplierShipment"]["documents"][0]["code"]
    assert found(shipment, lambda known: known["supplierShipment"]["documents"].pop(0)) == [
        f"/supplierShipment/documents/{code}: not known: "
        + _short(json_text.write(shipment["supplierShipment"]["documents"][0]))
    ]
    assert found(shipment, lambda known: known["meta"].update(lastUpdatedAt="2020-01-01T00:00:00Z"))


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:117]}..."


def test_a_receiver_that_knows_nothing_differs_in_everything(order: Any) -> None:
    assert len(differences(order, {})) >= 8


def test_what_is_written_is_read_again_with_every_digit(tmp_path: Path) -> None:
    told = stories(9)
    count = truth.write(tmp_path / "run", told)
    kept = truth.read(tmp_path / "run")
    assert len(kept) == count
    assert [(one.kind, one.id, one.state) for one in kept] == [
        each for story in told for each in story.true_states()
    ]


def test_texts_with_every_kind_of_line_break_are_read_again(tmp_path: Path) -> None:
    state: Any = {"orderId": "1", "reason": "a\u2028b\u0085c\x1cd\re\nf"}
    (tmp_path / truth.FILE).write_text(json_text.write({"kind": "order", "id": "1", "state": state}) + "\n")
    assert [one.state for one in truth.read(tmp_path)] == [state]


def test_a_file_without_anything_is_no_success(tmp_path: Path) -> None:
    (tmp_path / truth.FILE).touch()
    with pytest.raises(SandboxError, match="send again"):
        truth.read(tmp_path)


@pytest.mark.parametrize("line", ["", "[1]", '{"kind": "order", "id": "x"}', "no JSON"])
def test_a_spoilt_file_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    truth.write(tmp_path, stories(1, stories={"rejection": 1}))
    with (tmp_path / truth.FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(SandboxError, match=r"truth\.jsonl, line 2: "):
        truth.read(tmp_path)


def test_a_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="python -m sandbox send"):
        truth.read(tmp_path)


def test_the_commands_answer_is_compared_and_its_refusal_is_a_difference(tmp_path: Path, order: Any) -> None:
    def asked(script: str) -> list[str]:
        (tmp_path / "show.py").write_text(script)
        command = f"{sys.executable} {tmp_path / 'show.py'} {{id}}"
        (result,) = asking.compare([Truth("order", order["orderId"], order)], {"order": command})
        return result[1]

    (tmp_path / "known.json").write_text(json_text.write({"eventName": "x", "orderEvent": order}))
    show = f"import sys; print(open({str(tmp_path / 'known.json')!r}).read())"
    assert asked(show) == []
    assert asked(f"import sys; assert sys.argv[1] == {order['orderId']!r}; {show}") == []
    assert asked("import sys; sys.exit('there is no such order')") == ["there is no such order"]
    assert asked("print('hello')")[0].endswith("printed no JSON")
    assert len(asked("print('{}')")) > 5
    with pytest.raises(SandboxError, match="--orders-command"):
        list(asking.compare([Truth("order", "x", order)], {"order": str(tmp_path / "nothing")}))


def test_a_command_that_prints_all_is_run_once_and_those_it_leaves_out_are_not_known(tmp_path: Path) -> None:
    told = stories(4, stories={"rejection": 1})
    truths = [Truth("order", story.order.id, story.order.true_state()) for story in told]
    wrong = truths[1].state | {"version": 99}
    lines = [
        json_text.write({"id": truths[2].id, "body": {"eventName": "x", "orderEvent": truths[2].state}}),
        json_text.write(wrong),
        json_text.write({"id": "another", "body": {"orderEvent": {}}}),
        json_text.write({"orderEvent": truths[0].state}),
    ]
    (tmp_path / "all.jsonl").write_text("\n".join(lines) + "\n")

    def compared(command: str) -> dict[str, list[str]]:
        return {one.id: found for one, found in asking.compare(truths, {"order": command})}

    found = compared(f"cat {tmp_path / 'all.jsonl'}")
    assert found[truths[0].id] == found[truths[2].id] == []
    assert [sentence.partition(":")[0] for sentence in found[truths[1].id]] == ["/version"]
    assert found[truths[3].id] == ["not known at all"]
    with pytest.raises(SandboxError, match="No such file"):
        compared(f"cat {tmp_path / 'nothing'}")
    with pytest.raises(SandboxError, match="no JSON object: hello"):
        compared("echo hello")
