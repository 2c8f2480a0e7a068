"""What a receiver claims and denies, and how the suite can reach into it: the profile, a YAML file.

Silence is an error: a feature that a profile does not mention would be skipped without anybody noticing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from conformance import yaml_text
from conformance.contract.reading import Endpoint, Payload
from conformance.requests.request import Form


class ProfileError(Exception):
    """The profile cannot be used; the message names the place and what to write."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Secret(_Part):
    """Where a secret stands: never in the profile itself."""

    env: str | None = None
    file: Path | None = None

    def value(self) -> str:
        """The secret.

        Raises:
            ProfileError: it is not there.
        """
        if self.env is not None:
            found = os.environ.get(self.env)
            if not found:
                raise ProfileError(f"the environment variable {self.env} is not set; it has to hold the secret")
            return found
        if self.file is None:
            raise ProfileError("a secret needs `env: NAME` or `file: PATH`")
        try:
            return self.file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise ProfileError(f"{self.file}: {error.strerror}; it has to hold the secret") from error


class BasicCredential(_Part):
    """User name and password (RFC 7617)."""

    username: str
    password: Secret


class BearerCredential(_Part):
    """A static token (RFC 6750)."""

    token: Secret


class Credential(_Part):
    """One of the two."""

    basic: BasicCredential | None = None
    bearer: BearerCredential | None = None


class OperationProfile(_Part):
    """One of the two webhooks as this receiver offers it."""

    path: str
    formats: tuple[Form, ...]
    schemes: tuple[Literal["basic", "bearer", "oauth"], ...]
    """How it authenticates; the first one is used where it does not matter."""
    payloads: tuple[Payload, ...]
    not_allowed: Credential | None = None
    """Good credentials that are not allowed here (403); without them RSP-09 is BLOCKED."""


class Claims(_Part):
    """Features that the contract leaves to the receiver; each has to be claimed (true) or denied (false)."""

    durable_queue: bool
    """A 2xx may come before the ERP has the event, because it waits on disk."""
    http2: bool
    duplicates_recognised: bool
    """The same message twice has one effect."""
    types_checked: bool
    """Members of a wrong JSON type are refused."""
    required_checked: bool
    """Bodies without a required member are refused."""
    problem_details: bool
    """Errors are application/problem+json (RFC 9457)."""
    public_certificate: bool
    """The certificate comes from an authority that everybody knows; false for a lab with `ca_file`."""


class Hook(_Part):
    """How a state is entered and left: commands or `http METHOD URL`, or a beginning of order numbers."""

    enter: str | None = None
    leave: str | None = None
    sentinel: str | None = None


class Action(_Part):
    """A command or `http METHOD URL` that returns when it is done."""

    run: str


class Observer(_Part):
    """Counts the effects of an order number: `{order}` and `{message}` are filled in."""

    command: str | None = None
    http: str | None = None
    count: str = "$"
    """`$`: the length of the JSON array; `$.a.b`: a number in an object."""
    seconds: float = 5.0
    """How long an accepted event may take until its effect is there."""
    settle: float = 1.0
    """How long after that a second effect could come; only then is it certain that there is one."""
    mirror: str | None = None
    """A command or `http GET URL` that prints the receiver's state of the order as JSON: `$.lines`, `$.version`."""


class IssuerProfile(_Part):
    """The suite's own token issuer, which the receiver has been told to trust."""

    listen: str
    url: str


class CanaryProfile(_Part):
    """The suite's own server that nobody should call."""

    listen: str
    url: str
    reach: str | None = None
    """A command that calls `{url}` from the receiver's machine: without it silence proves nothing."""


class Profile(_Part):
    """Everything that the suite is told about a receiver."""

    name: str
    operations: Mapping[Endpoint, OperationProfile]
    basic: BasicCredential | None = None
    bearer: BearerCredential | None = None
    claims: Claims
    max_body_bytes: Annotated[int, Field(gt=0)] | None
    """Largest body it takes; null: it states none."""
    answer_seconds: float = 5.0
    """Time budget of an answer (P-2)."""
    contracts: Mapping[Endpoint, Path] = {}
    """The served OpenAPI documents, for the generated phase and the table of response codes."""
    contract_sha256: str | None = None
    """PRE-6: what `conformance run` printed when the profile was last looked through."""
    ca_file: Path | None = None
    states: Mapping[str, Hook] = {}
    actions: Mapping[str, Action] = {}
    observer: Observer | None = None
    issuer: IssuerProfile | None = None
    canary: CanaryProfile | None = None
    plain_port: int = 80
    """Where plain HTTP might be spoken beside HTTPS, for TLS-08."""
    second_url: str | None = None
    """Another node of the same receiver."""
    expected_blocked: Mapping[str, str] = {}
    """Cases known to be BLOCKED here, and why; any other BLOCKED case, and one of these that is not, is told."""


def load(path: Path) -> Profile:
    """Read a profile; relative paths in it are seen from its own folder.

    Raises:
        ProfileError: it cannot be read, or says something that it cannot say.
    """
    try:
        raw = yaml_text.read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ProfileError(f"{path}: no YAML: {error}") from error
    try:
        profile = Profile.model_validate(raw)
    except ValidationError as error:
        lines = [
            f"{path}: {'.'.join(map(str, one['loc'])) or 'profile'}: {_in_our_words(one) or one['msg']}"
            for one in error.errors(include_input=False)
        ]
        raise ProfileError("\n".join(lines)) from None
    if lacking := _without_credentials(profile):
        raise ProfileError("\n".join(f"{path}: {line}" for line in lacking))
    return _resolved(profile, path.parent)


def _without_credentials(profile: Profile) -> list[str]:
    """A line for each key that a claim needs and that is not there."""
    keys = {
        "basic": ("basic", profile.basic),
        "bearer": ("bearer", profile.bearer),
        "oauth": ("issuer", profile.issuer),
    }
    lines: list[str] = []
    for endpoint, operation in profile.operations.items():
        if not operation.schemes:
            lines.append(f"operations.{endpoint}.schemes: has to name at least one of {', '.join(keys)}")
        for scheme in operation.schemes:
            key, found = keys[scheme]
            if found is None:
                lines.append(f"{key}: is missing, and operations.{endpoint}.schemes claims {scheme}")
        other = operation.not_allowed
        if other is not None and other.basic is None and other.bearer is None:
            lines.append(f"operations.{endpoint}.not_allowed: needs `basic` or `bearer`")
    return lines


def _in_our_words(error: ErrorDetails) -> str:
    match error["type"], error["loc"]:
        case "missing", ("claims", *_):
            return "has to be claimed or denied (true or false)"
        case "model_type", (*_, "password" | "token"):
            return "a secret does not stand in a profile; name where it does: {env: NAME} or {file: PATH}"
        case "extra_forbidden", _:
            return "is no key of a profile"
    return ""


def _resolved(profile: Profile, folder: Path) -> Profile:
    contracts = {endpoint: folder / path for endpoint, path in profile.contracts.items()}
    ca_file = None if profile.ca_file is None else folder / profile.ca_file
    for name, path in (
        ("ca_file", ca_file),
        *((f"contracts.{endpoint}", path) for endpoint, path in contracts.items()),
    ):
        if path is not None and not path.is_file():
            raise ProfileError(f"{name}: there is no file {path}")
    return profile.model_copy(update={"contracts": contracts, "ca_file": ca_file})
