"""The settings: read once by `load`, frozen, handed to the parts in pieces.

No other module reads the environment. A setting comes from, strongest first: the environment
(`WEBHOOKS_<SECTION>__<KEY>`), the settings file, its default. `webhooks.example.toml` documents them all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from handlers.interface import Endpoint
from service.settings_destinations import Address, DestinationSettings, Option, one_answers
from service.settings_documents import Documents
from service.settings_models import Auth, Inbox, Log, Mode, Name, Processing, Server, StoreUrl, Worker
from service.settings_sources import (
    CONFIG_VARIABLE,
    Key,
    SettingsError,
    Shape,
    Source,
    dotted,
    read_environment,
    read_file,
)

__all__ = [
    "Settings",
    "SettingsError",
    "differences",
    "effective",
    "load",
    "named_files",
    "require_credentials",
    "require_serving",
]

DEFAULT_FILE = Path("webhooks.toml")
DEVELOPMENT_FILE = Path(".webhooks-dev") / "webhooks.toml"


class Settings(BaseSettings):
    """All settings; made by `load`."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    server: Server = Server()
    inbox: Inbox = Inbox()
    auth: Auth = Auth()
    processing: Processing = Processing()
    worker: Worker = Worker()
    documents: Documents = Documents()
    log: Log = Log()
    destinations: Annotated[dict[Name, DestinationSettings], AfterValidator(one_answers)] = {}
    _source: Path | None = PrivateAttr(default=None)

    @property
    def source(self) -> Path | None:
        """The settings file that was read; None if there was none."""
        return self._source

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: the stock sources ignore unknown variables, so `load` brings its own."""
        return (init_settings,)


def load(
    config: Path | None, *, development_fallback: bool = False, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings in force.

    The file is `config`, else the one that WEBHOOKS_CONFIG names, else ./webhooks.toml, else with
    `development_fallback` the one of development mode; the last two only if they exist.

    Raises:
        SettingsError: something is wrong; names every mistake.
    """
    shape = Shape(Settings)
    path = _settings_file(config, environ, development_fallback)
    here = Path.cwd()
    file = read_file(path, shape) if path else Source()
    environment = read_environment(environ, shape, file, here)
    file.yield_to(environment, shape)
    for source in (environment, file):
        source.read_secret_files(shape)
    defaults, folder = Settings(), path.absolute().parent if path else here
    for key, default in (
        (("inbox", "url"), defaults.inbox.url),
        (("inbox", "local_folder"), defaults.inbox.local_folder),
        (("documents", "location"), defaults.documents.location),
    ):
        if key not in file.entries:
            file.put(key, default, "default", shape, folder)
    problems = file.problems | environment.problems
    try:
        settings = Settings(
            _build_sources=(
                (
                    InitSettingsSource(Settings, environment.nested()),
                    InitSettingsSource(Settings, file.nested()),
                ),
                {},
            )
        )
    except ValidationError as error:
        problems |= dict(_problems(error, shape, environment, file, problems))
    if problems:
        raise SettingsError("\n".join(problems.values()))
    settings._source = path.absolute() if path else None
    return settings


def effective(settings: Settings) -> Iterator[tuple[str, str]]:
    """Dotted key and value, as TOML writes it, of every setting that has a value; secrets are masked."""
    for key, value in _leaves(settings, ()):
        if key == ("server", "host"):
            value = settings.server.listen_host
        if value is not None:
            yield dotted(key), _toml(value)


def named_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Dotted key and path of every setting that names a file: certificate, key and whatever holds a secret."""
    for key, value in _leaves(settings, ()):
        if isinstance(value, Path):
            yield dotted(key), value


def differences(before: Settings, after: Settings) -> list[str]:
    """The dotted keys whose values differ, in the order of the models."""
    values = [dict(_leaves(settings, ())) for settings in (before, after)]
    return [dotted(key) for key in values[0] | values[1] if values[0].get(key) != values[1].get(key)]


def require_credentials(settings: Settings) -> None:
    """Check that somebody could deliver.

    Raises:
        SettingsError: there are no credentials.
    """
    if not settings.auth.basic and not settings.auth.bearer and not settings.auth.oauth:
        raise SettingsError(
            "auth: no credentials, so nobody could deliver; add a table [auth.basic.NAME] with username and "
            "password_file, [auth.bearer.NAME] with token_file, or [auth.oauth.NAME] with authority"
        )


def require_serving(settings: Settings) -> None:
    """Check what only `serve` needs: a certificate and credentials.

    Raises:
        SettingsError: it cannot start so; names everything that is missing.
    """
    server = settings.server
    problems = []
    if not server.behind_proxy:
        for name, path in (("certificate", server.certificate), ("key", server.key)):
            if path is None:
                problems.append(
                    f"server.{name}: not set; HTTPS needs server.certificate and server.key "
                    "(or set server.behind_proxy = true if a proxy in front does HTTPS)"
                )
            else:
                try:
                    path.open("rb").close()
                except (OSError, ValueError) as error:
                    reason = error.strerror if isinstance(error, OSError) else error
                    problems.append(f"server.{name}: cannot read {path}: {reason}")
    elif not server.trusted_proxies and not server.on_loopback:
        problems.append(
            f"server.host: {server.host} may be reached from other machines, and server.behind_proxy = true "
            "without server.trusted_proxies would believe them all; name the proxy's address in "
            'server.trusted_proxies or set server.host = "127.0.0.1"'
        )
    problems += _inline_problems(settings)
    try:
        require_credentials(settings)
    except SettingsError as error:
        problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))


def _inline_problems(settings: Settings) -> Iterator[str]:
    for endpoint in Endpoint:
        key = f"processing.mode.{endpoint.value}"
        if settings.processing.mode.of(endpoint) is not Mode.INLINE:
            continue
        if not any(each.inline and endpoint in each.endpoints for each in settings.destinations.values()):
            yield f'{key}: "inline" needs a destination with inline = true that takes {endpoint.value} events'
        if not settings.worker.enabled:
            yield f'{key}: "inline" needs the worker beside the receiver; leave worker.enabled = false out'


def _settings_file(config: Path | None, environ: Mapping[str, str], development_fallback: bool) -> Path | None:
    if config:
        return config
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    candidates = [DEFAULT_FILE, DEVELOPMENT_FILE] if development_fallback else [DEFAULT_FILE]
    return next((path for path in candidates if path.exists()), None)


def _problems(
    error: ValidationError, shape: Shape, environment: Source, file: Source, known: Mapping[Key, str]
) -> Iterator[tuple[Key, str]]:
    """The library's errors as our lines. Values are never shown: any of them may hold a misplaced secret."""
    for detail in error.errors(include_url=False, include_input=False):
        bad_name = detail["loc"][-1] == "[key]"
        key = tuple(part for part in detail["loc"] if isinstance(part, str) and part != "[key]")
        field = shape.field(key)
        allowed = field.description if field else None
        if detail["type"] == "missing" and any(key[:-1] == other[:-1] for other in known):
            continue  # most likely that other line is why it is missing
        if bad_name:
            problem = "a name consists of letters, digits, - and _"
        elif detail["type"] == "value_error":
            problem = str(detail["ctx"]["error"])
        elif detail["type"] == "missing":
            problem = f"missing; must be {allowed}"
        else:
            problem = f"must be {allowed}" if allowed else detail["msg"]
        yield key, f"{dotted(key)}: {problem} ({_origin(key, environment, file)})"


def _origin(key: Key, *strongest_first: Source) -> str:
    """Where the key was set; for a table, where any of its keys was."""
    for source in strongest_first:
        if key in source.entries:
            return source.entries[key].origin
    table = key
    while table:
        for source in strongest_first:
            for other, entry in source.entries.items():
                if other[: len(table)] == table and entry.origin != "default":
                    return entry.origin
        table = table[:-1]
    return "default"


def _leaves(model: BaseModel, above: Key) -> Iterator[tuple[Key, object]]:
    for field_name, value in model:
        name = type(model).model_fields[field_name].alias or field_name
        if isinstance(model, DestinationSettings) and not model.takes(name):
            continue
        if isinstance(value, BaseModel):
            yield from _leaves(value, (*above, name))
        elif isinstance(value, dict):
            for inner, table in value.items():
                if isinstance(table, BaseModel):
                    yield from _leaves(table, (*above, name, inner))
                else:
                    yield (*above, name, inner), table
        else:
            yield (*above, name), value


def _toml(value: object) -> str:
    if isinstance(value, SecretStr | Option):
        return '"********"'
    if isinstance(value, Address | StoreUrl):
        value = value.shown
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, Path | IPv4Network | IPv6Network):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)
