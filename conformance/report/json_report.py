"""The report for programs: one JSON document with a versioned schema, without the bytes of the evidence.

Within one major version members are only added. The bytes stand in the folder of the run, under the same ids.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from conformance.oracle import consequence
from conformance.report.coverage import event_rows, keyword_rows, requirement_rows
from conformance.report.enumerations import enumeration_rows
from conformance.report.lookup import Record, answered_by, judged
from conformance.report.overview import SEVERITY, CaseReport, Overview, area_title, fate, overview
from conformance.report.records import RunReader
from conformance.report.tuples import tuple_rows
from conformance.verdict import Outcome

SCHEMA_VERSION = "1.2"


def render(run: RunReader) -> str:
    """The JSON text."""
    seen = overview(run)
    document = {
        "schema": f"tradecloud-conformance-report/{SCHEMA_VERSION}",
        "run": _without_type(seen.run),
        "complete": seen.end is not None,
        "verdict": seen.verdict,
        "verdict_line": seen.verdict_line,
        "exit_status": None if seen.end is None else seen.end["exit_status"],
        "seconds": None if seen.end is None else seen.end.get("seconds"),
        "counts": {str(one): seen.counts[one] for one in SEVERITY},
        "preflight": [_without_type(one) for one in seen.preflight],
        "areas": [
            {"id": area, "title": area_title(area), "cases": [_case(seen, case) for case in cases]}
            for area, cases in seen.areas().items()
        ],
        "blocked": [
            {name: row.get(name) for name in ("case", "level", "needs", "reason", "expected", "because")}
            for row in seen.blocked()
        ],
        "baseline": (seen.end or {}).get("baseline", {}),
        "surprises": (seen.end or {}).get("surprises", []),
        "codes": list(seen.codes),
        "requirements": [asdict(row) for row in requirement_rows(seen)],
        "event_names": [asdict(row) for row in event_rows(run, seen)],
        "enumerations": [asdict(row) for row in enumeration_rows(run)],
        "tuples": [asdict(row) for row in tuple_rows(seen)],
        "keywords": [asdict(row) for row in keyword_rows(seen)],
        "generated": None if seen.generated is None else _without_type(seen.generated),
    }
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _case(seen: Overview, case: CaseReport) -> dict[str, Any]:
    return {
        "id": case.id,
        "title": case.title,
        "level": case.level,
        "outcome": case.worst.value,
        "requirements": list(case.requirements),
        "consequence": case.consequence,
        "fix": case.fix,
        "hints": dict(case.hints),
        "variants": [_variant(seen, record) for record in case.results],
    }


def _variant(seen: Overview, record: Record) -> dict[str, Any]:
    names = ("id", "variant", "outcome", "reason", "expected", "change", "endpoint", "payload", "form", "scheme")
    return {
        **{name: record[name] for name in names},
        "status": record["status"],
        "class": None if judged(record) is None else consequence(record["status"]).value,
        "fate": fate(record),
        "preferred_codes": record["codes"],
        "needs": record["needs"],
        "answered_by": answered_by(record),
        "baselined": seen.baselined(record),
        "seconds": round(sum(one["answer"]["seconds"] for one in record["exchanges"]), 4),
    }


def _without_type(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "type"}


def _object(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(members), "properties": members}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0}
_STATUS = {"type": ["integer", "null"]}
_TEXTS = _list(_TEXT)
_OUTCOME = {"enum": [str(one) for one in Outcome]}

#: JSON Schema of the document (draft 2020-12); members that it does not name may be added.
SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"Report of a conformance run, version {SCHEMA_VERSION}",
    **_object(
        schema={"type": "string", "pattern": "^tradecloud-conformance-report/1\\.[0-9]+$"},
        run={"type": "object"},
        complete={"type": "boolean"},
        verdict=_TEXT,
        verdict_line=_TEXT,
        exit_status=_STATUS,
        counts={"type": "object", "additionalProperties": _NUMBER},
        preflight=_list(_object(id=_TEXT, title=_TEXT, ok={"type": "boolean"}, reason=_TEXT)),
        areas=_list(
            _object(
                id=_TEXT,
                title=_TEXT,
                cases=_list(
                    _object(
                        id=_TEXT,
                        title=_TEXT,
                        level={"enum": ["MUST", "SHOULD", "INFO"]},
                        outcome=_OUTCOME,
                        requirements=_TEXTS,
                        variants=_list(
                            _object(
                                id=_TEXT,
                                variant=_TEXT,
                                outcome=_OUTCOME,
                                reason=_TEXT,
                                status=_STATUS,
                                **{"class": {"enum": ["D", "R", "C", "T", "X", "N", None]}},
                            )
                        ),
                    )
                ),
            )
        ),
        blocked=_list(_object(case=_TEXT, reason=_TEXT)),
        codes=_list(
            _object(endpoint=_TEXT, code=_NUMBER, state={"enum": ["elicited", "seen", "not seen"]}, by=_TEXTS)
        ),
        requirements=_list(_object(key=_TEXT, state=_TEXT, cases=_TEXTS)),
        event_names=_list(_object(payload=_TEXT, name=_TEXT, sent=_NUMBER, delivered=_NUMBER)),
        enumerations=_list(
            _object(endpoint=_TEXT, member=_TEXT, known=_NUMBER, sent=_NUMBER, delivered=_NUMBER, never_sent=_TEXTS)
        ),
        tuples=_list(
            _object(
                operation=_TEXT,
                request_type=_TEXT,
                scheme=_TEXT,
                status=_STATUS,
                answer_type=_TEXT,
                attempts=_NUMBER,
                judged=_NUMBER,
                matches=_NUMBER,
            )
        ),
        keywords=_list(_object(keyword=_TEXT, met=_NUMBER, broken=_NUMBER)),
        generated={
            "type": ["object", "null"],
            "properties": {
                "executed": _NUMBER,
                "findings": _NUMBER,
                "replayed": _NUMBER,
                "complete": {"type": "boolean"},
                "seed": {"type": ["integer", "null"]},
                "errors": _TEXTS,
                "warnings": _TEXTS,
                "notes": _TEXTS,
            },
        },
    ),
}
