"""The signing keys of one issuer, kept at hand and kept fresh.

A token that names a key we do not have may be forged, or signed by a key that is minutes old. Only the issuer
knows, so it is asked; and as long as it does not answer, nobody may be turned away for good.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from handlers.background import in_thread
from handlers.interface import KeysUnavailableError
from handlers.oauth.key_server import KeyServerError, KeySource, Published, fetch
from handlers.oauth.key_set import read_key_set

log = logging.getLogger(__name__)

Found = TypeVar("Found")

#: Our clock and the key server's may differ by this much, in seconds, before somebody is told.
CLOCKS_DIFFER = 30.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the key server is asked; in seconds."""

    refresh_every: float = 3600.0
    """A key that was withdrawn is gone after this time. New ones are announced a day or more before their use."""
    retry_after: float = 30.0
    """After a failure."""
    ask_again_after: float = 30.0
    """Between two refreshes for the sake of unknown keys: strangers can make up as many as they like."""
    wait_at_most: float = 5.0
    """How long a request waits for a refresh: less than the drain at a shutdown takes."""
    give_up_after: float = 60.0
    """A refresh that takes longer has failed, wherever it hangs (name resolution, a server that drips)."""


#: For production; tests cannot wait so long.
USUAL = Rhythm()


class SigningKeys:
    """The keys that one source publishes. The keys of a source that fails stay in force."""

    def __init__(self, source: KeySource, rhythm: Rhythm = USUAL) -> None:
        self._source = source
        self._rhythm = rhythm
        self._published = None if source.given is None else Published(read_key_set(source.given))
        self._clock: Callable[[], float] | None = None if source.given is None else time.time
        self._regular: asyncio.Task[None] | None = None
        self._refresh: asyncio.Task[bool] | None = None
        self._answered_for = float("-inf")
        """When the last refresh that succeeded began."""
        self._asked_for_a_request = float("-inf")
        self._failure: str | None = None
        self._clock_differs = False

    def start(self) -> None:
        """Begin to refresh in the background, if that has not begun; needs a running event loop."""
        if self._source.given is None and self._regular is None:
            self._regular = asyncio.create_task(self._refresh_regularly())
            # At once: a request that comes before that task runs must find this refresh, and not ask on its own.
            self._begin()

    async def stop(self) -> None:
        """End it. Requests that wait for a refresh get a KeysUnavailableError."""
        tasks = [task for task in (self._regular, self._refresh) if task is not None]
        self._regular = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def time(self) -> float | None:
        """What time it is for the key server, as far as we can tell, in seconds of the Unix epoch.

        Our own time where there is no server or it does not say; None before its first answer.
        """
        return self._clock() if self._clock else None

    def trouble(self) -> str | None:
        """What is wrong with the keys now, for an administrator; None if nothing is."""
        if self._published is None:
            return f"no signing keys yet ({self._failure or 'still asking'}); its tokens are answered 503"
        if self._failure:
            return f"the signing keys cannot be refreshed ({self._failure}); the known ones stay in force"
        return None

    @property
    def issuers(self) -> frozenset[str]:
        """The issuers that the metadata named last; empty if it did not, or has not been fetched yet."""
        return self._published.issuers if self._published else frozenset()

    @property
    def fresh(self) -> bool:
        """Whether what the issuer published lately is at hand, or all that was given: what that denies is denied.

        Otherwise it may be different there by now; see `Rhythm.ask_again_after`.
        """
        asked_ago = time.monotonic() - self._answered_for
        return self._source.given is not None or asked_ago < self._rhythm.ask_again_after

    async def consult(self, question: Callable[[Published], Found | None]) -> Found | None:
        """What the question finds in the keys. If that is nothing, the issuer is asked and the question put again.

        None means that the issuer was asked after the call, answered, and still there is nothing to be found.

        Raises:
            KeysUnavailableError: nothing was found, but that is not the issuer's last word.
        """
        called_at = time.monotonic()
        while True:
            if self._published is not None and (found := question(self._published)) is not None:
                return found
            if self._answered_for >= called_at:
                return None
            # One that is under way began too early to have the last word, but it may bring the key.
            refresh = self._under_way() or self._refresh_for_a_request()
            await asyncio.wait([refresh], timeout=self._rhythm.wait_at_most)
            if not refresh.done():
                raise KeysUnavailableError("the key server has not answered yet")
            if refresh.cancelled() or not refresh.result():
                raise KeysUnavailableError("the key server did not answer")

    def _refresh_for_a_request(self) -> asyncio.Task[bool]:
        if self._source.given is not None:
            # Whoever gave us the keys may have missed the newest one.
            raise KeysUnavailableError("the token is signed by a key that is not in jwks_file")
        if self._regular is None:
            raise KeysUnavailableError("these keys are not kept any more")
        now = time.monotonic()
        if now - self._asked_for_a_request < self._rhythm.ask_again_after:
            raise KeysUnavailableError("the key server was asked about unknown keys a moment ago")
        self._asked_for_a_request = now
        return self._begin()

    def _under_way(self) -> asyncio.Task[bool] | None:
        return self._refresh if self._refresh is not None and not self._refresh.done() else None

    def _begin(self) -> asyncio.Task[bool]:
        self._refresh = self._under_way() or asyncio.create_task(self._ask())
        return self._refresh

    async def _refresh_regularly(self) -> None:
        while True:
            refresh = self._begin()
            await asyncio.wait([refresh])
            done = not refresh.cancelled() and refresh.result()
            await asyncio.sleep(self._rhythm.refresh_every if done else self._rhythm.retry_after)

    async def _ask(self) -> bool:
        """Ask the key server once; whether it answered."""
        began = time.monotonic()
        try:
            published = await asyncio.wait_for(in_thread(lambda: fetch(self._source)), self._rhythm.give_up_after)
        except KeyServerError as error:
            self._failed(str(error))
            return False
        except TimeoutError:
            self._failed("it hangs")
            return False
        except Exception:
            log.exception("action=key_refresh_fault")
            return False
        if self._failure or self._published is None or published.keys != self._published.keys:
            ids = [str(key.id)[:16] for key in published.keys.keys]
            host = ascii(self._source.host)
            log.info("action=signing_keys_loaded host=%s keys=%d ids=%s", host, len(ids), ascii(",".join(ids)))
        self._published, self._answered_for, self._failure = published, began, None
        self._set_clock(published.date)
        return True

    def _failed(self, reason: str) -> None:
        if self._failure is None:
            known = len(self._published.keys.keys) if self._published else 0
            log.warning("action=key_server_failed keys_in_force=%d reason=%s", known, ascii(reason))
        self._failure = reason

    def _set_clock(self, date: float | None) -> None:
        if date is None:
            self._clock = time.time
            return
        # By the monotonic clock: nobody can set it wrong later.
        since = date - time.monotonic()
        self._clock = lambda: since + time.monotonic()
        differs = abs(date - time.time()) > CLOCKS_DIFFER
        if differs and not self._clock_differs:
            log.error(
                "action=clock_differs seconds=%d detail=%s",
                time.time() - date,
                ascii(
                    "this machine's clock and the key server's differ; tokens may be answered 503 until it is set"
                ),
            )
        self._clock_differs = differs
