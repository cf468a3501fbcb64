"""Tells every process which users of WUZAPI were changed through any of them."""

from datetime import datetime
from functools import partial
from typing import NamedTuple

from peewee import SQL, fn

from wuzapi_manager_server.domain.caller import EVERYONE
from wuzapi_manager_server.storage.checksums import is_intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import Clock, UserChange, compiled, moment_text, named

PURGE_BATCH = 500

_U = UserChange
_SINCE = compiled(
    _U.select(_U.id, fn.IIF(is_intact(_U), _U.user_id, SQL(f"'{EVERYONE}'")))
    .where(_U.id >= named("seen"))
    .order_by(_U.id)
)
_ADD = compiled(_U.insert({_U.user_id: named("user_id"), _U.created_at: named("created_at")}))
_PURGE = compiled(
    _U.delete().where(
        _U.id.in_(_U.select(_U.id).where(_U.created_at < named("before")).order_by(_U.id).limit(named("limit")))
    )
)


class Change(NamedTuple):
    """A change, and whose; `user_id` is empty where that is not known, EVERYONE where it was damaged. Numbers grow."""

    number: int
    user_id: str


class UserChangeStore:
    """The changes of late. `since` may be called anywhere, `purge` within `Database.write`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def since(self, seen: int) -> list[Change]:
        """The changes from the number `seen` on, that one included where it is still here: a point read mostly."""
        return [Change(*row) for row in self._database.rows(_SINCE, {"seen": seen})]

    async def add(self, user_id: str) -> None:
        """Tells of a change. DatabaseError where that fails."""
        values = {"user_id": user_id, "created_at": moment_text(self._clock())}
        await self._database.write(partial(self._database.changed, _ADD, values))

    def purge(self, before: datetime) -> int:
        """Forgets what was told before that moment, at most 500 at a time, and says how many."""
        return self._database.changed(_PURGE, {"before": moment_text(before), "limit": PURGE_BATCH})
