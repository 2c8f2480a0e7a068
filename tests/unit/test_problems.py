"""The table of answers is one and the same in the code, in the contract and in the README."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from service import problems
from service.contract import Contract, webhook_contracts
from service.problems import Answer, BodyRefusedError, Finding, Problem

README = Path(__file__).resolve().parents[2] / "README.md"

REFUSED = BodyRefusedError("1 finding.", [Finding("/a", "wrong")])
ANSWERS: dict[Problem | None, Answer] = {
    None: problems.queued("01", duplicate=True),
    Problem.MALFORMED_HTTP: problems.malformed_http(),
    Problem.BODY_REFUSED: problems.refused(REFUSED, "02", ["application/json"]),
    Problem.TOO_LARGE: problems.refused(BodyRefusedError("x", problem=Problem.TOO_LARGE), "02", []),
    Problem.UNSUPPORTED_MEDIA_TYPE: problems.refused(
        BodyRefusedError("x", problem=Problem.UNSUPPORTED_MEDIA_TYPE), "02", ["application/json"]
    ),
    Problem.NOT_AUTHENTICATED: problems.not_authenticated(["Basic realm=x"]),
    Problem.NOT_ALLOWED: problems.not_allowed(["Bearer realm=x"]),
    Problem.NOT_FOUND: problems.not_found(),
    Problem.WRONG_METHOD: problems.wrong_method("POST"),
    Problem.INTERNAL_FAULT: problems.internal_fault("02"),
    Problem.UNAVAILABLE: problems.unavailable("Maintenance.", 30),
    Problem.EVENT_REFUSED: problems.not_processed(Problem.EVENT_REFUSED, "01", "No such supplier.", 30),
    Problem.ORDER_UNKNOWN: problems.not_processed(Problem.ORDER_UNKNOWN, "01", "No such order.", 30),
    Problem.HANDLER_FAULT: problems.not_processed(Problem.HANDLER_FAULT, "01", None, 30),
    Problem.DESTINATION_UNAVAILABLE: problems.not_processed(Problem.DESTINATION_UNAVAILABLE, "01", None, 30),
    Problem.DESTINATION_TIMED_OUT: problems.not_processed(Problem.DESTINATION_TIMED_OUT, "01", None, 30),
}


def rows() -> dict[str, str]:
    """Slug to answer cell of the README's table."""
    table = README.read_text(encoding="utf-8").partition("## The answers")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([a-z-]+)`(?::[^|]*)? \| ([^|]*) \|", table, re.MULTILINE)
    return dict(found)


def test_readme_has_exactly_the_problems_of_the_code() -> None:
    assert set(rows()) == {problem.slug for problem in Problem}


@pytest.mark.parametrize("problem", Problem)
def test_readme_names_the_status_of(problem: Problem) -> None:
    assert rows()[problem.slug].startswith(str(problem.status))


def test_no_answer_is_one_that_loses_an_event_by_accident() -> None:
    statuses = {problem.status for problem in Problem}
    assert not statuses & {408, 425, 429}
    assert {status for status in statuses if status >= 500} == {500, 502, 503, 504}


def test_every_problem_has_an_answer_here() -> None:
    assert set(ANSWERS) == {None, *Problem}


@pytest.mark.parametrize("contract", webhook_contracts(), ids=["order", "shipment"])
@pytest.mark.parametrize("problem", ANSWERS)
def test_contract_declares_the_answer_with_its_schema_and_headers(
    contract: Contract, problem: Problem | None
) -> None:
    answer = ANSWERS[problem]
    ((_, operation),) = contract.operations()
    response = resolve(contract, operation["responses"][str(answer.status)])
    schema = resolve(contract, response["content"][answer.media_type]["schema"])
    body = json.loads(answer.body)
    validator = jsonschema_rs.validator_for(
        schema | {"components": contract.document["components"]} | {"additionalProperties": False}
    )
    validator.validate(body)
    declared = {name.lower() for name in response.get("headers", {})}
    assert declared == {name.decode() for name, _ in answer.headers}
    assert "default" not in operation["responses"]
    for shown in response["content"][answer.media_type]["examples"].values():
        validator.validate(shown["value"])


def test_findings_beyond_the_first_thousand_are_counted() -> None:
    many = BodyRefusedError("many", [Finding(f"/{i}", "wrong") for i in range(1500)])
    body = json.loads(problems.refused(many, "02", []).body)
    assert (len(body["errors"]), body["furtherErrors"]) == (1000, 500)


def resolve(contract: Contract, node: Any) -> Any:
    if "$ref" not in node:
        return node
    found: Any = contract.document
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found
