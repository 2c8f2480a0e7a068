"""A PostgreSQL server of the tests' own: started, stopped, paused and made read-only as they need it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from service.inbox.place import POSTGRESQL, DatabaseServer

#: The address of a server that somebody else started, in place of one of our own; its user may make databases.
VARIABLE = "WEBHOOKS_TEST_POSTGRESQL"
PASSWORD = "pa ss:w@rd"
_QUOTED = "pa%20ss%3Aw%40rd"

_MISSING = (
    "NOT TESTED ON POSTGRESQL: there is no PostgreSQL server on this machine; install one (Debian: apt-get install "
    f"postgresql) or name a running one in {VARIABLE}=postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
)


def binaries() -> Path | None:
    """The folder of the server's programs; None if it is not installed."""
    found = shutil.which("pg_ctl")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), reverse=True)
    if found is not None:
        candidates.insert(0, Path(found).resolve())
    return next((one.parent for one in candidates if (one.parent / "initdb").exists()), None)


class Cluster:
    """One server; databases are made in it by name."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self.programs = programs
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # the server refuses to run as root
            self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        subprocess.run(
            [
                str(programs / "initdb"),
                *("-D", str(folder / "data"), "-U", "webhooks", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
                *("--auth=scram-sha-256", f"--pwfile={secret}"),
            ],
            check=True,
            capture_output=True,
            cwd=folder,
            **self._as,
        )

    def url(self, database: str) -> str:
        """The address as the settings have it."""
        return f"{POSTGRESQL}webhooks:{_QUOTED}@127.0.0.1:{self.port}/{database}"

    def start(self, *options: str) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    str(self.programs / "postgres"),
                    *("-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200"),
                    *options,
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                **self._as,
            )
        until = time.monotonic() + 30.0
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < until, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it, unless told otherwise by cutting all connections."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """None of its processes does anything."""
        assert self.process is not None
        family = [self.process.pid, *_children(self.process.pid)]
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in family:
                os.kill(pid, signal.SIGCONT)

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """As its owner; each statement by itself."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="webhooks",
            password=PASSWORD,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Databases:
    """Makes databases, on our own server or on that of somebody else."""

    def __init__(self, cluster: Cluster | None, given: str | None) -> None:
        self._cluster = cluster
        self._given = given
        self._count = 0

    def new(self) -> DatabaseServer:
        """An empty one."""
        self._count += 1
        name = f"webhooks_test_{os.getpid()}_{self._count}"
        with self._connection() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        if self._cluster is not None:
            return DatabaseServer(self._cluster.url(name))
        assert self._given is not None
        return DatabaseServer(f"{self._given.rpartition('/')[0]}/{name}")

    def drop(self, server: DatabaseServer) -> None:
        """Remove it, whoever is connected."""
        name = server.url.rpartition("/")[2]
        with self._connection() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _connection(self) -> psycopg.Connection[Any]:
        if self._cluster is not None:
            return self._cluster.connect("postgres")
        assert self._given is not None
        return psycopg.connect(self._given.replace("+psycopg", "", 1), autocommit=True)


@contextmanager
def cluster(*options: str) -> Iterator[Cluster]:
    """A server of its own, running; gone afterwards. Skips the test where none is installed."""
    programs = binaries()
    if programs is None:
        pytest.skip(_MISSING)
    # Not in pytest's folder: the server runs as another user, who may not look into that.
    folder = Path(tempfile.mkdtemp(prefix="webhooks-pg-"))
    one = Cluster(folder, programs)
    try:
        one.start(*options)
        yield one
    finally:
        one.stop(signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def databases(*, fsync: bool = False) -> Iterator[Databases]:
    """Databases on the server that the environment names, else on one of our own, by default one that does not wait
    for the disk: no test cuts the power. Skips where there is neither."""
    given = os.environ.get(VARIABLE)
    if given:
        yield Databases(None, given)
    else:
        with cluster("-c", f"fsync={'on' if fsync else 'off'}") as own:
            yield Databases(own, None)


def rows(server: DatabaseServer, statement: str, *values: Any) -> list[dict[str, Any]]:
    """What is in the database; the statement has `?` for values."""
    with connection_to(server) as connection:
        cursor = connection.execute(statement.replace("%", "%%").replace("?", "%s"), values)
        if cursor.description is None:
            return []
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def connection_to(server: DatabaseServer) -> psycopg.Connection[Any]:
    """Past the service; each statement by itself."""
    return psycopg.connect(server.url.replace("+psycopg", "", 1), autocommit=True)
