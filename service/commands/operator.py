"""Who is at the command line, for the record."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

#: What the kernel says of a process that nobody logged in for.
_NOBODY = 2**32 - 1


def operator() -> str:
    """Name of the user of the operating system; with `sudo` also the one who logged in."""
    try:
        import pwd
    except ImportError:  # not on Windows
        return getpass.getuser()

    def name_of(uid: int) -> str:
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    name = name_of(os.getuid())
    logged_in = _logged_in()
    return name if logged_in is None or logged_in == os.getuid() else f"{name_of(logged_in)} as {name}"


def _logged_in() -> int | None:
    """Linux keeps it over `su` and `sudo`; an environment variable could say anything."""
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if uid == _NOBODY else uid
