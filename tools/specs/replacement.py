"""Writes live files over the vendored ones, all or none, and only if the service can be made of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tools.generate.pipeline import ROOT, SPECS, generate_into, upstream_file

#: Loads what was generated as the service does.
_TRIAL = """
import generated.models.order, generated.models.shipment
from service.contract import webhook_contracts
from service.drift import DriftFinder
from service.validation import BodyValidator
for contract in webhook_contracts():
    BodyValidator(contract), DriftFinder(contract)
"""


class ReplacementRefusedError(Exception):
    """Nothing was replaced; the text says why, in one line."""


def replace(contents: Mapping[str, bytes], specs: Path = SPECS) -> list[Path]:
    """Write the files, by contract (such as `order-webhook`), byte for byte; returns the paths that changed.

    The whole of `make generate` is tried before, in a folder of its own. Each file is replaced at once, so that a
    crash leaves whole files; if one cannot be written, those before it are put back.

    Raises:
        ReplacementRefusedError: the generator cannot work with a file, or it cannot be written.
    """
    changed = {
        path: content
        for name, content in contents.items()
        if (path := upstream_file(name, specs)).read_bytes() != content
    }
    if changed:
        _try(contents, specs)
        _write(changed)
    return list(changed)


def _try(contents: Mapping[str, bytes], specs: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder)
        shutil.copytree(specs, trial / "specs")
        for name, content in contents.items():
            upstream_file(name, trial / "specs").write_bytes(content)
        try:
            generate_into(trial / "generated", trial / "specs")
        except ValueError as error:
            raise ReplacementRefusedError(f"not replaced, the generator cannot work with it: {error}") from error
        # In a process of its own: this one has our modules loaded already. Those of the trial's folder go first.
        result = subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", _TRIAL],
            cwd=trial,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(trial), str(ROOT)])},
            capture_output=True,
            text=True,
        )
        if result.returncode != 0:
            reason = (result.stderr.strip().splitlines() or [f"exit status {result.returncode}"])[-1]
            raise ReplacementRefusedError(f"not replaced, the service cannot be made of it: {reason}")


def _write(changed: Mapping[Path, bytes]) -> None:
    before = {path: path.read_bytes() for path in changed}
    done: list[Path] = []
    try:
        for path, content in changed.items():
            _write_at_once(path, content)
            done.append(path)
    except OSError as error:
        for path in done:
            _write_at_once(path, before[path])
        raise ReplacementRefusedError(f"not replaced, {error.filename}: {error.strerror}") from error


def _write_at_once(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
