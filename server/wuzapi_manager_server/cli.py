"""The command line, `wuzapi-manager`.

Errors are one sentence with what to do; exit codes are 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path

# The core's own lines would stand between an operator and the sentence that helps.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from wuzapi_manager_server import main as service
from wuzapi_manager_server.commands import adopt, backup
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.opening import open_database, open_secrets
from wuzapi_manager_server.rpc.probe import probe
from wuzapi_manager_server.rpc.server import CannotStart, check_tls
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.settings import BadSettings, Settings, load, table
from wuzapi_manager_server.storage.contents import Contents
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.models import now_utc
from wuzapi_manager_server.storage.rotation import Rotated, rotate
from wuzapi_manager_server.storage.secret_keys import KEYS_FILE, add_key, load_admin_token

Command = Callable[[Settings], int]
Run = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    chosen = _parser().parse_args(arguments)
    run: Run = chosen.run
    try:
        return run(load(), chosen)
    except (BadSettings, CannotStart) as error:
        said = str(error)
    except ServiceError as error:
        said = f"{error.text.en}. {error.suggestion.en}" if error.suggestion else error.text.en
    except KeyboardInterrupt:
        said = "Interrupted"
    print(said, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wuzapi-manager", description="The data and integration layer of WUZAPI Manager."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, text in (
        ("serve", _serve, "serve until SIGTERM or Ctrl-C"),
        ("config", _config, "print every setting, its value and where it came from"),
        ("migrate", _migrate, "make the database, or bring it to the newest schema"),
        ("health", _health, "ask the running server; exit 0 when it is ready, else 1"),
        ("check", _check, "check settings, certificates, database and keys; exit 0 when all is well"),
        ("token", _token, "print where the administrator's token is"),
        ("version", _version, "print the version"),
    ):
        commands.add_parser(name, help=text, description=text).set_defaults(run=_without_arguments(command))
    secrets = commands.add_parser("secrets", help="look after the keys of the secrets at rest")
    below = secrets.add_subparsers(required=True, metavar="COMMAND")
    text = "bring every secret at rest under the first key; makes a new key where SECRET_KEYS is not set"
    below.add_parser("rotate", help=text, description=text).set_defaults(run=_without_arguments(_rotate))
    _add_adopt(commands)
    backup.add(commands)
    return parser


def _add_adopt(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "show what would come over from the database FILE of the original application, and with --apply take it"
    parser = commands.add_parser("adopt", help=text, description=text)
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--apply", action="store_true", help="take over what is shown; without it nothing changes")
    parser.add_argument(
        "--admin-means-everyone",
        action="store_true",
        help='assign connections of ["admin"], which the original showed to all, to all present users of WUZAPI',
    )

    parser.set_defaults(run=_adopt)


def _without_arguments(command: Command) -> Run:
    return lambda settings, _: command(settings)


def _adopt(settings: Settings, chosen: argparse.Namespace) -> int:
    return adopt.run(settings, chosen.file, apply=chosen.apply, everyone=chosen.admin_means_everyone)


def _serve(settings: Settings) -> int:
    return service.serve(settings, announce)


def announce(address: str) -> None:
    """Says on stdout where the server answers."""
    print(f"listening on {address}", flush=True)


def _config(settings: Settings) -> int:
    for row in table(settings):
        print(f"{row.variable}={row.value}  ({row.origin})\n    {row.help}")
    return 0


def _migrate(settings: Settings) -> int:
    async def work(database: Database) -> int:
        print(f"{settings.sqlite_db_path} has schema {database.schema_version}")
        return 0

    return asyncio.run(_with_database(settings, work))


def _health(settings: Settings) -> int:
    ready, said = probe(settings)
    print(said)
    return 0 if ready else 1


def _check(settings: Settings) -> int:
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

    check_tls(service.tls_of(settings))
    return asyncio.run(_with_database(settings, work))


def _print_problems(problems: Sequence[str]) -> None:
    for problem in problems:
        print(f"database: {problem}", file=sys.stderr)


def _rotate(settings: Settings) -> int:
    async def work(database: Database) -> int:
        box = open_secrets(settings, database)
        if not settings.secret_keys:
            if probe(settings)[0]:
                raise CannotStart("The server is running and does not know the new key: stop it first")
            box = SecretBox(add_key(_data(settings)))
        done = await rotate(database, box, _progress)
        print(f"{done.secrets} secrets, {done.users} users and {done.requests} requests are under the first key now")
        if not settings.secret_keys:
            print(f"Older keys stay in {_data(settings) / KEYS_FILE}: backups made before now need them")
        return 0

    return asyncio.run(_with_database(settings, work))


def _progress(done: Rotated) -> None:
    print(f"{done.total} done", end="\r" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def _token(settings: Settings) -> int:
    given = settings.wuzapi_admin_token
    _, file = load_admin_token(given.get_secret_value() if given else None, _data(settings))
    print(file or "WUZAPI_ADMIN_TOKEN")
    return 0


def _version(_settings: Settings) -> int:
    print(version("wuzapi-manager"))
    return 0


def _data(settings: Settings) -> Path:
    return settings.sqlite_db_path.absolute().parent


async def _with_database(settings: Settings, work: Callable[[Database], Awaitable[int]]) -> int:
    database = open_database(settings)
    try:
        return await work(database)
    finally:
        await database.close()
