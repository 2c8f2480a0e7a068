"""Generated findings to cases of the catalogue, by the table in `mapping.yaml`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from conformance import yaml_text

#: What no row fits; the table needs another row.
UNMAPPED = "GEN-000"


@dataclass(frozen=True, slots=True)
class Row:
    """A condition on findings, and the case that those findings belong to."""

    case: str
    check: str
    what: str = ""
    operation: str = ""
    media: str = ""
    status: str = ""

    def fits(self, check: str, what: str, operation: str, media_type: str, status: int | None) -> bool:
        """Whether a finding fulfils the condition."""
        return (
            self.check == check
            and self.operation in ("", operation)
            and self.media in ("", "xml" if "xml" in media_type else "json")
            and re.search(self.what, what) is not None
            and re.fullmatch(self.status or ".*", str(status)) is not None
        )


@cache
def table() -> tuple[Row, ...]:
    """The rows in the order in which they are tried."""
    text = files("conformance.generative").joinpath("mapping.yaml").read_text("utf-8")
    return tuple(Row(**row) for row in yaml_text.read(text))


def case_of(check: str, what: str, operation: str, media_type: str, status: int | None) -> str:
    """The id of the case that a finding belongs to, `GEN-000` when the table does not know."""
    rows = (row.case for row in table() if row.fits(check, what, operation, media_type, status))
    return next(rows, UNMAPPED)
