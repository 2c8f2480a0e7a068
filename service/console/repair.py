"""What repair came to, or would come to."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from service.console.text import cut, escaped, json_text, table
from service.inbox.interface import State
from service.inbox.repair import Treated
from service.inbox.repair_rules import Action, Standing, is_unfinished

_PAST = {
    Action.REPLAY: "replayed",
    Action.CANCEL: "cancelled",
    Action.SKIP: "skipped",
    Action.FETCH: "to be fetched again",
}

#: Events that were left are named up to this number.
_MAX_NAMED = 20


def preview(action: Action, standings: Sequence[Standing], left: Sequence[Treated], *, as_json: bool) -> str:
    """What would be done: `standings` would be treated, `left` would not."""
    counts = Counter((one.event.event_name or "", one.event.state) for one in standings)
    if as_json:
        would = [
            {"eventName": name or None, "state": state, "count": count}
            for (name, state), count in counts.most_common()
        ]
        return json_text(
            {
                "action": action.value,
                "dryRun": True,
                "would": would,
                "again": [{"destination": name, "count": count} for name, count in _again(action, standings)],
                "left": _left_counts(left),
            }
        )
    lines = [f"Would be {_PAST[action]}: {_events(len(standings))}."]
    if standings:
        rows = [[count, state, cut(escaped(name), 50)] for (name, state), count in counts.most_common()]
        lines += ["", table(["EVENTS", "STATE", "EVENT"], rows)]
    if again := _again(action, standings):
        lines += ["", "Destinations that have them already and get them once more, under a new key:"]
        lines += [f"  {escaped(name)}: {_events(count)}" for name, count in again]
    if left:
        lines += ["", *_left_lines(left, "would be left as it is")]
    return "\n".join(lines)


def result(action: Action, treated: Sequence[Treated], *, as_json: bool) -> str:
    """What was done."""
    left = [one for one in treated if one.left is not None]
    done = [one for one in treated if one.left is None]
    if as_json:
        return json_text(
            {
                "action": action.value,
                "dryRun": False,
                "done": [one.event_id for one in done],
                "left": [{"eventId": one.event_id, "why": one.left} for one in left],
            }
        )
    one_done = f"{done[0].event_id} is {_PAST[action]}." if len(done) == 1 else None
    lines = [one_done or f"{_events(len(done)).capitalize()} {_PAST[action]}."] if done or not left else []
    return "\n".join([*lines, *_left_lines(left, "left as it is")])


def _again(action: Action, standings: Sequence[Standing]) -> list[tuple[str, int]]:
    if action is not Action.REPLAY:
        return []
    whole = [one for one in standings if not any(is_unfinished(row) for row in one.handovers)]
    done = (row.destination for one in whole for row in one.handovers if row.state == State.DONE)
    return Counter(done).most_common()


def _left_lines(left: Sequence[Treated], what: str) -> list[str]:
    if len(left) <= _MAX_NAMED:
        return [f"{one.event_id} {what}: {escaped(one.left)}" for one in left]
    counts = Counter(one.left or "" for one in left)
    return [f"{_events(count)} {what}: {escaped(why)}" for why, count in counts.most_common()[:_MAX_NAMED]]


def _left_counts(left: Sequence[Treated]) -> list[dict[str, object]]:
    return [{"why": why, "count": count} for why, count in Counter(one.left for one in left).most_common()]


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count:,} events"


class Progress:
    """A line on the terminal that counts; nothing where errors do not go to a terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._shown_at = time.monotonic()
        self._shown = False

    def __enter__(self) -> Progress:
        return self

    def count(self, done: int) -> None:
        """So many are done."""
        now = time.monotonic()
        if sys.stderr.isatty() and now - self._shown_at >= 0.2:
            self._shown_at, self._shown = now, True
            sys.stderr.write(f"\r{done:,} of {self._total:,} ({100 * done // self._total}%)")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
