"""What goes into the generated phase and what comes out of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

Phase = Literal["examples", "coverage", "fuzzing"]

#: Stands for the value of the Authorization header wherever a request is kept.
AUTHORIZATION = "{{authorization}}"


class GenerativeError(Exception):
    """The generated phase could not be run; says why."""


class Expectation(StrEnum):
    """What the served contract says of a request, whatever the generator thinks of it."""

    VALID = "valid"
    INVALID = "invalid"
    EITHER = "either"
    """The contract leaves it open: accepting and refusing are both right, a server error is not."""


@dataclass(frozen=True, slots=True)
class GenerativeSettings:
    """One generated phase: what to generate from, where to send it, and how much of it."""

    contracts: Mapping[str, Path]
    """Endpoint (`order`, `shipment`) to its served contract."""
    base_url: str
    paths: Mapping[str, str]
    """Endpoint to the receiver's own path, which may differ from the contract's."""
    authorization: Callable[[str], str]
    """The value of the Authorization header for an endpoint; asked when its turn comes."""
    ca_file: Path | None
    formats: Mapping[str, tuple[str, ...]]
    """Endpoint to the formats that the receiver claims: `json`, `txml`."""
    budget_seconds: float
    """How long an answer may take."""
    deterministic: bool
    seed: int | None
    time_budget: float | None
    """Seconds that the whole phase may take; None for as long as it needs."""
    max_examples: int
    phases: tuple[Phase, ...] = ("examples", "coverage", "fuzzing")
    pace: float | None = None
    """Requests per second; None for as fast as the receiver answers."""
    run: str = "generated"
    """Goes into order numbers and message ids. Two deterministic runs of one name send the same bytes."""
    thorough: bool = False
    """Whether a schema that several payloads share is spelt out in each of them; takes three times as long."""
    regressions: tuple[Path, ...] = ()
    """Folders of frozen findings, which are sent first."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was generated and sent, without its bytes."""

    operation: str
    label: str
    """What the generator meant: `positive` or `negative`."""
    expectation: Expectation
    what: str
    """What was generated or mutated, in words."""
    media_type: str
    status: int | None
    seconds: float
    fingerprint: str
    """Of method, path, media type and body."""

    @property
    def disagrees(self) -> bool:
        """Whether the generator and the served contract say opposite things of this request."""
        return (self.label, self.expectation) in {
            ("positive", Expectation.INVALID),
            ("negative", Expectation.VALID),
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """One kind of wrong answer, shown by the smallest request that got it."""

    case_id: str
    operation: str
    title: str
    what: str
    request: bytes
    status: int | None
    response: bytes
    check: str
    expectation: Expectation
    advisory: bool = False
    """True for tXML: the rules by which it was judged are partly inferred."""
    weak: bool = False
    """True where the event's fate is right and only the answer could be better."""
    occurrences: int = 1
    frozen: bool = False
    """It was seen in an earlier run and is kept already."""


@dataclass(frozen=True, slots=True)
class Keywords:
    """Schema keywords of the served contract that the bodies met, and how often."""

    valid: Mapping[str, int] = field(default_factory=dict)
    invalid: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GeneratedOutcome:
    """What a generated phase found, and what it did to find it."""

    findings: tuple[Finding, ...]
    calls: tuple[Call, ...]
    warnings: tuple[str, ...]
    errors: tuple[str, ...]
    executed: int
    seconds: float
    keywords: Keywords
    complete: bool
    """False when the time budget cut the phase short."""
    seed: int | None
    """None of a deterministic phase; with the same seed a fresh one makes the same bodies."""
    replayed: int = 0
    """How many frozen findings were sent first."""
    notes: tuple[str, ...] = ()
    """Warnings of the generator that are no errors of the run."""
    orders: tuple[str, ...] = ()
    """Every purchase order number that the suite put into a body, in the order in which they went out."""

    @property
    def counts(self) -> Mapping[tuple[str, str, Expectation, str, int | None], int]:
        """Calls by operation, label, expectation, media type and status."""
        return Counter((c.operation, c.label, c.expectation, c.media_type, c.status) for c in self.calls)

    @property
    def disagreements(self) -> Mapping[tuple[str, str, str], int]:
        """How often the generator's label was wrong, by operation, label and kind of mutation."""
        return Counter((c.operation, c.label, c.what.split(":")[0]) for c in self.calls if c.disagrees)
