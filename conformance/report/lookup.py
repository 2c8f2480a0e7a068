"""Finding one result of a run, and in it the exchange that was judged."""

from __future__ import annotations

from typing import Any

from conformance.report.records import RunReader

Record = dict[str, Any]


class NoResultError(LookupError):
    """A run has nothing of what was asked for."""


def result_of(run: RunReader, wanted: str) -> Record:
    """The result with this id; for the id of a case its first result that did not pass, else its first.

    Raises:
        NoResultError: the run has neither.
    """
    of_case: Record | None = None
    for record in run.lines("result"):
        if record["id"] == wanted:
            return record
        if record["case"] == wanted and (of_case is None or (of_case["outcome"] == "PASS" != record["outcome"])):
            of_case = record
    if of_case is None:
        raise NoResultError(f"the run in {run.folder} has no result and no case {wanted}")
    return of_case


def judged(record: Record) -> Record | None:
    """The exchange that the verdict is about: the last probe, else the last one that was sent at all."""
    sent: list[Record] = [one for one in record["exchanges"] if one["request"] is not None]
    probes = [one for one in sent if one["purpose"] == "probe"]
    return probes[-1] if probes else sent[-1] if sent else None


def answered_by(record: Record) -> str:
    """`Server` and `Via` of the judged answer: a proxy in front may have answered instead of the receiver."""
    exchange = judged(record)
    if exchange is None:
        return ""
    lines = str(exchange["answer"]["head"]).split("\r\n")
    return ", ".join(line.strip() for line in lines if line.lower().startswith(("server:", "via:")))
