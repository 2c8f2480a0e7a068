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

#: Seconds between two lines about deliveries to addresses that are none.
TELL_OF_STRAY_EVERY = 5.0


class Answering:
    """Wraps the routed application."""

    def __init__(self, app: ASGIApp, maintenance: Maintenance, retry_after: int) -> None:
        self._app = app
        self._maintenance = maintenance
        self._retry_after = retry_after
        self._told_of_stray_at = float("-inf")

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
                raise UnavailableError("Maintenance.")
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
        event, and this line is its only trace. Seldom, for strangers knock at many doors."""
        if (now := time.monotonic()) - self._told_of_stray_at >= TELL_OF_STRAY_EVERY:
            self._told_of_stray_at = now
            log.warning("action=no_such_address status=%d path=%s", status, quoted(scope["path"]))

    def _answer(self, error: Exception) -> Answer:
        match error:
            case NotAuthenticatedError():
                return problems.not_authenticated(error.challenges)
            case NotAllowedError():
                return problems.not_allowed(error.challenges)
            case KeysUnavailableError():
                log.warning("action=unavailable reason=%s", error)
                return problems.unavailable("The access token cannot be checked now.", self._retry_after)
            case UnavailableError():
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
