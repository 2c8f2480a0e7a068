"""Starts the reference receiver with one fault, and judges it over the network like anybody else's."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from conformance.mutants import credentials
from conformance.profile import Profile
from conformance.profile import load as load_profile

_TEMPLATE = Path(__file__).parents[1] / "profiles" / "mutant.yaml"
START_SECONDS = 20.0
_PORTS = range(10_000, 30_000)
#: Ports of one process.
_SLICE = 200
_turn = itertools.count()


class NotStartedError(Exception):
    """The receiver did not come up: the fault proves nothing."""


def free_port() -> int:
    """A port that nobody listens on just now; below those that outgoing connections get, which could be it next.

    Each process has a slice of its own and goes round in it, so that nobody else is given the same port before the
    one who asked for it listens.
    """
    first = _PORTS.start + os.getpid() % (len(_PORTS) // _SLICE) * _SLICE
    for _ in range(_SLICE):
        port = first + next(_turn) % _SLICE
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NotStartedError(f"no port is free from {first} to {first + _SLICE - 1}")


def give_secrets() -> None:
    """Put the made-up secrets where the profile looks for them."""
    os.environ |= {
        "TCM_PASSWORD": credentials.BASIC.password,
        "TCM_TOKEN": credentials.BEARER_TOKEN,
        "TCM_ORDERS_ONLY_PASSWORD": credentials.ORDERS_ONLY.password,
        "TCM_SHIPMENTS_ONLY_PASSWORD": credentials.SHIPMENTS_ONLY.password,
    }


def profile_of(folder: Path, control: str, ca: Path | None, issuer: int, canary: int) -> Profile:
    """The profile of a started receiver."""
    give_secrets()
    text = _TEMPLATE.read_text(encoding="utf-8").replace("{control}", control)
    text = text.replace("{issuer}", str(issuer)).replace("{canary}", str(canary))
    contracts = _TEMPLATE.parents[2] / "generated" / "openapi"
    text = text.replace("../../generated/openapi", str(contracts))
    path = folder / "profile.yaml"
    path.write_text(text, encoding="utf-8")
    return load_profile(path).model_copy(update={"ca_file": ca})


@contextmanager
def receiver(folder: Path, *arguments: str, mortal: bool = True) -> Iterator[tuple[str, Profile]]:
    """A started receiver: its URL and profile; stopped afterwards. One that is not `mortal` starts faster, and has
    no actions to kill it and start it again.

    Raises:
        NotStartedError: it did not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    issuer, canary = free_port(), free_port()
    module = "conformance.mutants.supervised" if mortal else "conformance.mutants.receiver"
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    with (folder / "receiver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--folder", str(folder),
             "--end-with-parent", "--trust-issuer", f"http://localhost:{issuer}", *arguments],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not ready.exists() or not ready.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError((folder / "receiver.log").read_text(errors="replace")[-300:])
            time.sleep(0.02)
        told = json.loads(ready.read_text())
        ca = Path(told["ca"]) if told.get("ca") else None
        profile = profile_of(folder, told["control"], ca, issuer, canary)
        plain = urlsplit(told.get("plain_url") or "").port
        known = {"second_url": told.get("second_url")} | ({} if plain is None else {"plain_port": plain})
        yield told["url"], profile.model_copy(update=known)
    finally:
        # Whatever it was about to finish is of no interest any more.
        with _already_gone():
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(5)


@contextmanager
def _already_gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        return
