"""JUnit XML, for what every CI system can show: one testcase for each variant of each case.

FAIL is a failure, ERROR an error, BLOCKED and N/A are skipped with their reason, PASS and INFO pass; WEAK passes
with a property, in a strict run it is a failure. A failure that the baseline accepts is skipped, or a build would
break that the exit status lets pass. A run that says nothing of the receiver is an error, not green.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from conformance.oracle import consequence
from conformance.report.lookup import Record, answered_by, judged
from conformance.report.overview import CaseReport, Overview, area_title, overview
from conformance.report.records import RunReader
from conformance.verdict import Outcome

# Everything but the characters of XML 1.0, section 2.2.
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: RunReader) -> str:
    """The XML document."""
    seen = overview(run)
    root = ET.Element("testsuites", name="tradecloud conformance")
    for area, cases in seen.areas().items():
        suite = ET.SubElement(root, "testsuite", name=f"{area} {area_title(area)}")
        for case in cases:
            for record in case.results:
                _testcase(suite, seen, case, record)
    if not seen.conclusive:
        suite = ET.SubElement(root, "testsuite", name="run")
        element = ET.SubElement(suite, "testcase", classname="run", name="verdict", time="0.000")
        reasons = [f"{one['id']} {one['title']}: {one['reason']}" for one in seen.preflight if not one["ok"]]
        _say(element, "error", seen.verdict, "\n".join(reasons) or "nothing was judged")
    for suite in root:
        _sum(suite)
    _sum(root)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _testcase(suite: ET.Element, seen: Overview, case: CaseReport, record: Record) -> None:
    seconds = sum(one["answer"]["seconds"] for one in record["exchanges"])
    element = ET.SubElement(
        suite,
        "testcase",
        classname=case.area,
        name=_clean(f"{case.id} {record['variant']}"),
        time=f"{seconds:.3f}",
    )
    properties = [("requirement", key) for key in case.requirements] + [("level", record["level"])]
    if judged(record) is not None:
        properties.append(("class", consequence(record["status"]).value))
    if record["status"] is not None:
        properties.append(("code", str(record["status"])))
    properties.append(("outcome", record["outcome"]))
    if record["outcome"] in (Outcome.WEAK, Outcome.INFO):
        properties.append((record["outcome"].lower(), record["reason"]))
    if seen.baselined(record):
        properties.append(("baseline", "accepted for a while"))
    parent = ET.SubElement(element, "properties")
    for name, value in properties:
        ET.SubElement(parent, "property", name=name, value=_clean(value))
    outcome = Outcome(record["outcome"])
    if outcome is Outcome.FAIL or (outcome is Outcome.WEAK and seen.strict):
        if seen.baselined(record):
            _say(element, "skipped", "accepted by the baseline", f"{record['reason']}\n{_details(case, record)}")
        else:
            _say(element, "failure", record["reason"], _details(case, record), outcome.value)
    elif outcome is Outcome.ERROR:
        _say(element, "error", record["reason"], _details(case, record))
    elif outcome in (Outcome.BLOCKED, Outcome.NOT_APPLICABLE):
        needs = f" (needs {record['needs']})" if record["needs"] else ""
        _say(element, "skipped", f"{outcome}: {record['reason']}{needs}", "")


def _details(case: CaseReport, record: Record) -> str:
    lines = [
        case.title,
        f"expected: {record['expected']}",
        f"change: {record['change']}",
        f"answered by: {answered_by(record)}",
        f"consequence: {case.consequence}",
        f"fix: {case.fix}",
        f"evidence: result {record['id']}",
    ]
    return "\n".join(line for line in lines if line and not line.endswith(": "))


def _say(parent: ET.Element, tag: str, message: str, text: str, kind: str = "") -> None:
    element = ET.SubElement(parent, tag, message=_clean(message))
    if kind:
        element.set("type", kind)
    element.text = _clean(text) or None


def _sum(element: ET.Element) -> None:
    cases = list(element.iter("testcase"))
    element.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(name, str(sum(1 for case in cases if case.find(tag) is not None)))
    element.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _clean(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
