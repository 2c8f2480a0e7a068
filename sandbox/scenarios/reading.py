"""Reading a scenario; a mistake in it is told in one line with its place."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from sandbox.delivery.plan import Disorder
from sandbox.delivery.policy import Policy
from sandbox.errors import SandboxError
from sandbox.story.order import FILES, Traits
from sandbox.story.plots import MOST_LINES, PLOTS
from sandbox.story.telling import Story, tell

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Lines = Annotated[int, Field(ge=1, le=MOST_LINES)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class LineNumbers(_Part):
    """How many lines an order has when it is issued."""

    least: Lines = 1
    most: Lines = 4

    @model_validator(mode="after")
    def _ordered(self) -> LineNumbers:
        if self.least > self.most:
            raise ValueError("least is greater than most")
        return self


class Wishes(_Part):
    """Shares of disorder among the events."""

    late: Share = 0.0
    duplicates: Share = 0.0
    lost_answers: Share = 0.0


class Delivery(_Part):
    """How events are delivered; the rules of repetition are Tradecloud's and cannot be changed."""

    parallel: Annotated[int, Field(ge=1, le=200)] = 4
    pace: Annotated[float, Field(ge=0)] = 0.0
    """New events per second; 0 is as many as go."""
    speed: Annotated[float, Field(gt=0)] = 1.0
    """How many times faster than real time the waiting between repetitions passes."""
    timeout: Annotated[float, Field(gt=0)] = 60.0
    """Seconds."""
    redirects: Literal["repeat", "drop"] = "repeat"


class StepWish(_Part):
    """One thing that happens when a share of the events has been sent for the first time."""

    at: Share
    pause: Annotated[float, Field(gt=0)] | None = None
    """Seconds in which nothing is sent."""
    command: str | None = None
    """A command of this machine; the sender waits until it has ended."""
    control: str | None = None
    """A path of the control port, which gets a POST."""
    body: dict[str, object] | None = None
    """What is posted there."""

    @model_validator(mode="after")
    def _one(self) -> StepWish:
        if sum(each is not None for each in (self.pause, self.command, self.control)) != 1:
            raise ValueError("a step needs exactly one of pause, command and control")
        if self.body is not None and self.control is None:
            raise ValueError("body belongs to control")
        return self


class Scenario(_Part):
    """The whole file."""

    title: str
    seed: int = 1
    orders: Count
    lines: LineNumbers = LineNumbers()
    stories: dict[str, Annotated[int, Field(ge=0)]] = Field(default_factory=lambda: dict.fromkeys(PLOTS, 1))
    """Weights."""
    single_delivery: Share = 0.0
    """Share of the orders that are told with one delivery per line."""
    xml: Share = 0.0
    """Share of the orders that are told in tXML."""
    future: bool = False
    disorder: Wishes = Wishes()
    delivery: Delivery = Delivery()
    steps: list[StepWish] = []

    @field_validator("stories")
    @classmethod
    def _some_story(cls, stories: dict[str, int]) -> dict[str, int]:
        unknown = sorted(stories.keys() - PLOTS.keys())
        if unknown:
            raise ValueError(f"no story is called {unknown[0]}; there are {', '.join(PLOTS)}")
        if not any(stories.values()):
            raise ValueError("at least one needs a weight above 0")
        return stories

    @property
    def policy(self) -> Policy:
        """The rules of repetition."""
        how = self.delivery
        return Policy(redirects_repeat=how.redirects == "repeat", timeout=how.timeout, speed=how.speed)

    @property
    def disorder_wanted(self) -> Disorder:
        """The shares of disorder."""
        return Disorder(self.disorder.late, self.disorder.duplicates, self.disorder.lost_answers)

    def told(self, files: str = FILES) -> list[Story]:
        """The stories: plots in proportion to their weights, traits spread evenly over the orders of each plot.

        `files`: base URL of the supplier's own documents.
        """
        turns = dict.fromkeys(self.stories, 0)
        stories = []
        for number in range(self.orders):
            plot = max(self.stories, key=lambda name: self.stories[name] / (turns[name] + 0.5))
            turn = turns[plot]
            turns[plot] += 1
            span = self.lines.most - self.lines.least
            traits = Traits(
                single=_falls(number, self.single_delivery),
                xml=_falls(number * 7 + 3, self.xml),
                lines=self.lines.least + (number * 5 + 2) % (span + 1),
                future=self.future,
                files=files,
            )
            stories.append(tell(self.seed, number, plot, turn, traits))
        return stories


def _falls(number: int, share: float) -> bool:
    """Whether this one belongs to the share, evenly spread and the same every time (golden ratio)."""
    return (number * 0.6180339887498949 + 0.5) % 1.0 < share


def shipped() -> list[str]:
    """Names of the scenarios that come with the sandbox."""
    return sorted(
        each.name.removesuffix(".yaml") for each in files("sandbox.scenarios").iterdir() if _is_yaml(each.name)
    )


def text_of(name: str) -> str:
    """A scenario of the sandbox by its name, or any file by its path.

    Raises:
        SandboxError: there is none.
    """
    if name in shipped():
        return (files("sandbox.scenarios") / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
        raise SandboxError(
            f"{name}: {why}; a scenario is a file, or one of {', '.join(shipped())} (`python -m sandbox scenarios`)"
        ) from error


def read(name: str) -> Scenario:
    """The scenario.

    Raises:
        SandboxError: there is none, or it holds a mistake.
    """
    text = text_of(name)
    try:
        _check_keys(name, yaml.compose(text, yaml.SafeLoader))
        return Scenario.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SandboxError(f"{name}, line {line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise SandboxError(f"{name}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first, more = error.errors()[0], error.error_count() - 1
        others = f" (and {more} more)" if more else ""
        raise SandboxError(f"{name}, line {_line(text, first['loc'])}: {_sentence(first)}{others}") from error


def _check_keys(name: str, node: yaml.Node | None) -> None:
    """Of a key that stands there twice YAML takes the last, and says nothing."""
    lines: dict[str, int] = {}
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        line, word = key.start_mark.line + 1, str(key.value)
        if word in lines:
            raise SandboxError(f"{name}, line {line}: {word} is there already, in line {lines[word]}")
        lines[word] = line
        _check_keys(name, value)
    for item in node.value if isinstance(node, yaml.SequenceNode) else ():
        _check_keys(name, item)


def _is_yaml(name: str) -> bool:
    return name.endswith(".yaml")


def _sentence(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"] if part != "[key]")
    if error["type"] == "extra_forbidden":
        return f"{place}: no such key"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message[:1].lower()}{message[1:]}" if place else message


def _line(text: str, place: Iterable[int | str]) -> int:
    """The line of the deepest key of the place that the file has."""
    node = yaml.compose(text, yaml.SafeLoader)
    line = 1
    for part in place:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line
