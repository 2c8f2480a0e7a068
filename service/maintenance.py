"""`webhooks maintenance on|off`: while it is on, every POST is answered 503, so that the sender waits.

A marker file beside the inbox, so that it works when the store does not, survives a restart, and needs no
connection between the command line and the receiver.
"""

from __future__ import annotations

from pathlib import Path


class Maintenance:
    """The switch."""

    def __init__(self, folder: Path) -> None:
        self._marker = folder / "maintenance"

    @property
    def on(self) -> bool:
        """Whether it is on; asked for every request, so it must stay one look at the file system."""
        return self._marker.exists()

    def switch(self, *, on: bool) -> None:
        """Turn it on or off; both are fine when it is so already.

        Raises:
            OSError: the folder cannot be written to.
        """
        if on:
            self._marker.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._marker.touch()
        else:
            self._marker.unlink(missing_ok=True)
