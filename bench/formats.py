"""The same order in JSON and in tXML: time from bytes to values and to an event, and the memory it takes."""

from __future__ import annotations

import gc
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.bodies import order
from handlers.orders import receive_order_event
from service import txml
from service.contract import webhook_contracts
from service.drift import DriftFinder
from service.fingerprint import content_hash
from service.formats import parsers
from service.json_body import parse
from service.validation import BodyValidator

LINES = 500
#: What the project holds itself to.
MOST_TIMES_JSON = 4
MOST_TIMES_SIZE = 25

MEDIA_TYPES = {"JSON": "application/json", "tXML": "application/xml"}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one format."""

    size: int
    """Bytes of the body."""
    values_ms: float
    """From bytes to values, median."""
    event_ms: float
    """From bytes to a checked event with its fingerprint, median."""
    peak_bytes: int
    """By which the memory of a fresh process grew while it made the values."""


def bodies() -> dict[str, bytes]:
    """The order in each format, both written without white space between the values."""
    as_json = order(LINES)
    document: Any = parse(as_json).document
    return {"JSON": as_json, "tXML": txml.write(document, txml.Mapping(webhook_contracts()[0]))}


def measure(rounds: int) -> dict[str, Figures]:
    """Measure both formats in turns, `rounds` times."""
    contract = webhook_contracts()[0]
    known = parsers(contract)
    drift, validator = DriftFinder(contract), BodyValidator(contract)

    def event(media_type: str, body: bytes) -> None:
        parsed = known[media_type](body, None)
        document = validator.validate(parsed, known_to_be_valid=not drift.beyond(parsed))
        content_hash(receive_order_event(document).content)

    # As in the service, where the collector seldom runs.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    made = bodies()
    values: dict[str, list[float]] = {name: [] for name in made}
    events: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, body in made.items():
            media_type = MEDIA_TYPES[name]
            values[name].append(_milliseconds(known[media_type], body, None))
            events[name].append(_milliseconds(event, media_type, body))
    return {
        name: Figures(len(body), median(values[name]), median(events[name]), _peak_of(name, body))
        for name, body in made.items()
    }


def report(rounds: int = 41) -> str:
    """The figures in words and columns, with what the project holds itself to."""
    figures = measure(rounds)
    lines = [
        f"The same order of {LINES} lines in both formats, in one process, median of {rounds}:",
        f"  {'':<8}{'bytes':>12}{'values ms':>12}{'event ms':>12}{'peak MiB':>12}{'x size':>12}",
    ]
    for name, row in figures.items():
        peak = row.peak_bytes / 2**20
        lines.append(
            f"  {name:<8}{row.size:>12}{row.values_ms:>12.1f}{row.event_ms:>12.1f}{peak:>12.1f}"
            f"{row.peak_bytes / row.size:>12.1f}"
        )
    as_json, as_txml = figures["JSON"], figures["tXML"]
    lines.append(
        f"  tXML takes {as_txml.values_ms / as_json.values_ms:.2f}x the time of JSON to the values, "
        f"{as_txml.event_ms / as_json.event_ms:.2f}x to the event (at most {MOST_TIMES_JSON}x), and "
        f"{as_txml.peak_bytes / as_txml.size:.1f}x its size (at most {MOST_TIMES_SIZE}x)."
    )
    return "\n".join(lines)


def _milliseconds(function: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    result = function(*arguments)
    taken = time.perf_counter() - began
    del result
    return taken * 1000


def _peak_of(name: str, body: bytes) -> int:
    command = [sys.executable, "-m", "bench.formats", MEDIA_TYPES[name]]
    result = subprocess.run(command, input=body, capture_output=True, check=True)
    growth: int = json.loads(result.stdout)
    return growth


def _grow(media_type: str) -> int:
    """In a process of its own: read the body from standard input and tell by how many bytes the memory grew."""
    contract = webhook_contracts()[0]
    parser = parsers(contract)[media_type]
    parser(bodies_of_one_line()[media_type], None)  # what is needed only once does not count
    body = sys.stdin.buffer.read()
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # forgets the highest amount so far (proc(5); Linux only)
    before = _memory("VmRSS")
    parsed = parser(body, None)
    after = _memory("VmHWM")
    assert parsed.document
    return after - before


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kibibytes,) = re.findall(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kibibytes) * 1024


def bodies_of_one_line() -> dict[str, bytes]:
    """A small order in each format, by media type."""
    as_json = order(1)
    document: Any = parse(as_json).document
    as_txml = txml.write(document, txml.Mapping(webhook_contracts()[0]))
    return {"application/json": as_json, "application/xml": as_txml}


if __name__ == "__main__":
    print(json.dumps(_grow(sys.argv[1])) if len(sys.argv) > 1 else report())
