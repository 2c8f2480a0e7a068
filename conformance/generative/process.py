"""Runs `st run` in a process of its own: prepared contract, configuration, time limit.

The command line, the configuration file, the hooks and the JSON report are Schemathesis' public surface; nothing
else of it is used.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance import yaml_text
from conformance.generative.lean import lean
from conformance.generative.values import GenerativeError

MEDIA_TYPES = {"json": ("application/json",), "txml": ("application/xml", "text/xml")}
COMMAND = Path(sys.executable).with_name("st")
#: The folder that `conformance` stands in, for the hooks.
ROOT = Path(__file__).resolve().parents[2]
_GRACE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process of `st` ended."""

    status: int
    output: str
    on_time: bool
    seconds: float


def written_report(file: Path) -> dict[str, Any]:
    """The report of a process of `st`; empty if it was ended before it had written one to its end."""
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return report


def load(contract: Path) -> dict[str, Any]:
    """The contract as data."""
    document = yaml_text.read(contract.read_text(encoding="utf-8"))
    if not isinstance(document, dict) or len(document.get("paths", {})) != 1:
        raise GenerativeError(f"{contract.name} is no contract of one webhook: one path was expected")
    return document


def prepared(
    document: dict[str, Any], path: str, formats: Iterable[str], *, thorough: bool, security: bool = False
) -> dict[str, Any]:
    """The contract with the receiver's own path and only the formats that it claims.

    Unless `security` is wanted it goes: Schemathesis would try credentials of its own, and logins have their cases.
    """
    (item,) = document["paths"].values()
    operation = {key: value for key, value in item["post"].items() if security or key != "security"}
    wanted = {name for format_ in formats for name in MEDIA_TYPES[format_]}
    if "text/xml" in wanted:
        # The same bodies; the hooks send every other one as this type.
        wanted.remove("text/xml")
    content = {name: media for name, media in operation["requestBody"]["content"].items() if name in wanted}
    if not content:
        raise GenerativeError(f"the contract of {path} has none of the formats {', '.join(sorted(formats))}")
    operation["requestBody"] = operation["requestBody"] | {"content": content}
    kept = document["components"].items()
    components = {key: value for key, value in kept if security or key != "securitySchemes"}
    answers = _named_in([operation["responses"], components.get("responses")], components["schemas"])
    components["schemas"] = (
        lean(components["schemas"], next(iter(content.values()))["schema"], each_payload=thorough) | answers
    )
    return {
        "openapi": document["openapi"],
        "info": {"title": document["info"]["title"], "version": document["info"]["version"]},
        "paths": {path: {"post": operation}},
        "components": components,
    }


def _named_in(node: Any, schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that something refers to, by themselves or by each other."""
    named: dict[str, Any] = {}
    waiting = [node]
    while waiting:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(waiting.pop())):
            if name not in named:
                named[name] = schemas[name]
                waiting.append(schemas[name])
    return named


def start(arguments: list[str], folder: Path, environment: Mapping[str, str], time_limit: float | None) -> Ended:
    """Runs `st` in the folder; at the time limit it is asked to end, as by Ctrl+C, so that its report is whole."""
    started = time.monotonic()
    output = folder / "st.log"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("SCHEMATHESIS_")}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [str(COMMAND), *arguments],
            cwd=folder,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            # Wide, because a secret that is wrapped is not found.
            env=inherited | {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "10000"} | dict(environment),
            start_new_session=True,
        )
        on_time = True
        try:
            process.wait(time_limit)
        except subprocess.TimeoutExpired:
            on_time = False
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
    text = output.read_text(encoding="utf-8", errors="replace")
    return Ended(process.returncode, text, on_time, time.monotonic() - started)


def configuration(values: Mapping[str, Any]) -> str:
    """TOML of nested tables; texts, numbers, truths and lists of them are written as in JSON."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if not isinstance(value, dict)]
    for key, table in values.items():
        if isinstance(table, dict):
            lines += _table(key, table)
    return "\n".join(lines) + "\n"


def _table(name: str, table: Mapping[str, Any]) -> list[str]:
    lines = [f"[{name}]"]
    lines += [f"{key} = {json.dumps(value)}" for key, value in table.items() if not isinstance(value, dict)]
    for key, inner in table.items():
        if isinstance(inner, dict):
            lines += _table(f"{name}.{key}", inner)
    return lines
