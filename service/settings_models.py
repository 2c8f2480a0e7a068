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
from typing import Annotated

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
)

from handlers.interface import Endpoint
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


def _sqlite_path(value: str) -> str:
    path = value.removeprefix(_SQLITE)
    if path == value or path in ("", ":memory:") or path.startswith("file:") or "?" in path:
        raise ValueError("must be sqlite:///PATH, the file of the inbox; there is no other store yet")
    return value


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

    url: Annotated[str, AfterValidator(_sqlite_path), Located(_join_url), Field(description="sqlite:///PATH")] = (
        _DEFAULT_URL
    )
    commit_timeout: Seconds = 10.0
    busy_timeout: Seconds = 5.0
    quarantine_max_bytes: Bytes = 1_073_741_824
    quarantine_max_bodies: Count = 10_000
    wal_max_bytes: Bytes = 1_073_741_824
    min_free_bytes: Bytes = 67_108_864

    @property
    def path(self) -> Path:
        """The database file."""
        return Path(self.url.removeprefix(_SQLITE))


class BasicUser(_Section):
    """[auth.basic.NAME]: a user name and password in force; two may share a user name."""

    username: Annotated[
        str,
        Field(
            pattern=r"^[^:\x00-\x1f\x7f]+$",
            description="a text without colons and control characters, not empty",
        ),
    ]
    password: Annotated[SecretStr, AfterValidator(_password), Field(description="a text, or give password_file")]
    password_file: OptionalPath = None
    endpoints: Endpoints = tuple(Endpoint)

    def secret(self) -> str:
        """The password, whichever way it was given."""
        return self.password.get_secret_value()


class BearerToken(_Section):
    """[auth.bearer.NAME]: a static token in force."""

    token: Annotated[SecretStr, AfterValidator(_token), Field(description="a text, or give token_file")]
    token_file: OptionalPath = None
    endpoints: Endpoints = tuple(Endpoint)

    def secret(self) -> str:
        """The token, whichever way it was given."""
        return self.token.get_secret_value()


class Auth(_Section):
    """[auth]: who may deliver."""

    basic: dict[Name, BasicUser] = {}
    bearer: dict[Name, BearerToken] = {}

    @field_validator("bearer")
    @classmethod
    def _names_differ(cls, bearer: dict[str, BearerToken], info: ValidationInfo) -> dict[str, BearerToken]:
        basic = {name.lower() for name in info.data.get("basic", {})}
        if twice := [name for name in bearer if name.lower() in basic]:
            # Logs and lists tell credentials apart by nothing but the name.
            raise ValueError(f"the name {twice[0]} stands in auth.basic too; each credential needs its own name")
        return bearer


class Log(_Section):
    """[log]: what is written to standard error."""

    level: Annotated[
        Level,
        BeforeValidator(lambda value: value.lower() if isinstance(value, str) else value),
        Field(description='one of "debug", "info", "warning", "error"'),
    ] = Level.INFO
