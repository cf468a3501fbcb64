"""Moments at the ends of the calendar, which have no year in UTC."""

from datetime import datetime, timedelta, timezone

import pytest

from wuzapi_manager_server.domain.table import Cell, Column, ColumnType
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.sources import airtable_values, nocodb_values

EARLY = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
LATE = datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=1)))
COLUMN = Column("at", ColumnType.TIMESTAMP_TZ, "dateTime")


@pytest.mark.parametrize("moment", [EARLY, LATE])
def test_a_moment_that_has_no_year_in_utc_is_refused(moment: Cell) -> None:
    """It is the caller's fault, for NocoDB and for Airtable."""
    with pytest.raises(QueryFailed) as refused:
        nocodb_values.to_value(moment, COLUMN)
    assert refused.value.code is Code.INVALID_ARGUMENT
    with pytest.raises(QueryFailed) as refused:
        airtable_values.from_cell(moment, COLUMN)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("moment", [EARLY, LATE])
def test_such_a_moment_of_a_source_stays_text(moment: datetime) -> None:
    """It is read as it is."""
    text = moment.isoformat()
    assert nocodb_values.to_cell(text, COLUMN) == text
    assert airtable_values.to_cell(text, COLUMN) == text
