"""A PostgreSQL server of the tests' own: in a folder of its own, on a free port, as a user without rights."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PASSWORD = "geheim-7f3a"


def binaries() -> Path | None:
    """The folder of pg_ctl, if a server is installed here."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "pg_ctl").exists()), None)


class PostgresqlServer:
    """Started by `start`, ended by `stop`; what was committed stays between them."""

    def __init__(self, folder: Path) -> None:
        self._bin = folder
        # The user that runs the server may not look into pytest's folders.
        self._home = Path(tempfile.mkdtemp(prefix="webhooks-pg-"))
        self._data = self._home / "data"
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            account = pwd.getpwnam(self._user)
            os.chown(self._home, account.pw_uid, account.pw_gid)
        secret = self._home / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", str(self._data), "-U", "webhooks", "-A", "scram-sha-256", f"--pwfile={secret}", "-N"
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg://webhooks:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Until it takes connections."""
        options = {"fsync": "off", "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self._home)}
        self._process = subprocess.Popen(
            [
                str(self._bin / "postgres"),
                *("-D", str(self._data), "-p", str(self.port)),
                *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
            ],
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self._home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while subprocess.run(
            [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            assert time.monotonic() < until, "PostgreSQL does not start"
            time.sleep(0.05)

    def new_database(self) -> str:
        """The address of one that is empty."""
        name = f"d{secrets.token_hex(8)}"
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "webhooks")
        subprocess.run(
            [str(self._bin / "createdb"), *where, name], env={**os.environ, "PGPASSWORD": PASSWORD}, check=True
        )
        return self.url.removesuffix("postgres") + name

    def stop(self) -> None:
        """At once, as after a power cut."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
            self._process = None

    def signal_all(self, number: signal.Signals) -> None:
        """The same to the server and to each of its processes, as SIGSTOP and SIGCONT need it."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for process in [*map(int, children), self._process.pid]:
            os.kill(process, number)

    def remove(self) -> None:
        """For good."""
        self.stop()
        shutil.rmtree(self._home)

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._bin / name), *arguments],
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self._home,
            check=True,
            capture_output=True,
        )
