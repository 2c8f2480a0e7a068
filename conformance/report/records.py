"""The master of all reports: `run.ndjson`, one JSON object a line, written while the run goes on; bodies beside.

Lines: `run` (first), `preflight`, `result` (one for each variant), `codes` (the table of response codes),
`generated`, `end` (last: a file without it is of a run that was cut off). All of it goes through the redactor.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.redaction import Redactor
from conformance.results import Exchange, Result

RUN_FILE = "run.ndjson"
BODIES_FILE = "bodies.bin"
#: Of an answer's body at most so many bytes are kept.
KEPT_OF_ANSWER = 65_536


class RunWriter:
    """Writes the folder of one run."""

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._redactor = redactor
        self._lines = (folder / RUN_FILE).open("wb")
        self._bodies = (folder / BODIES_FILE).open("wb")
        self._stored: dict[bytes, dict[str, int]] = {}

    def close(self) -> None:
        """Close the files."""
        self._lines.close()
        self._bodies.close()

    def write(self, kind: str, **members: Any) -> None:
        """Write one line."""
        line = json.dumps({"type": kind, **members}, ensure_ascii=False)
        self._bodies.flush()  # first: a line that is there must not point to a body that is not
        self._lines.write(self._redactor.clean(line.encode("utf-8", "backslashreplace")) + b"\n")
        self._lines.flush()

    def result(self, number: int, result: Result) -> None:
        """Write one result; `number` is its id within the run."""
        self.write(
            "result",
            id=f"{result.case}.{number}",
            case=result.case,
            variant=result.variant,
            level=result.level.value,
            outcome=result.outcome.value,
            reason=result.reason,
            expected=result.expected,
            change=result.change,
            endpoint=result.endpoint,
            payload=result.payload,
            form=result.form,
            scheme=result.scheme,
            status=result.status,
            codes=list(result.codes),
            needs=result.needs,
            exchanges=[self._exchange(one) for one in result.exchanges],
        )

    def _exchange(self, exchange: Exchange) -> dict[str, Any]:
        answer, rendered = exchange.answer, exchange.rendered
        request = None
        if rendered is not None:
            request = {
                "method": rendered.method,
                "target": rendered.target,
                "head": self._head(rendered.head),
                "body": self._body(rendered.framed),
                "plain": rendered.channel.plain or rendered.channel.plain_port is not None,
            }
        return {
            "purpose": exchange.purpose,
            "order": exchange.order,
            "request": request,
            "answer": {
                "status": answer.status,
                "head": self._head(answer.raw[: len(answer.raw) - len(answer.body)]),
                "body": self._body(answer.body, KEPT_OF_ANSWER),
                "seconds": round(answer.seconds, 4),
                "interim": list(answer.interim),
                "failure": answer.failure,
                "note": answer.note,
            },
        }

    def _head(self, data: bytes) -> str:
        # Before it is text: a secret in another encoding is no longer one byte for byte afterwards.
        return self._redactor.clean(data).decode("utf-8", "backslashreplace")

    def _body(self, data: bytes, room: int | None = None) -> dict[str, int]:
        """Store bytes once; where they are: `at`, `size` (compressed), `length`."""
        clean = self._redactor.clean(data)[:room]  # cut afterwards: half a secret is not found
        if clean not in self._stored:
            packed = zlib.compress(clean, 1)
            place = {"at": self._bodies.tell(), "size": len(packed), "length": len(clean)}
            self._bodies.write(packed)
            if len(self._stored) < 10_000:
                self._stored[clean] = place
            return place
        return self._stored[clean]


class RunReader:
    """Reads the folder of a run, a cut off one too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def lines(self, kind: str | None = None) -> Iterator[dict[str, Any]]:
        """The lines, all or of one kind; without a last one that was only half written."""
        with (self.folder / RUN_FILE).open("rb") as file:
            for line in file:
                try:
                    record: dict[str, Any] = json.loads(line)
                except ValueError:
                    if line.endswith(b"\n"):
                        raise
                    return
                if kind is None or record["type"] == kind:
                    yield record

    def one(self, kind: str) -> dict[str, Any] | None:
        """The only line of a kind, if it is there."""
        return next(self.lines(kind), None)

    def body(self, place: dict[str, int]) -> bytes:
        """The bytes of a body."""
        with (self.folder / BODIES_FILE).open("rb") as file:
            file.seek(place["at"])
            return zlib.decompress(file.read(place["size"]))
