"""Whether anybody works on the inbox that the settings name."""

from __future__ import annotations

from service.inbox import postgresql
from service.inbox.place import DatabaseServer
from service.settings import Settings
from service.worker import only_one


def somebody_works(settings: Settings) -> bool:
    """Whether a worker works on it now, on whichever machine.

    Raises:
        InboxUnavailableError: the server of the inbox cannot say.
    """
    place = settings.inbox.place
    if isinstance(place, DatabaseServer):
        return postgresql.somebody_works(place)
    return only_one.somebody_works(settings.inbox.folder)
