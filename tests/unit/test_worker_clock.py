"""The worker's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from service.worker.clock import Clock

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


class Machine:
    """Both clocks of a machine; that of the day can be set."""

    def __init__(self) -> None:
        self.day = NOON
        self.seconds = 1000.0

    def pass_by(self, seconds: float) -> None:
        self.day += timedelta(seconds=seconds)
        self.seconds += seconds


def clock_of(machine: Machine) -> Clock:
    return Clock(lambda: machine.day, lambda: machine.seconds)


def test_clock_follows_that_of_the_machine() -> None:
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_by(90.0)
    assert clock() == NOON + timedelta(seconds=90)


def test_clock_goes_on_when_that_of_the_machine_is_set_back() -> None:
    machine = Machine()
    clock = clock_of(machine)
    machine.pass_by(10.0)
    clock()
    machine.day -= timedelta(hours=1)
    assert clock() == NOON + timedelta(seconds=10)
    machine.pass_by(5.0)
    assert clock() == NOON + timedelta(seconds=15)
    machine.pass_by(3600.0)
    assert clock() == NOON + timedelta(seconds=3615)


def test_clock_follows_when_that_of_the_machine_is_set_forward() -> None:
    machine = Machine()
    clock = clock_of(machine)
    machine.day += timedelta(hours=1)
    assert clock() == NOON + timedelta(hours=1)
