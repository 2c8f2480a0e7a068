"""The journal that the hooks write, read back: every call with its exact bytes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Recorded:
    """One call as it was made."""

    endpoint: str
    label: str
    kind: str
    """What was generated or mutated, first its kind, then a colon, then the generator's own words."""
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int | None
    reason: str
    answered: tuple[tuple[str, str], ...]
    answer: bytes
    seconds: float
    repeats: bool = False
    """Whether the answer held the credentials, in any spelling; they stand in nothing that is kept."""
    failed: dict[str, str] = field(default_factory=dict)
    """Schemathesis' own checks that failed, with their titles."""

    def header(self, name: str) -> str:
        """A header of the request; empty if there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    def answered_header(self, name: str) -> str:
        """A header of the answer; empty if there is none."""
        return next((value for key, value in self.answered if key.lower() == name.lower()), "")

    def request(self, host: str) -> bytes:
        """The bytes of the request in the order in which they were sent, but for the credentials."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}"]
        for name, value in self.headers:
            lines.append(f"{name}: {value}")
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.body

    def response(self) -> bytes:
        """The answer as far as it was kept, without the credentials."""
        if self.status is None:
            return b""
        lines = [f"HTTP/1.1 {self.status} {self.reason}", *(f"{name}: {value}" for name, value in self.answered)]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + self.answer

    @property
    def fingerprint(self) -> str:
        """Equal for requests of the same method, path, media type and body."""
        parts = (self.method.encode(), self.target.encode(), self.header("Content-Type").encode(), self.body)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()[:24]


def calls(journal: Path, endpoint: str) -> Iterator[Recorded]:
    """Every call of one run, in the order in which it was made. A last line that was cut off is left out."""
    if not journal.exists():
        return
    made: dict[str, Recorded] = {}
    order: list[str] = []
    with journal.open(encoding="ascii") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break
            record = json.loads(line)
            if "failed" in record:
                if record["id"] in made:
                    made[record["id"]] = replace(made[record["id"]], failed=record["failed"])
                continue
            # A case can be sent more than once, such as to see whether its failure comes again.
            key = record["id"] if record["id"] not in made else f"{record['id']} {len(order)}"
            made[key] = _recorded(record, endpoint)
            order.append(key)
    yield from (made[key] for key in order)


def _recorded(record: dict[str, Any], endpoint: str) -> Recorded:
    return Recorded(
        endpoint=endpoint,
        label=record["label"],
        kind=_kind(record),
        method=record["method"],
        target=record["target"],
        headers=tuple((name, value) for name, value in record["headers"]),
        body=base64.b64decode(record["body"]),
        status=record["status"],
        reason=record["reason"],
        answered=tuple((name, value) for name, value in record["answered"]),
        answer=base64.b64decode(record["answer"]),
        repeats=record["repeats"],
        seconds=record["seconds"],
    )


def _kind(record: dict[str, Any]) -> str:
    operators = sorted({" ".join([operator, *sorted(keywords)]) for operator, keywords in record["mutations"]})
    kind = record["scenario"] or " + ".join(operators) or record["label"]
    return f"{record['phase']} {kind}: {record['description']}"
