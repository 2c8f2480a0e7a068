"""Every requirement with what tests it, or why nothing does: the suite's own books, without a run."""

from __future__ import annotations

from collections.abc import Mapping

from conformance.catalogue import CaseInfo
from conformance.report.coverage import natural
from conformance.requirements import requirements, uncovered


def render(catalogue: Mapping[str, CaseInfo]) -> str:
    """One paragraph for each requirement, and a last line that says how many are open."""
    cases: dict[str, list[str]] = {}
    for info in catalogue.values():
        for key in info.requirements:
            cases.setdefault(key, []).append(info.id)
    known = requirements()
    open_ones = uncovered(catalogue)
    lines = []
    for key in sorted(known, key=natural):
        one = known[key]
        lines += [f"{key} ({one.keyword}): {one.sentence}", f"  Source: {one.source}"]
        if key in cases:
            lines.append(f"  Tested by: {', '.join(cases[key])}")
        if one.untested:
            lines.append(f"  Not testable: {one.untested}")
        if one in open_ones:
            lines.append("  NEITHER A CASE NOR A REASON")
    tested = sum(1 for key in known if key in cases)
    lines.append(
        f"{len(known)} requirements: {tested} with cases, {len(known) - tested - len(open_ones)} with a reason why "
        f"there is none, {len(open_ones)} with neither"
    )
    return "\n".join(lines)
