"""`wuzapi-manager backup`: backups without a running server, or beside one."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from wuzapi_manager_server import observe
from wuzapi_manager_server.domain.audit import COMMAND_LINE, Deed
from wuzapi_manager_server.domain.backup import Backup
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.opening import (
    alone,
    backup_folder,
    backup_maker,
    beside_others,
    open_backups,
    open_database,
    open_keys,
    open_secrets,
)
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.backups import Backups, Restored
from wuzapi_manager_server.services.readiness import Readiness
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.set_aside import is_unusable, put_in_place

T = TypeVar("T")


def create(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Makes a backup and verifies it."""

    async def work(backups: Backups, tell: Tell) -> int:
        made = await tell("CreateBackup", "", backups.create())
        print(_line(made))
        return 0

    with beside_others(settings):
        return asyncio.run(_with_backups(settings, work))


def list_all(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Prints every backup, newest first."""
    for backup in backup_folder(settings).all():
        print(_line(backup))
    return 0


def verify(settings: Settings, chosen: argparse.Namespace) -> int:
    """Restores a backup to a scratch file and checks it."""
    observe.configure("error", settings.log_format, settings.secrets)
    folder = backup_folder(settings)
    maker = backup_maker(settings, open_keys(settings))  # the database itself may be damaged
    backup = folder.get(chosen.name)
    with folder.alone(f"the verification of {backup.name}"):
        folder.sweep()
        print(_line(maker.verify(backup, lambda: None)))
    return 0


def restore(settings: Settings, chosen: argparse.Namespace) -> int:
    """Puts a backup in place of the database, of which a backup is kept."""

    async def work(backups: Backups, tell: Tell) -> int:
        done = await tell("RestoreBackup", chosen.name, backups.restore(chosen.name))
        print(f"{done.backup.name} is in place, at schema {done.schema_version}")
        print(f"{done.replaced.name} keeps what was there before")
        return 0

    async def fill(backups: Backups, tell: Tell) -> int:
        return await tell("RestoreBackup", chosen.name, backups.fill(chosen.name))

    database = settings.sqlite_db_path.absolute()
    with alone(settings, ", or call RestoreBackup"):
        if not is_unusable(database):
            return asyncio.run(_with_backups(settings, work))
        with put_in_place(database) as (fresh, kept):
            asyncio.run(_with_backups(settings.model_copy(update={"sqlite_db_path": fresh}), fill, open_keys(settings)))
    print(f"{chosen.name} is in place; {kept.name} beside it keeps what was there before and could not be used")
    return 0


def delete(settings: Settings, chosen: argparse.Namespace) -> int:
    """Deletes a backup."""

    async def work(backups: Backups, tell: Tell) -> int:
        await tell("DeleteBackup", chosen.name, backups.delete(chosen.name))
        print(f"{chosen.name} is deleted")
        return 0

    with beside_others(settings):
        return asyncio.run(_with_backups(settings, work))


def _line(backup: Backup) -> str:
    made = f"{backup.create_time:%Y-%m-%d %H:%M:%S}"
    state = "verified" if backup.verify_time else "NOT VERIFIED"
    key = f"key {backup.key_id}" if backup.encrypted else "not encrypted"
    return f"{backup.name}  {made} UTC  {backup.size} bytes  {state}  {key}  {backup.origin.value.lower()}"


class Tell:
    """Does a piece of work and tells the audit log of it, and of its failure."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    async def __call__(self, rpc: str, name: str, work: Awaitable[T]) -> T:
        """What the work gives; `name` is the backup's, empty where it is made only now."""
        place = f"maintenance/{name}" if name else "maintenance"
        try:
            done = await work
        except ServiceError as error:
            await self._audit.by_itself(rpc, Deed(place), error.code.value, peer=COMMAND_LINE)
            raise
        await self._audit.by_itself(rpc, _done(place, done), peer=COMMAND_LINE)
        return done


def _done(place: str, done: object) -> Deed:
    match done:
        case Backup():
            return Deed(f"maintenance/{done.name}")
        case Restored():
            return Deed(place, after={"replaced": done.replaced.name})
        case _:
            return Deed(place)


async def _with_backups(
    settings: Settings, work: Callable[[Backups, Tell], Awaitable[int]], box: SecretBox | None = None
) -> int:
    observe.configure("error", settings.log_format, settings.secrets)  # what is done is printed
    database = open_database(settings)
    try:
        readiness = Readiness(database.writable)
        box = box or open_secrets(settings, database)
        backups = open_backups(settings, database, box, readiness)
        try:
            return await work(backups, Tell(Audit(database, AuditStore(database, box, now_utc))))
        finally:
            await backups.close()
    finally:
        await database.close()
