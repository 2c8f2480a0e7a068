"""Which settings there are, what each may hold and its default; one frozen model for each section.

The description of a field completes the sentence "<key>: must be …", which whoever sets it wrongly gets to
read. `webhooks.example.toml` documents every key; a test keeps it in step with these models.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from handlers.interface import Endpoint, Role
from handlers.oauth.authority import Authority, authority_of, check_url, same_case
from handlers.secret import SecretHash
from service.inbox.place import POSTGRESQL, DatabaseServer, Place, trouble_of
from service.settings_sources import EMPTY_PATH, Located

_SQLITE = "sqlite:///"
_DEFAULT_URL = f"{_SQLITE}data/inbox.db"

_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


def _split(value: object) -> object:
    """A list may be written as one text with commas: the environment knows no lists."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _networks(value: object) -> object:
    if not isinstance(value, list | tuple):
        return value
    networks = []
    for item in value:
        try:
            networks.append(ip_network(str(item)))
        except ValueError:
            item = json.dumps(str(item))
            raise ValueError(f"{item} is neither an IP address nor a network such as 10.0.0.0/8") from None
    return networks


def _not_empty(value: object) -> object:
    if value == "":
        raise ValueError(EMPTY_PATH)
    return value


def _password(value: SecretStr) -> SecretStr:
    # RFC 7617, section 2: no control characters. One that slipped in could never be sent.
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", value.get_secret_value()):
        raise ValueError("must not be empty and must have no line breaks or other control characters")
    return value


def _token(value: SecretStr) -> SecretStr:
    # RFC 6750, section 2.1: b64token.
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", value.get_secret_value()):
        raise ValueError("must be letters, digits and - . _ ~ + / only, with = only at the end")
    return value


def _hash(value: str) -> str:
    SecretHash.read(value)
    return value


def _url(value: str) -> str:
    check_url(value)
    return value


def _authority(value: str) -> str:
    authority_of(value)
    return value


def _one_secret(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """Exactly one of a secret and its hash; the hash stands before the secret in the model."""
    name = f"{info.field_name}_hash"
    if name not in info.data:
        return value  # a wrong hash, and somebody is told so
    given = info.data[name] is not None
    if given and value is not None:
        raise ValueError(f"given twice, give either {info.field_name} or {name}")
    if not given and value is None:
        raise PydanticKnownError("missing")
    return value


class StoreUrl(str):
    """Where the inbox is; shown without what lets somebody in."""

    __slots__ = ()

    @property
    def shown(self) -> str:
        """For people."""
        return str(self) if self.startswith(_SQLITE) else str(DatabaseServer(str(self)))

    def __repr__(self) -> str:
        return repr(self.shown)


def _store(value: str) -> StoreUrl:
    if value.startswith(POSTGRESQL):
        if trouble := trouble_of(value):
            raise ValueError(trouble)
        return StoreUrl(value)
    path = value.removeprefix(_SQLITE)
    if path == value or path in ("", ":memory:") or path.startswith("file:") or "?" in path:
        raise ValueError(f"must be sqlite:///PATH, a file, or {POSTGRESQL}USER:PASSWORD@HOST/DATABASE")
    return StoreUrl(value)


def _join(text: str, folder: Path) -> str:
    return str(folder / text)


def _join_url(text: str, folder: Path) -> str:
    path = text.removeprefix(_SQLITE)
    if path == text or path in ("", ":memory:") or path.startswith("file:"):
        return text  # refused later, by a sentence that names the key
    return _SQLITE + (folder / path).as_posix()


Bytes = Annotated[int, Field(ge=1, description="a number of bytes, at least 1")]
Count = Annotated[int, Field(ge=1, description="a whole number, at least 1")]
Flag = Annotated[bool, Field(description="true or false")]
Seconds = Annotated[
    float,
    Field(gt=0, le=86_400, allow_inf_nan=False, description="a number of seconds, over 0 and at most 86400"),
]
OptionalPath = Annotated[
    Path | None, BeforeValidator(_not_empty), Located(_join), Field(description="the path of a file, in quotes")
]
Endpoints = Annotated[
    tuple[Endpoint, ...],
    BeforeValidator(_split),
    Field(min_length=1, description='a list with "order", "shipment" or both'),
]
Texts = Annotated[
    tuple[Annotated[str, StringConstraints(min_length=1), AfterValidator(same_case)], ...],
    BeforeValidator(_split),
    Field(min_length=1, description="a list of texts, at least one"),
]
OptionalTexts = Annotated[Texts | None, Field(description="a list of texts, at least one")]
OptionalUrl = Annotated[
    Annotated[str, AfterValidator(_url)] | None,
    Field(description="an address such as https://host/path, in quotes"),
]
OptionalHash = Annotated[
    Annotated[str, AfterValidator(_hash)] | None,
    Field(description="a hash as `webhooks secret new` prints it, in quotes"),
]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...],
    BeforeValidator(_networks),
    BeforeValidator(_split),
    Field(description='a list of IP addresses and networks, such as ["10.0.0.0/8"]'),
]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


def _secret(plain: SecretStr | None, stored: str | None) -> str | SecretHash:
    if plain is not None:
        return plain.get_secret_value()
    assert stored is not None  # noqa: S101 - _one_secret checked
    return SecretHash.read(stored)


class Server(_Section):
    """[server]: where the service listens and what it bears."""

    host: Annotated[str, Field(min_length=1, description="an IP address or a host name")] = "0.0.0.0"  # noqa: S104
    port: Annotated[int, Field(ge=1, le=65_535, description="a whole number from 1 to 65535")] = 8443
    certificate: OptionalPath = None
    key: OptionalPath = None
    key_password: Annotated[SecretStr | None, Field(description="a text")] = None
    key_password_file: OptionalPath = None
    behind_proxy: Flag = False
    trusted_proxies: Networks = ()
    max_body_bytes: Annotated[
        int, Field(ge=1024 * 1024, description="a number of bytes, at least 1048576 (1 MiB)")
    ] = 33_554_432
    max_inflight_bytes: Bytes = Field(268_435_456, validate_default=True)
    max_waiting: Count = 1000
    max_connections: Count = 1000
    header_timeout: Seconds = 10.0
    body_timeout: Seconds = 60.0
    keep_alive_timeout: Seconds = 65.0
    tls_handshake_timeout: Seconds = 10.0
    drain_timeout: Annotated[float, Field(ge=0, le=9, description="a number of seconds from 0 to 9")] = 7.0
    retry_after: Annotated[int, Field(ge=1, description="a whole number of seconds, at least 1")] = 30

    @field_validator("max_inflight_bytes")
    @classmethod
    def _one_body_must_fit(cls, value: int, info: ValidationInfo) -> int:
        largest = info.data.get("max_body_bytes", 0)
        if value < largest:
            raise ValueError(f"must be at least server.max_body_bytes, which is {largest}; it is {value}")
        return value

    @property
    def listen_host(self) -> str:
        """Where to listen: behind a proxy that is not named, nobody but this machine may be believed."""
        unnamed = self.behind_proxy and not self.trusted_proxies
        return "127.0.0.1" if unnamed and "host" not in self.model_fields_set else self.host

    @property
    def believed_proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Who may say where a request really came from: one that is not named can only be on this machine."""
        return (self.trusted_proxies or _LOOPBACK) if self.behind_proxy else ()

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.listen_host.lower() == "localhost":
            return True
        try:
            return ip_address(self.listen_host).is_loopback
        except ValueError:
            return False  # a host name may mean any address


class Inbox(_Section):
    """[inbox]: where events are kept."""

    url: Annotated[
        str,
        AfterValidator(_store),
        Located(_join_url),
        Field(description=f"sqlite:///PATH, or {POSTGRESQL}USER:PASSWORD@HOST/DATABASE"),
    ] = _DEFAULT_URL
    url_file: OptionalPath = None
    local_folder: Annotated[
        str, BeforeValidator(_not_empty), Located(_join), Field(description="the path of a folder, in quotes")
    ] = "data"
    commit_timeout: Seconds = 10.0
    busy_timeout: Seconds = 5.0
    quarantine_max_bytes: Bytes = 1_073_741_824
    quarantine_max_bodies: Count = 10_000
    wal_max_bytes: Bytes = 1_073_741_824
    min_free_bytes: Bytes = 67_108_864

    @property
    def path(self) -> Path:
        """The database file; only where it is one."""
        assert isinstance(self.place, Path)  # noqa: S101 - whoever asks has looked
        return self.place

    @property
    def place(self) -> Place:
        """The database file, or the server."""
        if self.url.startswith(POSTGRESQL):
            return DatabaseServer(self.url)
        return Path(self.url.removeprefix(_SQLITE))

    @property
    def folder(self) -> Path:
        """Where on this machine what belongs to the inbox is: beside its file, if it is one."""
        return self.place.parent if isinstance(self.place, Path) else Path(self.local_folder)


class BasicUser(_Section):
    """[auth.basic.NAME]: a user name and password in force; two may share a user name."""

    username: Annotated[
        str,
        Field(
            pattern=r"^[^:\x00-\x1f\x7f]+$",
            description="a text without colons and control characters, not empty",
        ),
    ]
    password_hash: OptionalHash = None
    password: Annotated[
        Annotated[SecretStr, AfterValidator(_password)] | None,
        AfterValidator(_one_secret),
        Field(description="a text, or give password_file or password_hash"),
    ] = Field(None, validate_default=True)
    password_file: OptionalPath = None
    endpoints: Endpoints = tuple(Endpoint)

    def secret(self) -> str | SecretHash:
        """The password, or its hash, whichever way it was given."""
        return _secret(self.password, self.password_hash)


class BearerToken(_Section):
    """[auth.bearer.NAME]: a static token in force."""

    token_hash: OptionalHash = None
    token: Annotated[
        Annotated[SecretStr, AfterValidator(_token)] | None,
        AfterValidator(_one_secret),
        Field(description="a text, or give token_file or token_hash"),
    ] = Field(None, validate_default=True)
    token_file: OptionalPath = None
    endpoints: Endpoints = tuple(Endpoint)

    def secret(self) -> str | SecretHash:
        """The token, or its hash, whichever way it was given."""
        return _secret(self.token, self.token_hash)


class OAuth(_Section):
    """[auth.oauth.NAME]: an issuer whose access tokens are in force."""

    authority: Annotated[
        Annotated[str, AfterValidator(_authority)] | None,
        Field(description="the authentication URL that is set up in Tradecloud One, in quotes"),
    ] = None
    issuers: OptionalTexts = None
    metadata_url: OptionalUrl = None
    jwks_url: OptionalUrl = None
    jwks_file: OptionalPath = None
    audiences: Texts
    clients: OptionalTexts = None
    roles: OptionalTexts = None
    endpoints: Endpoints = (Endpoint.ORDER,)
    leeway: Annotated[int, Field(ge=0, le=300, description="a whole number of seconds from 0 to 300")] = 60
    ca_file: OptionalPath = None

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        places = [name for name in ("metadata_url", "jwks_url", "jwks_file") if getattr(self, name) is not None]
        if self.authority is not None and (self.issuers or places):
            superfluous = [*(["issuers"] if self.issuers else []), *places]
            raise ValueError(f"authority says all of it; leave {' and '.join(superfluous)} out")
        if self.authority is None and (not self.issuers or len(places) != 1):
            raise ValueError("give authority, or issuers with one of metadata_url, jwks_url and jwks_file")
        if not self.clients and not self.roles:
            raise ValueError(
                "give clients, roles or both: every application of the issuer can get a token for this audience"
            )
        if self.jwks_file is not None and self.ca_file is not None:
            raise ValueError("with jwks_file nothing is fetched; leave ca_file out")
        return self

    @property
    def derived(self) -> Authority:
        """What the authority says, or what was given instead of it."""
        if self.authority is not None:
            return authority_of(self.authority)
        return Authority((self.metadata_url,) if self.metadata_url else (), frozenset(self.issuers or ()))


class Auth(_Section):
    """[auth]: who may deliver."""

    basic: dict[Name, BasicUser] = {}
    bearer: dict[Name, BearerToken] = {}
    oauth: dict[Name, OAuth] = {}

    @field_validator("bearer", "oauth")
    @classmethod
    def _names_differ(cls, named: dict[str, _Section], info: ValidationInfo) -> dict[str, _Section]:
        for other in ("basic", "bearer"):
            taken = {name.lower() for name in info.data.get(other, {})}
            if twice := [name for name in named if name.lower() in taken]:
                # Logs and lists tell credentials apart by nothing but the name.
                raise ValueError(
                    f"the name {twice[0]} stands in auth.{other} too; each credential needs its own name"
                )
        return named


class Mode(StrEnum):
    """When a delivery is answered."""

    QUEUED = "queued"
    """As soon as it is on disk."""
    INLINE = "inline"
    """When the inline destination has said what it thinks of it."""


ProcessingMode = Annotated[Mode, Field(description='"queued" or "inline"')]


class Modes(_Section):
    """[processing.mode]: how each webhook is answered."""

    order: ProcessingMode = Mode.QUEUED
    shipment: ProcessingMode = Mode.QUEUED

    def of(self, endpoint: Endpoint) -> Mode:
        """How deliveries of this webhook are answered."""
        mode: Mode = getattr(self, endpoint.value)
        return mode


class Processing(_Section):
    """[processing]: from accepted to done."""

    mode: Modes = Modes()
    role: Annotated[Role, Field(description='"buyer" or "supplier"')] = Role.BUYER
    deliver_echo: Flag = True
    dead_holds_order: Flag = True
    inline_takeover: Annotated[
        float,
        Field(gt=0, le=604_800, allow_inf_nan=False, description="a number of seconds, over 0 and at most 604800"),
    ] = 3600.0


class Worker(_Section):
    """[worker]: the process beside the receiver that takes events to their destinations."""

    enabled: Flag = True
    concurrency: Annotated[int, Field(ge=1, le=256, description="a whole number from 1 to 256")] = 16


class Log(_Section):
    """[log]: what is written to standard error."""

    level: Annotated[
        Level,
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
        Field(description='one of "debug", "info", "warning", "error"'),
    ] = Level.INFO
