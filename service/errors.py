"""What the operator has to mend before the service can run."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start; the text says why and what to do."""
