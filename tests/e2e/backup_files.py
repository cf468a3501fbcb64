"""Backups as files: what they hold, planted ones, and what a failed restore must leave."""

import hashlib
import json
import secrets
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from tests.contract.server import World
from wuzapi_manager.v1 import maintenance_pb2 as pb
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.backups_sealed import unseal

Rows = dict[str, list[tuple[object, ...]]]


def rows(database: Path) -> Rows:
    """Every row of every table, in the order of its key."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        tables = [name for (name,) in opened.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: list(opened.execute(f"SELECT {_columns(opened, table)} FROM {table} ORDER BY 1, 2"))
            for table in sorted(tables)
        }


def _columns(opened: sqlite3.Connection, table: str) -> str:
    """But those that SQLite generates: a checksum follows from the others."""
    return ", ".join(name for _, name, *_ in opened.execute(f"PRAGMA table_info({table})"))


def rows_in(world: World, name: str) -> Rows:
    """Every row of every table of a backup that is encrypted with the key of the server."""
    box = SecretBox((world.data / "secret.key").read_text().split())
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.db"
        with (folder_of(world) / name).open("rb") as sealed:
            unseal(sealed, plain, box, lambda: None)
        return rows(plain)


def folder_of(world: World) -> Path:
    return world.data / "backups"


def made(world: World) -> pb.Backup:
    return world.admin.maintenance.CreateBackup(pb.CreateBackupRequest()).backup


def listed(world: World) -> dict[str, pb.Backup]:
    found = world.admin.maintenance.ListBackups(pb.ListBackupsRequest(page_size=500)).backups
    return {backup.name: backup for backup in found}


def plant(folder: Path, like: Path, content: bytes, **told: object) -> str:
    """A backup with that content beside the description of another, of which some may be told otherwise."""
    name = f"{like.name[:24]}{secrets.token_hex(2)}{like.suffix}"
    (folder / name).write_bytes(content)
    description = json.loads(like.with_name(f"{like.name}.json").read_text())
    description.pop("check", None)
    (folder / f"{name}.json").write_text(json.dumps({**description, **told}))
    return name


def plant_plain(folder: Path, like: Path, database: Path) -> str:
    """A backup of a database file, not encrypted, whose description is right."""
    content = database.read_bytes()
    with closing(sqlite3.connect(database)) as opened:
        version = opened.execute("PRAGMA user_version").fetchone()[0]
    counts = {table: len(found) for table, found in rows(database).items() if table != "sqlite_sequence"}
    name = plant(
        folder,
        like,
        content,
        sha256=hashlib.sha256(content).hexdigest(),
        schema_version=version,
        key_id="",
        rows=counts,
    )
    plain = name.replace(".wzb", ".db")
    (folder / name).rename(folder / plain)
    (folder / f"{name}.json").rename(folder / f"{plain}.json")
    return plain


def is_serving(world: World, service: str = "readiness") -> bool:
    check: grpc.UnaryUnaryMultiCallable[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse] = (
        world.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            health_pb2.HealthCheckRequest.SerializeToString,
            health_pb2.HealthCheckResponse.FromString,
        )
    )
    status = check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
    return bool(status == health_pb2.HealthCheckResponse.SERVING)


def wait_for_ready(world: World) -> None:
    """Until readiness is SERVING, at most ten seconds."""
    until = time.monotonic() + 10
    while not is_serving(world):
        assert time.monotonic() < until


def scratch(folder: Path) -> list[str]:
    """What work on backups left behind."""
    return sorted(file.name for file in folder.iterdir() if file.name.startswith(".") and file.name != ".lock")


def kept(world: World) -> Rows:
    """What a failed restore must leave as it is: all but the log of who did what."""
    return {
        table: found
        for table, found in rows(world.database).items()
        if table not in {"audit_events", "sqlite_sequence"}
    }
