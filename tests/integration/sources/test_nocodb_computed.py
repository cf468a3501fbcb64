"""Columns that a real NocoDB computes: what each is computed from, and that none of them tells a token."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.sources.nocodb import SECONDS, made_table, opened
from tests.servers.nocodb_server import NocodbServer
from tests.unit.domain.tables import connection, fields_of
from wuzapi_manager_server.domain.caller import Admin, User
from wuzapi_manager_server.domain.connection import Nocodb, UserLinkValue
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Owner
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb import NocodbSource

ANA = User("u1", "Ana", "55@s.whatsapp.net", "ana-token")
TELLING = {"Whose", "Shout", "Louder", "Boss", "Chain", "Sum"}
"""Columns that tell tokens, in some way or other."""

HARMLESS = {"Names", "Greeting", "Count"}


@pytest.fixture(scope="module")
def place(nocodb_server: NocodbServer) -> Iterator[Nocodb]:
    """A table whose records are linked to each other, with columns computed from its own and from those of others."""
    kinds = {"Owner": "SingleLineText", "Name": "SingleLineText"}
    columns = [{"column_name": title, "title": title, "uidt": kind} for title, kind in kinds.items()]
    with made_table(nocodb_server, "Staff", columns) as made:
        table, ids = made.place.table_id, dict[str, str]()

        def add(title: str, kind: str, **options: object) -> None:
            made.post(f"meta/tables/{table}/columns", {"title": title, "uidt": kind, **options})
            found = made.client.get(f"/api/v2/meta/tables/{table}").json()["columns"]
            ids.update({column["title"]: column["id"] for column in found})

        add("Mates", "Links", parentId=table, childId=table, type="mm")
        add("Team", "Links", parentId=table, childId=table, type="hm")
        [chief] = [title for title in ids if title.startswith("Staff") and title != "Staffs"]
        mates = {"fk_relation_column_id": ids["Mates"]}
        add("Whose", "Lookup", **mates, fk_lookup_column_id=ids["Owner"])
        add("Names", "Lookup", **mates, fk_lookup_column_id=ids["Name"])
        add("Boss", "Lookup", **mates, fk_lookup_column_id=ids[chief])
        add("Shout", "Formula", formula_raw="CONCAT({Owner},'!')", formula="CONCAT({Owner},'!')")
        add("Louder", "Formula", formula_raw="CONCAT({Shout},'!')", formula="CONCAT({Shout},'!')")
        add("Greeting", "Formula", formula_raw="CONCAT('Hi ',{Name})", formula="CONCAT('Hi ',{Name})")
        add("Chain", "Lookup", **mates, fk_lookup_column_id=ids["Louder"])
        add("Sum", "Rollup", **mates, fk_rollup_column_id=ids["Owner"], rollup_function="countDistinct")
        add("Count", "Rollup", **mates, fk_rollup_column_id=ids["Id"], rollup_function="count")
        rows = [{"Owner": "ana-token", "Name": "Ana"}, {"Owner": "bob-token", "Name": "Bob"}]
        made.post(f"tables/{table}/records", rows)
        made.post(f"tables/{table}/links/{ids['Mates']}/records/1", [{"Id": 2}])
        made.post(f"tables/{table}/links/{ids['Team']}/records/1", [{"Id": 2}])
        yield made.place


@pytest.fixture
async def source(place: Nocodb) -> AsyncIterator[NocodbSource]:
    async with opened(place) as source:
        yield source


async def test_computed_columns_are_told_with_their_sources(source: NocodbSource) -> None:
    """Of formulas, lookups and rollups, by any number of steps; whole records of the same table may hold anything."""
    table = await source.describe(Deadline.after(SECONDS))
    told = {column.name: column.derived_from for column in table.columns if column.derived_from != frozenset()}
    assert told == {
        "Whose": {"Owner"},
        "Names": {"Name"},
        "Boss": None,
        "Shout": {"Owner"},
        "Louder": {"Shout", "Owner"},
        "Greeting": {"Name"},
        "Chain": {"Louder", "Shout", "Owner"},
        "Sum": {"Owner"},
        "Count": {"Id"},
    }


async def test_no_computed_column_shows_a_token(source: NocodbSource) -> None:
    """Where the link value is the token, what anybody is shown of rows holds none; of other links all is there."""
    table = await source.describe(Deadline.after(SECONDS))
    rows = await source.fetch(Query(Owner("Owner", "ana-token"), limit=10), Deadline.after(SECONDS))
    assert "bob-token" in str(rows)
    for shared in (False, True):
        tokens = connection(link="Owner", value=UserLinkValue.TOKEN, shared=shared)
        for caller in (ANA, Admin()):
            fields = fields_of(table, tokens, caller)
            assert "token" not in str([row.cells[place] for row in rows for place in fields.places(fields.all)])
            assert fields.by_name.keys() & {*TELLING, *HARMLESS} == HARMLESS
    fields = fields_of(table, connection(link="Owner", value=UserLinkValue.USER_ID), ANA)
    assert fields.by_name.keys() >= {*TELLING, *HARMLESS}
