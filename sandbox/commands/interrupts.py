"""Ending a command in order: by Ctrl+C, or by SIGTERM, which is as good."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Both raise KeyboardInterrupt inside, also where a shell has its background jobs ignore Ctrl+C."""

    def interrupted(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
