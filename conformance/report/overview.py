"""What all reports say about a run: verdict, counts, and the cases with what the catalogue knows of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from conformance.catalogue import Area, catalogue
from conformance.oracle import consequence, sentence
from conformance.report.lookup import Record, judged
from conformance.report.records import RunReader
from conformance.verdict import Outcome

#: Worst first.
SEVERITY = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.WEAK,
    Outcome.BLOCKED,
    Outcome.INFO,
    Outcome.PASS,
    Outcome.NOT_APPLICABLE,
)
#: What was neither left out nor hindered.
EXECUTED = frozenset({Outcome.PASS, Outcome.WEAK, Outcome.FAIL, Outcome.INFO, Outcome.ERROR})

#: More surprises of a kind than this are told in one sentence.
_SURPRISES = 3
#: Of a long list of cases so many are named.
_NAMED = 10


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One case with all its results; a case that the catalogue no longer has still has its results."""

    id: str
    level: str
    results: tuple[Record, ...] = field(repr=False)
    title: str = ""
    requirements: tuple[str, ...] = ()
    consequence: str = ""
    fix: str = ""
    hints: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Id and title."""
        return f"{self.id} {self.title}".rstrip()

    @property
    def area(self) -> str:
        """The id's beginning."""
        return self.id.partition("-")[0]

    @property
    def counts(self) -> Counter[Outcome]:
        """How many variants came to what."""
        return Counter(Outcome(one["outcome"]) for one in self.results)

    @property
    def worst(self) -> Outcome:
        """The outcome that stands for the case."""
        found = self.counts
        return next(one for one in SEVERITY if one in found)

    def having(self, outcome: Outcome) -> tuple[Record, ...]:
        """The results with this outcome."""
        return tuple(one for one in self.results if one["outcome"] == outcome)


@dataclass(frozen=True, slots=True)
class Overview:
    """A run at a glance."""

    run: Record
    preflight: tuple[Record, ...]
    cases: tuple[CaseReport, ...]
    """In the catalogue's order."""
    codes: tuple[Record, ...]
    generated: Record | None
    end: Record | None
    """None: the run was cut off."""

    @property
    def results(self) -> tuple[Record, ...]:
        """Of all cases."""
        return tuple(one for case in self.cases for one in case.results)

    @property
    def counts(self) -> Counter[Outcome]:
        """How many variants came to what."""
        return sum((case.counts for case in self.cases), Counter())

    @property
    def strict(self) -> bool:
        """Whether the run counts WEAK as a failure."""
        return bool(self.run.get("options", {}).get("strict"))

    @property
    def verdict(self) -> str:
        """In capitals, as the run concluded."""
        return "INCONCLUSIVE (the run was cut off)" if self.end is None else str(self.end["verdict"])

    @property
    def conclusive(self) -> bool:
        """Whether the verdict says anything about the receiver."""
        return not self.verdict.startswith("INCONCLUSIVE")

    @property
    def verdict_line(self) -> str:
        """The verdict with what it rests on; never a percentage."""
        counts = self.counts
        executed = [case for case in self.cases if any(one in EXECUTED for one in case.counts)]
        variants = sum(counts[one] for one in EXECUTED)
        parts = [f"{_number(len(executed), 'case')} and {_number(variants, 'variant')} executed"]
        parts += [f"{counts[one]} {one}" for one in SEVERITY if counts[one] and one is not Outcome.PASS]
        return f"{self.verdict}{f': {self.broken}' if self.broken else ''} - " + ", ".join(parts)

    @property
    def broken(self) -> str:
        """How many MUST are broken, and of how many the baseline accepts every failure; empty if none is."""
        cases = [case for case in self.cases if case.level == "MUST" and Outcome.FAIL in case.counts]
        if not cases:
            return ""
        known = sum(1 for case in cases if all(map(self.baselined, case.having(Outcome.FAIL))))
        return f"{len(cases)} MUST broken" + (f", {known} of them accepted by the baseline" if known else "")

    @property
    def contract(self) -> str:
        """The beginning of the hash of the contracts."""
        return "none named" if (found := self.run.get("contract_sha256", "?")) == "" else str(found)[:16]

    @property
    def surprises(self) -> list[str]:
        """What was blocked against the profile's expectation, or the reverse; many of a kind in one sentence."""
        lines = [str(text) for text in (self.end or {}).get("surprises", [])]
        of_kind: dict[str, list[str]] = {}
        for line in lines:
            id, _, said = line.partition(" ")
            of_kind.setdefault(said, []).append(id)
        return [
            line
            for said, ids in of_kind.items()
            for line in (
                [f"{id} {said}" for id in ids]
                if len(ids) <= _SURPRISES
                else [f"{len(ids)} cases {said.replace('is ', 'are ', 1)}: {first_of(ids)}"]
            )
        ]

    def musts(self, outcome: Outcome) -> int:
        """How many MUST cases have a result with this outcome."""
        return sum(1 for case in self.cases if case.level == "MUST" and outcome in case.counts)

    def areas(self) -> dict[str, list[CaseReport]]:
        """The cases by area."""
        found: dict[str, list[CaseReport]] = {}
        for case in self.cases:
            found.setdefault(case.area, []).append(case)
        return found

    def worst_first(self, outcome: Outcome) -> list[CaseReport]:
        """The cases that have this outcome: MUST before SHOULD, the most variants first."""
        found = [case for case in self.cases if outcome in case.counts]
        levels = ["MUST", "SHOULD", "INFO"]
        return sorted(found, key=lambda case: (levels.index(case.level), -case.counts[outcome]))

    def blocked(self) -> list[Record]:
        """The BLOCKED cases with `needs`, `reason` and `expected`; from the results if the run was cut off."""
        if self.end is not None:
            return list(self.end.get("blocked", []))
        return [
            {**case.having(Outcome.BLOCKED)[0], "expected": False} for case in self.worst_first(Outcome.BLOCKED)
        ]

    def baselined(self, record: Record) -> bool:
        """Whether the failure is a known one that the exit status passes over."""
        accepted = (self.end or {}).get("baseline", {}).get("accepted", [])
        return f"{record['case']} {record['variant']}" in accepted


def overview(run: RunReader) -> Overview:
    """Read a run from its beginning to its end."""
    head: Record = {}
    preflight: list[Record] = []
    by_case: dict[str, list[Record]] = {}
    codes: list[Record] = []
    generated = end = None
    for record in run.lines():
        kind = record["type"]
        if kind == "run":
            head = record
        elif kind == "preflight":
            preflight.append(record)
        elif kind == "result":
            by_case.setdefault(record["case"], []).append(record)
        elif kind == "codes":
            codes = record["rows"]
        elif kind == "generated":
            generated = record
        elif kind == "end":
            end = record
    cases = sorted((_case(id, records) for id, records in by_case.items()), key=place)
    return Overview(head, tuple(preflight), tuple(cases), tuple(codes), generated, end)


def generated_lines(part: Record) -> list[str]:
    """The generated phase in sentences, the first one about its extent; an older run may say less."""
    replayed = part.get("replayed", 0)
    lines = [
        f"{part['executed']} requests, {_number(part['findings'], 'finding')}, {part['seconds']} s; "
        f"{_number(replayed, 'kept finding')} of earlier runs sent first"
    ]
    if part.get("complete") is False:
        lines.append("cut short by its time: not everything that it had in mind was sent")
    if part.get("seed") is not None:
        lines.append(f"made with a fresh seed; --seed {part['seed']} makes these bodies again")
    lines += [f"error: {text}" for text in part["errors"]]
    lines += [f"warning: {text}" for text in part["warnings"]]
    lines += [f"note: {text}" for text in part.get("notes", [])]
    return lines


def first_of(ids: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more


def area_title(area: str) -> str:
    """The title of an area; its short name if the catalogue does not know it."""
    return Area(area).heading if area in list(Area) else area


def fate(record: Record) -> str:
    """What Tradecloud would do with the judged answer; empty if what was judged is no answer."""
    if record["outcome"] not in (Outcome.FAIL, Outcome.WEAK) or judged(record) is None:
        return ""
    return sentence(consequence(record["status"]))


def place(case: CaseReport) -> tuple[int, str]:
    """Sorts cases as the catalogue has its areas."""
    areas = [str(area) for area in Area]
    return (areas.index(case.area) if case.area in areas else len(areas), case.id)


def _case(id: str, records: list[Record]) -> CaseReport:
    info = catalogue().get(id)
    level = records[0]["level"]
    if info is None:
        return CaseReport(id, level, tuple(records))
    return CaseReport(
        id, level, tuple(records), info.title, info.requirements, info.consequence, info.fix, info.hints
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
