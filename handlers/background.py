"""Work that blocks, away from the event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


async def in_thread(work: Callable[[], Found]) -> Found:
    """The result of work that blocks, or the error that it raises.

    Not asyncio.to_thread: the process would wait for its threads at the end, and a key server that hangs or a
    network drive that is gone can hold one for ever.
    """
    result: concurrent.futures.Future[Found] = concurrent.futures.Future()
    result.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, name="background", daemon=True).start()
    return await asyncio.wrap_future(result)
