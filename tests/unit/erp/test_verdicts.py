"""What a status means: the usual table, and one's own rules before it."""

from __future__ import annotations

import pytest

from handlers.erp.verdicts import Rule, Verdict, read_rule, verdict_of


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        ((200, 201, 202, 204, 299), Verdict.ACCEPTED),
        ((301, 302, 307, 399), Verdict.UNAVAILABLE),
        ((401, 403, 407), Verdict.UNAVAILABLE),
        ((408, 425, 429), Verdict.UNAVAILABLE),
        ((501, 502, 503, 504, 599), Verdict.UNAVAILABLE),
        ((404,), Verdict.UNKNOWN_ORDER),
        ((400, 402, 405, 409, 410, 412, 422, 499, 500, 600, 999), Verdict.REFUSED),
    ],
)
def test_status_without_rules_means_what_is_usual(statuses: tuple[int, ...], verdict: Verdict) -> None:
    assert {verdict_of(status) for status in statuses} == {verdict}


def test_first_rule_that_fits_counts_and_the_rest_stays_usual() -> None:
    rules = [read_rule("409=accepted"), read_rule("400-499 = timed_out")]
    assert [verdict_of(status, rules) for status in (409, 404, 200)] == [
        Verdict.ACCEPTED,
        Verdict.TIMED_OUT,
        Verdict.ACCEPTED,
    ]
    assert rules[1] == Rule(400, 499, Verdict.TIMED_OUT)


@pytest.mark.parametrize("text", ["", "409", "409=", "409=fine", "409:accepted", "499-400=refused", "99=refused"])
def test_rule_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='must hold texts such as "409=accepted"; the words are accepted'):
        read_rule(text)
