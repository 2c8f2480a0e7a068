"""[documents]: which documents that events name become files, how, and where."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from handlers.documents.names import BLOCKED_EXTENSIONS
from service.settings_models import Bytes, Count, Flag, OptionalPath, OptionalUrl, Seconds
from service.settings_sources import Located


def _listed(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _sendable(value: SecretStr) -> SecretStr:
    # RFC 7617, section 2: no control characters.
    if not re.fullmatch(r"[^\x00-\x1f\x7f]+", value.get_secret_value()):
        raise ValueError("must not be empty and must have no line breaks or other control characters")
    return value


def _location(value: str) -> str:
    if not value:
        raise ValueError("must be the path of a folder or an address such as s3://bucket/folder, in quotes")
    return value


def _from(text: str, folder: Path) -> str:
    return text if "://" in text or not text else str(folder / text)


class Documents(BaseModel):
    """[documents]: from the documents that an event names to files."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    enabled: Annotated[bool | None, Field(description="true or false")] = None
    url: OptionalUrl = None
    username: Annotated[
        str | None,
        Field(pattern=r"^[^:\x00-\x1f\x7f]+$", description="a text without colons and control characters"),
    ] = None
    password: Annotated[
        Annotated[SecretStr, AfterValidator(_sendable)] | None, Field(description="a text, in quotes")
    ] = None
    password_file: OptionalPath = None
    ca_file: OptionalPath = None
    location: Annotated[
        # A text: files that settings name are watched, and this changes all the time.
        Annotated[str, AfterValidator(_location)],
        Located(_from),
        Field(description="the path of a folder or an address such as s3://bucket/folder, in quotes"),
    ] = "data/documents"
    wait: Flag = True
    max_bytes: Bytes = 268_435_456
    blocked_extensions: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\.?[^.\s/\\]{1,20}$")], ...],
        BeforeValidator(_listed),
        Field(description='a list of extensions such as ["exe", "js"]'),
    ] = BLOCKED_EXTENSIONS
    allow_http: Flag = False
    allow_private: Flag = False
    use_proxy: Flag = False
    calls_per_second: Annotated[
        float, Field(gt=0, le=10, allow_inf_nan=False, description="a number over 0, at most 10")
    ] = 10.0
    concurrency: Count = 4
    timeout: Seconds = 300.0
    retry_first: Seconds = 1.0
    retry_max: Seconds = 300.0
    dead_after: Annotated[
        float,
        Field(
            gt=0, le=31_536_000, allow_inf_nan=False, description="a number of seconds, over 0 and at most 31536000"
        ),
    ] = 86_400.0

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        given = [name for name in ("url", "username", "password") if getattr(self, name) is not None]
        if given and len(given) < 3:
            lacking = [name for name in ("url", "username", "password") if name not in given]
            raise ValueError(f"{' and '.join(lacking)} is missing beside {given[0]}")
        if self.retry_max < self.retry_first:
            raise ValueError("retry_max must not be less than retry_first")
        return self

    @property
    def is_on(self) -> bool:
        """Whether documents are fetched: if nothing is said, where the platform's address is."""
        return self.has_platform if self.enabled is None else self.enabled

    @property
    def has_platform(self) -> bool:
        """Whether documents can be fetched by objectId."""
        return self.url is not None
