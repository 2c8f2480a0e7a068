"""The outermost stage: every request gets an answer of the table in `problems.py`, whatever happens inside."""

from __future__ import annotations

import logging
import time

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handlers.interface import KeysUnavailableError, NotAllowedError, NotAuthenticatedError
from service import problems
from service.body import SenderGoneError
from service.inbox.interface import InboxUnavailableError
from service.log import quoted
from service.maintenance import Maintenance
from service.problems import Answer, UnavailableError

log = logging.getLogger(__name__)

#: Seconds between two lines that say the same of requests that strangers can make.
TELL_STRANGERS_EVERY = 5.0


class _MaintenanceError(UnavailableError):
    """Every delivery has to wait."""


class Answering:
    """Wraps the routed application."""

    def __init__(self, app: ASGIApp, maintenance: Maintenance, retry_after: int) -> None:
        self._app = app
        self._maintenance = maintenance
        self._retry_after = retry_after
        self._told_at: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            if scope["method"] == "POST" and self._maintenance.on:
                raise _MaintenanceError("Maintenance.")
            await self._app(scope, receive, sending)
        except SenderGoneError:
            log.info("action=sender_gone")
        except Exception as error:
            if started:
                raise
            answer = self._answer(error)
            if answer.status in (404, 405) and scope["method"] in ("POST", "PUT"):
                self._tell_of_stray(scope, answer.status)
            await answer.send(send)

    def _tell_of_stray(self, scope: Scope, status: int) -> None:
        """Somebody tried to deliver to an address that is none. A mistake in the portal's settings loses every
        event, and this line is its only trace."""
        if self._is_time_to_tell("no such address"):
            log.warning("action=no_such_address status=%d path=%s", status, quoted(scope["path"]))

    def _is_time_to_tell(self, what: str) -> bool:
        """Nobody has proved who he is yet: strangers must not be able to fill the log."""
        now = time.monotonic()
        if now - self._told_at.get(what, float("-inf")) < TELL_STRANGERS_EVERY:
            return False
        self._told_at[what] = now
        return True

    def _answer(self, error: Exception) -> Answer:
        match error:
            case NotAuthenticatedError():
                return problems.not_authenticated(error.challenges)
            case NotAllowedError():
                return problems.not_allowed(error.challenges)
            case KeysUnavailableError():
                if self._is_time_to_tell(str(error)):
                    log.warning("action=unavailable reason=%s", error)
                return problems.unavailable("The access token cannot be checked now.", self._retry_after)
            case UnavailableError():
                if not isinstance(error, _MaintenanceError) or self._is_time_to_tell("maintenance"):
                    log.warning("action=unavailable reason=%s", error)
                return problems.unavailable(error.public, self._retry_after)
            case InboxUnavailableError():
                log.error("action=unavailable reason=%s", error)
                return problems.unavailable("The event cannot be stored now.", self._retry_after)
            case HTTPException(status_code=404):
                return problems.not_found()
            case HTTPException(status_code=405):
                return problems.wrong_method((error.headers or {}).get("Allow", "POST"))
            case _:
                # A fault outside the reception: no body is kept, so the sender has to come again.
                log.error("action=fault_before_reception", exc_info=error)
                return problems.unavailable("The service failed before it read the body.", self._retry_after)
