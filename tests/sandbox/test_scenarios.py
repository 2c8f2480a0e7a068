"""Scenario files: those that are shipped, and mistakes in those that a user writes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sandbox.errors import SandboxError
from sandbox.scenarios import reading
from sandbox.story.plots import PLOTS

GOOD = "title: mine\norders: 3\n"


@pytest.mark.parametrize("name", reading.shipped())
def test_each_shipped_scenario_can_be_read(name: str) -> None:
    scenario = reading.read(name)
    assert scenario.title
    assert scenario.orders > 0


def test_a_file_of_the_users_own_is_read_with_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD)
    scenario = reading.read(str(path))
    assert (scenario.orders, scenario.seed, scenario.delivery.parallel) == (3, 1, 4)
    assert scenario.stories.keys() == PLOTS.keys()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (GOOD + "delivery:\n  speed: 0\n", "line 4: delivery.speed: "),
        (GOOD + "delivery:\n  speed: .inf\n", "line 4: delivery.speed: "),
        (GOOD + "stories: {split: 1}\nstories: {smooth: 1}\n", "line 4: stories is there already, in line 3"),
        (GOOD + "delivery:\n  pace: 1\n  speed: 2\n  pace: 3\n", "line 6: pace is there already, in line 4"),
        (GOOD + "delivery:\n  spead: 2\n", "line 4: delivery.spead: no such key"),
        (GOOD + "stories:\n  smoth: 2\n", "line 3: stories: no story is called smoth; there are smooth, "),
        (GOOD + "stories:\n  smooth: 0\n", "line 3: stories: at least one needs a weight above 0"),
        (GOOD + "stories:\n  smooth: -1\n", "line 4: stories.smooth: "),
        (GOOD + "lines: {least: 3, most: 501}\n", "line 3: lines.most: "),
        (GOOD + "lines: {least: 3, most: 2}\n", "line 3: lines: least is greater than most"),
        (GOOD + "steps:\n  - at: 0.5\n", "line 4: steps.0: a step needs exactly one of pause, command and control"),
        (GOOD + "steps:\n  - {at: 2, pause: 1}\n", "line 4: steps.0.at: "),
        (GOOD + "steps:\n  - {at: 0, pause: 1, body: {}}\n", "line 4: steps.0: body belongs to control"),
        (GOOD + "xml: 1.5\nfuture: perhaps\n", "(and 1 more)"),
        ("title: mine\n", "line 1: orders: field required"),
        ("- a\n- b\n", "line 1: "),
        ("title: [\n", "line 2: "),
        ("", "line 1: "),
    ],
)
def test_a_mistake_is_one_line_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SandboxError) as caught:
        reading.read(str(path))
    said = str(caught.value)
    assert said.startswith(f"{path}")
    assert sentence in said
    assert "\n" not in said


def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    with pytest.raises(SandboxError, match="one of day, every-event"):
        reading.read("dya")


def test_weights_and_shares_are_kept() -> None:
    scenario = reading.Scenario.model_validate(
        {"title": "x", "orders": 100, "stories": {"smooth": 3, "split": 1}, "single_delivery": 0.3, "xml": 0.2}
    )
    told = scenario.told()
    assert Counter(story.plot for story in told) == {"smooth": 75, "split": 25}
    assert 25 <= sum(story.order.traits.single for story in told) <= 35
    assert 15 <= sum(story.order.traits.xml for story in told) <= 25
    assert {(story.order.traits.single, story.order.traits.xml) for story in told if story.plot == "split"} == {
        (False, False), (False, True), (True, False), (True, True),
    }  # fmt: skip
