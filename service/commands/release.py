"""`webhooks events release`: let a body out of quarantine."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from handlers.interface import Endpoint
from handlers.mirror.current import current
from service.body import Label
from service.commands.exit_status import ExitStatus
from service.commands.operator import operator
from service.commands.options import ConfigOption, DryRunOption, JsonOption, ReasonOption, settings_of
from service.console.release import refused, released, same_message, would_be_released
from service.inbox.interface import Delivery, NewEvent, State
from service.inbox.reader import InboxReader, Row
from service.inbox.repair import NotPossibleError, Repair
from service.problems import BodyRefusedError, Problem
from service.wake import wake


def release(
    id: Annotated[str, typer.Argument(help="The event's id, or enough of its beginning.")],
    *,
    reason: ReasonOption,
    body: Annotated[
        Path | None,
        typer.Option(help="Release it with the body in this file (- for standard input); the original is kept."),
    ] = None,
    content_type: Annotated[
        str | None, typer.Option(help="What the body is, where it came under another name: application/json.")
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Let an event out of quarantine, if it fits the contract of today, as it is or with another body."""
    settings = settings_of(config)
    reader = InboxReader(settings.inbox.place)
    row = reader.event(id)
    _require_releasable(row, body)
    edited = None
    if body is not None or content_type is not None:
        data = reader.body(row["id"]) if body is None else _bytes_of(body)
        edited = (content_type or row["content_type"], data)
    try:
        new = _event(row, edited, reader, settings.server.max_body_bytes)
    except BodyRefusedError as error:
        typer.echo(refused(row["id"], error, as_json=as_json))
        raise typer.Exit(ExitStatus.STILL_REFUSED) from None
    if dry_run:
        typer.echo(would_be_released(row["id"], new, as_json=as_json))
        raise typer.Exit(ExitStatus.DRY_RUN)
    repair = Repair(settings.inbox.place, user=operator(), current_of=current)
    try:
        same = repair.release(row["id"], new, edited, reason)
    finally:
        repair.close()
    if same is not None:
        typer.echo(same_message(row["id"], same, as_json=as_json))
        raise typer.Exit(ExitStatus.LEFT)
    wake(settings.inbox.folder)
    typer.echo(released(row["id"], new, as_json=as_json))


def _require_releasable(row: Row, body: Path | None) -> None:
    if row["state"] != State.QUARANTINED:
        raise NotPossibleError(f"{row['id']} is {row['state']}, not in quarantine")
    if row["truncated"] and body is None:
        raise NotPossibleError(
            f"only the first {row['kept_length']} bytes of {row['id']} were kept; give the whole body with --body"
        )


def _bytes_of(file: Path) -> bytes:
    return sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()


def _event(row: Row, edited: tuple[str, bytes] | None, reader: InboxReader, max_body_bytes: int) -> NewEvent:
    """The event that the body is today, by what the reception does with one.

    Raises:
        BodyRefusedError: it is none.
    """
    content_type, data = edited or (row["content_type"], reader.body(row["id"]))
    # An edited body lies before us as it is; of the original nobody knows how to undo the coding.
    coding = "" if edited else row["content_encoding"]
    if len(data) > max_body_bytes:
        raise BodyRefusedError(f"The limit is {max_body_bytes} bytes.", problem=Problem.TOO_LARGE)
    delivery = Delivery(
        received_at=datetime.now(UTC),
        endpoint=Endpoint(row["endpoint"]),
        credential=row["credential"],
        content_type=content_type,
        content_encoding=coding,
        body=data,
        length=len(data),
    )
    # Imported here, because the other commands should not wait for the validator.
    from service.event_reader import event_readers

    label = Label(content_type, 1, coding, "", len(data))
    try:
        new = event_readers()[delivery.endpoint].read(delivery, label)
    except BodyRefusedError:
        raise
    except Exception as error:
        raise BodyRefusedError(
            f"The service fails on this body ({type(error).__name__}).", problem=Problem.INTERNAL_FAULT
        ) from error
    return replace(new, id=row["id"])
