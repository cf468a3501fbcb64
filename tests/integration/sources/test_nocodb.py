"""A real NocoDB with a table of its own making, by its own API: what people have who click tables together there."""

import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest

from tests.integration.sources.nocodb import SECONDS, made_table, opened
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument, Key, Owner, Row
from wuzapi_manager_server.errors import AlreadyExists, Code, NotFound, QueryFailed, Text
from wuzapi_manager_server.sources.base import Change, Query, Sort
from wuzapi_manager_server.sources.nocodb import NocodbEngine, NocodbSource
from wuzapi_manager_server.upstreams.addresses import AddressGuard

_KINDS = {
    "Id": "ID",
    "Owner": "SingleLineText",
    "Name, first": "LongText",
    "N": "Number",
    "Price": "Decimal",
    "Ok": "Checkbox",
    "Born": "Date",
    "At": "DateTime",
    "Doc": "JSON",
    "Clock": "Time",
    "Mail": "Email",
}
HOSTILE = [
    'zzz")~or(Id,gt,"0',
    "zzz')~or(Id,gt,'0",
    "zzz)~or(Id,gt,0",
    "(Id,gt,0)",
    "@(Id,gt,0)",
    "~not(Id,eq,0)",
    "both ' and \" quotes",
    "\"'",
    "backslash\\",
    'quote and backslash"\\',
    '\\"),(Id,gt,"0',
    "%",
    "_",
    "null",
    "",
    " ",
    "line\nbreak",
    "a,b",
    "&where=(Id,gt,0)",
    "é🦜",
    "x" * 5000,
    "é" * 4000,
    "1' OR '1'='1",
    "{{7*7}}",
    "'; DROP TABLE people; --",
]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def place(nocodb_server: NocodbServer) -> Iterator[Nocodb]:
    """A base with one table, deleted afterwards."""
    columns = [
        {"column_name": f"column_{at}", "title": title, "uidt": kind} for at, (title, kind) in enumerate(_KINDS.items())
    ]
    with made_table(nocodb_server, "People", columns) as made:
        yield made.place


@pytest.fixture
async def source(place: Nocodb) -> AsyncIterator[NocodbSource]:
    async with opened(place) as source:
        yield source


@pytest.fixture
def ana() -> Owner:
    """Somebody whom no other test knows."""
    return Owner("Owner", f"ana-{next(_numbers)}")


def soon() -> Deadline:
    return Deadline.after(SECONDS)


async def make(source: NocodbSource, owner: Owner, *rows: Mapping[str, Cell]) -> list[Row]:
    """Rows of an owner."""
    outcomes = await source.insert([{"Owner": owner.value, **row} for row in rows], owner, soon())
    assert [outcome.error for outcome in outcomes] == [None] * len(rows)
    return [outcome.row for outcome in outcomes if outcome.row is not None]


async def names(source: NocodbSource, owner: Owner, where: Filter[Cell] | None = None) -> list[Cell]:
    rows = await source.fetch(Query(owner, where, limit=1000), soon())
    place = (await source.describe(soon())).index["Name, first"]
    return [row.cells[place] for row in rows]


async def test_a_table_of_nocodb_is_described(source: NocodbSource) -> None:
    """Its columns have their types; what NocoDB fills in itself is read-only, and what only it needs is left out."""
    table = await source.describe(soon())
    types = {column.name: column.type for column in table.columns}
    assert types == {
        "Id": ColumnType.INTEGER,
        "CreatedAt": ColumnType.TIMESTAMP_TZ,
        "UpdatedAt": ColumnType.TIMESTAMP_TZ,
        "Owner": ColumnType.TEXT,
        "Name, first": ColumnType.TEXT,
        "N": ColumnType.INTEGER,
        "Price": ColumnType.DECIMAL,
        "Ok": ColumnType.BOOLEAN,
        "Born": ColumnType.DATE,
        "At": ColumnType.TIMESTAMP_TZ,
        "Doc": ColumnType.JSON,
        "Clock": ColumnType.TIME,
        "Mail": ColumnType.TEXT,
    }
    assert {column.name for column in table.columns if column.read_only} == {"Id", "CreatedAt", "UpdatedAt"}
    assert table.primary_key == ("Id",)
    assert table.title == "People"
    can = table.capabilities
    assert (can.transactions, can.exact_numbers, can.key_paging, can.verified_updates) == (False, False, True, True)
    assert (can.max_batch_size, can.read_only_reason) == (100, None)


async def test_every_kind_of_value_comes_back(source: NocodbSource, ana: Owner) -> None:
    """What is written is read alike, by create, get and update."""
    values: dict[str, Cell] = {
        "Name, first": "ação 🦜 'q' \"d\" \\",
        "N": 2**53 - 1,
        "Price": Decimal("12.25"),
        "Ok": True,
        "Born": date(2026, 2, 28),
        "At": datetime(2026, 11, 23, 13, 5, 7, tzinfo=UTC),
        "Doc": JsonDocument({"a": [1, 2.5, None, {"b": "ü"}]}),
        "Clock": time(13, 5),
        "Mail": "a@example.com",
    }
    table = await source.describe(soon())
    [row] = await make(source, ana, values)
    assert {name: row.cells[table.index[name]] for name in values} == values
    assert await source.get(row.key, ana, soon()) == row
    nothing: dict[str, Cell] = dict.fromkeys(values)
    [outcome] = await source.update([Change(row.key, nothing)], ana, soon())
    assert outcome.row is not None
    assert {name: outcome.row.cells[table.index[name]] for name in values} == nothing
    [outcome] = await source.update([Change(row.key, values)], ana, soon())
    assert outcome.row is not None
    assert {name: outcome.row.cells[table.index[name]] for name in values} == values


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("N", 2**53 + 1),
        ("Price", Decimal("12345678901234567.89")),
        ("Price", Decimal("NaN")),
        ("At", datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ("Born", date(99, 1, 1)),
        ("Name, first", "x" * 100_001),
    ],
)
async def test_what_nocodb_would_not_keep_is_refused(
    source: NocodbSource, ana: Owner, column: str, value: Cell
) -> None:
    """Digits, fractions of seconds, early dates and long texts are refused before anything is sent."""
    with pytest.raises(QueryFailed) as caught:
        await source.insert([{"Owner": ana.value, column: value}], ana, soon())
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert await source.count(ana, None, soon()) == 0


async def test_hostile_values_are_values_everywhere(source: NocodbSource, ana: Owner) -> None:
    """A text that is a condition finds itself alone: as a value, in a list, in a search, in its negation."""
    await make(source, ana, *({"Name, first": text} for text in HOSTILE))
    everything = await names(source, ana)
    assert everything == HOSTILE
    for text in HOSTILE:
        same = Comparison[Cell]("Name, first", Op.EQ, (text,))
        assert await names(source, ana, same) == [text], text
        assert await names(source, ana, Comparison("Name, first", Op.IN, (text, "none"))) == [text]
        assert await names(source, ana, Not(same)) == [each for each in HOSTILE if each != text]
        assert await source.count(ana, Or((same, Comparison("N", Op.GT, (5,)))), soon()) == 1
        found = await names(source, ana, And((Comparison("Name, first", Op.CONTAINS, (text[:1000],)),)))
        assert found == [each for each in HOSTILE if text[:1000].lower() in each.lower()], text


async def test_hostile_owners_have_their_own_rows(source: NocodbSource, ana: Owner) -> None:
    """A token that is a condition sees, counts, changes and deletes its own row, and no other."""
    [mine] = await make(source, ana, {"Name, first": "mine"})
    for at, text in enumerate(text for text in HOSTILE if text.strip() and len(text) < 300):
        owner = Owner("Owner", f"{ana.value}{at}{text}")
        assert await names(source, owner) == []
        [row] = await make(source, owner, {"Name, first": "own"})
        assert await names(source, owner) == ["own"]
        assert await source.count(owner, None, soon()) == 1
        assert await source.get(mine.key, owner, soon()) is None
        for call in (
            source.update([Change(mine.key, {"Name, first": "taken"})], owner, soon()),
            source.delete([(mine.key, None)], owner, soon()),
        ):
            with pytest.raises(NotFound):
                await call
        assert [outcome.error for outcome in await source.delete([(row.key, None)], owner, soon())] == [None]
    assert await names(source, ana) == ["mine"]


async def test_a_batch_above_a_request_is_made_changed_and_deleted(source: NocodbSource, ana: Owner) -> None:
    """250 rows go in three requests, in their order, and page by key and by another column alike."""
    given: list[dict[str, Cell]] = [{"N": at, "Name, first": f"n{at}"} for at in range(250)]
    rows = await make(source, ana, *given)
    assert await names(source, ana) == [f"n{at}" for at in range(250)]
    after: Key = ()
    seen: list[Row] = []
    while page := await source.fetch(Query(ana, order=(Sort("N", descending=True),), after=after, limit=90), soon()):
        seen += page
        after = page[-1].cursor
    assert [row.key for row in seen] == [row.key for row in reversed(rows)]
    changed = await source.update([Change(row.key, {"N": 7}) for row in rows], ana, soon())
    assert [outcome.error for outcome in changed] == [None] * 250
    assert await source.count(ana, Comparison("N", Op.EQ, (7,)), soon()) == 250
    gone = await source.delete([(row.key, None) for row in rows], ana, soon())
    assert [outcome.error for outcome in gone] == [None] * 250
    assert await source.count(ana, None, soon()) == 0


async def test_a_long_list_of_values_is_answered(source: NocodbSource, ana: Owner) -> None:
    """1,000 values of a comparison, more than a URL carries, find what few would."""
    await make(source, ana, {"Name, first": "one"}, {"Name, first": "other"})
    values = tuple(f"a text of some length, {at}" for at in range(999))
    assert await names(source, ana, Comparison("Name, first", Op.IN, ("one", *values))) == ["one"]


async def test_a_guard_refuses_before_anything_is_changed(source: NocodbSource, ana: Owner) -> None:
    """What a guard raises for one row leaves all rows as they were."""
    one, two = await make(source, ana, {"Name, first": "one"}, {"Name, first": "two"})

    def refuse(row: Row) -> None:
        raise AlreadyExists(Text("no", "não"))

    for call in (
        source.update([Change(one.key, {"Name, first": "x"}), Change(two.key, {"N": 1}, refuse)], ana, soon()),
        source.delete([(one.key, None), (two.key, refuse)], ana, soon()),
    ):
        with pytest.raises(AlreadyExists):
            await call
    assert await names(source, ana) == ["one", "two"]


async def test_another_base_is_not_looked_into(place: Nocodb) -> None:
    """A table of another base than the connection's is not there, and its own base lists it."""
    other = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(
        Nocodb(place.host, "pother0000000000", place.table_id, secret=place.secret)
    )
    with pytest.raises(QueryFailed):
        await other.describe(soon())
    with pytest.raises(QueryFailed):
        await other.tables(("", ""), 10, soon())
    await other.close()
    own = NocodbEngine(AddressGuard(["127.0.0.1"]), SECONDS).open(place)
    found = await own.tables(("", ""), 10, soon())
    assert [(table.name, table.title) for table in found.tables] == [(place.table_id, "People")]
    assert not (await own.tables(("", place.table_id), 10, soon())).tables
    await own.close()
