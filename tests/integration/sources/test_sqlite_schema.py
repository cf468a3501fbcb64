"""Files and tables that change, and what a source tells of them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.sources.conftest import Make, Open
from tests.integration.sources.helpers import column, elsewhere, read, soon
from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.errors import NO_TEXT, ConnectionFailed, PermissionDenied, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query
from wuzapi_manager_server.sources.sqlite import SqliteSource
from wuzapi_manager_server.sources.sqlite_folder import SqliteFolder

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, n, u); INSERT INTO t VALUES (1, 'a', 'ana');"


@pytest.mark.parametrize(
    "change",
    ["ALTER TABLE t DROP COLUMN n", "ALTER TABLE t RENAME COLUMN n TO m", "ALTER TABLE t ADD COLUMN z DEFAULT 1"],
)
async def test_an_altered_table_is_told_once(make: Make, source: Open, root: Path, change: str) -> None:
    """After the table was altered one call says so, and the next description is the new one."""
    make(TABLE)
    t = source("t")
    before = await t.describe(soon())
    elsewhere(root / "shop.db", change)
    with pytest.raises(QueryFailed) as caught:
        await read(t)
    assert caught.value.text.pt == "A tabela 't' acaba de ser alterada"
    after = await t.describe(soon())
    assert [column.name for column in after.columns] != [column.name for column in before.columns]
    assert len((await read(t))[0].cells) == len(after.columns)


async def test_who_counts_on_an_older_description_is_told_too(make: Make, source: Open, root: Path) -> None:
    """After another call has noticed the change, calls that count on the table as it was are still refused."""
    make(TABLE)
    t = source("t")
    before = await t.describe(soon())
    elsewhere(root / "shop.db", "ALTER TABLE t DROP COLUMN n")
    with pytest.raises(QueryFailed):
        await read(t)
    now = await t.describe(soon())
    for call in (
        t.fetch(Query(owner=None, limit=1, table=before), soon()),
        t.get((1,), None, soon(), table=before),
        t.insert([{"u": "eva"}], None, soon(), table=before),
        t.update([Change((1,), {"u": "eva"})], None, soon(), table=before),
        anext(t.stream(Query(owner=None, table=before), soon)),
    ):
        with pytest.raises(QueryFailed) as caught:
            await call
        assert caught.value.text.pt == "A tabela 't' acaba de ser alterada"
    rows = await t.fetch(Query(owner=None, limit=5, table=now), soon())
    assert [row.cells for row in rows] == [(1, "ana")]


async def test_other_changes_of_the_schema_go_unnoticed(make: Make, source: Open, root: Path) -> None:
    """Another table or an index more is no change of this one, and the description is the same object."""
    make(TABLE)
    t = source("t")
    before = await t.describe(soon())
    elsewhere(root / "shop.db", "CREATE TABLE other (a); CREATE INDEX i ON t (n)")
    assert len(await read(t)) == 1
    assert await t.describe(soon()) is before


async def test_a_dropped_table_is_told(make: Make, source: Open, root: Path) -> None:
    """A table that is gone, or never was, gives the text of the application that this one replaces."""
    make(TABLE)
    t = source("t")
    await t.describe(soon())
    elsewhere(root / "shop.db", "DROP TABLE t")
    for call in (read(t), source("t").describe(soon()), t.insert([{"n": 1}], None, soon())):
        with pytest.raises(QueryFailed) as caught:
            await call
        assert caught.value.text.pt == "Tabela 't' não encontrada no banco de dados"


@pytest.mark.parametrize("name", ["sqlite_schema", "sqlite_master", "SQLITE_sequence", "nope", "", "t\0", "\ud800"])
async def test_names_that_are_no_table(make: Make, source: Open, name: str) -> None:
    """SQLite's own tables and names that no table has are not there."""
    make("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    with pytest.raises(QueryFailed):
        await source(name).describe(soon())


async def test_a_replaced_file_is_opened_anew(make: Make, source: Open, root: Path) -> None:
    """A file that was replaced by another of its name is read from then on."""
    make(TABLE)
    t = source("t")
    assert await column(t, "n") == ["a"]
    make("CREATE TABLE t (id INTEGER PRIMARY KEY, n, u); INSERT INTO t VALUES (1, 'new', 'ana')", name="next.db")
    (root / "next.db").replace(root / "shop.db")
    assert await column(t, "n") == ["new"]
    (root / "shop.db").unlink()
    with pytest.raises(ConnectionFailed):
        await read(t)


async def test_a_source_that_is_given_up_meanwhile_says_so(make: Make, source: Open) -> None:
    """Calls under way while their source is closed give what they found or say that it was closed, and that alone."""
    make(TABLE)
    for _ in range(20):
        t = source("t")
        await t.describe(soon())
        calls = [asyncio.create_task(read(t)) for _ in range(4)]
        await asyncio.sleep(0)
        await t.close()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in found} <= {list, ConnectionFailed}, found


async def test_a_file_that_becomes_a_link_out_is_refused(make: Make, source: Open, root: Path) -> None:
    """Where a file lies is checked at every call, not only at the first."""
    make(TABLE)
    t = source("t")
    await read(t)
    (root / "shop.db").rename(root.parent / "out.db")
    (root / "shop.db").symlink_to(root.parent / "out.db")
    with pytest.raises(PermissionDenied):
        await read(t)


@pytest.mark.parametrize("content", [b"no database " * 500, b"SQLite format 3\0" + b"\xff" * 5000])
async def test_files_that_are_no_database(root: Path, source: Open, content: bytes) -> None:
    """Any other file gives an error that says so, without its path."""
    (root / "shop.db").write_bytes(content)
    for call in (read(source("t")), source("t").insert([{}], None, soon())):
        with pytest.raises(QueryFailed) as caught:
            await call
        assert "no SQLite database" in caught.value.text.en
        assert str(root) not in caught.value.text.en


async def test_an_empty_file_has_no_tables(root: Path, source: Open) -> None:
    """An empty file is an empty database, and stays as it is."""
    (root / "shop.db").touch()
    assert (await source("").tables(("", ""), 10, soon())).tables == ()
    assert (root / "shop.db").stat().st_size == 0


async def test_a_damaged_table_is_told(make: Make, source: Open, root: Path) -> None:
    """Damaged pages give an error, not a crash."""
    numbers = "WITH RECURSIVE n (x) AS (SELECT 2 UNION ALL SELECT x + 1 FROM n LIMIT 9999)"
    make(f"{TABLE} {numbers} INSERT INTO t SELECT x, x, x FROM n")
    data = (root / "shop.db").read_bytes()
    (root / "shop.db").write_bytes(data[:8192] + b"\xaa" * (len(data) - 8192))
    with pytest.raises(QueryFailed):
        await source("t").count(None, None, soon())


async def test_tables_page_by_name(make: Make, source: Open) -> None:
    """Tables and views come sorted by name, a page at a time, without SQLite's own and those of virtual tables."""
    make(
        "CREATE TABLE b (id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE a (x); CREATE VIEW c AS SELECT * FROM a;"
        "CREATE VIRTUAL TABLE d USING fts5(body); CREATE VIEW e AS SELECT * FROM gone; CREATE VIEW f AS SELECT own(1);"
    )
    t = source("")
    page = await t.tables(("", ""), 2, soon())
    assert ([table.name for table in page.tables], page.more) == (["a", "b"], True)
    page = await t.tables(("", "b"), 9, soon())
    assert ([table.name for table in page.tables], page.more) == (["c", "d", "e", "f"], False)
    view, words, broken, foreign = page.tables
    assert (view.view, words.view, broken.columns) == (True, False, ())
    assert broken.capabilities.read_only_reason
    assert foreign.capabilities.read_only_reason
    with pytest.raises(QueryFailed):
        await read(source("f"))
    with pytest.raises(QueryFailed):
        await read(source("e"))


async def test_a_nameless_column_is_left_out(make: Make, source: Open) -> None:
    """SQLite allows a column without a name: it is not shown, and a key that needs it is none."""
    make(
        'CREATE TABLE t (id INTEGER PRIMARY KEY, "" TEXT); CREATE TABLE k ("" TEXT PRIMARY KEY, n);'
        "INSERT INTO k VALUES (1, 2)"
    )
    assert [column.name for column in (await source("t").describe(soon())).columns] == ["id"]
    k = source("k")
    assert (await k.describe(soon())).primary_key == ()
    assert [row.cells for row in await read(k)] == [(2,)]


async def test_column_facts(make: Make, source: Open) -> None:
    """Defaults, NOT NULL, computed columns and keys are described as SQLite has them."""
    make(
        "CREATE TABLE t (a TEXT NOT NULL, b INT DEFAULT 5, c TEXT AS (a) VIRTUAL, d TEXT AS (a) STORED, k INT,"
        " PRIMARY KEY (k, a)) WITHOUT ROWID"
    )
    table = await source("T").describe(soon())
    facts = {c.name: (c.nullable, c.has_default, c.read_only, c.primary_key) for c in table.columns}
    assert facts == {
        "a": (False, False, False, True),
        "b": (True, True, False, False),
        "c": (True, False, True, False),
        "d": (True, False, True, False),
        "k": (False, False, False, True),
    }
    assert (table.name, table.primary_key, table.columns[1].type) == ("t", ("k", "a"), ColumnType.INTEGER)


async def test_all_steps_of_a_test(make: Make, source: Open) -> None:
    """A test goes through its steps in order and stops at the first that fails, with advice."""
    make(TABLE)
    names = ["resolve", "connect", "table", "columns", "user_link_field", "read"]
    steps = await source("t").test("u", soon())
    assert [(step.name, step.ok, step.suggestion) for step in steps] == [(name, True, NO_TEXT) for name in names]
    assert [step.name for step in await source("t").test("", soon())] == [*names[:4], "read"]
    failing = await source("t").test("gone", soon())
    assert [step.ok for step in failing] == [True, True, True, True, False]
    assert failing[-1].suggestion
    assert [step.name for step in await source("nope").test("u", soon())][-1] == "table"
    assert [step.name for step in await source("t", "nope.db").test("u", soon())] == ["resolve"]


async def test_an_altered_table_is_tested_as_it_is(make: Make, source: Open, root: Path) -> None:
    """A test describes the table anew."""
    make(TABLE)
    t = source("t")
    await t.describe(soon())
    elsewhere(root / "shop.db", "ALTER TABLE t RENAME COLUMN u TO owner")
    assert all(step.ok for step in await t.test("owner", soon()))


async def test_connections_are_set_up_for_foreign_files(make: Make, source: Open) -> None:
    """Connections attach nothing, load nothing, trust no schema and take no text for a column."""
    make(TABLE)
    t = source("t")
    await read(t)
    assert t._open is not None
    with t._open[1]._engine.connect() as connection:
        for statement in ("ATTACH ':memory:' AS x", "SELECT load_extension('x')", 'SELECT "nope" FROM t'):
            with pytest.raises(Exception, match="code=1"):
                connection.exec_driver_sql(statement)
        pragmas = {"trusted_schema": 0, "cell_size_check": 1, "foreign_keys": 1}
        for pragma, value in pragmas.items():
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
        connection.exec_driver_sql("PRAGMA writable_schema = ON")
        with pytest.raises(Exception, match="may not be modified"):
            connection.exec_driver_sql("UPDATE sqlite_schema SET sql = ''")


async def test_paths_below_the_folder(make: Make, root: Path, executor: ThreadPoolExecutor) -> None:
    """A database is found by a path below the folder, by its absolute path, and through links that stay inside."""
    make(TABLE)
    (root / "sub").mkdir()
    (root / "shop.db").rename(root / "sub" / "a?mode=memory&x=%41 é.db")
    (root / "link.db").symlink_to("sub/a?mode=memory&x=%41 é.db")
    folder = SqliteFolder(root, [], executor)
    for name in ("sub/a?mode=memory&x=%41 é.db", str(root / "sub" / "a?mode=memory&x=%41 é.db"), "link.db"):
        t = SqliteSource(folder, name, "t")
        assert len(await t.fetch(Query(None, limit=5), soon())) == 1
        await t.close()
