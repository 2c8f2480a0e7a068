"""The profile's hooks: a shell command, or `http METHOD URL`. A hook that fails is a missing prerequisite."""

from __future__ import annotations

import json
import re
import subprocess
from urllib.parse import urlsplit

import requests

from conformance.contract.text import JsonValue
from conformance.profile import Observer
from conformance.runner.transport import CannotTryError

SECONDS = 60.0


def carry_out(hook: str, **placeholders: str) -> str:
    """Run a hook and return what it printed or answered.

    Raises:
        CannotTryError: it failed.
    """
    text = hook
    for name, value in placeholders.items():
        text = text.replace("{" + name + "}", value)
    if text.startswith("http "):
        return _call(text)
    try:
        # In a session of its own: Ctrl-C is for the suite, which then puts the receiver back.
        done = subprocess.run(  # noqa: S602 - the operator's own
            text, shell=True, capture_output=True, timeout=SECONDS, check=False, start_new_session=True
        )
    except subprocess.TimeoutExpired as error:
        raise CannotTryError(f"the hook `{text}` was not done after {SECONDS:.0f} s") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise CannotTryError(
            f"the hook `{text}` ended with status {done.returncode}: {said[-1] if said else 'silent'}"
        )
    return done.stdout.decode(errors="replace")


def count(observer: Observer, *, order: str, message: str) -> int:
    """How many effects the observer sees.

    Raises:
        CannotTryError: it does not answer with a number.
    """
    hook = observer.command or f"http {observer.http}"
    return number(carry_out(hook, order=order, message=message), observer.count)


def places(hook: str) -> list[tuple[str, int]]:
    """Host and port that a hook calls; none for a command."""
    if not hook.startswith("http "):
        return []
    address = urlsplit(hook.split()[-1])
    return [(address.hostname or "", address.port or (443 if address.scheme == "https" else 80))]


def number(printed: str, path: str) -> int:
    """The number that `count` of the observer points at.

    Raises:
        CannotTryError: there is none.
    """
    try:
        found: JsonValue = json.loads(printed)
    except ValueError as error:
        raise CannotTryError(f"the observer printed no JSON: {printed[:80]!r}") from error
    for name in re.findall(r"[^$.]+", path):
        if not isinstance(found, dict) or name not in found:
            raise CannotTryError(f"the observer's answer has no {path}: {printed[:80]!r}")
        found = found[name]
    if isinstance(found, list):
        return len(found)
    if isinstance(found, int):
        return found
    raise CannotTryError(f"the observer's {path} is no number and no list: {printed[:80]!r}")


def _call(text: str) -> str:
    words = text.split(maxsplit=2)
    if len(words) != 3:
        raise CannotTryError(f"the hook `{text}` is no `http METHOD URL`")
    try:
        answer = requests.request(words[1], words[2], timeout=SECONDS)
    except requests.RequestException as error:
        raise CannotTryError(f"the hook `{text}` failed: {error}") from error
    if not answer.ok:
        raise CannotTryError(f"the hook `{text}` was answered {answer.status_code}")
    return answer.text
