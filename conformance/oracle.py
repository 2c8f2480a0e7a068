"""What Tradecloud does with an answer: the sender model that every verdict rests on.

Four documented reactions and two silences (requirements R-RSP-1 to R-RSP-4).
"""

from __future__ import annotations

from enum import StrEnum


class Consequence(StrEnum):
    """What becomes of an event after an answer; the value is the letter used in reports."""

    DELIVERED = "D"
    REFUSED = "R"
    FAILED = "C"
    RETRIED = "T"
    UNDOCUMENTED = "X"
    NO_ANSWER = "N"


#: The whole alphabet.
ANY = frozenset(Consequence)

_SENTENCES = {
    Consequence.DELIVERED: "Tradecloud marks the event as delivered and never sends it again.",
    Consequence.REFUSED: "Tradecloud drops the event for good: a 4xx is never tried again.",
    Consequence.FAILED: "Tradecloud drops the event for good: a 500 is never tried again.",
    Consequence.RETRIED: "Tradecloud sends the event again, without end, at growing intervals.",
    Consequence.UNDOCUMENTED: "What Tradecloud does is not documented; the event may be lost.",
    Consequence.NO_ANSWER: "What Tradecloud does without an answer is not documented; the event may be lost.",
}


def consequence(status: int | None) -> Consequence:
    """The class of an answer by its status; None stands for no answer at all."""
    if status is None:
        return Consequence.NO_ANSWER
    if 200 <= status <= 299:
        return Consequence.DELIVERED
    if 400 <= status <= 499:
        return Consequence.REFUSED
    if status == 500:
        return Consequence.FAILED
    if 501 <= status <= 599:
        return Consequence.RETRIED
    return Consequence.UNDOCUMENTED


def sentence(of: Consequence) -> str:
    """What happens to the event, in words."""
    return _SENTENCES[of]


#: A status that stands for its class where one has to be made up.
TYPICAL_STATUS: dict[Consequence, int | None] = {
    Consequence.DELIVERED: 202,
    Consequence.REFUSED: 400,
    Consequence.FAILED: 500,
    Consequence.RETRIED: 503,
    Consequence.UNDOCUMENTED: 307,
    Consequence.NO_ANSWER: None,
}
