"""What an operator should know of a merge, one sentence each."""

from __future__ import annotations

from handlers.mirror.changes import shown

#: More than a person reads of one event.
MAX_FLAGS = 100


class Flags:
    """Collects them, as many as somebody reads."""

    def __init__(self) -> None:
        self._flags: list[str] = []
        self._more = 0

    def untold(self, part: str) -> None:
        """A part was applied although nothing tells whether it is newer than the known one."""
        self._add(f"Nothing tells whether {shown(part)} is newer than the known one; it was applied.")

    def late(self, line: str) -> None:
        """An old line without position matched none that is known."""
        self._add(
            f"Line {shown(line)} is older than what is known of its origin and matches none of its lines; "
            "it was kept as one of its own and may be one of them."
        )

    def by_turn(self) -> None:
        """A line says nothing by which it could be told from others."""
        self._add("A line without position and id was taken for the known one whose turn it was.")

    def all(self) -> tuple[str, ...]:
        """All of them; the last one says how many more there were."""
        return (*self._flags, f"{self._more} more of this kind.") if self._more else tuple(self._flags)

    def _add(self, sentence: str) -> None:
        if len(self._flags) < MAX_FLAGS:
            self._flags.append(sentence)
        else:
            self._more += 1
