"""The commands on the service's own database and keys: migrate, check, rotate the keys, find the token."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from wuzapi_manager_server.errors import CannotStart, ServiceError
from wuzapi_manager_server.main import tls_of
from wuzapi_manager_server.opening import alone, beside_others, folder_problems, open_database, open_secrets
from wuzapi_manager_server.rpc.server import check_tls
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database, schema_of
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.migrations import STEPS
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.place import place_problem
from wuzapi_manager_server.storage.rotation import Rotated, rotate
from wuzapi_manager_server.storage.secret_keys import KEYS_FILE, TOKEN_FILE, add_key, load_admin_token

T = TypeVar("T")


def migrate(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Makes the database, or brings it to the newest schema."""

    async def work(database: Database) -> int:
        print(f"{settings.sqlite_db_path} has schema {database.schema_version}")
        return 0

    with alone(settings):
        return asyncio.run(_with_database(settings, work))


def check(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Checks settings, certificates, folders, database and keys, and makes none of them."""
    check_tls(tls_of(settings))
    unusable = folder_problems(settings)
    for problem in unusable:
        print(problem, file=sys.stderr)
    path = settings.sqlite_db_path.absolute()
    schema = _schema_of(path)
    with beside_others(settings):
        if schema < len(STEPS):
            problems = problems_of(path, full=True)
            note = f"; the next start brings the database from schema {schema} to {len(STEPS)}"
        else:
            problems, note = asyncio.run(_with_database(settings, partial(_problems, settings))), ""
    for problem in problems:
        print(f"database: {problem}", file=sys.stderr)
    if unusable or problems:
        return 1
    print(f"settings, certificates, folders, database and keys are well{note}")
    return 0


def _schema_of(path: Path) -> int:
    """The version of the schema of the database that is there. CannotStart where none is."""
    problem = place_problem(path)
    if not problem and not (path.exists() and (schema := schema_of(path))):
        problem = f"There is no database at {path}: set SQLITE_DB_PATH to where it is, or let the first start make it"
    if problem:
        raise CannotStart(problem)
    return schema


async def _problems(settings: Settings, database: Database) -> tuple[str, ...]:
    problems = await database.read_long(partial(problems_of, database.path, full=True))
    try:
        box = open_secrets(settings, database, make=False)
    except ServiceError as error:
        return (*problems, error.for_operator)
    return problems or await database.read_long(Contents(database, box, now_utc).check)


def rotate_keys(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Brings every secret under the first key.

    A running server knows the first key where it is set, but not one that is made here.
    """

    async def work(database: Database) -> int:
        box = open_secrets(settings, database)
        if not settings.secret_keys:
            box = SecretBox(add_key(_data(settings)))
        done = await rotate(database, box, _progress)
        print(f"{done.secrets} secrets, {done.users} users and {done.requests} requests are under the first key now")
        if not settings.secret_keys:
            print(f"Older keys stay in {_data(settings) / KEYS_FILE}: backups made before now need them")
        return 0

    with beside_others(settings) if settings.secret_keys else alone(settings):
        return asyncio.run(_with_database(settings, work))


def _progress(done: Rotated) -> None:
    print(f"{done.total} done", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def token(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Says where the administrator's token is, and makes none."""
    if settings.wuzapi_admin_token:
        print("WUZAPI_ADMIN_TOKEN")
        return 0
    file = _data(settings) / TOKEN_FILE
    if not file.exists():
        raise CannotStart(f"There is no token yet: the first start makes it, in {file}")
    load_admin_token(None, file.parent)  # says what is wrong with it
    print(file)
    return 0


def _data(settings: Settings) -> Path:
    return settings.sqlite_db_path.absolute().parent


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[T]]) -> T:
    database = open_database(settings)
    try:
        return await work(database)
    finally:
        await database.close()
