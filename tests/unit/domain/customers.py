"""A table of customers, as the tests of fields see it."""

import pytest

from tests.unit.domain.tables import column, shared_fields, table
from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.table import ColumnType
from wuzapi_manager_server.errors import InvalidInput

ANA = User("u1", "Ana", "551199@s.whatsapp.net", "ana-token")
ID = column(ColumnType.INTEGER, "id", primary_key=True, has_default=True)
NAME = column(ColumnType.TEXT, "name")
AGE = column(ColumnType.INTEGER, "age")
PAPERS = column(ColumnType.JSON, "papers")
OWNER = column(ColumnType.TEXT, "owner")
TABLE = table(ID, NAME, AGE, PAPERS, OWNER)
OPEN = shared_fields(ID, NAME, AGE, PAPERS)


def names(fields: Fields) -> list[str]:
    return [field.name for field in fields.all]


def writable(fields: Fields) -> list[str]:
    return [field.name for field in fields.all if field.writable]


def complaints(error: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [violation.field for violation in error.value.violations]
