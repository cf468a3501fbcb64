"""A source of records that keeps its rows in memory."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace

from tests.unit.domain.tables import column, table
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, ColumnType, Key, Owner, Row, SourceTables, Step, Table
from wuzapi_manager_server.errors import (
    AlreadyExists,
    ConnectionFailed,
    QueryFailed,
    ServiceError,
    Text,
    record_not_found,
)
from wuzapi_manager_server.sources.base import Change, Guard, Outcome, Query, Where

COLUMNS = (
    column(ColumnType.INTEGER, "id", primary_key=True, has_default=True),
    column(ColumnType.TEXT, "name", nullable=False),
    column(ColumnType.INTEGER, "age"),
    column(ColumnType.TEXT, "owner"),
)


class MemorySource:
    """A table of `id`, `name` (unique), `age` (never 13) and `owner`.

    With transactions an insert makes all rows or raises; without, each goes for itself. `broken` is raised by every
    insert instead of anything else. It orders by the key alone, and knows no conditions.
    """

    def __init__(self, *, transactions: bool = True, read_only: Text | None = None) -> None:
        described = table(*COLUMNS, read_only=read_only)
        self.table = replace(described, capabilities=replace(described.capabilities, transactions=transactions))
        self.rows: dict[int, dict[str, Cell]] = {}
        self.broken: Exception | None = None
        self.inserts: list[int] = []

    def names(self) -> list[Cell]:
        return [row["name"] for row in self.rows.values()]

    async def describe(self, deadline: Deadline, *, anew: bool = False) -> Table:  # noqa: ARG002 - it always is
        deadline.cap(1)
        return self.table

    async def fetch(self, query: Query, deadline: Deadline) -> list[Row]:
        self._look(deadline, query.table)
        after = _number(query.after) if query.after else 0
        rows = [self._row(key) for key in sorted(self.rows) if key > after and self._is_of(key, query.owner)]
        return rows[query.offset :][: query.limit]

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[list[Row]]:
        for row in await self.fetch(query, deadline()):
            yield [row]

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        return len(await self.fetch(Query(owner, where), deadline))

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline, *, table: Table | None = None) -> Row | None:
        self._look(deadline, table)
        return self._row(_number(key)) if self._is_of(_number(key), owner) else None

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        deadline: Deadline,
        *,
        table: Table | None = None,
        stop: bool = False,
    ) -> list[Outcome]:
        self._look(deadline, table)
        self.inserts.append(len(rows))
        if self.broken:
            raise self.broken
        before = dict(self.rows)
        outcomes: list[Outcome] = []
        for values in rows:
            if stop and outcomes and outcomes[-1].error is not None:
                outcomes.append(Outcome(None, ConnectionFailed(Text("not tried", "não tentado"))))
                continue
            refusal = self._refusal(values, owner)
            if refusal and self.table.capabilities.transactions:
                self.rows = before
                raise refusal
            outcomes.append(Outcome(None, refusal) if refusal else Outcome(self._add(values)))
        return outcomes

    async def update(
        self, changes: Sequence[Change], owner: Owner | None, deadline: Deadline, *, table: Table | None = None
    ) -> list[Outcome]:
        self._look(deadline, table)
        outcomes = []
        for change in changes:
            row = await self._there(change.key, owner, deadline, change.guard)
            self.rows[row].update(change.values)
            outcomes.append(Outcome(self._row(row)))
        return outcomes

    async def delete(
        self, keys: Sequence[tuple[Key, Guard | None]], owner: Owner | None, deadline: Deadline
    ) -> list[Outcome]:
        for key, guard in keys:
            del self.rows[await self._there(key, owner, deadline, guard)]
        return [Outcome(None) for _ in keys]

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        return [Step("connect", ok=True, duration=deadline.cap(0), message=Text(user_link_field, user_link_field))]

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        deadline.cap(1)
        return SourceTables((self.table,) if after < ("", self.table.name) and limit else ())

    async def close(self) -> None:
        self.rows.clear()

    def _add(self, values: Mapping[str, Cell]) -> Row:
        key = len(self.rows) + 1
        self.rows[key] = {"id": key, "name": None, "age": None, "owner": None, **values}
        return self._row(key)

    def _row(self, key: int) -> Row:
        return Row((key,), (key,), tuple(self.rows[key][column.name] for column in COLUMNS))

    def _is_of(self, key: int, owner: Owner | None) -> bool:
        return key in self.rows and (owner is None or self.rows[key][owner.column] == owner.value)

    def _refusal(self, values: Mapping[str, Cell], owner: Owner | None) -> ServiceError | None:
        if owner is not None and values.get(owner.column) != owner.value:
            return QueryFailed(Text("not the owner's", "não é do dono"))
        if values["name"] in self.names():
            return AlreadyExists(Text("name is taken", "nome já existe"))
        return QueryFailed(Text("no age is 13", "idade inválida")) if values.get("age") == 13 else None

    async def _there(self, key: Key, owner: Owner | None, deadline: Deadline, guard: Guard | None) -> int:
        row = await self.get(key, owner, deadline)
        if row is None:
            raise record_not_found(0)
        if guard:
            guard(row)
        return _number(row.key)

    def _look(self, deadline: Deadline, table: Table | None) -> None:
        deadline.cap(1)
        if table not in (None, self.table):
            raise QueryFailed(Text("the table was altered", "a tabela foi alterada"))


def _number(key: Key) -> int:
    [number] = key
    assert isinstance(number, int)
    return number
