"""A sender's own content server: what is behind the `url` of a document (behaviour.md, section 8).

Anybody may fetch, at `/ID` or `/ID/NAME`. It holds what the platform holds, and the same goes wrong with it.
"""

from __future__ import annotations

from urllib.parse import quote

from sandbox.platform.faults import Faults
from sandbox.platform.links import downloaded, loop_again
from sandbox.platform.store import Store
from sandbox.serving import Answer, Request, problem


class Content:
    """Answers downloads by `url`; used by several threads."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults

    def answer(self, request: Request) -> Answer:
        """The document, with what goes wrong with it."""
        if request.method not in ("GET", "HEAD"):
            return problem(405, "Method Not Allowed", "Only GET here.")
        self._faults.count("content")
        if {"authorization", "cookie", "refresh-token"} & set(request.headers):
            self._faults.count("credentials_on_content")
        if request.parts[0] == "loop":
            return loop_again(request)
        document = self._store.document(request.parts[0])
        if document is None:
            return problem(404, "Not Found", f"There is no document {request.parts[0]}.")
        return downloaded(
            document, self._faults.next_download(), loop=f"{request.base}/loop/{quote(request.parts[0], safe='')}"
        )
