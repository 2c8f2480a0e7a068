"""The catalogue: every case with what it is for. Ids are stable and never used again for something else."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache

from conformance.steps import Case
from conformance.subject import Subject
from conformance.verdict import Level


class Area(StrEnum):
    """The part of the contract that a case is about; the value begins the ids."""

    DELIVERY = "DEL"
    RESPONSES = "RSP"
    AUTHENTICATION = "AUTH"
    TRANSPORT = "TLS"
    FORWARD = "FWD"
    RETRY = "RET"
    DUPLICATES = "IDM"
    LIMITS = "LIM"
    MALFORMED = "MAL"
    TXML = "XML"
    TIME = "TIM"
    ABUSE = "SEC"

    @property
    def heading(self) -> str:
        """For the heads of reports."""
        return _TITLES[self]


_TITLES = {
    Area.DELIVERY: "Delivery of documented payloads",
    Area.RESPONSES: "Responses in general",
    Area.AUTHENTICATION: "Authentication",
    Area.TRANSPORT: "Transport",
    Area.FORWARD: "Forward compatibility",
    Area.RETRY: "Trouble and repetition",
    Area.DUPLICATES: "Duplicates and order",
    Area.LIMITS: "Limits",
    Area.MALFORMED: "Malformed input",
    Area.TXML: "tXML and attacks by XML",
    Area.TIME: "Time and health",
    Area.ABUSE: "Other abuse",
}


class Safety(StrEnum):
    """What a case can do to a receiver."""

    SAFE = "safe"
    LOAD = "load"
    INTRUSIVE = "intrusive"


Steps = Callable[[Subject], Case]


@dataclass(frozen=True, slots=True)
class CaseInfo:
    """One case of the catalogue."""

    id: str
    title: str
    level: Level
    wave: int
    """1: an address and credentials are enough; 2: needs a hook, an observer or the like; 3: intrusive or load."""
    requirements: tuple[str, ...]
    """Keys of `requirements.yaml`."""
    consequence: str
    """What a failure means for whoever runs the receiver."""
    fix: str
    """What to do about it."""
    steps: Steps = field(repr=False)
    needs: tuple[str, ...] = ()
    """States, `observer`, `issuer`, `canary`, … without which it is BLOCKED."""
    safety: Safety = Safety.SAFE
    hints: Mapping[str, str] = field(default_factory=dict)
    """What to do about it in a certain stack, by its name (`dotnet`, `iis`, `node`, `sap`, `nginx`, …)."""
    since: str = "1.0"

    @property
    def area(self) -> Area:
        """By the id's beginning."""
        return Area(self.id.partition("-")[0])


_CASES: dict[str, CaseInfo] = {}


def case(
    id: str,
    title: str,
    *,
    level: Level,
    wave: int,
    requirements: tuple[str, ...],
    consequence: str,
    fix: str,
    needs: tuple[str, ...] = (),
    safety: Safety = Safety.SAFE,
    hints: Mapping[str, str] | None = None,
    since: str = "1.0",
) -> Callable[[Steps], Steps]:
    """Put a generator function into the catalogue under this id."""

    def register(steps: Steps) -> Steps:
        if id in _CASES:
            raise ValueError(f"two cases are called {id}")
        _CASES[id] = CaseInfo(
            id, title, level, wave, requirements, consequence, fix, steps, needs, safety, hints or {}, since
        )
        return steps

    return register


@cache
def catalogue() -> Mapping[str, CaseInfo]:
    """All cases by id, area by area."""
    from conformance import cases

    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"conformance.cases.{module.name}")
    areas = list(Area)
    return dict(sorted(_CASES.items(), key=lambda item: (areas.index(item[1].area), item[0])))
