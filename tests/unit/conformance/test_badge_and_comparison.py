"""What is made of runs beside their reports: the badge, the matrix of several; and the list of requirements."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from conformance import cli
from conformance.catalogue import catalogue
from conformance.report import badge, comparison, requirement_list
from conformance.requirements import requirements
from conformance.verdict import Level, Outcome
from tests.unit.conformance.sample_run import result, write_run

PASSED = result("DEL-01", Outcome.PASS, 202)
BLOCKED = result("DEL-04", Outcome.BLOCKED, needs="erp-down")
NASTY = "<b>x</b> | {{rows}}"


# The badge


@pytest.mark.parametrize(
    ("verdict", "results", "only", "message", "colour"),
    [
        ("CONFORMANT", [PASSED], (), "conformant", "brightgreen"),
        (
            "CONFORMANT AS FAR AS TESTED (1 MUST blocked, 17 MUST not run)",
            [PASSED, BLOCKED, result("RSP-10", Outcome.BLOCKED, level=Level.SHOULD)],
            (),
            "as far as tested (1 MUST blocked, 17 MUST not run)",
            "yellowgreen",
        ),
        ("CONFORMANT", [PASSED], ("DEL",), "as far as tested (chosen cases only)", "yellowgreen"),
        ("NOT CONFORMANT", None, (), "1 MUST broken", "red"),
        ("INCONCLUSIVE", [], (), "inconclusive", "lightgrey"),
        (None, [PASSED], (), "inconclusive", "lightgrey"),
    ],
)
def test_the_badge_says_the_verdict_in_words(
    tmp_path: Path, verdict: str | None, results: None, only: tuple[str, ...], message: str, colour: str
) -> None:
    text = badge.render(write_run(tmp_path, results, verdict=verdict, only=only))
    assert "%" not in text
    assert json.loads(text) == {
        "schemaVersion": 1,
        "label": "tradecloud webhooks",
        "message": message,
        "color": colour,
    }


def test_the_badge_is_written_beside_the_other_reports(tmp_path: Path) -> None:
    write_run(tmp_path)
    done = CliRunner().invoke(cli.app, ["render", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "badge.json" in done.output
    assert json.loads((tmp_path / "badge.json").read_text("utf-8"))["message"] == "1 MUST broken"


# Several runs side by side


def _three(folder: Path) -> list[str]:
    write_run(folder / "one", [PASSED, result("DEL-02", Outcome.PASS, 202), BLOCKED], verdict="CONFORMANT")
    write_run(folder / "two", [result("RET-01", Outcome.WEAK, 422), PASSED, result("DEL-02", Outcome.FAIL, 500)])
    write_run(folder / "three", [result("DEL-02", one, 500) for one in (Outcome.PASS, Outcome.WEAK)], profile=NASTY)
    return [str(folder / name) for name in ("one", "two", "three")]


def _merged(folder: Path, name: str) -> str:
    done = CliRunner().invoke(cli.app, ["merge", *_three(folder), "--output", str(folder / name)])
    assert done.exit_code == 0, done.output
    return (folder / name).read_text("utf-8")


def test_the_matrix_has_the_worst_outcome_of_each_case_in_each_run(tmp_path: Path) -> None:
    rows = [
        [cell.strip() for cell in line.strip("| ").split(" | ")] for line in _merged(tmp_path, "m.md").splitlines()
    ]
    assert rows[0] == [
        "case",
        "level",
        "reference at https://localhost:8443 (one)",
        "reference at https://localhost:8443 (two)",
        r"&lt;b&gt;x&lt;/b&gt; \| {{rows}} at https://localhost:8443",
    ]
    assert [row[0] for row in rows[2:5]] == ["verdict", "suite", "contract"]
    assert rows[2][2].startswith("CONFORMANT - 2 cases")
    assert rows[2][3].startswith("NOT CONFORMANT: 1 MUST broken - ")
    assert rows[4][2:] == ["abababababababab"] * 3
    assert [(row[0].partition(" ")[0], *row[2:]) for row in rows[5:]] == [
        ("DEL-01", "PASS", "PASS", "not run"),
        ("DEL-02", "PASS", "FAIL", "WEAK"),
        ("DEL-04", "BLOCKED", "not run", "not run"),
        ("RET-01", "not run", "WEAK", "not run"),
    ]


def test_the_matrix_as_html_needs_nothing_from_elsewhere_and_runs_nothing(tmp_path: Path) -> None:
    page = _merged(tmp_path, "m.html")
    assert not re.search(r"""(?:src|href)\s*=|@import|url\(|<script""", page)
    assert "default-src 'none'" in page
    assert "<th>&lt;b&gt;x&lt;/b&gt; | {{rows}} at https://localhost:8443</th>" in page
    cells = re.findall(r"<tr class=\"(\w+)\"><th>(DEL-02|DEL-01).*?</th>.*?</td>(.*)</tr>", page)
    assert [(kind, case, re.findall(r'<span class="badge ([\w-]+)">', rest)) for kind, case, rest in cells] == [
        ("differs", "DEL-01", ["PASS", "PASS", "not-run"]),
        ("differs", "DEL-02", ["PASS", "FAIL", "WEAK"]),
    ]


def test_a_case_that_came_out_the_same_everywhere_can_be_hidden(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, [PASSED]) for name in ("one", "two")]
    page = comparison.to_html(comparison.compare(runs))
    assert '<tr class="same"><th>DEL-01' in page
    named = '<td data-head="reference at https://localhost:8443 (two)"><span class="badge PASS">PASS</span></td>'
    assert named in page


def test_a_run_that_ended_before_its_first_line_has_a_column(tmp_path: Path) -> None:
    empty = write_run(tmp_path / "empty")
    (tmp_path / "empty" / "run.ndjson").write_bytes(b"")
    found = comparison.compare([write_run(tmp_path / "one", [PASSED]), empty])
    assert found.names[1] == "? at ?"
    assert found.facts[0][1][1].startswith("INCONCLUSIVE (the run was cut off)")
    assert found.cases[0][1] == ("PASS", "not run")


# The list of requirements


def test_each_requirement_is_listed_with_its_cases_or_the_reason_why_it_has_none() -> None:
    done = CliRunner().invoke(cli.app, ["requirements"])
    assert done.exit_code == 0
    for key, one in requirements().items():
        block = re.search(rf"^{re.escape(key)} \({one.keyword}\): .*\n(?:  .*\n)+", done.output, re.M)
        assert block is not None, key
        assert one.sentence in block[0]
        assert f"Source: {one.source}" in block[0]
        cases = [info.id for info in catalogue().values() if key in info.requirements]
        assert (f"Tested by: {', '.join(cases)}" in block[0]) == bool(cases)
        assert (f"Not testable: {one.untested}" in block[0]) == bool(one.untested)


def test_a_requirement_without_a_case_and_a_reason_is_named_and_the_status_is_1(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    less = {id: info for id, info in catalogue().items() if "R-EVT-1" not in info.requirements}
    assert "R-EVT-1" not in {key for info in less.values() for key in info.requirements}
    monkeypatch.setattr(cli, "catalogue", lambda: less)
    done = CliRunner().invoke(cli.app, ["requirements"])
    assert done.exit_code == 1
    (block,) = re.findall(r"^R-EVT-1 .*\n(?:  .*\n)+", done.output, re.M)
    assert "NEITHER A CASE NOR A REASON" in block
    assert requirement_list.render(catalogue()).endswith(", 0 with neither")
