"""Which parser reads which media type."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from service import json_body, txml
from service.contract import Contract
from service.parsed_body import ParsedBody
from service.problems import BodyRefusedError, Problem

#: Makes values of a body's bytes; the charset is the parameter of its Content-Type, as it was sent.
Parser = Callable[[bytes, str | None], ParsedBody]

#: Charsets whose bytes are UTF-8 bytes. JSON knows no other (RFC 8259, section 8.1).
_UTF_8 = {"utf-8", "utf8", "us-ascii", "ascii"}


class UnknownMediaTypeError(LookupError):
    """A contract takes a media type that nobody here can read; the text names it."""


def parsers(contract: Contract) -> Mapping[str, Parser]:
    """A parser for each media type that the contract takes, the preferred one first.

    Raises:
        UnknownMediaTypeError: there is none for one of them.
    """
    mapping = txml.Mapping(contract)

    def parse_txml(body: bytes, charset: str | None) -> ParsedBody:
        return txml.read(body, mapping, charset)

    known = {"application/json": _parse_json, "application/xml": parse_txml, "text/xml": parse_txml}
    if unknown := [name for name in contract.media_types if name not in known]:
        raise UnknownMediaTypeError(
            f"the contract takes the media type {unknown[0]}, which this service cannot read"
        )
    return {name: known[name] for name in contract.media_types}


def _parse_json(body: bytes, charset: str | None) -> ParsedBody:
    if charset is not None and charset.lower() not in _UTF_8:
        raise BodyRefusedError(
            f"This endpoint does not take JSON in the charset {charset!r}; send UTF-8.",
            problem=Problem.UNSUPPORTED_MEDIA_TYPE,
        )
    return json_body.parse(body)
