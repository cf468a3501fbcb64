"""The commands on the service's own database and keys: migrate, check, rotate the keys, find the token."""

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from wuzapi_manager_server.main import tls_of
from wuzapi_manager_server.opening import alone, beside_others, open_database, open_secrets
from wuzapi_manager_server.rpc.server import check_tls
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.settings import Settings
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.rotation import Rotated, rotate
from wuzapi_manager_server.storage.secret_keys import KEYS_FILE, add_key, load_admin_token


def migrate(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Makes the database, or brings it to the newest schema."""

    async def work(database: Database) -> int:
        print(f"{settings.sqlite_db_path} has schema {database.schema_version}")
        return 0

    with alone(settings):
        return asyncio.run(_with_database(settings, work))


def check(settings: Settings, _chosen: argparse.Namespace) -> int:
    """Checks settings, certificates, database and keys."""

    async def work(database: Database) -> int:
        problems = await database.read_long(partial(problems_of, database.path, full=True))
        _print_problems(problems)
        box = open_secrets(settings, database)
        if not problems:
            problems = await database.read_long(Contents(database, box, now_utc).check)
            _print_problems(problems)
        if not problems:
            print("settings, certificates, database and keys are well")
        return 1 if problems else 0

    check_tls(tls_of(settings))
    with beside_others(settings):
        return asyncio.run(_with_database(settings, work))


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        print(f"database: {problem}", file=sys.stderr)


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
    """Says where the administrator's token is."""
    given = settings.wuzapi_admin_token
    _, file = load_admin_token(given.get_secret_value() if given else None, _data(settings))
    print(file or "WUZAPI_ADMIN_TOKEN")
    return 0


def _data(settings: Settings) -> Path:
    return settings.sqlite_db_path.absolute().parent


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[int]]) -> int:
    database = open_database(settings)
    try:
        return await work(database)
    finally:
        await database.close()
