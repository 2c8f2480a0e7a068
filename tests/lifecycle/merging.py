"""What one event after the other tells a receiver, merged by the script's own marks.

The plainest reading of the rules: the script knows which line is which and what is newer than what; nothing has to
be found out from the bodies.
"""

from __future__ import annotations

from handlers.interface import JsonObject
from tests.lifecycle.history import payload_of
from tests.lifecycle.order import Place, Told


class PlainMerge:
    """One order as a receiver knows it after the events so far."""

    def __init__(self) -> None:
        self._header: tuple[int, JsonObject] = (-1, {})
        self._lines: dict[str, tuple[int, JsonObject]] = {}
        self._documents: dict[tuple[Place, str], tuple[int, str]] = {}

    def take(self, told: Told) -> bool:
        """Merge one event; whether anything in it was news."""
        payload = payload_of(told.body)
        news = False
        if told.header_tick is not None:
            if told.header_tick > self._header[0]:
                header = {name: value for name, value in payload.items() if name not in ("lines", "meta")}
                self._header = (told.header_tick, header)
                news = True
            lines = payload.get("lines", [])
            assert isinstance(lines, list)
            for (key, tick), line in zip(told.line_ticks.items(), lines, strict=True):
                assert isinstance(line, dict)
                if key not in self._lines or tick > self._lines[key][0]:
                    self._lines[key] = (tick, line)
                    news = True
        for place, (tick, revision) in told.documents.items():
            before = self._documents.get(place)
            if before is None or (tick > before[0] and revision != before[1]):
                news = True
            if before is None or tick > before[0]:
                self._documents[place] = (tick, revision)
        return news

    def without_documents(self) -> JsonObject:
        """Header and lines as they came, whatever documents came apart from them."""
        return self._header[1] | {"lines": [line for _, line in self._lines.values()]}

    def documents(self) -> dict[tuple[Place, str], str]:
        """Revision of each document that is known."""
        return {place: revision for place, (_, revision) in self._documents.items()}
