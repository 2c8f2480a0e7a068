"""The Python types of values on the wire that need more than pydantic's own.

The promise of all of them: what the contract accepts, the model accepts, and nothing is changed on the way. A
text that is no date stays the text; a number never passes through a binary float.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d\d:\d\d:\d\d(\.\d{1,6})?")
#: Seconds may carry up to six decimals: a seventh would be cut off by `datetime`, so such a text stays a text.
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")


class WireModel(BaseModel):
    """Base of every generated model: members that the contract does not know are kept in `model_extra`."""

    # Not `populate_by_name`: an unknown member `order_id` must not pass for the known `orderId`.
    model_config = ConfigDict(extra="allow", protected_namespaces=())


def _refuse_float(value: Any) -> Any:
    if isinstance(value, float):
        raise ValueError("a binary float has lost digits already; parse the body with exact decimals")
    return value


def _date(value: Any) -> Any:
    return _parsed(value, _DATE, date.fromisoformat)


def _time(value: Any) -> Any:
    return _parsed(value, _TIME, time.fromisoformat)


def _timestamp(value: Any) -> Any:
    return _parsed(value, _TIMESTAMP, datetime.fromisoformat)


def _parsed(value: Any, form: re.Pattern[str], parse: Any) -> Any:
    if not isinstance(value, str) or not form.fullmatch(value):
        return value
    try:
        return parse(value)
    except ValueError:  # 30 February
        return value


ExactDecimal = Annotated[Decimal, BeforeValidator(_refuse_float)]
"""A decimal with every digit that was sent. A float is refused: it is a bug of the caller."""

Date = Annotated[date | str, BeforeValidator(_date)]
"""`YYYY-MM-DD` as a date; any other text, the empty one too, as that text."""

LocalTime = Annotated[time | str, BeforeValidator(_time)]
"""`hh:mm:ss` as a time without zone; any other text as that text."""

Timestamp = Annotated[datetime | str, BeforeValidator(_timestamp)]
"""A date-time with or without zone, as it was sent; any other text as that text."""
