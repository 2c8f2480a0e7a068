"""YAML with the parser in C where it was built: the one in Python takes half a second for a contract."""

from __future__ import annotations

from typing import Any

import yaml

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str) -> Any:
    """The value of a YAML text, of plain types only.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    return yaml.load(text, _LOADER)  # noqa: S506 - both loaders are safe ones
