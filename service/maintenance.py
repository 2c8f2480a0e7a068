"""`webhooks maintenance on|off`: while it is on, every POST is answered 503, so that the sender waits.

A marker file beside the inbox, so that it works when the store does not, survives a restart, and needs no
connection between the command line and the receiver.
"""

from __future__ import annotations

import time
from pathlib import Path

from service.folders import make_lasting

#: How long one look at the marker is good for, in seconds.
LOOK_GOOD_FOR = 0.05


class Maintenance:
    """The switch."""

    def __init__(self, folder: Path) -> None:
        self._marker = folder / "maintenance"
        self._looked_at = float("-inf")
        self._on = False

    @property
    def on(self) -> bool:
        """Whether it is on, at most `LOOK_GOOD_FOR` late; asked for every request."""
        if (now := time.monotonic()) - self._looked_at >= LOOK_GOOD_FOR:
            self._looked_at, self._on = now, self._marker.exists()
        return self._on

    def switch(self, *, on: bool) -> None:
        """Turn it on or off; both are fine when it is so already. On return every receiver has seen it.

        Raises:
            OSError: the folder cannot be written to.
        """
        if on:
            make_lasting(self._marker.parent)
            self._marker.touch()
        else:
            self._marker.unlink(missing_ok=True)
        self._looked_at = float("-inf")
        time.sleep(2 * LOOK_GOOD_FOR)
