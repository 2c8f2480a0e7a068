"""A stand-in for the ERP behind the receiver: called before the answer, so that its trouble shows in the answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from conformance.mutants.answers import RefusedError, problem, refused
from conformance.mutants.event import Event
from conformance.mutants.faults import Faults
from conformance.mutants.states import States

ERP_SECONDS = 2.0
"""How long the receiver waits for its ERP."""
SLOW_ERP_SECONDS = 30.0
"""How long the ERP takes while it is slow; it has the event from the beginning, and only its answer is late."""


class Erp:
    """Takes events, or has the trouble that a state asks for."""

    def __init__(self, states: States, faults: Faults, taken: Callable[[Event], None] = lambda _: None) -> None:
        """`taken` is told of events that the ERP took without saying so in time."""
        self._states = states
        self._faults = faults
        self._taken = taken
        self._was_down = False
        self._trouble: dict[str, Callable[[], RefusedError | None]] = {
            "erp-down": self._down,
            "erp-slow": self._slow,
            "unknown-supplier": self._unknown_supplier,
            "unknown-order": self._unknown_order,
            "poison": self._poison,
        }

    def deliver(self, event: Event) -> bool:
        """True when the ERP took the event; False when a fault lost it without a word.

        Raises:
            RefusedError: with the answer for the sender.
        """
        if self._was_down and self._faults.on("MU-195"):
            raise refused(500, "The connection to the ERP is closed.")
        for state, trouble in self._trouble.items():
            if self._states.on(state):
                if state == "erp-slow":
                    self._taken(event)
                refusal = trouble()
                if refusal is None:
                    return False
                raise refusal
        return True

    def _down(self) -> RefusedError | None:
        self._was_down = True
        if self._faults.on("MU-45"):
            return None
        if self._faults.on("MU-44"):
            return refused(500, "The ERP refused the connection.")
        return _unavailable(502, "The ERP refused the connection.")

    def _slow(self) -> RefusedError | None:
        if self._faults.on("MU-46"):
            until = time.monotonic() + SLOW_ERP_SECONDS
            while time.monotonic() < until and self._states.on("erp-slow"):
                time.sleep(0.1)
            return _unavailable(504, "The ERP did not answer.")
        time.sleep(ERP_SECONDS)
        if self._faults.on("MU-190"):
            return refused(500, "The ERP did not answer in time.")
        return _unavailable(504, "The ERP did not answer in time.")

    def _unknown_supplier(self) -> RefusedError | None:
        if self._faults.on("MU-49"):
            return None
        status = 503 if self._faults.on("MU-48") else 500 if self._faults.on("MU-273") else 400
        return refused(status, "The supplier is not known in the ERP.")

    def _unknown_order(self) -> RefusedError | None:
        return refused(503 if self._faults.on("MU-131") else 404, "The order is not known in the ERP.")

    def _poison(self) -> RefusedError | None:
        if self._faults.on("MU-50"):
            return refused(502, "The upstream server ended the connection.")
        status = 503 if self._faults.on("MU-193") else 400 if self._faults.on("MU-274") else 500
        return refused(status, "The event could not be processed.")


def _unavailable(status: int, detail: str) -> RefusedError:
    return RefusedError(problem(status, detail, headers=(("Retry-After", "5"),)))
