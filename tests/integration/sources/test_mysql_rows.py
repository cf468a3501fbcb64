"""Tables of MySQL and MariaDB as others made them: names, keys, engines, collations, batches, streams."""

from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress
from uuid import UUID

import pytest
from sqlalchemy import Engine, event

from tests.integration.sources.helpers import soon
from tests.integration.sources.mysql import OpenTable, Run, database, place, run, source
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.table import Cell, Key, Owner
from wuzapi_manager_server.errors import AlreadyExists, Code, QueryFailed
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.mysql import MysqlSource

__all__ = ["database", "place", "run", "source"]


@contextmanager
def statements() -> Iterator[list[str]]:
    """What sources ask their servers meanwhile."""
    asked: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def paged(source: MysqlSource, *order: Sort, size: int = 1) -> list[Key]:
    seen: list[Key] = []
    after: Key = ()
    while rows := await source.fetch(Query(None, order=order, after=after, limit=size), soon()):
        seen += [row.key for row in rows]
        after = rows[-1].cursor
    return seen


NAMES = ["a`b", "100%", "%s", "col:name", "it's", 'say "x"', "ünï 日本", "select", " lead", "semi;colon", "back\\slash"]


async def test_names_of_any_kind(source: OpenTable, run: Run) -> None:
    """Backticks, quotes, percent signs, colons, spaces, accents and keywords in names of tables and columns."""
    for name in NAMES:
        quoted = "`" + name.replace("`", "``") + "`"
        key = "`k " + quoted[1:]
        run(f"CREATE TABLE {quoted} ({key} INT PRIMARY KEY, {quoted} VARCHAR(50), UNIQUE ({quoted}))")
        t = source(name)
        table = await t.describe(soon())
        assert (table.name, [column.name for column in table.columns]) == (name, [f"k {name}", name])
        await t.insert([{f"k {name}": at, name: f"{name}{at}"} for at in (1, 2)], None, soon())
        await t.update([Change((1,), {name: "x"})], None, soon())
        await t.delete([((2,), None)], None, soon())
        where = Comparison[Cell](name, Op.CONTAINS, ("X",))
        assert [row.cells for row in await t.fetch(Query(Owner(name, "x"), where, limit=9), soon())] == [(1, "x")]
    found = await source("x").tables(("", ""), 100, soon())
    assert [table.name for table in found.tables] == sorted(NAMES, key=str.encode)
    listed, after = [], ("", "")
    while True:
        page = await source("x").tables(after, 3, soon())
        listed += [table.name for table in page.tables]
        after = ("", listed[-1])
        if not page.more:
            break
    assert listed == sorted(NAMES, key=str.encode)


async def test_what_takes_no_writes_says_why(source: OpenTable, run: Run) -> None:
    """Views, tables without a key and engines without transactions are read, paged and streamed, and not written."""
    run("CREATE TABLE plain (id INT, u VARCHAR(9))")
    run("INSERT INTO plain VALUES (2, 'a'), (1, 'b'), (NULL, NULL)")
    run("CREATE VIEW seen AS SELECT * FROM plain")
    for engine in ("MyISAM", "Aria", "MEMORY"):
        run(f"CREATE TABLE {engine} (id INT PRIMARY KEY, u VARCHAR(9)) ENGINE={engine}")
        run(f"INSERT INTO {engine} VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    for name, why in (("plain", "key"), ("seen", "view"), ("MyISAM", "MyISAM"), ("Aria", "Aria"), ("MEMORY", "MEMORY")):
        t = source(name)
        table = await t.describe(soon())
        assert table.capabilities.read_only_reason is not None
        assert why in table.capabilities.read_only_reason.en
        assert table.capabilities.transactions is (name == "plain")
        assert table.view is (name == "seen")
        assert table.capabilities.key_paging is bool(table.primary_key)
        assert len(await t.fetch(Query(None, order=(Sort("id"),), offset=1, limit=9), soon())) == 2
        assert sum([len(rows) async for rows in t.stream(Query(None), soon)]) == 3
        for write in (t.insert([{"id": 9}], None, soon()), t.update([Change((1,), {"u": "x"})], None, soon())):
            with pytest.raises(QueryFailed) as refused:
                await write
            assert why in refused.value.text.en
        assert await t.count(None, None, soon()) == 3


async def test_computed_and_invisible_columns(source: OpenTable, run: Run) -> None:
    """What the server computes is shown and not written; an invisible column is one like any other."""
    run(
        "CREATE TABLE t (a INT, v INT AS (a + 1) VIRTUAL, s INT AS (a + 2) STORED, i INT INVISIBLE DEFAULT 7, b INT,"
        " d TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, PRIMARY KEY (b, a))"
    )
    t = source()
    table = await t.describe(soon())
    assert table.primary_key == ("b", "a")
    assert [column.read_only for column in table.columns] == [False, True, True, False, False, False]
    assert [column.has_default for column in table.columns] == [False, False, False, True, False, True]
    (made,) = await t.insert([{"a": 1, "b": 2}], None, soon())
    assert made.row is not None
    assert made.row.cells[:5] == (1, 2, 3, 7, 2)
    assert made.row.key == (2, 1)
    (changed,) = await t.update([Change((2, 1), {"a": 5, "i": 8})], None, soon())
    assert changed.row is not None
    assert changed.row.cells[:5] == (5, 6, 7, 8, 2)


async def test_batches_are_few_statements_in_order(source: OpenTable, run: Run) -> None:
    """1,000 rows are made by a statement for each 1,000 values, which gives them back; numbers stand in order."""
    run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, n INT, u VARCHAR(20))")
    t = source()
    await t.describe(soon())
    with statements() as asked:
        outcomes = await t.insert([{"n": at, "u": "x"} for at in range(1000)], Owner("u", "x"), soon())
    assert len([one for one in asked if one.startswith("INSERT")]) == 2
    assert len(asked) == 2
    rows = [outcome.row for outcome in outcomes if outcome.row is not None]
    assert [row.cells[1] for row in rows] == list(range(1000))
    assert [row.key for row in rows] == sorted(row.key for row in rows)
    with statements() as asked:
        await t.insert([{"n": 5, "u": "x"}], Owner("u", "x"), soon())
    assert len(asked) == 1
    mixed: list[dict[str, Cell]] = [
        {"n": 1, "u": "x"},
        {"id": 5000, "u": "x"},
        {"id": None, "n": 2, "u": "x"},
        {"u": "x"},
        {"id": 0, "u": "x"},
    ]
    outcomes = await t.insert(mixed, None, soon())
    keys = [outcome.row.key[0] for outcome in outcomes if outcome.row is not None]
    assert keys == [1002, 5000, 5001, 5002, 0]


async def test_a_batch_is_whole_or_not_at_all(source: OpenTable, run: Run) -> None:
    """A row that is refused, at any place, undoes the others; the next write works."""
    run("CREATE TABLE p (id INT PRIMARY KEY)")
    run(
        "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, code VARCHAR(9) UNIQUE, n INT NOT NULL CHECK (n < 100),"
        " p INT, FOREIGN KEY (p) REFERENCES p (id))"
    )
    run("SET foreign_key_checks = 1")
    run("INSERT INTO p VALUES (1)")
    run("INSERT INTO t VALUES (1, 'a', 1, 1)")
    t = source()
    cases: list[tuple[dict[str, Cell], type[Exception]]] = [
        ({"code": "A", "n": 1}, AlreadyExists),
        ({"code": "x", "n": None}, QueryFailed),
        ({"code": "x", "n": 100}, QueryFailed),
        ({"code": "x", "n": 1, "p": 2}, QueryFailed),
        ({"id": 1, "n": 1}, AlreadyExists),
    ]
    run("ALTER TABLE t MODIFY code VARCHAR(9) COLLATE utf8mb4_general_ci")
    for bad, error in cases:
        with pytest.raises(error) as refused:
            await t.insert([{"n": 5}, *[{"n": 6, "code": str(at)} for at in range(700)], bad], None, soon())
        assert getattr(refused.value, "code", None) in {Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION}
    assert await t.count(None, None, soon()) == 1
    parent = source("p")
    with pytest.raises(QueryFailed):
        await parent.delete([((1,), None)], None, soon())
    assert len(await t.insert([{"n": 5}], None, soon())) == 1


async def test_keys_that_the_server_makes_itself(source: OpenTable, run: Run) -> None:
    """A key with a default of its own is told by MariaDB, and the row is found by it."""
    run("CREATE TABLE t (id UUID DEFAULT UUID() PRIMARY KEY, n INT)")
    outcomes = await source().insert([{"n": at} for at in range(3)], None, soon())
    rows = [outcome.row for outcome in outcomes if outcome.row is not None]
    assert [row.cells[1] for row in rows] == [0, 1, 2]
    assert all(isinstance(row.cells[0], UUID) for row in rows)


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_bin", "utf8mb4_nopad_bin"])
async def test_pages_agree_with_the_order_of_any_collation(source: OpenTable, run: Run, collation: str) -> None:
    """Texts that a collation takes for the same, long ones and nulls are each on one page, whichever way."""
    run(f"CREATE TABLE t (id INT PRIMARY KEY, v LONGTEXT COLLATE {collation}, w VARCHAR(50) COLLATE {collation})")
    texts = [
        "a",
        "A",
        "á",
        "a ",
        "b",
        None,
        "",
        " ",
        "ß",
        "ss",
        "é",
        "e\u0301",
        "x" * 600,
        "x" * 600 + "y",
        "z" * 3000,
        None,
    ]
    texts += ["x" * 511 + "á", "x" * 511 + "a", "x" * 512 + "b"]
    for at, text in enumerate(texts):
        run("INSERT INTO t VALUES (%s, %s, %s)", at, text, text and text[:50])
    t = source()
    for order in ([Sort("v")], [Sort("v", True)], [Sort("w", True), Sort("v")], [Sort("w"), Sort("v", True)]):
        whole = [row.key for row in await t.fetch(Query(None, order=tuple(order), limit=100), soon())]
        assert len(whole) == len(texts)
        assert await paged(t, *order) == whole
        assert await paged(t, *order, size=4) == whole
    assert whole[:2] == [(5,), (15,)]


async def test_a_stream_is_read_as_it_is_asked_for(source: OpenTable, run: Run) -> None:
    """Rows come in lists by a cursor of the server; one who leaves early does not make it send the rest."""
    run("CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200))")
    run("INSERT INTO t SELECT seq, REPEAT('x', 200) FROM seq_1_to_200000")
    t = source()
    seen = 0
    async for rows in t.stream(Query(None, order=(Sort("id", True),)), soon):
        assert len(rows) <= 1000
        assert rows[0].cells[0] == 200_000 - seen
        seen += len(rows)
    assert seen == 200_000
    async with aclosing(t.stream(Query(None), soon)) as stream:
        first = await anext(stream)
    assert len(first) == 1000
    assert await t.count(None, None, soon()) == 200_000


async def test_a_value_above_what_the_server_takes_is_told(source: OpenTable, run: Run) -> None:
    """A statement longer than max_allowed_packet is refused before it is sent, and the connection stays good."""
    run("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT)")
    largest = int(str(run("SELECT @@max_allowed_packet")[0][0]))
    t = source()
    with pytest.raises(QueryFailed) as refused:
        await t.insert([{"v": "x"}, {"v": "x" * largest}], None, soon())
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert await t.count(None, None, soon()) == 0
    assert len(await t.insert([{"v": "x" * 600_000} for _ in range(6)], None, soon())) == 6


@pytest.mark.parametrize("name", ["mysql", "information_schema", "performance_schema"])
async def test_databases_that_nobody_of_us_made(source: OpenTable, name: str) -> None:
    """The server's own databases are described and read as any other."""
    t = source("no such table", database=name)
    found = await t.tables(("", ""), 200, soon())
    assert found.tables
    for table in found.tables[:40]:
        assert table.columns
        one = source(table.name, database=name)
        with suppress(QueryFailed):  # some cannot be read, whoever asks
            assert len(await one.fetch(Query(None, limit=2), soon())) <= 2
    with pytest.raises(QueryFailed):
        await t.describe(soon())


async def test_rows_that_go_with_others_may_be_deleted_with_them(source: OpenTable, run: Run) -> None:
    """A batch may hold rows that a foreign key deletes with others of it."""
    run("CREATE TABLE t (id INT PRIMARY KEY, p INT, FOREIGN KEY (p) REFERENCES t (id) ON DELETE CASCADE)")
    run("INSERT INTO t SELECT seq, NULLIF(seq - 1, 0) FROM seq_1_to_15")
    t = source()
    await t.delete([((14,), None), ((15,), None)], None, soon())
    assert run("SELECT COUNT(*) FROM t") == [(13,)]
    await t.delete([((at,), None) for at in range(3, 14)], None, soon())
    assert run("SELECT COUNT(*) FROM t") == [(2,)]
