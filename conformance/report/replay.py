"""Sending a result's requests again, byte for byte, from nothing but the folder of the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from conformance.report.curl import head_bytes
from conformance.report.lookup import Record, result_of
from conformance.report.records import RunReader

Send = Callable[[bytes, bool], int | None]
"""Sends bytes on a connection of their own (True: without TLS) and gives the status, None without an answer."""
Credentials = Callable[[str], str | None]
"""Gives what a redacted text such as `basic credentials` stands for; None if that text is no secret."""

_PLACEHOLDER = re.compile(rb"\[([^\[\]\r\n]{1,80})\]")


class ReplayError(Exception):
    """The request cannot be rebuilt; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """One request, then and now."""

    purpose: str
    old: int | None
    new: int | None

    @property
    def same(self) -> bool:
        """Whether the receiver still answers as it did."""
        return self.old == self.new


def replay(
    run: RunReader, result_id: str, send: Send, credentials: Credentials = lambda shown: None
) -> tuple[Replayed, ...]:
    """Send every request of a result again, in order, and compare the statuses.

    The messages are the same ones, ids included: a receiver that knows duplicates may say so.

    Raises:
        NoResultError: there is no such result.
        ReplayError: a redacted credential is not given back, or nothing was sent.
    """
    exchanges = [one for one in result_of(run, result_id)["exchanges"] if one["request"] is not None]
    if not exchanges:
        raise ReplayError(f"nothing was sent for {result_id}: it is about something else than a request")
    # All of them are rebuilt before the first one goes out.
    wires = [wire_of(run, one["request"], credentials) for one in exchanges]
    return tuple(
        Replayed(one["purpose"], one["answer"]["status"], send(wire, one["request"]["plain"]))
        for one, wire in zip(exchanges, wires, strict=True)
    )


def wire_of(run: RunReader, request: Record, credentials: Credentials) -> bytes:
    """The bytes of a request as they went out.

    Raises:
        ReplayError: a redacted credential is not given back.
    """

    def put_back(found: re.Match[bytes]) -> bytes:
        value = credentials(found[1].decode("utf-8", "replace"))
        return found[0] if value is None else value.encode("utf-8", "surrogateescape")

    head = _PLACEHOLDER.sub(put_back, head_bytes(request["head"]))
    missing = re.search(rb"(?im)^authorization:[^\r\n]*(\[[^\[\]\r\n]{1,80}\])", head)
    if missing is not None:
        mark = missing[1].decode("utf-8", "replace")
        raise ReplayError(
            f"it carried {mark}, which no run keeps and the profile does not have; "
            "only good credentials are given back from there, wrong ones are made by their case: "
            "`run --only` with its id repeats it"
        )
    return head + _PLACEHOLDER.sub(put_back, run.body(request["body"]))
