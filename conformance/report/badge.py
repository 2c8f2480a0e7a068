"""The badge for a README: the verdict in words, as shields.io takes it from an endpoint; never a percentage."""

from __future__ import annotations

import json

from conformance.report.overview import Overview, overview
from conformance.report.records import RunReader
from conformance.verdict import Outcome

LABEL = "tradecloud webhooks"


def render(run: RunReader) -> str:
    """The JSON text: https://shields.io/badges/endpoint-badge."""
    message, colour = _said(overview(run))
    return json.dumps({"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}) + "\n"


def _said(seen: Overview) -> tuple[str, str]:
    if not seen.conclusive:
        return "inconclusive", "lightgrey"
    if not seen.verdict.startswith("CONFORMANT"):
        broken = seen.musts(Outcome.FAIL)
        return f"{broken} MUST broken" if broken else "not conformant", "red"
    if seen.verdict != "CONFORMANT":
        return f"as far as tested ({seen.musts(Outcome.BLOCKED)} blocked)", "yellowgreen"
    if seen.run.get("options", {}).get("only"):
        return "as far as tested (chosen cases only)", "yellowgreen"
    return "conformant", "brightgreen"
