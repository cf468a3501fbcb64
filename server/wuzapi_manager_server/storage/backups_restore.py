"""Puts the content of another database in place of an open one's, in one transaction.

Readers see all of the old or all of the new, also in other processes; a process killed meanwhile leaves the old.
"""

import time
from contextlib import suppress
from pathlib import Path

import apsw

from wuzapi_manager_server.domain.caller import EVERYONE
from wuzapi_manager_server.storage import faults
from wuzapi_manager_server.storage.checksums import connected
from wuzapi_manager_server.storage.integrity import problems_of
from wuzapi_manager_server.storage.models import moment_text, now_utc

_SEQUENCES = "SELECT name, seq FROM sqlite_sequence"

# Not the audit log: the entries of its chain are numbered without a gap.
_GO_ON = ("database_connections", "branding_config", "user_changes")


def replace_content(live: apsw.Connection, source: Path) -> None:
    """Replaces what `live` holds by what the file `source` holds, which has the same schema. Outside of transactions.

    Versions, revisions and ids go on from both, so that what was cached or given to callers as an etag before never
    passes for what is there now, and every process is told to ask for its users anew. DatabaseError where it fails:
    `live` holds what it held then, and its log gives the room back that it took.
    """
    try:
        reading = connected(source)
        try:
            _go_on(live, reading)
            with live.backup("main", reading, "main") as backup:
                backup.step(-1)
        finally:
            reading.close()
            # The content is exchanged, or not, whether or not there is room to move the log into the file now.
            with suppress(apsw.Error):
                live.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except apsw.Error as error:
        raise faults.translated(error) from error


def is_sound(path: Path) -> bool:
    """Whether a database passes a quick check."""
    return not problems_of(path, full=False)


def _go_on(live: apsw.Connection, source: apsw.Connection) -> None:
    # Milliseconds grow faster than any version or number does: none of now was one of before.
    unused = time.time_ns() // 1_000_000
    try:
        sequences = dict(_pairs(live, _SEQUENCES))
    except apsw.CorruptError:  # what is damaged can be replaced too
        sequences = {"user_changes": unused}
    with source:
        source.execute("UPDATE database_connections SET version = version + ?", (unused,))
        for table in _GO_ON:
            before = max(sequences.get(table, 0), dict(_pairs(source, _SEQUENCES)).get(table, 0))
            source.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table,))
            source.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, before))
        told = (EVERYONE, moment_text(now_utc()))
        source.execute("INSERT INTO user_changes (user_id, created_at) VALUES (?, ?)", told)
        names = [str(row[1]) for row in source.execute("PRAGMA table_info(branding_config)") if row[1] != "id"]
        columns = ", ".join(names)
        source.execute(
            f"INSERT INTO branding_config ({columns}) SELECT {columns} FROM branding_config ORDER BY id DESC LIMIT 1"  # noqa: S608 - names of the schema itself
        )


def _pairs(connection: apsw.Connection, text: str) -> list[tuple[str, int]]:
    return [(str(name), int(str(value))) for name, value in connection.execute(text)]
