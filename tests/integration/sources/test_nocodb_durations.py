"""Durations of a real NocoDB, which takes no number for them in a new row."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal

import pytest

from tests.integration.sources.nocodb import SECONDS, made_table, opened
from tests.servers.nocodb_server import NocodbServer
from wuzapi_manager_server.domain.connection import Nocodb
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Owner
from wuzapi_manager_server.sources.base import Query
from wuzapi_manager_server.sources.nocodb import NocodbSource

ANA = Owner("Owner", "ana")


@pytest.fixture(scope="module", params=[0, 1, 2])
def place(nocodb_server: NocodbServer, request: pytest.FixtureRequest) -> Iterator[Nocodb]:
    """A table with a duration that is shown as h:mm, h:mm:ss or h:mm:ss.s."""
    columns: list[dict[str, object]] = [
        {"column_name": "id", "title": "Id", "uidt": "ID"},
        {"column_name": "owner", "title": "Owner", "uidt": "SingleLineText"},
        {"column_name": "took", "title": "Took", "uidt": "Duration", "meta": {"duration": request.param}},
        {"column_name": "n", "title": "N", "uidt": "Number"},
    ]
    with made_table(nocodb_server, "Durations", columns) as made:
        yield made.place


@pytest.fixture
async def source(place: Nocodb) -> AsyncIterator[NocodbSource]:
    async with opened(place) as source:
        yield source


async def test_new_rows_have_their_durations(source: NocodbSource) -> None:
    """Zero, a fraction, none at all and more than a day, alone and many at once."""
    given: list[Cell] = [Decimal(0), Decimal("90.5"), None, Decimal(219_660), Decimal(3661)]
    rows = [{"Owner": ANA.value, "Took": took, "N": at} for at, took in enumerate(given)]
    outcomes = await source.insert(rows[1:], ANA, Deadline.after(SECONDS))
    outcomes = [*await source.insert(rows[:1], ANA, Deadline.after(SECONDS)), *outcomes]
    assert [outcome.error for outcome in outcomes] == [None] * len(rows)
    place = (await source.describe(Deadline.after(SECONDS))).index["Took"]
    assert [outcome.row.cells[place] for outcome in outcomes if outcome.row] == given
    kept = await source.fetch(Query(ANA, limit=100), Deadline.after(SECONDS))
    assert [row.cells[place] for row in kept] == given[1:] + given[:1]
