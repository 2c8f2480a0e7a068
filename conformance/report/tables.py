"""The tables of the HTML report: what is blocked, what was covered, what was generated."""

from __future__ import annotations

from typing import Any

from conformance.report.coverage import event_rows, keyword_rows, requirement_rows
from conformance.report.enumerations import enumeration_rows
from conformance.report.overview import Overview
from conformance.report.page import folded
from conformance.report.records import RunReader
from conformance.report.tuples import tuple_rows


def render(run: RunReader, seen: Overview) -> str:
    """All of them, one under the other."""
    tables = (_blocked(seen), _codes(seen), _requirements(seen), _tuples(seen), _events(run, seen))
    return "".join((*tables, _enumerations(run), _keywords(seen), _preflight(seen), _generated(seen)))


def _blocked(seen: Overview) -> str:
    rows = [
        (
            row["case"],
            row.get("level", ""),
            row.get("needs", ""),
            row["reason"],
            (row.get("because") or "yes") if row.get("expected") else "no",
        )
        for row in seen.blocked()
    ]
    return folded(f"Blocked cases: {len(rows)}", ("case", "level", "needs", "reason", "expected"), rows, bool(rows))


def _codes(seen: Overview) -> str:
    elicited = sum(1 for row in seen.codes if row["state"] == "elicited")
    return folded(
        f"Response codes: {elicited} of {len(seen.codes)} elicited for their intended cause",
        ("endpoint", "code", "state", "by"),
        [(row["endpoint"], row["code"], row["state"], ", ".join(row["by"])) for row in seen.codes],
    )


def _requirements(seen: Overview) -> str:
    rows = requirement_rows(seen)
    states = [row.state for row in rows]
    return folded(
        f"Requirements: {states.count('tested')} of {len(states)} tested, {states.count('blocked')} blocked",
        ("key", "sentence", "state", "cases", "failed", "reason"),
        [
            (row.key, row.sentence, row.state, ", ".join(row.cases), ", ".join(row.failed), row.reason)
            for row in rows
        ],
    )


def _tuples(seen: Overview) -> str:
    rows = tuple_rows(seen)
    return folded(
        f"Combinations of request and answer: {len(rows)}",
        ("operation", "request type", "login", "answer", "answer type", "attempts", "judged", "right"),
        [
            (
                row.operation,
                row.request_type,
                row.scheme,
                "no answer" if row.status is None else row.status,
                row.answer_type,
                row.attempts,
                row.judged,
                row.matches,
            )
            for row in rows
        ],
    )


def _events(run: RunReader, seen: Overview) -> str:
    rows = event_rows(run, seen)
    return folded(
        f"Event names: {sum(1 for row in rows if row.sent)} of {len(rows)} sent (by payload)",
        ("payload", "event name", "sent", "delivered"),
        [(row.payload, row.name, row.sent, row.delivered) for row in rows],
    )


def _enumerations(run: RunReader) -> str:
    rows = enumeration_rows(run)
    return folded(
        f"Documented values: {sum(row.sent for row in rows)} of {sum(row.known for row in rows)} sent (by member)",
        ("webhook", "member", "known", "sent", "delivered", "never sent", "sent but not delivered"),
        [
            (
                row.endpoint,
                row.member,
                row.known,
                row.sent,
                row.delivered,
                ", ".join(row.never_sent),
                ", ".join(row.refused_only),
            )
            for row in rows
        ],
    )


def _keywords(seen: Overview) -> str:
    rows = keyword_rows(seen)
    if not rows:
        return ""
    met, broken = sum(1 for row in rows if row.met), sum(1 for row in rows if row.broken)
    return folded(
        f"Schema keywords of generated bodies: {met} met, {broken} broken",
        ("keyword", "met by valid bodies", "broken by invalid bodies"),
        [(row.keyword, row.met, row.broken) for row in rows],
    )


def _preflight(seen: Overview) -> str:
    rows = [(one["id"], one["title"], "yes" if one["ok"] else "no", one["reason"]) for one in seen.preflight]
    return folded(f"Preflight: {len(rows)} questions", ("id", "question", "well", "finding"), rows)


def _generated(seen: Overview) -> str:
    if seen.generated is None:
        return ""
    part = seen.generated
    rows: list[tuple[Any, ...]] = [("requests", part["executed"]), ("findings", part["findings"])]
    rows.append(("seconds", part["seconds"]))
    if "replayed" in part:
        rows.append(("kept findings of earlier runs, sent first", part["replayed"]))
    if "complete" in part:
        rows.append(("complete", "yes" if part["complete"] else "no: cut short by its time"))
    if "seed" in part:
        fresh = f"{part['seed']}: --seed {part['seed']} makes these bodies again"
        rows.append(("seed", "none: the same bodies every time" if part["seed"] is None else fresh))
    rows += [("error", one) for one in part["errors"]] + [("warning", one) for one in part["warnings"]]
    rows += [("note", one) for one in part.get("notes", [])]
    return folded("Generated phase", ("what", "value"), rows)
