"""The settings of one destination, [destinations.NAME]: what it takes, how it is treated, and the keys of its type.

One flat model for all types, in the manner of `service.settings_models`: a key of another type is refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from handlers.erp.folder_names import USUAL_PATTERN, check_pattern
from handlers.erp.python import check_name
from handlers.erp.sql.address import check_address, located
from handlers.erp.verdicts import Rule, read_rule
from handlers.interface import DOCUMENTS, ChangeKind, Endpoint
from handlers.oauth.authority import check_url
from service.settings_models import Count, Endpoints, Flag, OptionalPath, OptionalTexts, OptionalUrl, Seconds
from service.settings_sources import Located


class Kind(StrEnum):
    """What events are handed over to."""

    HTTP = "http"
    FOLDER = "folder"
    PYTHON = "python"
    SQL = "sql"


class Content(StrEnum):
    """Which body a destination gets."""

    MERGED = "merged"
    """The whole order or shipment after the event; as received where no id tells which one it is about."""
    ORIGINAL = "original"
    """As it was received."""


class Format(StrEnum):
    """How the body is written."""

    JSON = "json"
    XML = "xml"


class Method(StrEnum):
    """How the body is sent."""

    POST = "POST"
    PUT = "PUT"


class ClientAuth(StrEnum):
    """Where the token server wants client id and secret."""

    BODY = "body"
    HEADER = "header"


class Address(str):
    """An address that is shown without its query: that may hold what lets us in."""

    __slots__ = ()

    @property
    def shown(self) -> str:
        """For people."""
        base, question_mark, _ = self.partition("?")
        return f"{base}?********" if question_mark else base

    def __repr__(self) -> str:
        return repr(self.shown)


@dataclass(frozen=True, slots=True)
class Option:
    """A value for a class of an integrator's own: it may be a secret, so it is not shown."""

    value: str | int | float | bool = field(repr=False)


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _in_lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _in_upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _not_empty_path(value: str) -> str:
    if not value:
        raise ValueError("must be the path of a folder, in quotes")
    return value


def _address(value: str) -> Address:
    # Unlike a token server, an ERP in the same building may speak plain HTTP.
    plain = value.startswith("http://")
    try:
        check_url(f"https{value[4:]}" if plain else value)
    except ValueError as error:
        if "https://" in str(error) and not plain:
            raise ValueError("must be an address such as https://host/path, in quotes") from None
        raise
    return Address(value)


def _sendable(value: SecretStr) -> SecretStr:
    # RFC 7617, section 2: no control characters.
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", value.get_secret_value()):
        raise ValueError("must not be empty and must have no line breaks or other control characters")
    return value


def _token(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x21-\x7e]+", value.get_secret_value()):
        raise ValueError("must be letters, digits and the usual marks only, without spaces and line breaks")
    return value


#: What each exchange says of itself, or what we must say.
_OUR_HEADERS = {"connection", "content-length", "host", "idempotency-key", "transfer-encoding"}


def _header(value: SecretStr) -> SecretStr:
    # RFC 9110, sections 5.1 and 5.5.
    found = re.fullmatch(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]+)", value.get_secret_value())
    if not found:
        raise ValueError('must hold texts such as "Name: value", without line breaks and letters beyond ASCII')
    if found[1].lower() in _OUR_HEADERS or found[1].lower().startswith("webhooks-"):
        raise ValueError(f"{found[1]} is not for you to set")
    return value


def _rule(value: str) -> str:
    read_rule(value)
    return value


def _pattern(value: str) -> str:
    check_pattern(value)
    return value


def _class(value: str) -> str:
    check_name(value)
    return value


def _database(value: SecretStr) -> SecretStr:
    check_address(value.get_secret_value())
    return value


def _options(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    for name, option in value.items():
        if not re.fullmatch(r"[^\W\d]\w*", name):
            raise ValueError("the name of an option consists of letters, digits and _")
        if not isinstance(option, str | int | float | bool | Option):
            raise ValueError(f"{name} must be a text, a number, true or false")
    return {name: option if isinstance(option, Option) else Option(option) for name, option in value.items()}


_WORDS = ", ".join(f'"{kind}"' for kind in ChangeKind)
_Text = Annotated[str | None, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$", description="a text, in quotes")]
_Secret = Annotated[Annotated[SecretStr, AfterValidator(_sendable)] | None, Field(description="a text, in quotes")]


def _one_of(kinds: type[StrEnum]) -> str:
    quoted = [f'"{kind}"' for kind in kinds]
    return f"one of {', '.join(quoted)}" if len(quoted) > 2 else " or ".join(quoted)


class DestinationSettings(BaseModel):
    """[destinations.NAME]: what is handed over, to whom, and with how much patience."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_name=True)

    type: Annotated[Kind, BeforeValidator(_in_lower_case), Field(description=_one_of(Kind))]

    endpoints: Endpoints = tuple(Endpoint)
    events: OptionalTexts = None
    companies: OptionalTexts = None
    accounts: OptionalTexts = None
    changes: Annotated[
        tuple[ChangeKind, ...], BeforeValidator(_listed), Field(description=f"a list with some of {_WORDS}")
    ] = ()

    content: Annotated[Content, BeforeValidator(_in_lower_case), Field(description=_one_of(Content))] = (
        Content.MERGED
    )
    format: Annotated[Format, BeforeValidator(_in_lower_case), Field(description=_one_of(Format))] = Format.JSON

    concurrency: Count = 4
    timeout: Seconds = 30.0
    max_per_second: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description="a number over 0")] = None
    retry_first: Seconds = 1.0
    retry_max: Seconds = 300.0
    dead_after: Annotated[
        float,
        Field(
            gt=0, le=31_536_000, allow_inf_nan=False, description="a number of seconds, over 0 and at most 31536000"
        ),
    ] = 604_800.0
    inline: Flag = False

    url: Annotated[
        Annotated[str, AfterValidator(_address)] | None,
        Field(description="an address such as https://host/path, in quotes"),
    ] = None
    method: Annotated[Method, BeforeValidator(_in_upper_case), Field(description=_one_of(Method))] = Method.POST
    username: Annotated[
        str | None,
        Field(pattern=r"^[^:\x00-\x1f\x7f]+$", description="a text without colons and control characters"),
    ] = None
    password: _Secret = None
    password_file: OptionalPath = None
    token: Annotated[
        Annotated[SecretStr, AfterValidator(_token)] | None, Field(description="a text, in quotes")
    ] = None
    token_file: OptionalPath = None
    client_id: _Text = None
    client_secret: _Secret = None
    client_secret_file: OptionalPath = None
    token_url: OptionalUrl = None
    scope: _Text = None
    resource: _Text = None
    audience: _Text = None
    client_auth: Annotated[ClientAuth, BeforeValidator(_in_lower_case), Field(description=_one_of(ClientAuth))] = (
        ClientAuth.BODY
    )
    certificate: OptionalPath = None
    key: OptionalPath = None
    ca_file: OptionalPath = None
    headers: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(_header)], ...],
        BeforeValidator(_listed),
        Field(description='a list of texts such as "Name: value"'),
    ] = ()
    outcomes: Annotated[
        tuple[Annotated[str, AfterValidator(_rule)], ...],
        BeforeValidator(_listed),
        Field(description='a list of texts such as "409=accepted"'),
    ] = ()

    path: Annotated[
        # A text: files that settings name are watched, and this is a folder that changes all the time.
        Annotated[str, AfterValidator(_not_empty_path)] | None,
        Located(lambda text, folder: str(folder / text)),
        Field(description="the path of a folder, in quotes"),
    ] = None
    name: Annotated[str, AfterValidator(_pattern), Field(description="a pattern for names of files, in quotes")] = (
        USUAL_PATTERN
    )
    done_file: Flag = False
    documents_file: Flag = False

    python_class: Annotated[
        Annotated[str, AfterValidator(_class)] | None,
        Field(alias="class", description='"module:Class", in quotes'),
    ] = None
    options: Annotated[
        dict[str, Option],
        BeforeValidator(_options),
        Field(description="a table of texts, numbers, true and false"),
    ] = {}

    database_url: Annotated[
        Annotated[SecretStr, AfterValidator(_database)] | None,
        Located(located),
        Field(description="the address of a database such as postgresql+psycopg://user:password@host/database"),
    ] = None
    database_url_file: OptionalPath = None
    # `schema` is taken by pydantic.
    database_schema: Annotated[
        str | None,
        Field(alias="schema", pattern=r"^\w{1,63}$", description="the name of a schema, in quotes"),
    ] = None
    table_prefix: Annotated[
        str, Field(pattern=r"^\w{0,30}$", description="the beginning of a name, of letters, digits and _")
    ] = "tradecloud_"
    create: Flag = True

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if problem := (
            self._foreign() or self._missing() or self._authorization() or self._certificate() or self._patience()
        ):
            raise ValueError(problem)
        return self

    def _given(self, keys: tuple[str, ...]) -> list[str]:
        """The keys that were set, as they are written; a secret that came from its file is not named beside it."""
        given = [key for key in keys if _field_of(key) in self.model_fields_set]
        return [key for key in given if f"{key}_file" not in given]

    def _foreign(self) -> str | None:
        for kind, keys in _OWN.items():
            if kind is not self.type and (foreign := self._given(keys)):
                return f"{' and '.join(foreign)}: only for type {kind}, and this one is {self.type}; leave it out"
        if foreign := self._given(_NOT_OF.get(self.type, ())):
            return f"{' and '.join(foreign)}: not for type {self.type}; leave it out"
        return None

    def _missing(self) -> str | None:
        key = _NEEDED[self.type]
        if getattr(self, _field_of(key)) is not None:
            return None
        described = type(self).model_fields[_field_of(key)].description
        return f"{key} is missing; must be {described}"

    def _authorization(self) -> str | None:
        ways = [given for keys in _WAYS if (given := self._given((*keys, *_with_files(keys))))]
        if len(ways) > 1:
            return f"{ways[0][0]} and {ways[1][0]} are two ways to say who we are; give one of them"
        if ways and "authorization" in map(str.lower, self.header_fields):
            return f"{ways[0][0]} and a header Authorization are two ways to say who we are; give one of them"
        for keys in _WAYS:
            lacking = [key for key in keys[:3] if getattr(self, key) is None]
            if self._given((*keys, *_with_files(keys))) and lacking:
                return f"{' and '.join(lacking)} is missing beside {self._given((*keys, *_with_files(keys)))[0]}"
        return None

    def _certificate(self) -> str | None:
        return "key is of no use without certificate" if self.key and not self.certificate else None

    def _patience(self) -> str | None:
        return "retry_max must not be less than retry_first" if self.retry_max < self.retry_first else None

    def takes(self, key: str) -> bool:
        """Whether a destination of this type has the key, as it is written in TOML."""
        foreign = any(key in keys for kind, keys in _OWN.items() if kind is not self.type)
        return not foreign and key not in _NOT_OF.get(self.type, ())

    @property
    def header_fields(self) -> dict[str, str]:
        """Name and value of each header field."""
        pairs = (header.get_secret_value().partition(":") for header in self.headers)
        return {name: value.strip() for name, _, value in pairs}

    @property
    def rules(self) -> tuple[Rule, ...]:
        """What `outcomes` says."""
        return tuple(read_rule(rule) for rule in self.outcomes)


#: The ways to say who we are; of each, up to three keys are needed and the others may be there.
_WAYS = (
    ("username", "password"),
    ("token",),
    ("client_id", "client_secret", "token_url", "scope", "resource", "audience", "client_auth"),
)
_OWN = {
    Kind.HTTP: (
        "url",
        "method",
        *(key for keys in _WAYS for key in keys),
        *(f"{key}_file" for key in ("password", "token", "client_secret")),
        *("certificate", "key", "ca_file", "headers", "outcomes"),
    ),
    Kind.FOLDER: ("path", "name", "done_file", "documents_file"),
    Kind.PYTHON: ("class", "options"),
    Kind.SQL: ("database_url", "database_url_file", "schema", "table_prefix", "create"),
}
#: What others have in common: rows are always those of the merged order.
_NOT_OF = {Kind.SQL: ("content", "format")}
_NEEDED = {Kind.HTTP: "url", Kind.FOLDER: "path", Kind.PYTHON: "class", Kind.SQL: "database_url"}
_ALIASES = {"class": "python_class", "schema": "database_schema"}


def _field_of(key: str) -> str:
    return _ALIASES.get(key, key)


def _with_files(keys: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{key}_file" for key in keys if f"{key}_file" in DestinationSettings.model_fields)


def one_answers(destinations: dict[str, DestinationSettings]) -> dict[str, DestinationSettings]:
    """Check that no two destinations answer the inline requests of one endpoint, and that none has our own name.

    Raises:
        ValueError: they do; the text completes the sentence "<key>: …".
    """
    if DOCUMENTS in destinations:
        raise ValueError(f'"{DOCUMENTS}" is the built-in destination that fetches documents; choose another name')
    for endpoint in Endpoint:
        inline = [name for name, each in destinations.items() if each.inline and endpoint in each.endpoints]
        if len(inline) > 1:
            raise ValueError(f"{' and '.join(inline)} both have inline = true for {endpoint}; only one can answer")
    return destinations
