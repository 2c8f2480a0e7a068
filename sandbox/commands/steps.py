"""The steps of a scenario, ready to be carried out while it runs."""

from __future__ import annotations

import math
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable

import requests

from sandbox.delivery.sending import Step
from sandbox.errors import SandboxError
from sandbox.scenarios.reading import StepWish

_SECONDS = 60


def steps_of(wishes: list[StepWish], events: int, control: str | None) -> list[Step]:
    """`control`: base URL of the control port.

    Raises:
        SandboxError: a step needs the control port, and none is named.
    """
    if control is None and any(wish.control is not None for wish in wishes):
        raise SandboxError(
            "a step of the scenario uses the control port; name it with --control http://127.0.0.1:PORT"
        )
    return [Step(math.floor(wish.at * events), _action(wish, control)) for wish in wishes]


def _action(wish: StepWish, control: str | None) -> Callable[[threading.Event], None]:
    def act(stop: threading.Event) -> None:
        if wish.pause is not None:
            stop.wait(wish.pause)
        elif wish.command is not None:
            _run(wish.command)
        else:
            _post(f"{(control or '').rstrip('/')}/{(wish.control or '').lstrip('/')}", wish.body)

    return act


def _run(command: str) -> None:
    try:
        # What it says goes where people look: the other stream may be JSON for a program.
        status = subprocess.run(  # noqa: S603
            shlex.split(command), check=False, timeout=_SECONDS, stdout=sys.stderr
        ).returncode
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"the step `{command}` cannot be carried out: {error}") from error
    if status != 0:
        raise SandboxError(f"the step `{command}` ended with status {status}")


def _post(url: str, body: dict[str, object] | None) -> None:
    try:
        with requests.Session() as session:
            session.trust_env = False
            response = session.post(url, json=body or {}, timeout=_SECONDS)
    except requests.RequestException as error:
        raise SandboxError(f"the control port does not answer: {url} ({type(error).__name__})") from error
    if not response.ok:
        raise SandboxError(f"the control port answered {response.status_code} to {url}: {response.text[:200]}")
