"""The command line, `wuzapi-manager`.

Errors are one sentence with what to do; exit codes are 0 done, 1 failed, 2 wrong usage.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

# The core's own lines would stand between an operator and the sentence that helps.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from wuzapi_manager_server import commands
from wuzapi_manager_server.errors import CannotStart, ServiceError
from wuzapi_manager_server.settings import BadSettings, Settings, load, table

Run = Callable[[Settings, argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and gives its exit code."""
    chosen = _parser().parse_args(arguments)
    run: Run = chosen.run
    try:
        code = run(load(), chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has enough, as `| head`; what is left would be told at the exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (BadSettings, CannotStart) as error:
        said = str(error)
    except ServiceError as error:
        said = error.for_operator
    except KeyboardInterrupt:
        said = "Interrupted"
    else:
        return code
    print(said, file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wuzapi-manager", description="The data and integration layer of WUZAPI Manager."
    )
    top = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(
        top,
        (
            ("serve", _loaded("serve"), "serve until SIGTERM or Ctrl-C"),
            ("config", _config, "print every setting, its value and where it came from"),
            ("migrate", _loaded("database", "migrate"), "make the database, or bring it to the newest schema"),
            (
                "check",
                _loaded("database", "check"),
                "check settings, certificates, folders, database and keys, and make none; exit 0 when all is well",
            ),
            ("token", _loaded("database", "token"), "print where the administrator's token is"),
            ("version", _version, "print the version"),
        ),
    )
    text = "ask the running server; exit 0 when it is ready, else 1"
    (health,) = _add(top, (("health", _loaded("health"), text),))
    health.add_argument("--liveness", action="store_true", help="ask whether it answers, ready or not")
    secrets = top.add_parser("secrets", help="look after the keys of the secrets at rest")
    text = "bring every secret at rest under the first key; makes a new key where SECRET_KEYS is not set"
    _add(_below(secrets), (("rotate", _loaded("database", "rotate_keys"), text),))
    _add_adopt(top)
    backup = top.add_parser("backup", help="make, list, verify, restore and delete backups")
    below = _below(backup)
    _add(
        below,
        (
            ("create", _loaded("backup", "create"), "make a backup and verify it"),
            ("list", _loaded("backup", "list_all"), "print every backup, newest first"),
        ),
    )
    of_one = (
        ("verify", _loaded("backup", "verify"), "restore the backup NAME to a scratch file and check it"),
        (
            "restore",
            _loaded("backup", "restore"),
            "put the backup NAME in place of the database, of which a backup is kept",
        ),
        ("delete", _loaded("backup", "delete"), "delete the backup NAME"),
    )
    for command in _add(below, of_one):
        command.add_argument("name", metavar="NAME")
    return parser


def _below(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser]":
    return parser.add_subparsers(required=True, metavar="COMMAND")


def _add(
    below: "argparse._SubParsersAction[argparse.ArgumentParser]", added: Iterable[tuple[str, Run, str]]
) -> list[argparse.ArgumentParser]:
    parsers = []
    for name, run, text in added:
        parser = below.add_parser(name, help=text, description=text)
        parser.set_defaults(run=run)
        parsers.append(parser)
    return parsers


def _add_adopt(below: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "show what would come over from the database FILE of the original application, and with --apply take it"
    (parser,) = _add(below, (("adopt", _loaded("adopt"), text),))
    parser.add_argument("file", metavar="FILE", type=Path)
    parser.add_argument("--apply", action="store_true", help="take over what is shown; without it nothing changes")
    parser.add_argument(
        "--admin-means-everyone",
        action="store_true",
        help='assign connections of ["admin"], which the original showed to all, to all present users of WUZAPI',
    )


def _loaded(module: str, function: str = "run") -> Run:
    """A command of `commands`, loaded when it runs: what asks for the health every few seconds needs little."""
    return partial(_run, module, function)


def _run(module: str, function: str, settings: Settings, chosen: argparse.Namespace) -> int:
    run: Run = getattr(import_module(f"{commands.__name__}.{module}"), function)
    return run(settings, chosen)


def _config(settings: Settings, _chosen: argparse.Namespace) -> int:
    for row in table(settings):
        print(f"{row.variable}={row.value}  ({row.origin})\n    {row.help}")
    return 0


def _version(_settings: Settings, _chosen: argparse.Namespace) -> int:
    print(version("wuzapi-manager"))
    return 0
