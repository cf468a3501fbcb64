"""Records of Airtable by their keys: many, large ones, and keys whose field has an odd name."""

import pytest

from tests.fakes.airtable import FakeAirtable, FakeField
from tests.integration.sources.airtable import ANA, BASE, Open, fake, opened, soon
from wuzapi_manager_server.sources.base import Change, Query

__all__ = ["fake", "opened"]


async def test_large_records_are_all_found(fake: FakeAirtable, opened: Open) -> None:
    """Where an answer has fewer records than were asked for, the others are in the next."""
    table = fake.make(BASE, "T", [FakeField("owner"), FakeField("text"), FakeField("n", "number", {"precision": 0})])
    keys = [(table.put({"owner": "token-of-ana", "text": "x" * 900_000}),) for _ in range(25)]
    source = opened(table)
    changed = await source.update([Change(key, {"n": 1}) for key in keys], ANA, soon())
    assert [outcome.row.key for outcome in changed if outcome.row] == keys
    assert {record["n"] for record in table.records.values()} == {1}
    assert all(outcome.error is None for outcome in await source.delete([(key, None) for key in keys], ANA, soon()))
    assert not table.records


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["No {1}"], "record_id"),
        (["a\\b"], "record_id"),
        (["x" * 1_001], "record_id"),
        (["No {1}", "number"], "number"),
        (["x" * 1_000], "x" * 1_000),
        (["No. 1'"], "No. 1'"),
    ],
)
async def test_records_are_found_whatever_their_numbers_are_called(
    fake: FakeAirtable, opened: Open, names: list[str], key: str
) -> None:
    """An autoNumber that a formula can name is the key, however long its name; otherwise the record's own id is."""
    table = fake.make(
        BASE, "T", [*(FakeField(name, "autoNumber") for name in names), FakeField("owner"), FakeField("text")]
    )
    for at in range(120):
        table.put({"owner": "token-of-ana" if at else "other", "text": f"t{at}"})
    source = opened(table)
    assert (await source.describe(soon())).primary_key == (key,)
    rows = await source.fetch(Query(ANA, limit=200), soon())
    assert len(rows) == 119
    found = await source.get(rows[5].key, ANA, soon())
    assert found is not None
    assert found.cells == rows[5].cells
    changed = await source.update([Change(row.key, {"text": "new"}) for row in rows], ANA, soon())
    assert [outcome.row.key for outcome in changed if outcome.row] == [row.key for row in rows]
    gone = await source.delete([(row.key, None) for row in rows], ANA, soon())
    assert [outcome.error for outcome in gone] == [None] * 119
    assert [record["text"] for record in table.records.values()] == ["t0"]
    formulas = [request.body for request in fake.requests if b"filterByFormula" in request.body]
    assert max(map(len, formulas)) < 16_000


async def test_a_small_page_of_an_owner_whom_no_formula_finds_is_no_request_a_record(
    fake: FakeAirtable, opened: Open
) -> None:
    """Where Airtable cannot be told whose rows are wanted, 100 are looked at once; where it can, as many as wanted."""
    for name, expected in (("own{er", 3), ("owner", 1)):
        table = fake.make(BASE, "T", [FakeField("id", "autoNumber"), FakeField(name)])
        for at in range(250):
            table.put({name: "other" if at < 240 else "token-of-ana"})
        source = opened(table)
        await source.describe(soon())
        before = len(fake.requests)
        rows = await source.fetch(Query(ANA._replace(column=name), limit=2), soon())
        assert [row.key for row in rows] == [(241,), (242,)]
        assert len(fake.requests) - before == expected
