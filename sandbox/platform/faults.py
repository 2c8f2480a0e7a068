"""What goes wrong at the platform, and what was counted there."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

DownloadKind: TypeAlias = Literal["cut", "length", "slow", "late", "loop", "redirect", "status"]


@dataclass(frozen=True, slots=True)
class CallFault:
    """What happens to the next calls of the API."""

    status: int | None = None
    """Instead of the answer; None to let it through."""
    retry_after: int | None = None
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class DownloadFault:
    """What happens to the next downloads."""

    kind: DownloadKind
    after: int = 0
    by: int = 0
    bytes_per_second: int = 1000
    seconds: float = 0.0
    location: str = ""
    status: int = 500


class Faults:
    """Faults still to come, in the order they were asked for, and counters; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: deque[CallFault] = deque()
        self._downloads: deque[DownloadFault] = deque()
        self._counted: Counter[str] = Counter()
        self._running = 0
        self._most = 0

    def refuse(self, status: int = 503, calls: int = 1, retry_after: int | None = None) -> None:
        """Answer the next calls of the API with this status, 429 or 5xx for example."""
        self._add_calls(CallFault(status, retry_after), calls)

    def slow(self, seconds: float, calls: int = 1) -> None:
        """Answer the next calls of the API later by that many seconds."""
        self._add_calls(CallFault(wait=seconds), calls)

    def cut(self, after: int, downloads: int = 1) -> None:
        """Cut the next downloads after so many bytes."""
        self._add_downloads(DownloadFault("cut", after=after), downloads)

    def wrong_length(self, by: int, downloads: int = 1) -> None:
        """Let Content-Length of the next downloads be wrong by so many bytes, more or less."""
        self._add_downloads(DownloadFault("length", by=by), downloads)

    def slow_downloads(self, bytes_per_second: int, downloads: int = 1) -> None:
        """Send the next downloads at this pace."""
        self._add_downloads(DownloadFault("slow", bytes_per_second=bytes_per_second), downloads)

    def late_downloads(self, seconds: float, downloads: int = 1) -> None:
        """Hold the next downloads for so many seconds; a link that is over by then is refused."""
        self._add_downloads(DownloadFault("late", seconds=seconds), downloads)

    def redirect(self, location: str, downloads: int = 1) -> None:
        """Answer the next downloads with a redirect to this address."""
        self._add_downloads(DownloadFault("redirect", location=location), downloads)

    def loop(self, downloads: int = 1) -> None:
        """Answer the next downloads with a redirect that leads to redirects without end."""
        self._add_downloads(DownloadFault("loop"), downloads)

    def refuse_downloads(self, status: int = 503, downloads: int = 1) -> None:
        """Answer the next downloads with this status."""
        self._add_downloads(DownloadFault("status", status=status), downloads)

    def clear(self) -> None:
        """Forget all faults still to come; expired links and dead tokens stay so."""
        with self._lock:
            self._calls.clear()
            self._downloads.clear()

    def next_call(self) -> CallFault | None:
        """What happens to this call."""
        with self._lock:
            return self._calls.popleft() if self._calls else None

    def next_download(self) -> DownloadFault | None:
        """What happens to this download."""
        with self._lock:
            return self._downloads.popleft() if self._downloads else None

    def pending(self) -> dict[str, int]:
        """How many faults are still to come."""
        with self._lock:
            return {"calls": len(self._calls), "downloads": len(self._downloads)}

    def count(self, what: str) -> None:
        """One more of those."""
        with self._lock:
            self._counted[what] += 1

    def counted(self) -> dict[str, int]:
        """What was counted since the start."""
        with self._lock:
            return dict(sorted(self._counted.items()))

    def _add_calls(self, fault: CallFault, times: int) -> None:
        with self._lock:
            self._calls.extend([fault] * times)

    def _add_downloads(self, fault: DownloadFault, times: int) -> None:
        with self._lock:
            self._downloads.extend([fault] * times)


class Pace:
    """At most so many calls in any second (behaviour.md, section 6)."""

    def __init__(self, calls_per_second: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self.calls_per_second = calls_per_second
        self._lock = threading.Lock()
        self._clock = clock
        self._recent: deque[float] = deque()

    def allows(self) -> bool:
        """Whether one more call is allowed now. One that is not does not count."""
        now = self._clock()
        with self._lock:
            while self._recent and self._recent[0] <= now - 1.0:
                self._recent.popleft()
            if len(self._recent) >= self.calls_per_second:
                return False
            self._recent.append(now)
            return True
