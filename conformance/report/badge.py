"""The badge for a README: the verdict in words, as shields.io takes it from an endpoint; never a percentage."""

from __future__ import annotations

import json

from conformance.report.overview import Overview, overview
from conformance.report.records import RunReader

LABEL = "tradecloud webhooks"
_AS_FAR = "as far as tested"


def render(run: RunReader) -> str:
    """The JSON text: https://shields.io/badges/endpoint-badge."""
    message, colour = _said(overview(run))
    return json.dumps({"schemaVersion": 1, "label": LABEL, "message": message, "color": colour}) + "\n"


def _said(seen: Overview) -> tuple[str, str]:
    if not seen.conclusive:
        return "inconclusive", "lightgrey"
    if not seen.verdict.startswith("CONFORMANT"):
        return seen.broken or "not conformant", "red"
    if seen.verdict != "CONFORMANT":
        return _AS_FAR + seen.verdict.removeprefix("CONFORMANT AS FAR AS TESTED"), "yellowgreen"
    if seen.run.get("options", {}).get("only"):
        return f"{_AS_FAR} (chosen cases only)", "yellowgreen"
    return "conformant", "brightgreen"
