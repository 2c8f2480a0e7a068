"""Plain Schemathesis with its default configuration, for comparison: would it have noticed?"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.generative.hook_settings import AUTHORIZATION_VARIABLE
from conformance.generative.process import configuration, load, prepared, start, written_report
from conformance.generative.values import GenerativeError


@dataclass(frozen=True, slots=True)
class StockOutcome:
    """What a plain `st run` said of a receiver."""

    killed: bool
    """It named a failure; at the first one it stops."""
    failures: tuple[str, ...]
    cases: int
    seconds: float
    complete: bool
    """False when the time limit cut it short; what it had found until then is given."""


def run_stock(
    contracts: Mapping[str, Path],
    paths: Mapping[str, str],
    base_url: str,
    ca_file: Path | None,
    authorization: str,
    max_examples: int,
    time_limit: float,
) -> StockOutcome:
    """Runs `st run` on each contract, with the receiver's own paths. The limit is for all of them together.

    Only the credentials and the certificate authority are configured. The contracts are made lean first (`lean`):
    as they are, Schemathesis spends half an hour on one of them before it sends a coverage case. Only JSON: XML has
    no types, so it calls a receiver without any fault broken that takes `<id></id>` for a text. Raises
    GenerativeError when it did not start.
    """
    started = time.monotonic()
    failures: list[str] = []
    cases = 0
    complete = True
    for n, (endpoint, contract) in enumerate(contracts.items()):
        if failures:
            break
        left = max(1.0, (time_limit - (time.monotonic() - started)) / (len(contracts) - n))
        document = load(contract)
        lean_contract = prepared(document, paths[endpoint], ("json",), thorough=False, security=True)
        with tempfile.TemporaryDirectory(prefix="stock-") as name:
            folder = Path(name)
            values: dict[str, Any] = {"headers": {"Authorization": "${" + AUTHORIZATION_VARIABLE + "}"}}
            values |= {"tls-verify": str(ca_file.resolve())} if ca_file else {}
            (folder / "schemathesis.toml").write_text(configuration(values), encoding="utf-8")
            (folder / "contract.json").write_text(json.dumps(_without_formats(lean_contract)), encoding="utf-8")
            arguments = ["--config-file", "schemathesis.toml", "run", "contract.json", "--url", base_url]
            arguments += ["-n", str(max_examples), "--report-json-path", "report.json"]
            arguments += ["--generation-deterministic", "--max-failures", "1"]
            ended = start(arguments, folder, {AUTHORIZATION_VARIABLE: authorization}, left)
            complete &= ended.on_time
            if written := written_report(folder / "report.json"):
                cases += written["test_cases"]["generated"]
                failures += [f"{failure['code']} {failure['title']}" for failure in written["failures"]]
            elif ended.on_time:
                raise GenerativeError(f"st run ended with status {ended.status}: {ended.output.strip()[-2000:]}")
            else:
                failures += re.findall(r"^- (ST\d+ .+)$", ended.output, re.MULTILINE)
    return StockOutcome(bool(failures), tuple(sorted(set(failures))), cases, time.monotonic() - started, complete)


def _without_formats(schema: Any) -> Any:
    """A format is an annotation; Schemathesis calls it broken that a receiver takes another one."""
    if isinstance(schema, dict):
        return {
            key: _without_formats(value)
            for key, value in schema.items()
            if not (key == "format" and isinstance(value, str))
        }
    return [_without_formats(one) for one in schema] if isinstance(schema, list) else schema
