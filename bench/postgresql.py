"""Accepted events per second on PostgreSQL, by one receiver and by two that share it, beside SQLite.

The server stands on the same machine, with its default settings (so it waits for the disk), as do receivers and
load: what is compared is what the stores cost, not what a second machine would add.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench.credentials import PASSWORD, USER
from bench.load import Measured
from bench.measuring import LOAD_PATIENCE_SECONDS, LoadFailedError
from bench.subjects import ROOT, Running, Subject, webhooks_serve
from tests.postgresql import Databases, databases

CLIENTS = 32
#: Title -> whether on PostgreSQL, and how many receivers.
SUBJECTS = {
    "SQLite, one receiver": (False, 1),
    "PostgreSQL, one receiver": (True, 1),
    "PostgreSQL, two receivers": (True, 2),
}


def measure(rounds: int, seconds: float) -> dict[str, list[float]]:
    """Events per second of each, round by round; the clients are shared out among the receivers.

    Raises:
        StartError, LoadFailedError: one did not start, or did not accept everything.
    """
    rates: dict[str, list[float]] = {title: [] for title in SUBJECTS}
    with databases(fsync=True) as server:
        for number in range(1, rounds + 1):
            for title, (shared, receivers) in SUBJECTS.items():
                rate = _rate(server if shared else None, receivers, seconds)
                rates[title].append(rate)
                print(f"round {number}, {title}: {rate:.0f} events/s", file=sys.stderr, flush=True)
    return rates


def report(rates: dict[str, list[float]]) -> str:
    """In words and columns."""
    lines = [
        f"Accepted and on disk, {CLIENTS} clients in all, 2 lines, each event of an order of its own, no worker:",
        f"  {'':<28}{'events/s':>10}{'rounds':>14}",
    ]
    for title, each in rates.items():
        lines.append(f"  {title:<28}{median(each):>10.0f}{f'{min(each):.0f}-{max(each):.0f}':>14}")
    return "\n".join(lines)


def _rate(server: Databases | None, receivers: int, seconds: float) -> float:
    with ExitStack() as stack:
        url = None
        if server is not None:
            place = server.new()
            stack.callback(server.drop, place)
            url = place.url
        os.sync()
        ports = []
        for _ in range(receivers):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()))
            ports.append(stack.enter_context(Running(_receiver(url), Path(folder))).port)
        loads = [_load(port, CLIENTS // receivers, seconds) for port in ports]
        return sum(_measured(load, seconds).per_second for load in loads)


def _receiver(url: str | None) -> Subject:
    def command(folder: Path, port: int) -> list[str]:
        config = folder / "webhooks.toml"
        config.write_text(
            f'[auth.basic.main]\nusername = "{USER}"\npassword = "{PASSWORD}"\n[worker]\nenabled = false\n'
            + (f'[inbox]\nurl = "{url}"\n' if url else "")
            + f'[server]\nhost = "127.0.0.1"\nport = {port}\nbehind_proxy = true\n',
            encoding="utf-8",
        )
        return webhooks_serve(config)

    return Subject("receiver", "receiver", command)


def _load(port: int, clients: int, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.load", "--own-orders", "--lines=2"]
    options = [f"--port={port}", f"--clients={clients}", f"--seconds={seconds}"]
    return subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _measured(load: subprocess.Popen[str], seconds: float) -> Measured:
    try:
        out, err = load.communicate(timeout=seconds + LOAD_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired as error:
        load.kill()
        raise LoadFailedError("no end in sight") from error
    if load.returncode != 0:
        raise LoadFailedError(err.strip())
    return Measured(**json.loads(out))
