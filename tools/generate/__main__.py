"""Writes `generated/` anew from `specs/`, or with `--check` tells whether it is stale (exit status 1)."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tools.generate.pipeline import ROOT, generate_into


def stale_files(folder: Path, fresh: Path) -> list[str]:
    """Paths, relative to both folders, that differ, are missing, or do not belong there."""
    names = {
        path.relative_to(base)
        for base in (folder, fresh)
        for path in base.rglob("*")
        if path.is_file() and path.suffix in (".py", ".yaml")
    }
    return sorted(str(name) for name in names if _content(folder / name) != _content(fresh / name))


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def main() -> int:
    """Entry point; see the head of this module."""
    parser = argparse.ArgumentParser(prog="make generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when generated/ is stale")
    arguments = parser.parse_args()
    target = ROOT / "generated"
    # Always in a folder of its own: next to our pyproject.toml the formatter would follow our settings, and the
    # result would depend on where it was made.
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder)
        try:
            generate_into(fresh)
        except ValueError as error:
            print(f"make generate: {error}", file=sys.stderr)
            return 1
        stale = stale_files(target, fresh)
        if not arguments.check:
            _replace(target, fresh, stale)
            return 0
    for name in stale:
        print(f"generated/{name} is stale; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


def _replace(target: Path, fresh: Path, names: list[str]) -> None:
    for name in names:
        if (fresh / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fresh / name, target / name)
        else:
            (target / name).unlink()


if __name__ == "__main__":
    sys.exit(main())
