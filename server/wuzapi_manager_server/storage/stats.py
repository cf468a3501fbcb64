"""Counts what the service's own database holds, and tells how it lies on the disk."""

from datetime import UTC, datetime
from pathlib import Path

from wuzapi_manager_server.domain.maintenance import DatabaseFile, Stats
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.database import Database

_PRAGMAS = (
    "journal_mode",
    "synchronous",
    "cache_size",
    "page_size",
    "page_count",
    "freelist_count",
    "temp_store",
    "mmap_size",
    "foreign_keys",
    "recursive_triggers",
    "wal_autocheckpoint",
    "busy_timeout",
    "auto_vacuum",
    "encoding",
    "user_version",
    "application_id",
)
_CONNECTIONS = (
    "SELECT type, status, deleted_at IS NOT NULL, count(*) FROM database_connections"
    " GROUP BY type, status, deleted_at IS NOT NULL"
)
_COUNTED = ("connection_assignments", "branding_config", "system_metadata", "audit_events", "idempotency_requests")


def stats_of(database: Database) -> Stats:
    """What the database holds now. A long read: it counts rows."""
    found = database.rows(_CONNECTIONS)
    counts = [int(database.rows(f"SELECT count(*) FROM {table}")[0][0]) for table in _COUNTED]  # noqa: S608 - our own
    pragmas = {name: str(database.rows(f"PRAGMA {name}")[0][0]) for name in _PRAGMAS}
    return Stats(
        connections={(str(kind), str(status)): int(count) for kind, status, gone, count in found if not gone},
        deleted=sum(int(count) for _, _, gone, count in found if gone),
        assignments=counts[0],
        branding_revisions=counts[1],
        metadata=counts[2],
        audit_events=counts[3],
        remembered_requests=counts[4],
        file=file_of(database),
        pragmas=pragmas,
    )


def file_of(database: Database) -> DatabaseFile:
    """How the database lies on the disk now. DatabaseError where its file is gone."""
    try:
        main = database.path.stat()
    except OSError as error:
        raise faults.of_system(error) from error
    wal_size, wal_time = _wal(database.path)
    page_size, pages, free = (
        int(database.rows(f"PRAGMA {name}")[0][0]) for name in ("page_size", "page_count", "freelist_count")
    )
    written = datetime.fromtimestamp(max(main.st_mtime, wal_time), UTC)
    return DatabaseFile(main.st_size, wal_size, page_size, pages, free, written)


def _wal(path: Path) -> tuple[int, float]:
    try:
        found = path.with_name(f"{path.name}-wal").stat()
    except OSError:
        return 0, 0.0
    return (found.st_size, found.st_mtime) if found.st_size else (0, 0.0)
