"""What came of the events of one purchase order: what the suite's observer counts; and the order as it is now.

Like `effects` it asks the database itself, because the suite asks often.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from tools.target.errors import TargetError
from tools.target.folder import Folder
from tools.target.store import rows

#: Events that came are merged within this time, or something is wrong.
MERGE_SECONDS = 15.0
_LOOK_EVERY = 0.05

_EVENTS = """
    SELECT id, event_name, state, reason FROM event
    WHERE id IN (SELECT event_id FROM event_order WHERE purchase_order_number = ?) AND state != 'quarantined'
    ORDER BY seq
"""
#: A body whose reading crashed is kept too; of that, all that can be asked is whether it holds the number.
_CRASHED = """
    SELECT id, event_name, state, 'reading it crashed' AS reason FROM event
    WHERE state = 'quarantined' AND json_extract(refusal, '$.status') = 500
        AND id IN (SELECT event_id FROM event_body WHERE instr(body, CAST(? AS BLOB)))
"""
_NOT_MERGED = """
    SELECT count(*) AS "left" FROM event
    WHERE id IN (SELECT event_id FROM event_order WHERE purchase_order_number = ?)
        AND state IN ('received', 'waiting') AND applied_at IS NULL
"""


def handled(folder: Folder, order: str) -> list[dict[str, str | None]]:
    """What the ERP has of the order, once for each idempotency key; events that are dead; those that were done
    without a destination; bodies whose reading crashed. Nothing for events that are still on their way, and nothing
    for one that the service believes is done while the ERP does not have it.

    Raises:
        TargetError: the inbox cannot be read.
    """
    events = rows(folder.inbox, _EVENTS, order)
    keys = _taken(folder.erp_journal, {str(event["id"]) for event in events})
    found = []
    for event in events:
        taken = keys.get(str(event["id"]), [])
        kept = event["state"] == "dead" or (event["state"] == "done" and _brought_nothing(event["reason"]))
        outcomes = [f"taken by the ERP as {key}" for key in taken] or (["kept"] if kept else [])
        found += [{**{name: event[name] for name in _SHOWN}, "outcome": outcome} for outcome in outcomes]
    if not events:
        crashed = rows(folder.inbox, _CRASHED, order)
        found += [{**{name: event[name] for name in _SHOWN}, "outcome": "kept"} for event in crashed]
    return found


def _brought_nothing(reason: str | None) -> bool:
    """Whether an event was done without a destination, by the reason that the service gives for that."""
    return reason is not None and reason.startswith(("no news", "echo"))


_SHOWN = ("id", "event_name", "state", "reason")


def _taken(journal: Path, events: set[str]) -> dict[str, list[str]]:
    """For each event the keys under which the ERP took it."""
    keys: dict[str, list[str]] = {}
    try:
        lines = journal.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return keys
    for line in lines:
        # Most lines are about other events, and reading them takes longer than looking.
        if any(event in line for event in events):
            request = json.loads(line)
            known = keys.setdefault(request["event"], [])
            if request["status"] == 200 and request["key"] not in known:
                known.append(request["key"])
    return keys


def current_order(folder: Folder, order: str) -> object:
    """The order as the service shows it, with its `lines` and its `version`, when all its events are merged.

    Raises:
        TargetError: the service does not know it, or does not come to an end with its events.
    """
    deadline = time.monotonic() + MERGE_SECONDS
    while rows(folder.inbox, _NOT_MERGED, order)[0]["left"]:
        if time.monotonic() > deadline:
            raise TargetError(f"after {MERGE_SECONDS:.0f} s not all events of {order} are merged")
        time.sleep(_LOOK_EVERY)
    webhooks = str(Path(sys.executable).with_name("webhooks"))
    command = [webhooks, "orders", "show", order, "--json", "--config", str(folder.settings)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode:
        raise TargetError((done.stderr.strip() or "webhooks: it said nothing").splitlines()[-1])
    body = json.loads(done.stdout)
    # A body of the contract: beside eventName and meta it has the payload.
    payloads = [value for name, value in body.items() if isinstance(value, dict) and name != "meta"]
    if len(payloads) != 1:
        raise TargetError(f"`webhooks orders show` prints {', '.join(body)}, which is no body of the contract")
    return payloads[0]
