"""With what status a command ends; the README shows this table."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """The same for every command."""

    DONE = 0
    TROUBLE = 1
    """A mistake in settings or names, or trouble with the inbox; one line says what."""
    USAGE = 2
    """The command line itself is wrong."""
    NOTHING_FITS = 3
    """A filter chose no event: nothing was done."""
    LEFT = 4
    """Some or all of what was named is in no state for this, and was left as it is."""
    DRY_RUN = 5
    """Nothing was done: it was said what would be."""
    STILL_REFUSED = 6
    """A body from quarantine still does not fit the contract: nothing was done."""
