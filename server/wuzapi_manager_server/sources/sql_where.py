"""Filters and the row scope as conditions."""

import sqlalchemy as sa

from wuzapi_manager_server.domain.filter import And, Comparison, Not, Or
from wuzapi_manager_server.domain.table import Owner
from wuzapi_manager_server.errors import Code, QueryFailed, Text
from wuzapi_manager_server.sources.base import Where
from wuzapi_manager_server.sources.sql_table import Condition, SqlTable

MOST_VALUES = 50_000
"""Values in one filter: engines bound the parameters of a statement (SQLite 250,000, PostgreSQL 65,535)."""


def scope(table: SqlTable, owner: Owner | None, where: Where | None) -> list[Condition]:
    """The conditions, all of which a row must meet: it is the owner's and matches."""
    conditions: list[Condition] = []
    if owner is not None:
        conditions.append(table.owned(owner))
    if where is not None:
        if _values(where) > MOST_VALUES:
            raise QueryFailed(
                Text("The filter holds too many values", "O filtro contém valores demais"), code=Code.INVALID_ARGUMENT
            )
        conditions.append(_condition(table, where))
    return conditions


def _condition(table: SqlTable, where: Where) -> Condition:
    match where:
        case Comparison(name, op, values):
            return table.column(name).compare(op, values)
        case And(parts):
            return sa.and_(sa.true(), *(_condition(table, part) for part in parts))
        case Or(parts):
            return sa.or_(sa.false(), *(_condition(table, part) for part in parts))
        case Not(part):
            # Where null leaves the part unknown it does not hold, and so its negation does.
            return sa.not_(sa.func.coalesce(_condition(table, part), sa.false()))


def _values(where: Where) -> int:
    match where:
        case Comparison(_, _, values):
            return len(values)
        case And(parts) | Or(parts):
            return sum(_values(part) for part in parts)
        case Not(part):
            return _values(part)
