"""The generated phase: bodies that nobody thought of, made from the served contract and sent to a live receiver.

What this package gives to the suite is named here; how Schemathesis is run stays inside (`hooks`, `process`).
"""

from conformance.generative.frozen import Frozen, freeze, frozen, replay
from conformance.generative.phase import run_generated_phase
from conformance.generative.stock import StockOutcome, run_stock
from conformance.generative.values import (
    Call,
    Expectation,
    Finding,
    GeneratedOutcome,
    GenerativeError,
    GenerativeSettings,
    Keywords,
    Phase,
)

__all__ = [
    "Call",
    "Expectation",
    "Finding",
    "Frozen",
    "GeneratedOutcome",
    "GenerativeError",
    "GenerativeSettings",
    "Keywords",
    "Phase",
    "StockOutcome",
    "freeze",
    "frozen",
    "replay",
    "run_generated_phase",
    "run_stock",
]
