"""A real NocoDB over a real PostgreSQL, whose types refuse what is none of theirs: no search may become an error."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import closing

import pytest

from tests.contract.nocodb_postgresql_source import NocodbOverPostgresql
from tests.contract.postgresql_source import postgresql_database
from tests.integration.sources.helpers import soon
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.filter import Comparison, Op
from wuzapi_manager_server.domain.keys import key_of
from wuzapi_manager_server.domain.table import Cell, ColumnType, Owner
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import NotFound
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

SECONDS = 60.0
VALUES: dict[str, tuple[ColumnType, Sequence[str]]] = {
    "smallint": (ColumnType.INTEGER, ["-32768", "7"]),
    "integer": (ColumnType.INTEGER, ["-2147483648", "7"]),
    "bigint": (ColumnType.INTEGER, ["9007199254740991", "7"]),
    "numeric": (ColumnType.DECIMAL, ["1.50", "-7"]),
    "numeric(20, 6)": (ColumnType.DECIMAL, ["1.5", "7"]),
    "real": (ColumnType.FLOAT, ["1.5", "7"]),
    "double precision": (ColumnType.FLOAT, ["0.1", "7"]),
    "boolean": (ColumnType.BOOLEAN, ["t", "f"]),
    "text": (ColumnType.TEXT, ["a", "7", "é '\""]),
    "varchar(9)": (ColumnType.TEXT, ["a", "7"]),
    "char(3)": (ColumnType.TEXT, ["ab", "7"]),
    "citext": (ColumnType.OTHER, ["AbC", "7"]),
    "text COLLATE nocase": (ColumnType.TEXT, ["AbC", "7"]),
    "mood": (ColumnType.OTHER, ["sad", "so so"]),
    "uuid": (ColumnType.UUID, ["123e4567-e89b-12d3-a456-426614174000"]),
    "inet": (ColumnType.OTHER, ["10.0.0.1", "::1"]),
    "macaddr": (ColumnType.OTHER, ["08:00:2b:01:02:03"]),
    "date": (ColumnType.DATE, ["2026-02-28"]),
    "time": (ColumnType.TIME, ["13:05:00"]),
    "timestamp": (ColumnType.TIMESTAMP_TZ, ["2026-02-28 13:05:00"]),
    "timestamptz": (ColumnType.TIMESTAMP_TZ, ["2026-02-28 13:05:00+00"]),
    "interval": (ColumnType.TEXT, ["1 day"]),
    "money": (ColumnType.OTHER, ["12.34"]),
    "bit(4)": (ColumnType.OTHER, ["1010"]),
    "xml": (ColumnType.OTHER, ["<a/>"]),
    "int4range": (ColumnType.TEXT, ["[1,5)"]),
    "point": (ColumnType.TEXT, ["(1,2)"]),
    "text[]": (ColumnType.OTHER, ["{a,b}"]),
    "jsonb": (ColumnType.JSON, ['{"a": 1}']),
    "bytea": (ColumnType.BYTES, ["\\x00ff"]),
}
FOREIGN = [
    "nobody'; --",
    "7.0",
    "007",
    "99999999999999999999",
    "-9223372036854775809",
    "3000000000",
    "é\"'",
    "%",
    "t",
    "{}",
]


@pytest.fixture(scope="module")
def over(nocodb_server: NocodbServer) -> Iterator[NocodbOverPostgresql]:
    with postgresql_database() as database, closing(NocodbOverPostgresql(nocodb_server, database)) as made:
        made.sql("CREATE EXTENSION citext; CREATE TYPE mood AS ENUM ('sad', 'so so')")
        made.sql("CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
        yield made


@pytest.fixture
async def opened(over: NocodbOverPostgresql) -> AsyncIterator[Callable[[str], NocodbSource]]:
    made: list[NocodbSource] = []

    def open_it(statements: str) -> NocodbSource:
        configured = over.source_of(over.based_on(statements, "t")).nocodb
        place = Nocodb(configured.host, configured.project_id, configured.table_id, secret=configured.token)
        made.append(NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(place))
        return made[-1]

    yield open_it
    for source in made:
        await source.close()


async def column_of(source: NocodbSource, query: Query | None = None) -> list[Cell]:
    place = (await source.describe(soon())).index["v"]
    return [row.cells[place] for row in await source.fetch(query or Query(None, limit=100), soon())]


@pytest.mark.parametrize("native", VALUES)
async def test_every_value_is_found_and_no_foreign_text_is_an_error(
    opened: Callable[[str], NocodbSource], native: str
) -> None:
    """As a filter, as the text of an owner, and as a key."""
    kind, values = VALUES[native]
    rows = ", ".join(f"($q${value}$q$)" for value in values)
    source = opened(f"CREATE TABLE t (id serial PRIMARY KEY, v {native}); INSERT INTO t (v) VALUES {rows}, (NULL)")
    column = (await source.describe(soon())).columns[1]
    assert column.type is kind, column
    cells = await column_of(source)
    assert len(cells) == len(values) + 1
    for cell in cells[:-1]:
        if kind not in {ColumnType.JSON, ColumnType.BYTES}:
            assert await column_of(source, Query(None, Comparison("v", Op.EQ, (cell,)), limit=100)) == [cell]
        shown = to_json(cell)
        if isinstance(shown, str):
            found = await column_of(source, Query(Owner("v", shown), limit=100))
            assert found in ([], [cell])
    for text in FOREIGN:
        assert await column_of(source, Query(Owner("v", text), limit=100)) in ([], *([cell] for cell in cells[:-1]))
        if kind is ColumnType.TEXT:
            assert await column_of(source, Query(None, Comparison("v", Op.EQ, (text,)), limit=100)) == []


@pytest.mark.parametrize(
    "native",
    [
        *("smallint", "integer", "bigint", "numeric", "text", "text COLLATE nocase", "char(3)", "citext", "mood"),
        *("uuid", "inet", "date"),
    ],
)
async def test_a_key_of_any_type_is_found_and_a_foreign_one_is_not(
    opened: Callable[[str], NocodbSource], native: str
) -> None:
    """A key that the column could not even hold is not there, like any other; one or many at once."""
    _, values = VALUES[native]
    rows = ", ".join(f"($q${value}$q$)" for value in values)
    source = opened(f"CREATE TABLE t (v {native} PRIMARY KEY, n integer); INSERT INTO t (v) VALUES {rows}")
    table = await source.describe(soon())
    held = await source.fetch(Query(None, limit=100), soon())
    assert len(held) == len(values)
    for row in held:
        found = await source.get(row.key, None, soon())
        assert found is not None
        assert found.key == row.key
    known = {row.key for row in held}
    foreign = [key for text in FOREIGN if (key := key_of(text, table)) is not None and key not in known]
    for key in foreign:
        assert await source.get(key, None, soon()) is None
    if foreign:
        with pytest.raises(NotFound):
            await source.delete([(key, None) for key in (*known, *foreign)], None, soon())
    assert len(await source.fetch(Query(None, limit=100), soon())) == len(values)
