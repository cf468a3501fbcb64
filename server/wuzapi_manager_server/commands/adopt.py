"""`wuzapi-manager adopt FILE`: shows what would come over, and with `--apply` takes it over."""

import argparse
import asyncio
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from wuzapi_manager_server.domain.adopted_source import SHOWS_OWN_TABLES
from wuzapi_manager_server.domain.adoption import Adopted
from wuzapi_manager_server.domain.connection import Connection, Source, Sqlite
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, ServiceError, Text
from wuzapi_manager_server.opening import beside_others, open_database, open_secrets, sqlite_folder
from wuzapi_manager_server.services.adopt import Plan, adopt, planned
from wuzapi_manager_server.services.callers import no_wuzapi
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.metadata import MetadataStore, keys_at
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.original import is_original, read_original
from wuzapi_manager_server.storage.secret_keys import load_admin_token
from wuzapi_manager_server.upstreams.wuzapi import Wuzapi

Say = Callable[[str], None]


def run(settings: Settings, chosen: argparse.Namespace) -> int:
    """See take_over."""
    return take_over(settings, chosen.file, apply=chosen.apply, everyone=chosen.admin_means_everyone)


def take_over(settings: Settings, file: Path, *, apply: bool, everyone: bool, say: Say = print) -> int:
    """Tells what comes over and what stays behind and why; does it only when told to `apply`. Gives the exit code.

    Without `apply` nothing is written: where there is no database yet none is made, and none is migrated.

    `everyone`: connections that the original showed to all users are assigned to all whom WUZAPI has now.
    """
    with _tidy():
        original = read_original(file)
        users = asyncio.run(_all_users(settings)) if everyone else None
        with ThreadPoolExecutor(1) as pool:
            refuses = partial(_refusal, sqlite_folder(settings, pool))
            plan = planned(original, file.name, refuses, keys_at(settings.sqlite_db_path), users)
    for line in _told(plan):
        say(line)
    if not apply:
        last = plan.refusal.text.en if plan.refusal else "Stop the original, then run this again with --apply"
        say(f"Nothing was changed. {last}.")
        return 0
    with beside_others(settings):  # it is one transaction, like any other write
        made = asyncio.run(_adopted_by(settings, plan))
    for connection in made:
        say(f"made connection {connection.id} {connection.name!r}")
    say(f"Done: {len(plan.comes)} connections. Try each with TestConnection; {file.name} is as it was.")
    return 0


@contextmanager
def _tidy() -> Iterator[None]:
    """Has SIGTERM, and the end of the terminal, end what is within as Ctrl-C does: copies of databases are removed."""

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # once is enough, and the removal takes its time
        raise KeyboardInterrupt

    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}  # as by nohup
    for number in before:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _refusal(folder: SqliteFolder, source: Source) -> Text | None:
    """Why a source may not come over: where it lies, or what its file holds."""
    if not isinstance(source, Sqlite):
        return None
    try:
        file = folder.resolve(source.database)
    except ConnectionFailed:  # it may be put there later
        return None
    except ServiceError as error:
        return error.text
    return (
        Text(SHOWS_OWN_TABLES, "mostra as tabelas da própria aplicação, com as senhas") if is_original(file) else None
    )


async def _adopted_by(settings: Settings, plan: Plan) -> list[Connection]:
    """The connections that adopting makes."""
    database = open_database(settings)
    try:
        box = open_secrets(settings, database)
        stores = ConnectionStore(database, box, now_utc), BrandingStore(database, now_utc)
        metadata, audits = MetadataStore(database, now_utc), AuditStore(database, box, now_utc)
        return await adopt(plan, database, *stores, metadata, audits)
    finally:
        await database.close()


async def _all_users(settings: Settings) -> list[str]:
    """The ids of all users of WUZAPI."""
    if not settings.wuzapi_base_url:
        raise no_wuzapi()
    given = settings.wuzapi_admin_token
    data = settings.sqlite_db_path.absolute().parent
    token, _ = load_admin_token(given.get_secret_value() if given else None, data, may_make=False)
    wuzapi = Wuzapi(settings.wuzapi_base_url, settings.request_timeout)
    try:
        return await wuzapi.user_ids(token, Deadline.after(settings.request_timeout))
    finally:
        await wuzapi.close()


def _told(plan: Plan) -> Iterator[str]:
    yield f"Comes over: {len(plan.comes)} connections"
    for each in plan.comes:
        yield from _adopted(each)
    if plan.branding is not None:
        yield f"  branding of {plan.branding.app_name!r}"
        yield from (f"      note: {note}" for note in plan.branding_notes)
    if plan.metadata:
        yield f"  {len(plan.metadata)} metadata values: {', '.join(plan.metadata)}"
    if plan.stays or plan.metadata_notes:
        yield "Stays behind:"
    for each in plan.stays:
        yield f"  {each.label}: {'; '.join(each.notes)}"
    yield from (f"  metadata {note}" for note in plan.metadata_notes)


def _adopted(each: Adopted) -> Iterator[str]:
    connection = each.connection
    if connection is None:
        return
    users, mappings = len(connection.assigned_users), len(connection.field_mappings)
    yield f"  {each.label}: {users} users, {mappings} field mappings, link field {connection.user_link_field!r}"
    yield from (f"      note: {note}" for note in each.notes)
