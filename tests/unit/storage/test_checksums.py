"""The checksums of rows."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from wuzapi_manager_server.storage.checksums import row_checksum
from wuzapi_manager_server.storage.migrations import STEPS, migrate

KEPT_FROM_BEFORE = {
    (): 223132457,
    (None,): 808975283,
    (0, -1, 2**63 - 1, -(2**63)): 3174793057,
    ("", "a", "ação", "😀", '"\\/'): 2442994887,
    ("".join(map(chr, range(32))) + "\x7f\u2028",): 1540349900,
    (b"", b"\x00\xff", 1.5): 281301758,
}
"""What databases hold: another library or another version of it must give the same."""


@pytest.mark.parametrize(("values", "checksum"), KEPT_FROM_BEFORE.items())
def test_a_checksum_never_changes(values: tuple[object, ...], checksum: int) -> None:
    """Rows that were written long ago stay as they are."""
    assert row_checksum(*values) == checksum


def test_what_differs_has_another_checksum() -> None:
    """Also what is of another type, or stands in another column."""
    rows = [(1, "1"), ("1", 1), (b"1", 1), (None, ""), ("", None), ("11", ""), ("1", "1"), (1.0, 1), (b"1", b"1")]
    assert len({row_checksum(*row) for row in rows}) == len(rows)


@pytest.fixture
def old(tmp_path: Path) -> apsw.Connection:
    """A database of the schema without checksums, with rows, and numbers that were given away."""
    connection = apsw.Connection(str(tmp_path / "old.db"))
    connection.execute("PRAGMA foreign_keys = 1")
    migrate(connection, STEPS[:5])
    connection.execute(
        """
        INSERT INTO database_connections (name, type, created_at, updated_at, last_test)
          VALUES ('one', 'SQLITE', 't', 't', 'x'), ('two', 'SQLITE', 't', 't', ''), ('three', 'SQLITE', 't', 't', '');
        DELETE FROM database_connections WHERE name = 'three';
        INSERT INTO connection_assignments VALUES (1, x'00', 's', 0), (2, x'00', 's', 0);
        INSERT INTO branding_config (app_name, created_at, updated_at) VALUES ('ação', 't', 't');
        INSERT INTO system_metadata VALUES ('k', 'v', 't', 't');
        INSERT INTO idempotency_requests VALUES (x'01', 's', 1, 't');
        INSERT INTO audit_events VALUES (7, 't', 'admin', '', 'a', 'r', 'p', 't', '{}', '{}', 'OK', x'00');
        INSERT INTO user_changes (user_id, created_at) VALUES ('u', 't');
        DELETE FROM user_changes;
        """
    ).fetchall()
    return connection


def content(connection: apsw.Connection) -> dict[str, list[tuple[object, ...]]]:
    tables = [str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = {}
    for table in tables:
        columns = ", ".join(str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})"))
        found[table] = sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)
    return found


def test_a_database_without_checksums_gets_them(old: apsw.Connection) -> None:
    """Every row, and every number that was given away, is as before; who refers to whom holds."""
    with closing(old):
        before = content(old)
        migrate(old)
        assert content(old) == before
        for table in before.keys() - {"sqlite_sequence"}:
            columns = ", ".join(str(row[1]) for row in old.execute(f"PRAGMA table_info({table})"))
            wrong = f"SELECT count(*) FROM {table} WHERE checksum <> row_checksum({columns})"
            assert old.execute(wrong).get == 0
        old.execute("DELETE FROM database_connections WHERE id = 1")
        assert old.execute("SELECT connection_id FROM connection_assignments").fetchall() == [(2,)]
        old.execute("INSERT INTO database_connections (name, type, created_at, updated_at) VALUES ('x', 'y', 't', 't')")
        assert old.last_insert_rowid() == 4
        old.execute("INSERT INTO user_changes (user_id, created_at) VALUES ('u', 't')")
        assert old.last_insert_rowid() == 2


def test_a_vacuum_does_not_seal_damage(old: apsw.Connection, tmp_path: Path) -> None:
    """It copies checksums as they are."""
    with closing(old):
        migrate(old)
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    file = tmp_path / "old.db"
    file.write_bytes(file.read_bytes().replace("ação".encode(), "bção".encode()))
    with closing(apsw.Connection(str(file))) as opened:
        migrate(opened)
        opened.execute("VACUUM")
        columns = ", ".join(str(row[1]) for row in opened.execute("PRAGMA table_info(branding_config)"))
        found = opened.execute(f"SELECT app_name, checksum = row_checksum({columns}) FROM branding_config").fetchall()
        assert found == [("bção", 0)]
