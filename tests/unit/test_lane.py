"""How many attempts a destination bears, and when it is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.worker.lane import FIRST_PROBE, LAST_PROBE, OPENS_AFTER, Circuit, Lane, as_written, backoff


def open_lane(now: float = 100.0) -> Lane:
    """One that has just been found to be unavailable."""
    lane = Lane("erp", 4)
    for _ in range(OPENS_AFTER):
        lane.begin(now)
        lane.failed(now)
    return lane


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 0.0, 1.0), (2, 0.0, 2.0), (5, 0.0, 16.0), (9, 0.0, 20.0), (1, 1.0, 0.5), (10_000, 1.0, 10.0)],
)
def test_pause_doubles_up_to_the_longest_less_up_to_a_half(attempt: int, jitter: float, seconds: float) -> None:
    assert backoff(attempt, 1.0, 20.0, jitter) == seconds


def test_pauses_of_those_that_failed_together_differ() -> None:
    pauses = {backoff(3, 1.0, 100.0) for _ in range(50)}
    assert len(pauses) > 40
    assert all(2.0 <= pause <= 4.0 for pause in pauses)


def test_capacity_is_what_is_not_under_way() -> None:
    lane = Lane("erp", 3)
    lane.begin(0.0)
    assert lane.capacity(0.0) == 2
    lane.begin(0.0)
    lane.begin(0.0)
    assert lane.capacity(0.0) == 0
    lane.succeeded()
    assert lane.capacity(0.0) == 1


def test_more_under_way_than_agreed_is_no_negative_capacity() -> None:
    lane = Lane("erp", 1)
    for _ in range(3):  # senders that wait are not kept back
        lane.begin(0.0)
    assert lane.capacity(0.0) == 0


def test_paused_lane_has_no_capacity_and_no_time_at_which_it_will() -> None:
    lane = Lane("erp", 3, paused=True)
    assert lane.capacity(0.0) == 0
    assert lane.waits_until(0.0) is None


def test_failures_with_a_success_between_them_leave_it_closed() -> None:
    lane = Lane("erp", 1)
    for _ in range(5):
        for _ in range(OPENS_AFTER - 1):
            lane.begin(0.0)
            assert not lane.failed(0.0)
        lane.begin(0.0)
        assert not lane.succeeded()
    assert lane.circuit is Circuit.CLOSED


def test_three_failures_in_a_row_open_it_until_the_probe() -> None:
    lane = open_lane(100.0)
    assert lane.circuit is Circuit.OPEN
    assert lane.capacity(100.0) == 0
    until = lane.waits_until(100.0)
    assert until is not None
    assert 100.0 + FIRST_PROBE / 2 <= until <= 100.0 + FIRST_PROBE
    assert lane.capacity(until) == 1
    assert lane.waits_until(until) is None


def test_probe_is_alone_and_its_success_closes_it() -> None:
    lane = open_lane()
    lane.begin(lane.probe_at)
    assert lane.circuit is Circuit.HALF_OPEN
    assert lane.capacity(lane.probe_at) == 0
    assert lane.waits_until(lane.probe_at) is None
    assert lane.succeeded()
    assert lane.capacity(lane.probe_at) == 4


def test_probes_that_fail_come_less_and_less_often() -> None:
    lane = open_lane()
    pauses = []
    for _ in range(10):
        now = lane.probe_at
        lane.begin(now)
        assert lane.failed(now)
        pauses.append(lane.probe_at - now)
    assert pauses[0] < 2 * FIRST_PROBE + 0.001
    assert LAST_PROBE / 2 <= pauses[-1] <= LAST_PROBE


def test_first_failure_after_it_was_available_again_does_not_open_it() -> None:
    lane = open_lane()
    lane.begin(lane.probe_at)
    lane.succeeded()
    lane.begin(200.0)
    assert not lane.failed(200.0)
    assert lane.circuit is Circuit.CLOSED


def test_failure_of_an_attempt_that_began_before_it_was_opened_does_not_put_the_probe_off() -> None:
    lane = Lane("erp", 4)
    for _ in range(4):
        lane.begin(0.0)
    for _ in range(OPENS_AFTER):
        lane.failed(0.0)
    probe_at = lane.probe_at
    assert not lane.failed(5.0)
    assert lane.probe_at == probe_at
    assert lane.in_flight == 0


def test_late_success_of_an_attempt_that_began_before_it_was_opened_closes_it() -> None:
    lane = Lane("erp", 4)
    for _ in range(4):
        lane.begin(0.0)
    for _ in range(OPENS_AFTER):
        lane.failed(0.0)
    assert lane.succeeded()
    assert lane.circuit is Circuit.CLOSED


@pytest.mark.parametrize(("asked", "kept"), [(120.0, 120.0), (0.0, 0.0), (-5.0, 0.0), (10.0**9, 3600.0)])
def test_time_that_the_destination_asked_for_is_kept_within_an_hour(asked: float, kept: float) -> None:
    lane = Lane("erp", 1)
    lane.open(0.0, asked)
    assert max(kept, FIRST_PROBE / 2) <= lane.probe_at <= max(kept, FIRST_PROBE)


def test_attempt_that_says_nothing_of_the_destination_leaves_the_next_one_to_find_out() -> None:
    lane = open_lane()
    lane.begin(lane.probe_at)
    lane.abandoned()
    assert lane.circuit is Circuit.OPEN
    assert lane.capacity(lane.probe_at) == 1


def test_attempt_that_says_nothing_does_not_close_a_lane_that_is_open() -> None:
    lane = Lane("erp", 4)
    for _ in range(4):
        lane.begin(0.0)
    for _ in range(OPENS_AFTER):
        lane.failed(0.0)
    lane.abandoned()
    assert lane.circuit is Circuit.OPEN


def test_no_more_attempts_a_second_than_agreed_over_any_time() -> None:
    lane = Lane("erp", 100, max_per_second=10.0)
    begun = 0
    for step in range(1000):  # one second
        now = 50.0 + step / 1000
        while lane.capacity(now) > 0:
            lane.begin(now)
            begun += 1
    assert 10 <= begun <= 11
    until = lane.waits_until(51.0)
    assert until is not None
    assert 51.0 < until <= 51.1


def test_seconds_without_attempts_are_not_made_up_for() -> None:
    lane = Lane("erp", 100, max_per_second=10.0)
    lane.begin(0.0)
    begun = 0
    while lane.capacity(1000.0) > 0:
        lane.begin(1000.0)
        begun += 1
    assert begun <= 2


def test_transaction_that_fails_leaves_the_lanes_as_they_were() -> None:
    lanes = {"erp": open_lane(), "other": Lane("other", 2)}
    before = {name: replace(lane) for name, lane in lanes.items()}
    same = lanes["erp"]
    with pytest.raises(OSError, match="disk"), as_written(lanes):
        lanes["erp"].begin(200.0)
        lanes["erp"].succeeded()
        lanes["other"].begin(200.0)
        raise OSError("disk")
    assert lanes == before
    assert lanes["erp"] is same
