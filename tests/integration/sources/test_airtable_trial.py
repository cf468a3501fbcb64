"""The test of a connection to Airtable, and what its base tells."""

from collections.abc import Mapping

import pytest

from tests.fakes.airtable import FakeAirtable, FakeField, FakeTable
from tests.integration.sources.airtable import ANA, BASE, Open, fake, opened, people, soon
from wuzapi_manager_server.domain.table import Fault

__all__ = ["fake", "opened", "people"]


CASES: Mapping[str, tuple[str, bool]] = {
    "resolve": ("resolve", False),
    "connect": ("connect", False),
    "authenticate": ("authenticate", False),
    "scope": ("authenticate", False),
    "table": ("table", False),
    "user_link_field": ("user_link_field", False),
    "good": ("read", True),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_test_ends_at_the_layer_that_fails(
    people: FakeTable, fake: FakeAirtable, opened: Open, case: str
) -> None:
    """Each fault is found at its own step, with advice."""
    fake.tokens["weak"] = frozenset({"data.records:read"})
    last, ok = CASES[case]
    missing = FakeTable("tblMissing0000000", "gone", [])
    source = {
        "resolve": lambda: opened(people, url="http://10.0.0.1"),
        "connect": lambda: opened(people, url="http://127.0.0.1:9"),
        "authenticate": lambda: opened(people, token="wrong"),
        "scope": lambda: opened(people, token="weak"),
        "table": lambda: opened(missing),
    }.get(case, lambda: opened(people))()
    steps = await source.test("nothing" if case == "user_link_field" else "owner", soon())
    assert (steps[-1].name, steps[-1].ok) == (last, ok)
    assert all(step.ok for step in steps[:-1])
    assert all(step.message for step in steps)
    assert ok or steps[-1].suggestion
    if ok:
        names = ["resolve", "connect", "tls", "authenticate", "table", "columns", "user_link_field", "read"]
        assert [step.name for step in steps] == names


async def test_a_source_tells_its_tables_in_pages(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """Tables come by id, with what people call them as title."""
    for at in range(4):
        fake.make(BASE, f"Table {at}", [FakeField("name")])
    source = opened(people)
    first = await source.tables(("", ""), 3, soon())
    rest = await source.tables((first.tables[-1].schema, first.tables[-1].name), 3, soon())
    assert (len(first.tables), first.more, len(rest.tables), rest.more) == (3, True, 2, False)
    assert {table.title for table in (*first.tables, *rest.tables)} == {"People", *(f"Table {at}" for at in range(4))}


@pytest.mark.parametrize("identifier", ["..", ".", "", "a/b", "tbl é"])
async def test_a_table_whose_id_is_no_part_of_a_path_is_not_there(
    people: FakeTable, fake: FakeAirtable, opened: Open, identifier: str
) -> None:
    """What claims to be Airtable may call a table anything: it is not asked for, and a test says so at its step."""
    fake.bases[BASE][identifier] = FakeTable(identifier, "odd", [FakeField("owner", id="fldOwner")])
    last = (await opened(FakeTable("odd", "", [])).test("owner", soon()))[-1]
    assert (last.name, last.fault) == ("table", Fault.CONFIG)
    assert [table.title for table in (await opened(people).tables(("", ""), 9, soon())).tables] == ["People"]


async def test_a_table_may_be_named_by_its_name(people: FakeTable, fake: FakeAirtable, opened: Open) -> None:
    """A name finds the table; from then on it is asked for by its id."""
    source = opened(FakeTable("People", "", []))
    assert (await source.describe(soon())).name == people.id
    assert await source.count(ANA, None, soon()) == 125
