"""Asking a receiver what it knows, by its command line: all at once, or each order and shipment by itself."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.truth import Truth, differences
from sandbox.wire import json_text
from sandbox.wire.json_text import JsonObject, JsonValue

Compared = tuple[Truth, list[str]]
"""What is true, and what the receiver knows differently, one sentence each."""

_PAYLOADS = ("orderEvent", "singleDeliveryOrderEvent", "shipment")
#: For one order; a command that prints all may take as long as it needs.
_SECONDS = 60


def compare(truths: list[Truth], commands: dict[str, str], parallel: int = 2) -> Iterator[Compared]:
    """Each truth with its differences to what the command of its kind (`order`, `shipment`) prints.

    A command with `{id}` is run for each and prints one body of the contract, or the bare order or shipment. Any
    other is run once and prints a line of JSON for each: the same, or an object with `id` and `body`.

    Raises:
        SandboxError: a command cannot be run, or one that prints all fails.
    """
    for kind, command in commands.items():
        wanted = [truth for truth in truths if truth.kind == kind]
        if "{id}" not in command:
            yield from _of_all(kind, wanted, command)
            continue
        with ThreadPoolExecutor(parallel) as pool:
            asked = pool.map(lambda truth, command=command: _ask(truth, command), wanted)
            yield from zip(wanted, asked, strict=True)


def _of_all(kind: str, truths: list[Truth], command: str) -> Iterator[Compared]:
    if not truths:
        return
    waiting = {truth.id: truth for truth in truths}
    with tempfile.TemporaryFile() as said:
        process = _started(kind, shlex.split(command), said.fileno())
        assert process.stdout is not None  # noqa: S101 - for the type checker
        with process, process.stdout as lines:
            for line in lines:
                id, known = _named(kind, command, line)
                truth = waiting.pop(id, None)
                if truth is not None:
                    yield truth, differences(truth.state, known)
        if process.returncode != 0:
            said.seek(0)
            raise SandboxError(f"`{command}`: {_last_line(said.read()) or f'status {process.returncode}'}")
    for truth in waiting.values():
        yield truth, ["not known at all"]


def _named(kind: str, command: str, line: bytes) -> tuple[str, JsonObject]:
    try:
        row = json_text.read(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise SandboxError(
            f"`{command}` printed a line that is no JSON object: {line[:100].decode(errors='replace')}"
        )
    known = _payload(row.get("body", row))
    id = known.get("orderId" if kind == "order" else "id") or row.get("id")
    return str(id), known


def _ask(truth: Truth, command: str) -> list[str]:
    arguments = [part.replace("{id}", truth.id) for part in shlex.split(command)]
    with tempfile.TemporaryFile() as said:
        process = _started(truth.kind, arguments, said.fileno())
        with process:
            try:
                printed, _ = process.communicate(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                return [f"{shlex.join(arguments)} gave no answer in {_SECONDS} seconds"]
        if process.returncode != 0:
            said.seek(0)
            reason = _last_line(said.read())
            return [reason or f"{shlex.join(arguments)} ended with status {process.returncode}"]
    try:
        known = json_text.read(printed)
    except ValueError:
        return [f"{shlex.join(arguments)} printed no JSON"]
    return differences(truth.state, _payload(known))


def _started(kind: str, arguments: list[str], errors: int) -> subprocess.Popen[bytes]:
    # Commands that are installed beside this Python are found without their folder.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    try:
        return subprocess.Popen(  # noqa: S603 - the user's own command
            arguments, stdout=subprocess.PIPE, stderr=errors, env=os.environ | {"PATH": path}
        )
    except (OSError, IndexError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no command"
        name = arguments[0] if arguments else "''"
        raise SandboxError(f"{name}: {reason}; name the command with --{kind}s-command") from error


def _last_line(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _payload(known: JsonValue) -> JsonObject:
    """The order or shipment in a body of the contract, or the value itself."""
    if not isinstance(known, dict):
        return {}
    for kind in _PAYLOADS:
        payload = known.get(kind)
        if isinstance(payload, dict):
            return payload
    return known
