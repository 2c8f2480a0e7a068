"""What is in force while the service runs: credentials and certificate, exchanged when files change or on SIGHUP.

A file that cannot be used keeps the old state in force, because nobody could deliver without; it is told in the
log and, to this machine, by `/health/ready`. Settings that only a restart can change are told too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from handlers.auth import Credentials
from handlers.background import in_thread
from service.errors import StartError
from service.log import set_level
from service.settings import (
    Settings,
    SettingsError,
    differences,
    load,
    named_files,
    require_credentials,
)
from service.settings_models import Server
from service.tls import CertificateError, Front, Pair, read_pair

log = logging.getLogger(__name__)

#: The files are looked at this often, in seconds. Not inotify: it sees nothing of network drives, loses track of
#: files that editors and Kubernetes replace (by a new file, by a link to a new folder), and exists on Linux only.
LOOK_EVERY = 2.0

#: After a SIGHUP, changed files are looked at twice with this time between, in seconds: the beginning of a settings
#: file that is still being written may be a whole one that lacks a credential, and its next event would be lost.
SETTLED_AFTER = 0.3

#: Reading the files takes longer than this, in seconds, only if one of them hangs: a named pipe, a network drive
#: that is gone. Nothing else would tell that certificates are no longer renewed.
HANGS_AFTER = 30.0

#: What does not need a restart, besides all of [auth].
_EXCHANGEABLE = {
    "server.certificate",
    "server.key",
    "server.key_password",
    "server.key_password_file",
    "log.level",
}

Found = TypeVar("Found")

#: Key of the setting -> the file that it names and a digest of its content, or why it cannot be read.
_Look = dict[str, tuple[Path, str]]


def pair_in(server: Server) -> Pair:
    """The certificate and key that the settings name, as the files are now.

    Raises:
        CertificateError: a file is not set, missing, broken, or does not fit; names the settings.
    """
    if server.certificate is None or server.key is None:
        raise CertificateError("server.certificate, server.key: not set; HTTPS needs both")
    password = server.key_password.get_secret_value() if server.key_password else None
    try:
        return read_pair(server.certificate, server.key, password)
    except CertificateError as error:
        raise CertificateError(f"server.certificate, server.key: {error}") from error


@dataclass(frozen=True, slots=True)
class _Reading:
    """The files as they were at one moment."""

    look: _Look
    settings: Settings
    """The new ones; the old ones if the new ones cannot be used."""
    credentials: Credentials | None
    """None: they are as before."""
    pair: Pair | None
    """None: it is as before."""
    problems: tuple[str, ...]


class _HangsError(Exception):
    """The files are not read to their end in time; the text says which one."""


class InForce:
    """Credentials and certificate in force; `watch` keeps them so, as a task of the event loop.

    `build` makes the credentials of new settings, in a thread; it raises StartError if it cannot. Every file that
    a setting names (`settings.named_files`) is watched; those under [auth] lead to new credentials.
    """

    def __init__(
        self,
        settings: Settings,
        front: Front | None,
        build: Callable[[Settings], Credentials],
        *,
        hangs_after: float = HANGS_AFTER,
    ) -> None:
        self._started = self._settings = settings
        self._front = front
        self._build = build
        self._acted_on: _Look | None = None  # the settings were loaded a while ago: all is read once more
        self._hangs_after = hangs_after
        self._hanging: asyncio.Future[Any] | None = None
        self._being_read = ""
        self._built_from = _of_auth(self._look(settings))
        self._asked = asyncio.Event()
        self._problems: tuple[str, ...] = ()
        self._needing_restart: list[str] = []
        self.credentials = build(settings)
        """Those in force now; to be asked for anew for each request."""

    def look_again(self) -> None:
        """Read all files again without delay and log the outcome in any case; to be called in the event loop."""
        self._asked.set()

    def details(self, further: Sequence[str] = ()) -> dict[str, object]:
        """What an administrator should know, for `/health/ready`: JSON members. `further` goes with it."""
        attention = [*self._problems, *self.credentials.attention(), *further]
        if self._needing_restart:
            attention.append(f"restart to put in force: {', '.join(self._needing_restart)}")
        if self._front is None:
            return {"attention": attention}
        pair = self._front.pair
        if trouble := pair.trouble():
            attention.append(f"server.certificate: the one in force {trouble}; Tradecloud does not accept it")
        elif soon := pair.ends_soon():
            attention.append(f"server.certificate: the one in force {soon}")
        return {"attention": attention, "certificateValidUntil": f"{pair.valid_until:%Y-%m-%dT%H:%M:%SZ}"}

    async def watch(self) -> None:
        """Keep up with the files, for ever; to be cancelled."""
        asked, looked = False, None
        while True:
            if asked:
                await asyncio.sleep(SETTLED_AFTER)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._asked.wait()
            asked = asked or self._asked.is_set()
            self._asked.clear()
            if self._hanging is not None and not self._hanging.done() and not asked:
                continue  # each attempt may cost a thread for ever
            try:
                look = await self._away(lambda: self._look(self._settings))
                settled, looked = look == looked, look  # twice the same: whoever wrote has finished
                if not settled or not (asked or look != self._acted_on or self._problems):
                    continue
                if (reading := await self._away(self._read)) is None:
                    continue
                await self._exchange(reading, asked=asked)
            except _HangsError as error:
                self._tell((str(error),), [], asked=asked)
            except Exception as error:
                problem = f"a fault of ours while reading the files again ({type(error).__name__})"
                if asked or self._problems != (problem,):
                    log.exception("action=reload_refused reason=%s", problem)
                self._problems = (problem,)
            asked = False

    async def _away(self, work: Callable[[], Found]) -> Found:
        """The result of work in a thread.

        Raises:
            _HangsError: it hangs, and is left alone.
        """
        reading = asyncio.ensure_future(in_thread(work))
        done, _ = await asyncio.wait([reading], timeout=self._hangs_after)
        self._hanging = None if done else reading
        if not done:
            raise _HangsError(
                f"{self._being_read}: not read to its end within {self._hangs_after:g} seconds (a named pipe, or a "
                "drive that does not answer); the old state stays in force; mend it, then send SIGHUP"
            )
        return reading.result()

    def _read(self) -> _Reading | None:
        """Read everything; None if a file changed meanwhile, for then the parts may not belong together."""
        look = self._look(self._load()[0])
        settings, problems = self._load()
        named = settings
        credentials = pair = None
        if not problems and (settings.auth != self._settings.auth or _of_auth(look) != self._built_from):
            try:
                credentials = self._build(settings)
            except StartError as error:
                settings, problems = self._settings, _kept(error)
        if self._front is not None and not settings.server.behind_proxy:
            try:
                pair = _better(pair_in(settings.server), self._front.pair)
            except CertificateError as error:
                problems += (f"{error}; {_old(self._front.pair)}",)
        if self._look(named) != look:
            return None
        return _Reading(look, settings, credentials, pair, problems)

    def _load(self) -> tuple[Settings, tuple[str, ...]]:
        """The new settings; or the old ones, and what is wrong with the new ones."""
        self._being_read = f"{self._settings.source or 'the environment'} or a file that is named there"
        try:
            settings = load(self._settings.source)
            require_credentials(settings)
        except SettingsError as error:
            return self._settings, _kept(error)
        return settings, ()

    def _look(self, settings: Settings) -> _Look:
        files = dict(named_files(settings))
        if settings.source is not None:
            files["settings"] = settings.source
        look = {}
        for key, path in files.items():
            self._being_read = f"{key}: {path}"
            look[key] = path, _digest(path)
        return look

    async def _exchange(self, reading: _Reading, *, asked: bool) -> None:
        changed = []
        replaced = None
        if reading.credentials is not None:
            replaced, new = self.credentials, reading.credentials
            new.adopt_keys(replaced)
            new.start()
            self.credentials = new
            self._built_from = _of_auth(reading.look)
            changed.append("credentials")
        if reading.pair is not None and self._front is not None:
            self._front.pair = reading.pair
            changed.append("certificate")
        if reading.settings.log.level != self._settings.log.level:
            set_level(reading.settings.log.level)
            changed.append("log.level")
        self._settings = reading.settings
        self._acted_on = reading.look
        self._tell(reading.problems, changed, asked=asked)
        if replaced is not None:
            await replaced.stop()

    def _tell(self, problems: tuple[str, ...], changed: list[str], *, asked: bool) -> None:
        """Log what is new: problems are read again at every look, but told once."""
        if asked or problems != self._problems:
            for problem in problems:
                log.error("action=reload_refused reason=%s", problem)
        if changed or (not problems and (asked or self._problems)):
            until = f" certificate_valid_until={self._front.pair.valid_until.date()}" if self._front else ""
            log.info("action=reloaded changed=%s%s", ",".join(changed) or "nothing", until)
        self._problems = problems
        keys = differences(self._started, self._settings)
        restart = [key for key in keys if key not in _EXCHANGEABLE and not key.startswith("auth.")]
        if restart and restart != self._needing_restart:
            log.warning("action=restart_needed settings=%s", ",".join(restart))
        self._needing_restart = restart


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError) as error:
        return str(error)


def _of_auth(look: _Look) -> _Look:
    return {key: seen for key, seen in look.items() if key.startswith("auth.")}


def _kept(error: SettingsError | StartError) -> tuple[str, ...]:
    return tuple(f"{line}; the old settings stay in force" for line in str(error).splitlines())


def _better(new: Pair, old: Pair) -> Pair | None:
    """The new pair, or None if it is the old one.

    Raises:
        CertificateError: the new one is not valid now while the old one is. Nobody could deliver with it, so the
            old one is better; one that is not valid yet comes into force when its time has come.
    """
    if new.chain == old.chain:
        return None
    if (trouble := new.trouble()) and not old.trouble():
        raise CertificateError(f"server.certificate: the new certificate {trouble}")
    return new


def _old(pair: Pair) -> str:
    trouble = pair.trouble()
    return f"the old one {trouble}" if trouble else f"the old one stays in force until {pair.valid_until.date()}"
