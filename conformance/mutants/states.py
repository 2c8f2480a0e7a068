"""The states that a test can put the receiver into: a file each, so that every process of a receiver sees them."""

from __future__ import annotations

from pathlib import Path

STATE_NAMES = ("erp-down", "erp-slow", "overloaded", "unknown-supplier", "unknown-order", "poison", "store-down")


class States:
    """Which of the states are on, by the files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "states"
        self._folder.mkdir(parents=True, exist_ok=True)

    def on(self, name: str) -> bool:
        """True while the state is on."""
        return (self._folder / name).exists()

    def switch(self, name: str, on: bool) -> None:
        """Switch a state on or off; doing it twice is fine."""
        if on:
            (self._folder / name).touch()
        else:
            (self._folder / name).unlink(missing_ok=True)

    def all_off(self) -> None:
        """Every start begins without trouble."""
        for name in STATE_NAMES:
            self.switch(name, False)
