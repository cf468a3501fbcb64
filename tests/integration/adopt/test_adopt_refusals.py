"""What `wuzapi-manager adopt` does not take, and what it says of it."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.contract.server import world_in
from tests.integration.adopt.command import adopt, every_connection
from tests.integration.adopt.original import LEADS, POSTGRES, write
from wuzapi_manager_server.storage.original import read_original


def test_sqlite_files_outside_of_the_folder_stay_behind(tmp_path: Path) -> None:
    """A SQLite connection that this service could not open is told, not made."""
    file = write(tmp_path / "original.db", [LEADS | {"database_name": "../../etc/leads.db"}])
    done = adopt(tmp_path, str(file))
    assert "Comes over: 0 connections" in done.stdout
    assert "connection 1 'Leads' (SQLITE): " in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "The file cannot be read. Check that it is there"),
        (b"", "The file has no table database_connections"),
        (b"no database at all" * 999, "The file is no SQLite database"),
    ],
)
def test_what_is_no_such_database_is_one_sentence(content: bytes | None, said: str, tmp_path: Path) -> None:
    """A file that is missing, empty or something else ends with exit code 1 and what to do."""
    file = tmp_path / "x.db"
    if content is not None:
        file.write_bytes(content)
    done = adopt(tmp_path, str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("database_connections", "id"),
        ("database_connections", "type"),
        ("branding_config", "id"),
        ("system_metadata", "key"),
    ],
)
def test_a_column_that_is_missing_is_named(table: str, column: str, original: Path, tmp_path: Path) -> None:
    """It is one sentence, not an error of the database."""
    with closing(sqlite3.connect(original)) as database, database:
        others = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})") if name != column]
        database.executescript(
            f"CREATE TABLE part AS SELECT {', '.join(others)} FROM {table}; DROP TABLE {table};"
            f"ALTER TABLE part RENAME TO {table}"
        )
    done = adopt(tmp_path, str(original))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"The file has no column {column} in its table {table}")


def test_a_copy_of_the_original_is_no_source(original: Path, tmp_path: Path) -> None:
    """A file below the sources that has the table of connections stays behind, whatever it and the row are called."""
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "innocent.db").write_bytes(original.read_bytes())
    with closing(sqlite3.connect(tmp_path / "sources" / "leads.db")) as database:
        database.execute("CREATE TABLE leads (id)")
    (tmp_path / "sources" / "text.db").write_text("no database")
    names = ("innocent.db", "leads.db", "text.db", "missing.db")
    file = write(tmp_path / "x.db", [LEADS | {"name": name, "database_name": name} for name in names])
    before = sorted((tmp_path / "sources").iterdir())
    done = adopt(tmp_path, str(file))
    assert "Comes over: 3 connections" in done.stdout
    assert "connection 1 'innocent.db' (SQLITE): it shows the application's own tables" in done.stdout
    assert sorted((tmp_path / "sources").iterdir()) == before


def test_rows_come_over_however_many_there_are(tmp_path: Path) -> None:
    """No bound cuts them silently."""
    file = write(tmp_path / "original.db", [LEADS])
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "INSERT INTO system_metadata (key, value) WITH RECURSIVE n (i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100001) SELECT 'key-' || i, i FROM n"
        )
    read = read_original(file)
    assert len(read.metadata) == 100_001
    assert read.metadata[0] == {"key": "key-1", "value": "1"}


def test_a_database_of_this_service_is_refused(original: Path, tmp_path: Path) -> None:
    """Its own database has tables of the same names, and so has a backup that is not encrypted."""
    assert adopt(tmp_path, str(original), "--apply").returncode == 0
    own = tmp_path / "data" / "wuzapi.db"
    backup = tmp_path / "backup.db"
    with closing(sqlite3.connect(own)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    for file in (own, backup):
        done = adopt(tmp_path, str(file), "--apply")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("The file is a database of this service, or a backup of one")
        assert len(done.stderr.splitlines()) == 1


def test_a_damaged_file_is_refused(original: Path, tmp_path: Path) -> None:
    """Damage is found before anything is taken from it."""
    content = bytearray(original.read_bytes())
    content[4096:4196] = os.urandom(100)
    original.write_bytes(content)
    done = adopt(tmp_path, str(original), "--apply")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Stop the application and try again" in done.stderr


ODD: dict[str, tuple[str, str, str]] = {
    "half a character": ("field_mappings", r'[{"columnName": "a", "label": "\ud800"}]', "a character that is none"),
    "digits": ("view_configuration", f'{{"a": {"7" * 23}}}', "its view configuration holds a number"),
    "more digits": ("assigned_users", f"[{'7' * 5_000}]", "its text of assigned users holds a number"),
}


@pytest.mark.parametrize(("encoding", "no_text"), [("UTF-8", b"Caf\xe9"), ("UTF-16le", b"C\0\0\xd8")])
def test_one_odd_row_does_not_keep_the_others_from_coming(encoding: str, no_text: bytes, tmp_path: Path) -> None:
    """Each is named with why, the same without --apply and with it; what can come over does."""
    file = tmp_path / "original.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.executescript(f"PRAGMA encoding = '{encoding}'; CREATE TABLE other (word TEXT)")
    odd = [POSTGRES | {"name": f"row {case}", column: value} for case, (column, value, _) in ODD.items()]
    write(file, [POSTGRES | {"name": no_text}, POSTGRES | {"password": no_text}, *odd])
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute("PRAGMA encoding").fetchall() == [(encoding,)]
        database.execute("UPDATE database_connections SET name = CAST(name AS TEXT), password = CAST(password AS TEXT)")
    dry, done = adopt(tmp_path, str(file)), adopt(tmp_path, str(file), "--apply")
    assert (dry.returncode, dry.stderr, done.returncode, done.stderr) == (0, "", 0, "")
    assert "Comes over: 2 connections" in done.stdout
    for said in ("its name is no text", "its password is no text", *(said for _, _, said in ODD.values())):
        assert said in done.stdout
    assert done.stdout.startswith(dry.stdout.partition("Nothing was changed")[0])
    with world_in(tmp_path) as world:
        assert set(every_connection(world)) == {"row digits", "row more digits"}
