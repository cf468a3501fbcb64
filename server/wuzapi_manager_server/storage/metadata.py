"""Keeps values by key: the table `system_metadata`."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from peewee import fn

from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database, recognize
from wuzapi_manager_server.storage.looking import looked_into
from wuzapi_manager_server.storage.migrations import version_of
from wuzapi_manager_server.storage.models import Clock, SystemMetadata, moment_of, moment_text

_M = SystemMetadata
_COLUMNS = (_M.key, _M.value, _M.created_at, _M.updated_at)


@dataclass(frozen=True)
class Metadata:
    """A value and since when it is there."""

    key: str
    value: str
    create_time: datetime
    update_time: datetime


class MetadataStore:
    """Keeps texts by key. Reads run anywhere, `set` and `delete` within `Database.write`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def get(self, key: str) -> Metadata | None:
        """The value of a key; None when there is none."""
        found = self._database.fetch(_M.select().where((_M.key == key) & intact(_M)))
        return _metadata(found[0]) if found else None

    def page(self, after_key: str, limit: int, prefix: str = "") -> list[Metadata]:
        """Values in the order of their keys, behind `after_key` (empty starts), whose keys begin with `prefix`."""
        query = _M.select().where(_M.key > after_key).order_by(_M.key).limit(limit)
        if prefix:
            query = query.where(fn.SUBSTR(_M.key, 1, len(prefix)) == prefix)
        query = query.where(intact(_M))
        return [_metadata(row) for row in self._database.fetch(query)]

    def set(self, key: str, value: str) -> Metadata:
        """Stores a value, in place of the one that is there."""
        now = moment_text(self._clock())
        insert = _M.insert(key=key, value=value, created_at=now, updated_at=now)
        rows = self._database.fetch(
            insert.on_conflict(conflict_target=[_M.key], update={_M.value: value, _M.updated_at: now}).returning(
                *_COLUMNS
            )
        )
        return _metadata(rows[0])

    def delete(self, key: str) -> bool:
        """Removes a value, and says whether there was one."""
        return self._database.run(_M.delete().where(_M.key == key)) > 0


def keys_at(path: Path) -> dict[str, datetime]:
    """All keys of a database of this service, also of an older schema, and since when they are there.

    None where there is no database yet. Nothing is made, migrated or written. DatabaseError where it cannot be read, is
    another program's or has a newer schema.
    """
    try:
        with looked_into(path) as connection:
            recognize(connection)
            if not version_of(connection):
                return {}
            rows = connection.execute("SELECT key, created_at FROM system_metadata").fetchall()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise faults.of_system(error) from error
    except faults.ERRORS as error:
        raise faults.translated(error) from error
    try:
        return {str(key): moment_of(str(created_at)) for key, created_at in rows}
    except ValueError as error:
        raise faults.corrupt() from error


def _metadata(row: tuple[str, str, str, str]) -> Metadata:
    key, value, created_at, updated_at = row
    try:
        return Metadata(key, value, moment_of(created_at), moment_of(updated_at))
    except faults.NOT_AS_STORED as error:
        raise faults.corrupt() from error
