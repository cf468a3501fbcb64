"""What is kept of statements."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from wuzapi_manager_server.sources.sql_statements import MOST, MOST_VALUES, Statements


@pytest.fixture
def kept() -> Statements:
    return Statements()


@pytest.fixture
def connection(kept: Statements) -> Iterator[sa.Connection]:
    with sa.create_engine("sqlite://", execution_options={"compiled_cache": kept}).connect() as connected:
        yield connected


def test_long_statements_are_made_anew_each_time(connection: sa.Connection, kept: Statements) -> None:
    """Hardly two are alike, and each takes hundreds of kilobytes."""
    for count in (1, MOST_VALUES, MOST_VALUES + 1, 500):
        for first in (0, 1):
            found = connection.execute(
                sa.select(*(sa.literal(at).label(f"c{at}") for at in range(first, count + first)))
            )
            assert found.one() == tuple(range(first, count + first))
    assert {len(compiled.bind_names) for compiled in kept.values()} == {1, MOST_VALUES}  # type: ignore[attr-defined]  # of SQL all of them are


def test_they_are_few(connection: sa.Connection, kept: Statements) -> None:
    """Some are made anew where there would be too many."""
    for at in range(MOST + 10):
        connection.execute(sa.select(sa.literal(1).label(f"c{at}")))
    assert 0 < len(kept) <= MOST
