"""What is in force, over real files and an event loop: files that change while they are read, and faults."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import cast

import pytest

from handlers.auth import Credentials
from handlers.interface import Endpoint, NotAuthenticatedError
from service.app import credentials_in
from service.errors import StartError
from service.reload import LOOK_EVERY, InForce
from service.settings import Settings, load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings with one user whose password is `first`."""
    (tmp_path / "webhooks.toml").write_text('[auth.basic.main]\nusername = "u"\npassword_file = "password.txt"\n')
    (tmp_path / "password.txt").write_text("first")
    return tmp_path


async def accepts(credentials: Credentials, password: str) -> bool:
    """Whether this is the password in force."""
    authorization = b"Basic " + base64.b64encode(f"u:{password}".encode())
    try:
        return await credentials.identify([authorization], Endpoint.ORDER) == "main"
    except NotAuthenticatedError:
        return False


def watching(
    folder: Path, build: Callable[[Settings], Credentials], until: Callable[[InForce], Awaitable[bool]]
) -> InForce:
    """Watch the folder, with a SIGHUP now and then, until this is so."""

    async def watch() -> InForce:
        in_force = InForce(load(folder / "webhooks.toml", environ={}), None, build)
        (folder / "password.txt").write_text("second")
        task = asyncio.create_task(in_force.watch())
        async with asyncio.timeout(60):
            while not await until(in_force):
                in_force.look_again()
                await asyncio.sleep(0.05)
        task.cancel()
        return in_force

    return asyncio.run(watch())


def test_file_that_changes_while_it_is_read_changes_nothing_until_it_is_read_again(folder: Path) -> None:
    built: list[Settings] = []
    in_force_then: list[bool] = []

    def build(settings: Settings) -> Credentials:
        built.append(settings)
        if len(built) == 2:
            (folder / "password.txt").write_text("third")
        return credentials_in(settings)

    async def third(in_force: InForce) -> bool:
        in_force_then.append(await accepts(in_force.credentials, "second"))
        return await accepts(in_force.credentials, "third")

    watching(folder, build, third)
    assert [user.auth.basic["main"].secret() for user in built] == ["first", "second", "third"]
    assert not any(in_force_then)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StartError("auth.x: not so"), "auth.x: not so; the old settings stay in force"),
        (RuntimeError("a bug"), "a fault of ours while reading the files again (RuntimeError)"),
    ],
    ids=["mistake", "bug"],
)
def test_credentials_that_cannot_be_made_keep_the_old_ones_until_they_can(
    folder: Path, error: Exception, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [error] * 3

    def build(settings: Settings) -> Credentials:
        if failures and settings.auth.basic["main"].secret() == "second":
            raise failures.pop()
        return credentials_in(settings)

    async def second(in_force: InForce) -> bool:
        details.append(in_force.details())
        return await accepts(in_force.credentials, "second")

    details: list[dict[str, object]] = []
    watching(folder, build, second)
    assert not failures
    assert {"attention": [told]} in details
    assert details[-1] == {"attention": []}
    assert f"action=reload_refused reason={told}" in caplog.text


def test_file_that_hangs_is_told_and_what_is_asked_for_then_is_read_anew(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hanging = folder / "password.txt"

    async def watch() -> None:
        in_force = InForce(load(folder / "webhooks.toml", environ={}), None, credentials_in, hangs_after=1.0)
        hanging.unlink()
        os.mkfifo(hanging)
        task = asyncio.create_task(in_force.watch())
        async with asyncio.timeout(60):
            while not in_force.details()["attention"]:
                await asyncio.sleep(0.05)
            (line,) = cast("list[str]", in_force.details()["attention"])
            assert line.startswith(f"auth.basic.main.password_file: {hanging}: not read to its end")
            assert await accepts(in_force.credentials, "first")
            hanging.unlink()
            hanging.write_text("second")
            in_force.look_again()
            while not await accepts(in_force.credentials, "second"):
                await asyncio.sleep(0.05)
            assert in_force.details() == {"attention": []}
            hanging.write_text("third")  # nobody asks this time
            while not await accepts(in_force.credentials, "third"):
                await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(watch())
    assert caplog.text.count("action=reload_refused reason=auth.basic.main.password_file") == 1


def test_files_are_read_again_without_being_asked_once_what_hangs_goes_on(folder: Path) -> None:
    hanging = folder / "password.txt"

    async def watch() -> None:
        in_force = InForce(load(folder / "webhooks.toml", environ={}), None, credentials_in, hangs_after=1.0)
        hanging.unlink()
        os.mkfifo(hanging)
        task = asyncio.create_task(in_force.watch())
        async with asyncio.timeout(60):
            while not in_force.details()["attention"]:
                await asyncio.sleep(0.05)
            threads = threading.active_count()
            writing = os.open(hanging, os.O_WRONLY)
            await asyncio.sleep(3 * LOOK_EVERY)
            assert threading.active_count() == threads
            hanging.unlink()
            hanging.write_text("second")
            os.close(writing)
            while not await accepts(in_force.credentials, "second"):
                await asyncio.sleep(0.05)
        task.cancel()

    asyncio.run(watch())
