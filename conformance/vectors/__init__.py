"""Golden messages, written by hand from the contract's facts: one JSON file each, most with its tXML twin.

`manifest.yaml` lists them with what each shows. The files are plain data for any language; the tokens in double
braces get their text when a message is sent.
"""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from conformance import yaml_text
from conformance.contract.reading import Payload
from conformance.contract.text import JsonObject, parse_object

_GOLDEN = {
    Payload.ORDER_EVENT: "order",
    Payload.SINGLE_DELIVERY: "single-delivery",
    Payload.DOCUMENTS: "documents",
    Payload.SHIPMENT: "shipment",
}


def names() -> tuple[str, ...]:
    """The names of all vectors, in the order of the manifest."""
    return tuple(_manifest())


def golden(payload: Payload) -> JsonObject:
    """The typical message with this payload, as a new tree."""
    return vector(_GOLDEN[payload])


def vector(name: str) -> JsonObject:
    """The JSON body of a vector, as a new tree."""
    return parse_object(_file(name, "json"))


def vector_txml(name: str) -> str:
    """The tXML body of a vector, as written by hand; LookupError for a vector that has none."""
    return _file(name, "txml").decode("utf-8")


def payload_of(name: str) -> Payload:
    """The payload that a vector carries."""
    return Payload(_entry(name)["payload"])


def has_txml(name: str) -> bool:
    """Whether a vector has a tXML twin."""
    return "txml" in _entry(name)["files"]


def _file(name: str, form: str) -> bytes:
    entry = _entry(name)
    if form not in entry["files"]:
        raise LookupError(f"the vector {name!r} has no {form} file")
    return files(__package__).joinpath(entry["files"][form]).read_bytes()


def _entry(name: str) -> Mapping[str, Any]:
    try:
        return _manifest()[name]
    except KeyError:
        raise LookupError(f"there is no vector {name!r}; there are {', '.join(_manifest())}") from None


@cache
def _manifest() -> Mapping[str, Mapping[str, Any]]:
    entries = yaml_text.read(files(__package__).joinpath("manifest.yaml").read_text("utf-8"))["vectors"]
    return {entry["name"]: entry for entry in entries}
