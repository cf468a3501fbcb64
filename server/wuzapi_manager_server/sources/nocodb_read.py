"""Reading rows of a NocoDB table: exactly those that match, in the order asked for, however NocoDB compares."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import cmp_to_key

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import And, Comparison, Not, Or
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import Json, Key, Owner, Row
from wuzapi_manager_server.errors import Code, NocodbError, QueryFailed, Text
from wuzapi_manager_server.sources.base import Query, Where
from wuzapi_manager_server.sources.matching import holds
from wuzapi_manager_server.sources.nocodb_api import Api, Gone, Refusal, TooLong, no_answer_of_nocodb, table_gone
from wuzapi_manager_server.sources.nocodb_ask import Ask
from wuzapi_manager_server.sources.nocodb_order import Order
from wuzapi_manager_server.sources.nocodb_place import Place
from wuzapi_manager_server.sources.nocodb_table import NocoTable
from wuzapi_manager_server.sources.nocodb_where import NoRow, conjuncts, joined, of_key, owned
from wuzapi_manager_server.upstreams.http import TooLarge

PAGE = 1_000
"""Rows that NocoDB gives at most in one answer."""

MAX_SORTED = 10_000
"""Rows that are read to give a page in an order other than the key's."""

_STREAMED = 500
_MAX_GROUP = 6_000


class Stale(Exception):
    """The table has other columns than it was described with."""


@dataclass(frozen=True)
class Reader:
    """Reads one table as it was described."""

    api: Api
    table: NocoTable

    async def page(self, query: Query, deadline: Deadline) -> list[Row]:
        """At most `query.limit` rows. Raises Stale."""
        limit = query.limit or PAGE
        order = Order(self.table, query.order)
        if order.by_key is None:
            return await self._sorted(query, order, limit, deadline)
        rows: list[Row] = []
        passed = 0
        lists = self.scan(query, lambda: deadline, first=limit + query.offset, down=order.by_key)
        async with aclosing(lists):
            async for found in lists:
                rows += found[max(0, query.offset - passed) :]
                passed += len(found)
                if len(rows) >= limit:
                    break
        return rows[:limit]

    async def scan(
        self,
        query: Query,
        deadline: Callable[[], Deadline],
        *,
        first: int = PAGE,
        down: bool = False,
        only: Sequence[str] = (),
    ) -> AsyncGenerator[list[Row]]:
        """All rows behind `query.after` that match, an answer's worth at a time, in the order of the key.

        `first` is how many are asked for at once, `down` the direction, `only` the columns to read (none: all).
        """
        try:
            conditions = [owned(self.table, query.owner), *conjuncts(self.table, query.where)]
        except NoRow:
            return
        ask = Ask(conditions, min(first, PAGE), down=down, only=only)
        place = Place(ask, self.table.keys, query.after)
        scope = RowScope(query.owner, must_stamp=False)
        while True:
            records, last = await self._records(ask, deadline())
            yield [
                row
                for row in place.behind(self.table.rows(records))
                if scope.admits(row, self.table.table) and holds(query.where, row, self.table.table)
            ]
            if last or not records:
                place.end()
                return
            place.advance()
            ask.size = PAGE if only else min(PAGE, max(ask.size, 100))

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline) -> Row | None:
        """The row of that key in the scope of the owner; none for null, which many may have. Raises Stale."""
        if None in key:
            return None
        scope = RowScope(owner, must_stamp=False)
        try:
            conditions = [of_key(self.table, key), owned(self.table, owner)]
        except NoRow:
            return None
        async with aclosing(self._matching(conditions, deadline)) as lists:
            async for rows in lists:
                for row in rows:
                    if row.key == key and scope.admits(row, self.table.table):
                        return row
        return None

    async def many(self, keys: Sequence[Key], owner: Owner | None, deadline: Deadline) -> dict[Key, Row]:
        """The rows of those keys in the scope of the owner, by key."""
        scope, found = RowScope(owner, must_stamp=False), dict[Key, Row]()
        wanted = {key for key in keys if None not in key}
        for where in _groups(self.table, sorted(wanted, key=repr)):
            async for rows in self._matching([where], deadline):
                found |= {row.key: row for row in rows if row.key in wanted and scope.admits(row, self.table.table)}
        return found

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        """How many rows match, exactly."""
        if owner is None and where is None:
            answer = await self._asked(self.api.read(("tables", self.table.table.name, "records", "count"), deadline))
            if not isinstance(found := answer.get("count"), int):
                raise table_gone(self.table.table.name)
            return found
        names = {*self.table.table.primary_key, *_named(where), *([owner.column] if owner else [])}
        total = 0
        async for rows in self.scan(Query(owner, where), lambda: deadline, only=sorted(names)):
            total += len(rows)
        return total

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[list[Row]]:
        """All rows, in the order of the key."""
        async for rows in self.scan(query, deadline, first=_STREAMED):
            if rows:
                yield rows

    async def _sorted(self, query: Query, order: Order, limit: int, deadline: Deadline) -> list[Row]:
        """A page in an order that NocoDB cannot be trusted with: every row that matches is looked at."""
        kept: list[Row] = []
        seen = 0
        after = order.place(query.after) if query.after else None
        room = limit + query.offset
        async with aclosing(self.scan(replace(query, after=()), lambda: deadline)) as lists:
            async for rows in lists:
                seen += len(rows)
                if seen > MAX_SORTED:
                    raise _too_many()
                kept += [row for row in map(order.cursor, rows) if after is None or order.compare(after, row) < 0]
                kept.sort(key=cmp_to_key(order.compare))
                del kept[room:]
        return kept[query.offset :]

    async def _matching(self, conditions: Sequence[str], deadline: Deadline) -> AsyncGenerator[list[Row]]:
        """Rows by conditions on their key, in answers as large as they may be."""
        ask = Ask(conditions, PAGE)
        while True:
            records, last = await self._records(ask, deadline)
            yield list(self.table.rows(records))
            ask.passed += len(records)
            if last or not records:
                return

    async def _records(self, ask: Ask, deadline: Deadline) -> tuple[list[dict[str, Json]], bool]:
        """The next records, and whether they are the last.

        Fewer where the answer would be too large, with fewer conditions where the URL is too long, and without them
        where they are refused; what is asked for next is asked for so too.
        """
        while True:
            params = [("limit", str(ask.size)), *([("offset", str(ask.passed))] if ask.passed else ())]
            params += [("sort", sort)] if (sort := self._sort(ask.down)) else []
            try:
                return await self._list(ask, params, deadline)
            except TooLarge:
                if ask.size == 1:
                    raise _too_large() from None
                ask.size = max(1, ask.size // 4)
            except TooLong:
                if not ask.fewer():
                    raise
            except (Stale, NocodbError):
                if not ask.none():  # the database behind NocoDB may refuse to compare so: every row is looked at here
                    raise

    async def _list(
        self, ask: Ask, params: Sequence[tuple[str, str]], deadline: Deadline
    ) -> tuple[list[dict[str, Json]], bool]:
        """Records as NocoDB gives them, and whether they are the last."""
        fields = ask.fields([self.table.by_name[name].id for name in ask.only])
        asked = [*params, *([("where", f"@{where}")] if (where := ask.where) else ()), *fields]
        name = self.table.table.name
        try:
            answer = await self._asked(self.api.read_page(("tables", name, "records"), deadline, asked))
        except Refusal as error:
            if error.what == "INVALID_OFFSET_VALUE":  # how NocoDB says that nothing is left
                return [], True
            raise Stale from None
        records, info = answer.get("list"), answer.get("pageInfo")
        if not isinstance(records, list) or not isinstance(info, dict):
            raise table_gone(name)
        found = [each for each in records if isinstance(each, dict)]
        if len(found) != len(records):
            raise no_answer_of_nocodb()
        if found and not fields and not self._fits(found[0]):
            raise Stale
        return found, info.get("isLastPage") is not False

    def _fits(self, record: dict[str, Json]) -> bool:
        """Whether a whole record has the columns that the table was described with, and no others."""
        return record.keys() <= self.table.titles and self.table.by_name.keys() <= record.keys()

    async def _asked(self, answer: Awaitable[Mapping[str, Json]]) -> Mapping[str, Json]:
        try:
            return await answer
        except Gone as error:
            if error.what == "FIELD_NOT_FOUND":
                raise Stale from None
            raise table_gone(self.table.table.name) from None

    def _sort(self, down: bool) -> str:  # noqa: FBT001 - a direction, named at every call
        return ",".join(f"-{each.id}" if down else each.id for each in self.table.keys)


def _groups(table: NocoTable, keys: Sequence[Key]) -> list[str]:
    """Conditions that let the rows of the keys through, each fit for a URL; one that is empty lets through all."""
    groups: list[str] = []
    conditions: list[str] = []
    length = 0
    for key in keys:
        try:
            condition = of_key(table, key)
        except NoRow:
            continue
        if not condition:  # types that narrow nothing: every row is looked at
            return [""]
        if conditions and length + len(condition) * 3 > _MAX_GROUP:
            groups.append(joined("or", conditions))
            conditions, length = [], 0
        conditions.append(condition)
        length += len(condition) * 3
    return [*groups, joined("or", conditions)] if conditions else groups


def _named(where: Where | None) -> set[str]:
    """The columns that a filter names."""
    match where:
        case Comparison(name):
            return {name}
        case Not(part):
            return _named(part)
        case And(parts) | Or(parts):
            return {name for part in parts for name in _named(part)}
        case _:
            return set()


def _too_large() -> QueryFailed:
    return QueryFailed(
        Text("A record is too large to be read from NocoDB", "Um registro é grande demais para ser lido do NocoDB"),
        code=Code.RESOURCE_EXHAUSTED,
    )


def _too_many() -> QueryFailed:
    return QueryFailed(
        Text(
            f"More than {MAX_SORTED} records match; NocoDB's are sorted by other fields than the key up to that number",
            f"Mais de {MAX_SORTED} registros; no NocoDB, acima disso só se ordena pela chave",
        ),
        suggestion=Text("Filter, or sort by the key", "Filtre ou ordene pela chave"),
    )
