"""How the changes of an event stand in the database.

Old and new values are JSON texts inside the JSON: the database library would read numbers as binary floats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import jiter

from handlers.interface import Change, ChangeKind
from service.json_text import exact_json


def changes_to_store(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """For a column of JSON."""
    return [
        {
            "kind": change.kind.value,
            "line": change.line,
            "member": change.member,
            "old": exact_json(change.old).decode(),
            "new": exact_json(change.new).decode(),
            "sentence": change.sentence,
        }
        for change in changes
    ]


def stored_changes(column: str | list[dict[str, Any]] | None) -> tuple[Change, ...]:
    """From that column, as text or as the database library read it."""
    rows = json.loads(column) if isinstance(column, str) else column or []
    return tuple(
        Change(
            kind=ChangeKind(row["kind"]),
            line=row["line"],
            member=row["member"],
            old=jiter.from_json(row["old"].encode(), float_mode="decimal"),
            new=jiter.from_json(row["new"].encode(), float_mode="decimal"),
            sentence=row["sentence"],
        )
        for row in rows
    )
