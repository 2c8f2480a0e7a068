"""The sentences that the cases rest on, by key: what is asked, by whom, and how strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from conformance import yaml_text
from conformance.catalogue import CaseInfo
from conformance.verdict import Level


@dataclass(frozen=True, slots=True)
class Requirement:
    """One sentence of a document, in our own words."""

    key: str
    sentence: str
    source: str
    keyword: Level
    untested: str = ""
    """Why no case can show whether a receiver keeps it."""


@cache
def requirements() -> Mapping[str, Requirement]:
    """All of them by key, in the order of the file."""
    rows = yaml_text.read(files(__package__).joinpath("requirements.yaml").read_text("utf-8"))["requirements"]
    found: dict[str, Requirement] = {}
    for row in rows:
        one = Requirement(
            row["key"], row["sentence"], row["source"], Level(row["keyword"]), row.get("untested", "")
        )
        if one.key in found:
            raise ValueError(f"two requirements are called {one.key}")
        found[one.key] = one
    return found


def requirement(key: str) -> Requirement:
    """One of them.

    Raises:
        LookupError: there is none with this key.
    """
    try:
        return requirements()[key]
    except KeyError:
        raise LookupError(f"requirements.yaml has no {key}") from None


def uncovered(catalogue: Mapping[str, CaseInfo]) -> tuple[Requirement, ...]:
    """Requirements that no case cites and that give no reason why."""
    cited = {key for info in catalogue.values() for key in info.requirements}
    return tuple(one for one in requirements().values() if one.key not in cited and not one.untested)


def unknown(catalogue: Mapping[str, CaseInfo]) -> tuple[tuple[str, str], ...]:
    """Cases with the keys that they cite and that stand nowhere in `requirements.yaml`."""
    return tuple(
        (info.id, key) for info in catalogue.values() for key in info.requirements if key not in requirements()
    )
