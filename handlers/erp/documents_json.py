"""The documents of an event as JSON, for destinations that take no objects of ours."""

from __future__ import annotations

import json
from collections.abc import Sequence

from handlers.interface import DocumentFile

#: Characters of a foreign text that are told.
_MAX_TEXT = 200


def documents_json(documents: Sequence[DocumentFile], max_length: int | None = None) -> str:
    """An array of objects on one line, in ASCII; as many from the first on as fit into `max_length` characters.

    Members: place, line, code, revision, name, state, path, sha256, size, mediaType, reason; those without a value
    are left out.
    """
    shown: list[str] = []
    length = 2
    for document in documents:
        # DEL is ASCII to this library, and no part of a header field.
        text = json.dumps(_public(document), separators=(",", ":")).replace("\x7f", "\\u007f")
        length += len(text) + 1
        if max_length is not None and length > max_length:
            break
        shown.append(text)
    return f"[{','.join(shown)}]"


def _public(document: DocumentFile) -> dict[str, str | int]:
    members = {
        "place": document.place,
        "line": document.line,
        "code": document.code,
        "revision": document.revision,
        "name": document.name,
        "state": document.state.value,
        "path": document.path,
        "sha256": document.sha256,
        "size": document.size,
        "mediaType": document.media_type,
        "reason": document.reason,
    }
    # A path is never cut: half of it would be another one.
    return {
        name: value[:_MAX_TEXT] if isinstance(value, str) and name != "path" else value
        for name, value in members.items()
        if value is not None and value != ""
    }
