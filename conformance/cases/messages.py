"""What the cases about repetition and trouble share: further messages about one order, and their effects."""

from __future__ import annotations

from conformance.contract.text import JsonObject, parse_object, write
from conformance.verdict import ExpectFact

_COUNTS = ("0", "1", "2")
#: The observer's number: 2 stands for two or more.
EXACTLY_ONE = ExpectFact(_COUNTS, must=frozenset({"1"}))
BOTH = ExpectFact(_COUNTS, must=frozenset({"2"}))
#: For what is only recommended.
ONE_AT_BEST = ExpectFact(_COUNTS, must=frozenset(_COUNTS), should=frozenset({"1"}))
BOTH_AT_BEST = ExpectFact(_COUNTS, must=frozenset(_COUNTS), should=frozenset({"2"}))
ANY_NUMBER = ExpectFact(_COUNTS, must=frozenset(_COUNTS), informative=True)


def another_message(values: JsonObject) -> JsonObject:
    """The same body as a message of its own about the same order.

    Requests with one label share order number, message and trace; here the latter two change places.
    """
    text = write(values)
    return parse_object(
        text.replace("{{message}}", "{{first}}")
        .replace("{{trace}}", "{{message}}")
        .replace("{{first}}", "{{trace}}")
    )
