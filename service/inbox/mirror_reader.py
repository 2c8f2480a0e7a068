"""What the command line asks about the current orders and shipments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select, union

from handlers.interface import Endpoint, JsonObject
from service.inbox.changes import stored_changes
from service.inbox.instant import instant
from service.inbox.packed import unpack
from service.inbox.place import Place
from service.inbox.reader import Row, open_for_reading
from service.inbox.schema import effect, event, mirror, mirror_order


@dataclass(frozen=True, slots=True)
class MirrorFilter:
    """Which orders or shipments to list; None means any."""

    purchase_order_number: str | None = None
    account: str | None = None
    """The supplier's number at the buyer, or the buyer's at the supplier."""
    status: str | None = None
    """Of the process or the logistics, in upper or lower case."""
    since: datetime | None = None
    """Changed at or after."""
    until: datetime | None = None
    """Changed before."""
    limit: int = 50


class NoSuchSubjectError(LookupError):
    """No order or shipment is called so, or several are; the text says which."""


class MirrorReader:
    """Reads the mirror of one endpoint."""

    def __init__(self, place: Place, endpoint: Endpoint) -> None:
        """Open the inbox.

        Raises:
            InboxUnavailableError: there is none yet, or it cannot be read.
        """
        self._engine = open_for_reading(place)
        self._endpoint = endpoint

    def subjects(self, wanted: MirrorFilter) -> list[Row]:
        """Those that fit, the last changed first, without their content."""
        columns = [column for column in mirror.columns if column.name not in ("endpoint", "state")]
        query = _filtered(select(*columns).where(mirror.c.endpoint == self._endpoint.value), wanted)
        with self._engine.connect() as connection:
            return [
                dict(row._mapping)
                for row in connection.execute(query.order_by(mirror.c.changed_at.desc()).limit(wanted.limit))
            ]

    def subject(self, name: str) -> Row:
        """One of them: by its id or the beginning of that, by its purchase order or its shipment number; its state
        unpacked, and the name of its last event.

        Raises:
            NoSuchSubjectError: none, or more than one.
        """
        id = self._id_of(name)
        query = (
            select(mirror, event.c.event_name.label("last_event_name"))
            .outerjoin(event, event.c.id == mirror.c.last_event_id)
            .where(mirror.c.endpoint == self._endpoint.value, mirror.c.subject_id == id)
        )
        with self._engine.connect() as connection:
            found = dict(connection.execute(query).one()._mapping)
        state: JsonObject = unpack(found.pop("state"))
        return found | {"state": state}

    def all(self) -> Iterator[Row]:
        """All of them in the order of their ids: id, state unpacked, name of the last event. As the store is from
        moment to moment: a long reading would keep its log from being emptied."""
        query = (
            select(mirror.c.subject_id, mirror.c.state, event.c.event_name.label("last_event_name"))
            .outerjoin(event, event.c.id == mirror.c.last_event_id)
            .where(mirror.c.endpoint == self._endpoint.value)
            .order_by(mirror.c.subject_id)
            .limit(_AT_ONCE)
        )
        last = ""
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(query.where(mirror.c.subject_id > last)).all()
            for row in rows:
                yield dict(row._mapping) | {"state": unpack(row.state)}
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1].subject_id

    def history(self, name: str) -> tuple[str, list[Row]]:
        """Its id, and its events in the order of their acceptance, each with what it did, if it was merged.

        Raises:
            NoSuchSubjectError: none, or more than one.
        """
        id = self._id_of(name)
        query = (
            select(
                event.c.id,
                event.c.event_name,
                event.c.received_at,
                event.c.state,
                event.c.reason,
                event.c.applied_at,
                event.c.version,
                event.c.last_updated_at,
                effect.c.news,
                effect.c.changes,
                effect.c.stale,
                effect.c.flags,
                effect.c.echo,
            )
            .outerjoin(effect, effect.c.event_id == event.c.id)
            .where(event.c.subject_id == id, event.c.endpoint == self._endpoint.value)
            .order_by(event.c.seq)
        )
        with self._engine.connect() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return id, [row | {"changes": stored_changes(row["changes"])} for row in rows]

    def _id_of(self, name: str) -> str:
        """What it is called exactly goes before what its id begins with."""
        here = mirror.c.endpoint == self._endpoint.value
        exact = union(
            select(mirror.c.subject_id).where(here, mirror.c.subject_id == name),
            select(mirror_order.c.subject_id).where(
                mirror_order.c.endpoint == self._endpoint.value, mirror_order.c.purchase_order_number == name
            ),
            select(mirror.c.subject_id).where(here, mirror.c.shipment_number == name),
        )
        beginning = select(mirror.c.subject_id).where(here, mirror.c.subject_id.startswith(name, autoescape=True))
        with self._engine.connect() as connection:
            for query in (exact, beginning):
                found = list(connection.execute(query.limit(_SHOWN + 1)).scalars())
                if len(found) > 1:
                    more = " and others" if len(found) > _SHOWN else ""
                    raise NoSuchSubjectError(
                        f"{name} may be several {self._endpoint}s; name one by its id: "
                        f"{', '.join(sorted(found)[:_SHOWN])}{more}"
                    )
                if found:
                    return str(found[0])
        raise NoSuchSubjectError(f"no {self._endpoint} is known as {name}")


#: Orders that are read in one go.
_AT_ONCE = 100
#: Ids that are named where a name fits several.
_SHOWN = 10


def _filtered(query: Select[Any], wanted: MirrorFilter) -> Select[Any]:
    if wanted.purchase_order_number is not None:
        ids = select(mirror_order.c.subject_id).where(
            mirror_order.c.endpoint == mirror.c.endpoint,
            mirror_order.c.purchase_order_number == wanted.purchase_order_number,
        )
        query = query.where(mirror.c.subject_id.in_(ids))
    if wanted.account is not None:
        accounts = (mirror.c.supplier_account_number, mirror.c.buyer_account_number)
        query = query.where(or_(*(column == wanted.account for column in accounts)))
    if wanted.status is not None:
        statuses = (mirror.c.process_status, mirror.c.logistics_status)
        query = query.where(or_(*(func.lower(column) == wanted.status.lower() for column in statuses)))
    if wanted.since is not None:
        query = query.where(mirror.c.changed_at >= instant(wanted.since))
    if wanted.until is not None:
        query = query.where(mirror.c.changed_at < instant(wanted.until))
    return query
