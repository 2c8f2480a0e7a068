"""What the status of an HTTP answer means for an event."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN_ORDER = "unknown_order"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed_out"


@dataclass(frozen=True, slots=True)
class Rule:
    """Statuses from first to last, and what they mean."""

    first: int
    last: int
    verdict: Verdict


#: The first one that fits counts. 401, 403, 407 and redirects are a matter of our settings and not of the event, so
#: they must not make it dead; 500 is what many servers answer to data that they cannot take.
USUAL = (
    Rule(200, 299, Verdict.ACCEPTED),
    Rule(300, 399, Verdict.UNAVAILABLE),
    Rule(401, 401, Verdict.UNAVAILABLE),
    Rule(403, 403, Verdict.UNAVAILABLE),
    Rule(404, 404, Verdict.UNKNOWN_ORDER),
    Rule(407, 408, Verdict.UNAVAILABLE),
    Rule(425, 425, Verdict.UNAVAILABLE),
    Rule(429, 429, Verdict.UNAVAILABLE),
    Rule(501, 599, Verdict.UNAVAILABLE),
)


def read_rule(text: str) -> Rule:
    """A rule as it is written in the settings: "409=accepted", "460-469=unavailable".

    Raises:
        ValueError: it is none; the text completes the sentence "<key>: …".
    """
    found = re.fullmatch(r"([2-9]\d\d)(?:-([2-9]\d\d))?\s*=\s*(\w+)", text.strip(), re.ASCII)
    if not found or found[3] not in list(Verdict) or int(found[2] or found[1]) < int(found[1]):
        raise ValueError(f'must hold texts such as "409=accepted"; the words are {", ".join(Verdict)}')
    return Rule(int(found[1]), int(found[2] or found[1]), Verdict(found[3]))


def verdict_of(status: int, rules: Sequence[Rule] = ()) -> Verdict:
    """What a status means, by one's own rules first."""
    for rule in (*rules, *USUAL):
        if rule.first <= status <= rule.last:
            return rule.verdict
    return Verdict.REFUSED
