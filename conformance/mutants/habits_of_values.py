"""Bad habits with values: the order of members, numbers, dates, texts, and how many of something there are."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from conformance.mutants.answers import Answer
from conformance.mutants.event import ORDER_PAYLOADS, XML, Event
from conformance.mutants.habits import crash_if, documented, habit, refuse_if, texts

# Order of members.


@habit("MU-173")
def _event_name_first(event: Event) -> Answer | None:
    return refuse_if(event.media != XML and next(iter(event.body)) != "eventName", "eventName has to come first.")


@habit("MU-188")
def _order_id_first(event: Event) -> Answer | None:
    first = next(iter(event.payload), "orderId")
    return crash_if(
        event.media != XML and "orderId" in event.payload and first != "orderId", "JsonException: orderId expected"
    )


@habit("MU-29")
def _fixed_sequence(event: Event) -> Answer | None:
    if event.media != XML:
        return None
    sequence = ["orderId", "id", "buyerOrder", "supplierShipment", "lines", "loadCarriers", "status"]
    found = [sequence.index(name) for name in event.payload if name in sequence]
    out_of_order = next(iter(event.body)) != "eventName" or found != sorted(found)
    return refuse_if(out_of_order, "cvc-complex-type.2.4.a: invalid content was found.")


# Numbers and dates.


def _numbers(event: Event, *names: str) -> Iterator[Decimal]:
    for _, value in documented(event):
        for name, held in value.items():
            if (not names or name in names) and isinstance(held, Decimal):
                yield held


@habit("MU-30")
def _quantity_of_an_integer_parser(event: Event) -> Answer | None:
    """Whole quantities are read as integers: as digits alone, or as money with two places."""

    def is_readable(value: Decimal) -> bool:
        exponent = value.as_tuple().exponent
        return isinstance(exponent, int) and (exponent in (0, -2) or value != value.to_integral_value())

    bad = any(abs(v.adjusted()) < 20 and not is_readable(v) for v in _numbers(event, "quantity"))
    return refuse_if(event.media != XML and bad, "quantity is not an integer.")


@habit("MU-179")
def _no_exponents(event: Event) -> Answer | None:
    found = re.search(rb":\s*-?\d+(\.\d+)?[eE][+-]?\d+", event.data)
    return refuse_if(event.media != XML and found is not None, "A number has an exponent.")


@habit("MU-180")
def _int64(event: Event) -> Answer | None:
    waiting: list[Any] = [event.body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, int | Decimal) and abs(Decimal(one)) > 2**53:
            return crash_if(True, "OverflowException: value was too large for a Double")
    return None


_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@habit("MU-185")
def _only_with_z(event: Event) -> Answer | None:
    names = ("lastUpdatedAt", "createdDateTime")
    return refuse_if(
        any(
            isinstance(value.get(n), str) and _DATE_TIME.fullmatch(value[n]) and not value[n].endswith("Z")
            for _, value in documented(event)
            for n in names
        ),
        "A date-time has to end in Z.",
    )


@habit("MU-186")
def _at_most_milliseconds(event: Event) -> Answer | None:
    found = any(re.search(r"T\d\d:\d\d:\d\d\.(\d{4,}|\d{1,2})(Z|[+-]|$)", text) for text in texts(event))
    return crash_if(found, "FormatException: String was not recognized as a valid DateTime")


@habit("MU-240")
def _impossible_date(event: Event) -> Answer | None:
    found = any(
        re.match(r"\d{4}-(02-3\d|(1[3-9]|[2-9]\d|00)-\d\d|\d\d-(3[2-9]|00))", text) for text in texts(event)
    )
    return crash_if(found, "DateTimeParseException")


@habit("MU-241")
def _negative_quantity(event: Event) -> Answer | None:
    negative = any(Decimal(value.get("quantity") or 0) < 0 for _, value in documented(event))
    return refuse_if(negative, "The ERP refused the quantity.", 503)


# Text.


@habit("MU-112")
def _three_byte_utf8(event: Event) -> Answer | None:
    return crash_if(any(ord(max(text, default=" ")) > 0xFFFF for text in texts(event)), "Incorrect string value")


@habit("MU-212")
def _column_of_4000(event: Event) -> Answer | None:
    return crash_if(any(len(text) > 4000 for text in texts(event)), "String or binary data would be truncated")


@habit("MU-70")
def _text_that_a_database_refuses(event: Event) -> Answer | None:
    found = any("\x00" in text or re.search("[\ud800-\udfff]", text) for text in texts(event))
    return crash_if(found, "UnicodeEncodeError: surrogates not allowed")


# Limits.


@habit("MU-60")
def _100_lines(event: Event) -> Answer | None:
    return refuse_if(event.payload_name in ORDER_PAYLOADS and len(event.lines) > 100, "Too many lines.")


@habit("MU-61")
def _499_lines(event: Event) -> Answer | None:
    return refuse_if(event.payload_name in ORDER_PAYLOADS and len(event.lines) > 499, "Too many lines.")


@habit("MU-62")
def _501_lines_crash(event: Event) -> Answer | None:
    return crash_if(_most_lines(event) > 500, "IndexOutOfRangeException")


@habit("MU-219")
def _501_lines_unavailable(event: Event) -> Answer | None:
    return refuse_if(_most_lines(event) > 500, "The event could not be stored.", 503)


@habit("MU-207")
def _499_shipment_lines(event: Event) -> Answer | None:
    return refuse_if(event.payload_name == "shipment" and len(event.lines) > 499, "Too many lines.")


@habit("MU-208")
def _100_lines_in_load_carriers(event: Event) -> Answer | None:
    return refuse_if(len(event.lines) <= 100 < _most_lines(event), "Too many lines.")


@habit("MU-209")
def _99_documents(event: Event) -> Answer | None:
    return refuse_if(_most(event, "documents") > 99, "Too many documents.")


@habit("MU-276")
def _101_documents_crash(event: Event) -> Answer | None:
    return crash_if(_most(event, "documents") > 100, "IndexOutOfRangeException: documents")


@habit("MU-210")
def _50_deliveries(event: Event) -> Answer | None:
    return refuse_if(_most(event, "deliverySchedule", "deliveryHistory") > 50, "Too many deliveries.")


@habit("MU-277")
def _101_deliveries_unavailable(event: Event) -> Answer | None:
    return refuse_if(
        _most(event, "deliverySchedule", "deliveryHistory") > 100, "The event could not be stored.", 503
    )


def _most(event: Event, *names: str) -> int:
    """How many items the longest array of these names has."""
    return max((len(value.get(name) or ()) for _, value in documented(event) for name in names), default=0)


@habit("MU-258")
def _one_query_per_line(event: Event) -> Answer | None:
    time.sleep(0.02 * _most_lines(event))
    return None


def _most_lines(event: Event) -> int:
    carriers = event.payload.get("loadCarriers") or []
    return len(event.lines) + sum(len(carrier.get("lines") or ()) for carrier in carriers if carrier)
