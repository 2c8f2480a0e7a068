"""The receiver's side of the worker: starts it, starts it again when it ends, asks it to attempt an event now."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import sys
import time
from collections.abc import Sequence

from service.worker.inline import InlineAnswer

log = logging.getLogger(__name__)

#: Seconds until a worker that ended is started again: the first time, and at most.
FIRST_RESTART, LAST_RESTART = 0.1, 10.0
#: A worker that ran so long, in seconds, did not fail at its start.
RAN_WELL = 10.0
#: Seconds after which a worker that is not ready is worth a word.
STARTS_WITHIN = 15.0
#: Seconds that the worker has to finish what is under way when the service stops.
STOP_SECONDS = 2.5


def restart_pause(failures: int) -> float:
    """Seconds until the next start after so many failures in a row."""
    return min(FIRST_RESTART * 2.0 ** min(failures, 20), LAST_RESTART)


class WorkerBeside:
    """One worker process; to be used on the event loop."""

    def __init__(self, arguments: Sequence[str]) -> None:
        """`arguments` follow `webhooks work`."""
        self._arguments = arguments
        self._keeping: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[tuple[InlineAnswer, str | None]]] = {}
        self._number = 0
        self._stopping = False
        self._not_ready_since: float | None = time.monotonic()

    def start(self) -> None:
        """Start it and keep it running."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def stop(self) -> None:
        """End it: what is under way has a moment to finish, the rest is repeated by the next one."""
        self._stopping = True
        self._close()
        process = self._process
        if process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            if process.returncode is None:
                log.warning("action=worker_cut_off")
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping

    async def attempt(self, event_id: str, seconds: float) -> tuple[InlineAnswer, str | None]:
        """Hand a stored event over now and tell what came of it, within so many seconds."""
        writer = self._writer
        if writer is None:
            return InlineAnswer.TROUBLE, "the worker is not running"
        self._number += 1
        number = self._number
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            writer.write(json.dumps({"n": number, "event": event_id}).encode() + b"\n")
            return await asyncio.wait_for(answer, seconds)
        except (TimeoutError, OSError):
            return InlineAnswer.TROUBLE, "the worker did not answer in time"
        finally:
            self._asked.pop(number, None)

    @property
    def ready(self) -> bool:
        """Whether it works: it has started, and no other worker works on the same inbox."""
        return self._not_ready_since is None

    def attention(self) -> list[str]:
        """What an operator should know."""
        since = self._not_ready_since
        if since is None or time.monotonic() - since < STARTS_WITHIN:
            return []
        if self._process is not None and self._process.returncode is None:
            return ["the worker stands by: another one works on this inbox"]
        return ["the worker is not running: events are accepted and wait"]

    async def _keep(self) -> None:
        failures = 0
        while not self._stopping:
            began = time.monotonic()
            try:
                await self._run()
            except OSError as error:
                log.error("action=worker_not_started reason=%s", error)
            except Exception:
                log.exception("action=worker_link_failed")
            if self._stopping:
                return
            failures = 0 if time.monotonic() - began > RAN_WELL else failures + 1
            pause = restart_pause(failures)
            status = self._process.returncode if self._process else None
            log.error("action=worker_ended status=%s again_in=%.1f", status, pause)
            await asyncio.sleep(pause)

    async def _run(self) -> None:
        """One life of the worker."""
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                "from service.cli import main; main()",
                "work",
                *self._arguments,
                "--link",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        if self._stopping:
            self._close()
        try:
            while line := await reader.readline():
                self._take(line)
        except (OSError, ValueError, KeyError) as error:
            log.error("action=worker_link_failed reason=%s", error)
        finally:
            self._close()
            for waiting in self._asked.values():
                if not waiting.done():
                    waiting.set_result((InlineAnswer.TROUBLE, "the worker ended"))
        await self._process.wait()

    def _take(self, line: bytes) -> None:
        told = json.loads(line)
        if "ready" in told:
            self._not_ready_since = None
            return
        waiting = self._asked.get(told["n"])
        if waiting is not None and not waiting.done():
            waiting.set_result((InlineAnswer(told["answer"]), told["reason"]))

    def _close(self) -> None:
        if self._not_ready_since is None:
            self._not_ready_since = time.monotonic()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
