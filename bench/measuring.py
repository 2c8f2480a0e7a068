"""One service under one load: started in a new folder, loaded by a process of its own, stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.load import Measured
from bench.subjects import ROOT, Running, Subject

#: Beyond the wanted seconds, for the warm-up and for services that need long to answer every client once.
LOAD_PATIENCE_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Part:
    """A kind of load."""

    key: str
    lines: int
    clients: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One service under one load, in one round."""

    load: Measured
    peak_bytes: int
    start_seconds: float


class LoadFailedError(Exception):
    """The generator reports something else than 202."""


def measure(subject: Subject, part: Part, seconds: float, *more: str) -> Outcome:
    """Start the service in a new folder on the disk of the working folder, load it, stop it.

    `more` goes to the load generator.

    Raises:
        StartError, LoadFailedError: it did not start, or did not accept everything.
    """
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as folder:
        os.sync()  # nobody pays for what the one before left to write
        with Running(subject, Path(folder)) as service:
            options = {"port": service.port, "clients": part.clients, "lines": part.lines, "seconds": seconds}
            command = [
                sys.executable,
                "-m",
                "bench.load",
                *(f"--{name}={value}" for name, value in options.items()),
                *more,
            ]
            if service.ca:
                command.append(f"--ca={service.ca}")
            try:
                result = subprocess.run(
                    command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + LOAD_PATIENCE_SECONDS
                )
            except subprocess.TimeoutExpired as error:
                raise LoadFailedError("no end in sight") from error
            if result.returncode != 0:
                raise LoadFailedError(result.stderr.strip())
            load = Measured(**json.loads(result.stdout))
            return Outcome(load, service.peak_memory(), service.start_seconds)
