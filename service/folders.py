"""Folders that hold what must not get lost."""

from __future__ import annotations

import os
from pathlib import Path


def make_lasting(folder: Path) -> None:
    """Make the folder and those above it, readable by their owner only, so that they survive a power cut.

    Raises:
        OSError: it cannot be made.
    """
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A folder that is not in its parent on disk is gone after a power cut, with everything in it. The nearest
    # parent too: somebody may have made the folder a moment ago and not waited for the disk.
    for one in missing or [folder]:
        _wait_for_disk(one.parent)


def _wait_for_disk(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and the file system does this itself
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
