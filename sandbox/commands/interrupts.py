"""Ending a command in order: by Ctrl+C, or by SIGTERM or a terminal that is closed, which are as good."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_in_order() -> Iterator[None]:
    """All of them raise KeyboardInterrupt inside, also where a shell has its background jobs ignore Ctrl+C."""

    def interrupted(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup, where it is to go on
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupted) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
