"""Airtable as a source, beyond what the contract suite asks of every engine.

All of it runs against a fake, which encodes our reading of Airtable's documents: it proves nothing of Airtable itself.
"""

from contextlib import aclosing
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.fakes.airtable import FakeAirtable, FakeField, FakeTable
from tests.fakes.http_server import Answer
from tests.integration.sources.airtable import ANA, BASE, Open, cells, fake, opened, people, soon
from wuzapi_manager_server.domain.filter import And, Comparison, Not, Op, Or
from wuzapi_manager_server.domain.table import Cell, ColumnType, JsonDocument, Owner, Row
from wuzapi_manager_server.errors import (
    NotFound,
    QueryFailed,
)
from wuzapi_manager_server.sources.base import Change, Query, Sort, Where

__all__ = ["fake", "opened", "people"]


async def test_a_table_without_a_number_has_its_record_ids_as_keys(people: FakeTable, opened: Open) -> None:
    """Keys are Airtable's own ids; lists are in their order, page by them, and hold the owner's rows alone."""
    source = opened(people)
    table = await source.describe(soon())
    assert table.primary_key == ("record_id",)
    assert [(column.name, column.type, column.read_only) for column in table.columns] == [
        ("record_id", ColumnType.TEXT, True),
        ("name", ColumnType.TEXT, False),
        ("owner", ColumnType.TEXT, False),
        ("age", ColumnType.INTEGER, False),
    ]
    assert (table.capabilities.key_paging, table.capabilities.exact_numbers) == (False, False)
    expected = sorted(each for each, held in people.records.items() if held["owner"] == "token-of-ana")
    seen: list[Cell] = []
    after: tuple[object, ...] = ()
    while True:
        rows = await source.fetch(Query(ANA, after=after, limit=40), soon())  # type: ignore[arg-type]  # a cursor
        seen += cells(rows, 0)
        if len(rows) < 40:
            break
        after = rows[-1].cursor
    assert seen == expected
    assert await source.count(ANA, None, soon()) == 125
    row = await source.get((expected[3],), ANA, soon())
    assert row is not None
    assert row.key == (expected[3],)
    for strange in ("rec", "x", "recAAAAAAAAAAAAAA", "rec'OR(1=1)OR'aaa", "1", ""):
        assert await source.get((strange,), ANA, soon()) is None


async def test_a_field_that_is_called_record_id_is_left_alone(fake: FakeAirtable, opened: Open) -> None:
    """The key's own column takes another name then."""
    table = fake.make(BASE, "T", [FakeField("record_id")])
    table.put({"record_id": "mine"})
    source = opened(table)
    described = await source.describe(soon())
    assert described.primary_key == ("record_id_",)
    assert (await source.fetch(Query(None, limit=5), soon()))[0].cells[1] == "mine"


WHERES: list[Where] = [
    Comparison("age", Op.LT, (5,)),
    Comparison("age", Op.BETWEEN, (10, 20)),
    Comparison("age", Op.NE, (3,)),
    Not(Comparison("age", Op.LT, (200,))),
    Or((Comparison("name", Op.EQ, ("n1",)), Comparison("age", Op.IN, (7, 9, 11)))),
    And((Comparison("name", Op.IN, ("n1", "n3")), Not(Comparison("name", Op.EQ, ("n3",))))),
    Or((Comparison("name", Op.CONTAINS, ("N5",)), Comparison("age", Op.EQ, (1,)))),
    Comparison("name", Op.EQ, ("N1",)),
    Comparison("age", Op.IS_NULL),
]


@pytest.mark.parametrize("where", WHERES, ids=str)
@pytest.mark.parametrize("owner", [ANA, None])
async def test_a_formula_keeps_no_wanted_record_back(
    fake: FakeAirtable, people: FakeTable, opened: Open, where: Where, owner: Owner | None
) -> None:
    """What a filter finds is what it finds where Airtable is told nothing of it."""
    source = opened(people)
    found = await source.fetch(Query(owner, where, limit=1000), soon())
    table = await source.describe(soon())
    everything = await source.fetch(Query(None, limit=1000), soon())
    from wuzapi_manager_server.sources.airtable_match import is_owned, matches  # noqa: PLC0415 - the model is the product's

    assert cells(found, 0) == [r.cells[0] for r in everything if is_owned(r, owner, table) and matches(r, where, table)]
    assert await source.count(owner, where, soon()) == len(found)
    assert all(request.method == "POST" and "token" not in request.path for request in fake.requests[1:])


HOSTILE = [
    "'",
    "\\",
    "\\'",
    "') ,TRUE()",
    "' & '",
    "x'),OR(1=1",
    "}",
    "{owner}",
    '"',
    "\\\\'),NOT(''",
    "a\nb",
    "a\0b",
    "\u2028",
    "TOKEN-OF-ANA",
    "%",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_hostile_values_widen_nothing(people: FakeTable, opened: Open, value: str) -> None:
    """A link value or a filter's value that is a formula finds its own rows alone, and never an error."""
    mine = people.put({"name": value, "owner": value, "age": 1000})
    source = opened(people)
    assert cells(await source.fetch(Query(Owner("owner", value), limit=1000), soon()), 0) == [mine]
    assert await source.count(Owner("owner", value), None, soon()) == 1
    assert await source.count(None, Comparison("name", Op.EQ, (value,)), soon()) == 1
    assert await source.count(ANA, Comparison("name", Op.IN, (value, "nothing")), soon()) == 0


@pytest.mark.parametrize("name", ["a}b", "a}b}c", "a{b", "a'b", "a\\b", "{x}),OR(1=1", "a\nb", "café & 'x'"])
async def test_hostile_field_names_widen_nothing(fake: FakeAirtable, opened: Open, name: str) -> None:
    """A name that a formula cannot hold is compared here alone, with the same result."""
    table = fake.make(BASE, "T", [FakeField(name), FakeField("n", "number", {"precision": 0})])
    for at in range(10):
        table.put({name: "mine" if at < 3 else "other", "n": at})
    source = opened(table)
    assert await source.count(Owner(name, "mine"), None, soon()) == 3
    assert await source.count(Owner(name, "mine"), Comparison(name, Op.EQ, ("mine",)), soon()) == 3


async def test_an_unescaped_value_would_be_noticed(
    people: FakeTable, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the escaping fails, Airtable answers too much and no row of another leaves."""
    monkeypatch.setattr("wuzapi_manager_server.sources.airtable_formula.text", lambda value: f"'{value}'")
    source = opened(people)
    attack = Owner("owner", "x')=EXACT('a','b")
    assert await source.fetch(Query(attack, limit=1000), soon()) == []


async def test_types_are_told_and_travel(fake: FakeAirtable, opened: Open) -> None:
    """Fields of every kind become columns of their type; what is left out is null, or false in a checkbox."""
    kinds = {
        "text": (FakeField("text", "richText"), ColumnType.TEXT, "a *b*"),
        "choice": (FakeField("choice", "singleSelect", {"choices": [{"name": "x"}]}), ColumnType.TEXT, "x"),
        "choices": (FakeField("choices", "multipleSelects"), ColumnType.ARRAY, ["x", "y"]),
        "links": (FakeField("links", "multipleRecordLinks"), ColumnType.ARRAY, ["recAAAAAAAAAAAAAA"]),
        "whole": (FakeField("whole", "number", {"precision": 0}), ColumnType.INTEGER, 7),
        "part": (FakeField("part", "number", {"precision": 2}), ColumnType.FLOAT, 7.25),
        "share": (FakeField("share", "percent", {"precision": 0}), ColumnType.FLOAT, 0.5),
        "stars": (FakeField("stars", "rating"), ColumnType.INTEGER, 3),
        "done": (FakeField("done", "checkbox"), ColumnType.BOOLEAN, True),
        "day": (FakeField("day", "date"), ColumnType.DATE, date(2026, 2, 28)),
        "at": (FakeField("at", "dateTime"), ColumnType.TIMESTAMP_TZ, datetime(2026, 2, 28, 13, 5, 0, 250_000, UTC)),
        "span": (FakeField("span", "duration"), ColumnType.DURATION, timedelta(minutes=90, milliseconds=500)),
    }  # fmt: skip
    made = [field for field, _, _ in kinds.values()]
    made += [
        FakeField("sum", "formula", {"result": {"type": "number", "options": {"precision": 1}}}),
        FakeField("files", "multipleAttachments"),
        FakeField("new", "someFutureType"),
    ]
    table = fake.make(BASE, "T", made)
    source = opened(table)
    values: dict[str, Cell] = {name: value for name, (_, _, value) in kinds.items()}  # type: ignore[misc]  # cells
    outcome = (await source.insert([values], None, soon()))[0]
    assert outcome.error is None
    assert outcome.row is not None
    described = await source.describe(soon())
    for name, (_, kind, value) in kinds.items():
        column = described.column(name)
        assert column is not None
        assert (column.type, column.read_only) == (kind, False)
        assert outcome.row.cells[described.index[name]] == value
    assert {c.name for c in described.columns if c.read_only} == {"record_id", "sum", "files", "new"}
    empty = (await source.insert([{}], None, soon()))[0].row
    assert empty is not None
    assert empty.cells[1:] == tuple(False if column.name == "done" else None for column in described.columns[1:])
    identifier = table.put({"sum": {"error": "#ERROR!"}, "files": [{"id": "att1"}], "new": {"a": 1}})
    row = await source.get((identifier,), None, soon())
    assert row is not None
    assert row.cells[-3:] == (
        JsonDocument({"error": "#ERROR!"}),
        JsonDocument([{"id": "att1"}]),
        JsonDocument({"a": 1}),
    )
    await source.fetch(Query(None, order=(Sort("sum", descending=True),), limit=10), soon())
    for name, value in (("text", ""), ("choices", []), ("whole", 2**53), ("part", float("inf")), ("done", None)):
        with pytest.raises(QueryFailed) as caught:
            await source.insert([{name: value}], None, soon())
        assert repr(name) in caught.value.text.en


async def test_batches_go_ten_at_a_time_and_each_record_has_its_outcome(
    people: FakeTable, fake: FakeAirtable, opened: Open
) -> None:
    """One bad record of 25 is refused alone, the others are made in order, and updates and deletes follow."""
    people.fields[0].options = {"choices": [{"name": f"m{at}"} for at in range(25) if at != 13]}
    source = opened(people)
    outcomes = await source.insert([{"name": f"m{at}", "owner": "token-of-ana"} for at in range(25)], ANA, soon())
    assert [at for at, outcome in enumerate(outcomes) if outcome.error] == [13]
    assert isinstance(outcomes[13].error, QueryFailed)
    rows = [outcome.row for outcome in outcomes if outcome.row]
    assert [row.cells[1] for row in rows] == [f"m{at}" for at in range(25) if at != 13]
    writes = [request for request in fake.requests if request.method == "POST" and "listRecords" not in request.path]
    assert len(writes) == 3 + 10
    updated = await source.update([Change(row.key, {"age": 5}) for row in rows], ANA, soon())
    assert [outcome.row.cells[3] for outcome in updated if outcome.row] == [5] * 24
    assert all(outcome.error is None for outcome in await source.delete([(row.key, None) for row in rows], ANA, soon()))
    assert len(people.records) == 250
    assert max(request.path.count("records%5B%5D=") for request in fake.requests) == 10


async def test_nothing_is_written_where_one_of_many_is_not_there(people: FakeTable, opened: Open) -> None:
    """Rows of others and of nobody refuse the whole batch, with the place of the first, before anything is written."""
    source = opened(people)
    other, mine, *_ = people.records
    with pytest.raises(NotFound) as caught:
        await source.update([Change((mine,), {"age": 1}), Change((other,), {"age": 1})], ANA, soon())
    assert caught.value.metadata == {"index": "1"}
    with pytest.raises(NotFound):
        await source.delete([((mine,), None), ((other,), None)], ANA, soon())
    assert people.records[mine]["age"] == 1
    assert "age" not in people.records[other]


async def test_a_link_field_that_keeps_another_value_is_refused_before_it_is_written(
    fake: FakeAirtable, opened: Open
) -> None:
    """A number field that would hold another text than the owner's makes no row."""
    table = fake.make(BASE, "T", [FakeField("n", "number", {"precision": 0})])
    source = opened(table)
    with pytest.raises(QueryFailed):
        await source.insert([{"n": 42}], Owner("n", "042"), soon())
    assert not table.records
    assert (await source.insert([{"n": 42}], Owner("n", "42"), soon()))[0].row is not None


async def test_a_stream_has_all_rows_once(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """Exports hold every own row in the order of keys, with and without an autoNumber, behind any cursor."""
    numbered = fake.make(BASE, "N", [FakeField("id", "autoNumber"), FakeField("owner")])
    for at in range(450):
        numbered.put({"owner": "token-of-ana" if at % 3 else "other"})
    for table, count in ((people, 125), (numbered, 300)):
        source = opened(table)
        rows: list[Row] = []
        async with aclosing(source.stream(Query(ANA), soon)) as lists:
            async for each in lists:
                rows += each
        assert len(rows) == count
        assert [row.key for row in rows] == sorted(row.key for row in rows)
        async with aclosing(source.stream(Query(ANA, after=rows[60].cursor), soon)) as lists:
            rest = [row async for each in lists for row in each]
        assert [row.key for row in rest] == [row.key for row in rows[61:]]


async def test_a_page_by_number_costs_the_same_wherever_it_is(fake: FakeAirtable, opened: Open) -> None:
    """With an autoNumber the last page asks Airtable as often as the first: once."""
    table = fake.make(BASE, "N", [FakeField("id", "autoNumber"), FakeField("owner")])
    for _ in range(3000):
        table.put({"owner": "token-of-ana"})
    source = opened(table)
    await source.describe(soon())
    for after in ((), (1500,), (2950,)):
        before = len(fake.requests)
        rows = await source.fetch(Query(ANA, after=after, limit=50), soon())
        assert len(fake.requests) == before + 1
        assert rows[-1].key == ((after or (0,))[0] + 50,)


async def test_more_than_can_be_read_is_refused(
    fake: FakeAirtable, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list or count that would have to read too many records says so, and what helps."""
    monkeypatch.setattr("wuzapi_manager_server.sources.airtable.MAX_SCANNED", 200)
    table = fake.make(BASE, "T", [FakeField("name")])
    for at in range(301):
        table.put({"name": f"n{at}"})
    source = opened(table)
    for call in (source.fetch(Query(None, limit=5), soon()), source.count(None, None, soon())):
        with pytest.raises(QueryFailed) as caught:
            await call
        assert caught.value.suggestion
    assert await source.count(None, Comparison("name", Op.EQ, ("n3",)), soon()) == 1


async def test_a_list_whose_place_is_forgotten_begins_again(
    people: FakeTable, fake: FakeAirtable, opened: Open
) -> None:
    """An expired offset costs a second reading and no row."""
    source = opened(people)
    await source.describe(soon())
    good = fake.answer

    def once(request: object) -> Answer:
        if b'"offset"' in fake.requests[-1].body and len([r for r in fake.requests if b'"offset"' in r.body]) == 1:
            return Answer(422, b'{"error": {"type": "LIST_RECORDS_ITERATOR_NOT_AVAILABLE", "message": "m"}}')
        return good(request)  # type: ignore[arg-type]  # the request as it came

    fake.answer = once  # type: ignore[method-assign]  # for this test alone
    assert len(await source.fetch(Query(ANA, limit=1000), soon())) == 125
