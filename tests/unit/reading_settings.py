"""What the tests of the settings share."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, load

SECRET = "hunter2-nobody-may-see-this"


def read(toml: str = "", **environ: str) -> Settings:
    """The settings from ./webhooks.toml with this text, and from these variables only."""
    if toml:
        Path("webhooks.toml").write_text(toml, encoding="utf-8")
    return load(None, environ=environ)


def mistakes(toml: str = "", **environ: str) -> list[str]:
    """The lines that `read` ends with."""
    with pytest.raises(SettingsError) as raised:
        read(toml, **environ)
    return str(raised.value).splitlines()


def user(name: str = "main", secret: str = f'password = "{SECRET}"') -> str:
    """A user's table in TOML."""
    return f'[auth.basic.{name}]\nusername = "tradecloud"\n{secret}\n'
