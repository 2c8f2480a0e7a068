"""The receiver's store: an event is on disk before it is acknowledged, and a repetition has no second effect.

One file of SQLite in the receiver's folder. Other processes read the same file: the control port of a supervised
receiver, and the receiver after a kill.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from enum import Enum
from pathlib import Path
from typing import Any

from conformance.mutants.event import Event
from conformance.mutants.faults import Faults

_RACE_SECONDS = 0.15
_QUEUE_SECONDS = 2.0

_TABLES = """
CREATE TABLE IF NOT EXISTS event (
    number INTEGER PRIMARY KEY, key TEXT, message TEXT, path TEXT, name TEXT, order_number TEXT, data BLOB);
CREATE INDEX IF NOT EXISTS event_key ON event (key);
CREATE TABLE IF NOT EXISTS effect (event INTEGER, order_number TEXT, message TEXT);
CREATE INDEX IF NOT EXISTS effect_order ON effect (order_number);
CREATE TABLE IF NOT EXISTS taken (key TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS refused (key TEXT PRIMARY KEY, order_number TEXT, message TEXT);
CREATE TABLE IF NOT EXISTS mirror (order_number TEXT PRIMARY KEY, version INTEGER, status TEXT, lines TEXT);
"""


class Kept(Enum):
    """What became of an event."""

    NEW = "new"
    SEEN = "seen"
    OLDER = "older"


class Store:
    """Keeps events, their effects, and a mirror of every order."""

    def __init__(self, folder: Path, faults: Faults) -> None:
        self._faults = faults
        self._lock = threading.Lock()
        self._database = sqlite3.connect(folder / "store.sqlite", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_TABLES)
        self._seen_here: set[str] = set()
        self._last_key: str | None = None

    def seen(self, event: Event, node: int = 1) -> bool:
        """True when the event is no news."""
        key = self.key(event)
        if key is None:
            return False
        if self._faults.on("MU-203"):
            return key in self._seen_here
        if self._faults.on("MU-204"):
            return f"{node} {key}" in self._seen_here
        with self._lock:
            return self._holds(key)

    def remember(self, event: Event, node: int = 1) -> None:
        """Take the event for seen although nothing was stored (the fault MU-196)."""
        key = self.key(event)
        if key is not None:
            with self._lock:
                self._database.execute("INSERT INTO event (key) VALUES (?)", (key,))

    def keep(self, event: Event, node: int = 1) -> Kept:
        """Put the event on disk with its effects, unless it is there already; on disk when this returns."""
        if self._faults.on("MU-52"):
            threading.Thread(target=self._keep_later, args=(event,), daemon=True).start()
            return Kept.NEW
        if self._faults.on("MU-56", "MU-203", "MU-204"):
            if self.seen(event, node):
                return Kept.SEEN
            if self._faults.on("MU-56"):
                time.sleep(_RACE_SECONDS)
            with self._lock:
                return self._insert(event, node)
        with self._lock:
            key = self.key(event)
            if key is not None and self._holds(key):
                return Kept.SEEN
            return self._insert(event, node)

    def taken_by_erp(self, event: Event) -> None:
        """The ERP has the event and could not say so: when it comes again with its key it is no second one."""
        key = self.key(event)
        with self._lock:
            if (
                key is None
                or self._database.execute("SELECT 1 FROM taken WHERE key = ?", (key,)).fetchone() is None
            ):
                self._add_effects(event, None)
            if key is not None:
                self._database.execute("INSERT OR IGNORE INTO taken VALUES (?)", (key,))

    def keep_refused(self, event: Event) -> None:
        """Keep an event that the ERP refused, or that crashed, for a person to look at."""
        key = self.key(event)
        with self._lock:
            self._database.execute(
                "INSERT OR IGNORE INTO refused VALUES (?, ?, ?)",
                (key, _text((event.order_numbers or ("",))[0]), _text(event.message_id or "")),
            )

    def replay(self) -> None:
        """Do every effect again, as a worker without a bookmark does after a kill (the fault MU-198)."""
        with self._lock:
            self._database.execute("INSERT INTO effect SELECT * FROM effect")

    def close(self) -> None:
        """Nothing is kept in memory, so nothing can be lost here."""
        with self._lock:
            self._database.close()

    def _keep_later(self, event: Event) -> None:
        time.sleep(_QUEUE_SECONDS)
        with self._lock:
            key = self.key(event)
            if key is None or not self._holds(key):
                self._insert(event, 1)

    def key(self, event: Event) -> str | None:
        """What makes two deliveries the same event; None for an event that is never a repetition."""
        if self._faults.on("MU-55"):
            return None
        if self._faults.on("MU-57"):
            return event.fingerprint
        if self._faults.on("MU-206") and "Resent" in event.name and event.order_numbers:
            with self._lock:
                found = self._database.execute(
                    "SELECT 1 FROM effect WHERE order_number = ?", (_text(event.order_numbers[0]),)
                ).fetchone()
            return "known" if found else None
        if event.message_id is None:
            return "no id" if self._faults.on("MU-59") else None
        if self._faults.on("MU-200"):
            return f"{event.message_id} {hashlib.sha256(event.data).hexdigest()}"
        return _text(f"{event.message_id} {event.path} {event.fingerprint}")

    def _holds(self, key: str) -> bool:
        if key == "known":
            return True
        if self._faults.on("MU-284"):
            return key == self._last_key
        return self._database.execute("SELECT 1 FROM event WHERE key = ?", (key,)).fetchone() is not None

    def _insert(self, event: Event, node: int) -> Kept:
        key = self._key_when_locked(event)
        if key is not None:
            self._seen_here.update((key, f"{node} {key}"))
        self._last_key = key
        message = _text(event.message_id or "")
        numbers = [_text(number) for number in event.order_numbers]
        self._database.execute("BEGIN IMMEDIATE")
        try:
            row = self._database.execute(
                "INSERT INTO event (key, message, path, name, order_number, data) VALUES (?, ?, ?, ?, ?, ?)",
                (key, message, event.path, _text(event.name), numbers[0] if numbers else "", event.data),
            ).lastrowid
            taken = self._database.execute("DELETE FROM taken WHERE key = ?", (key,)).rowcount
            if not taken or self._faults.on("MU-287"):
                self._add_effects(event, row)
            self._database.execute("DELETE FROM refused WHERE key = ?", (key,))
            kept = self._merge(event, numbers[0]) if event.order_id and numbers else Kept.NEW
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        return kept

    def _add_effects(self, event: Event, row: int | None) -> None:
        message = _text(event.message_id or "")
        numbers = [_text(number) for number in event.order_numbers]
        self._database.executemany(
            "INSERT INTO effect VALUES (?, ?, ?)", [(row, number, message) for number in numbers or [""]]
        )

    def _key_when_locked(self, event: Event) -> str | None:
        if self._faults.on("MU-206"):
            return None
        return self.key(event)

    def _merge(self, event: Event, number: str) -> Kept:
        """The mirror of the order: lines are merged by position, and an older version changes nothing."""
        row = self._database.execute(
            "SELECT version, lines FROM mirror WHERE order_number = ?", (number,)
        ).fetchone()
        version = _version(event)
        is_older = row is not None and version is not None and row[0] is not None and version < row[0]
        if is_older and not self._faults.on("MU-201"):
            return Kept.OLDER
        lines: dict[str, Any] = {} if row is None or self._faults.on("MU-34") else json.loads(row[1])
        if self._faults.on("MU-272"):
            lines = {position: {"buyerLine": {"position": position}} for position in lines}
        for line in event.lines:
            lines[_position(line)] = line
        written = json.dumps(lines, default=str)
        self._database.execute(
            "INSERT OR REPLACE INTO mirror VALUES (?, ?, ?, ?)",
            (number, version if version is not None else (row and row[0]), _status(event), written),
        )
        return Kept.NEW


class Reader:
    """Reads the same file from outside the receiver, for the control port."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "store.sqlite"

    def effects(self, order: str | None, message: str | None) -> int:
        """How many effects an order, a message, or a message on an order had; what was refused and kept is one."""
        wanted = [("order_number", order), ("message", message)]
        used = [(column, value) for column, value in wanted if value]
        where = " WHERE " + " AND ".join(f"{column} = ?" for column, _ in used) if used else ""
        query = f"SELECT (SELECT count(*) FROM effect{where}) + (SELECT count(*) FROM refused{where})"  # noqa: S608
        (count,) = self._one(query, tuple(value for _, value in (*used, *used))) or (0,)
        return int(count)

    def order(self, number: str) -> dict[str, Any] | None:
        """The mirror of an order."""
        row = self._one("SELECT version, status, lines FROM mirror WHERE order_number = ?", (number,))
        return {"version": row[0], "status": row[1], "lines": list(json.loads(row[2]).values())} if row else None

    def _one(self, query: str, values: tuple[str | None, ...]) -> tuple[Any, ...] | None:
        database = sqlite3.connect(self._path, timeout=5)
        try:
            row: tuple[Any, ...] | None = database.execute(query, values).fetchone()
        finally:
            database.close()
        return row


def _text(value: str) -> str:
    """SQLite takes no half of a surrogate pair, and JSON can hold one."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def _version(event: Event) -> int | None:
    value = event.payload.get("version")
    return int(value) if value is not None and abs(value) < 2**62 else None


def _status(event: Event) -> str | None:
    status = event.payload.get("status")
    value = status.get("processStatus") if isinstance(status, dict) else None
    return _text(value) if isinstance(value, str) else None


def _position(line: dict[str, Any]) -> str:
    buyer = line.get("buyerLine")
    buyer = buyer if isinstance(buyer, dict) else {}
    position = buyer.get("position") or line.get("position")
    return _text(str(position or f"split from {buyer.get('originalPosition') or line.get('id') or '?'}"))
