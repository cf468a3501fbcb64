"""A table of Airtable as a source of records.

Airtable is asked for about the rows that are wanted (airtable_formula.py), and every row is compared exactly here, for
its owner and its filter, before it counts. Where the key is an autoNumber and nothing else is sorted by, pages are read
by key. Otherwise Airtable has no order to page by: the rows that its filter lets through are read as a whole and
sorted here, at most MAX_SCANNED of them, and more are refused. So it is with counts, for Airtable counts nothing.

The table's description is kept for a minute: a field that came is seen then, or when the connection is tested; one that
went is noticed by the next call.
"""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Protocol, cast

from wuzapi_manager_server.domain.connection import Airtable, Source
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import And, Comparison, Not, Or
from wuzapi_manager_server.domain.table import Cell, Json, Key, Owner, Row, SourceTables, Step, Table
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.observe import UpstreamMetrics
from wuzapi_manager_server.sources import airtable_formula as formulas
from wuzapi_manager_server.sources.airtable_api import AirtableApi, Altered, Expired, Hidden, forbidden, garbage
from wuzapi_manager_server.sources.airtable_derived import derived
from wuzapi_manager_server.sources.airtable_match import is_behind, is_owned, matches, ordered
from wuzapi_manager_server.sources.airtable_page import Page, page
from wuzapi_manager_server.sources.airtable_rate import Rates
from wuzapi_manager_server.sources.airtable_schema import Layout, layout_of
from wuzapi_manager_server.sources.airtable_write import Found, Writer, admitted
from wuzapi_manager_server.sources.base import Change, Guard, Outcome, Query, Where
from wuzapi_manager_server.sources.trial import Trying, table_steps, tried
from wuzapi_manager_server.sources.web_trial import way_there
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import HttpUpstream

BASE_URL = "https://api.airtable.com"
MAX_SCANNED = 10_000
_PAGE = 100
_LIST = 200
_FRESH = 60.0


class AirtableEngine:
    """Makes the sources of AIRTABLE connections; see sources.registry.Engine. Its sources share the turns of a base."""

    def __init__(
        self, guard: AddressGuard, timeout: float, rates: Rates | None = None, metrics: UpstreamMetrics | None = None
    ) -> None:
        self._guard = guard
        self._metrics = metrics
        self._timeout = timeout
        self._rates = rates or Rates()

    def check(self, _configuration: Source) -> Text | None:
        """Nothing beyond what the registry checks of every host."""
        return None

    def open(self, configuration: Source) -> "AirtableSource":
        """The source of that table."""
        assert isinstance(configuration, Airtable)  # noqa: S101 - the registry gives each engine its own type
        url = _base_url(configuration)
        upstream = HttpUpstream(url, timeout=self._timeout, guard=self._guard, metrics=self._metrics, in_flight=8)
        api = AirtableApi(upstream, configuration, self._rates.of(url, configuration.base_id))
        return AirtableSource(api, configuration.table_id, partial(way_there, guard=self._guard, url=url))


class _WayThere(Protocol):
    """See web_trial.way_there."""

    def __call__(self, ask: Callable[[], Awaitable[Text]], *, deadline: Deadline) -> Mapping[str, Trying]: ...


class AirtableSource:
    """See RecordSource. Writes of several records find all of them first, and are then done ten at a time."""

    def __init__(self, api: AirtableApi, name: str, way_there: "_WayThere") -> None:
        self._api = api
        self._name = name
        self._way_there = way_there
        self._layout: tuple[float, Layout] | None = None
        self._kept: tuple[object, list[Row]] | None = None
        self._writer = Writer(api)

    async def describe(self, deadline: Deadline, *, anew: bool = False) -> Table:
        """See RecordSource."""
        if anew and self._layout is not None:
            self._layout = (0.0, self._layout[1])
        return (await self._laid_out(deadline)).table

    async def fetch(self, query: Query, deadline: Deadline) -> list[Row]:
        """See RecordSource."""
        layout = await self._laid_out(deadline, query.table)
        limit = query.limit or 0
        if self._by_key(query, layout):
            rows: list[Row] = []
            async with aclosing(self._numbered(query, layout, lambda: deadline)) as pages:
                async for page in pages:
                    rows += page
                    if len(rows) >= limit:
                        break
            return rows[:limit]
        return (await self._sorted(query, layout, deadline))[:limit]

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[list[Row]]:
        """See RecordSource."""
        layout = await self._laid_out(deadline(), query.table)
        if self._by_key(query, layout):
            async with aclosing(self._numbered(query, layout, deadline)) as pages:
                async for page in pages:
                    if page:
                        yield page
            return
        rows = await self._sorted(query, layout, deadline())
        for at in range(0, len(rows), _LIST):
            yield rows[at : at + _LIST]

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        """See RecordSource. Reads the columns that decide, of every record that Airtable's filter lets through."""
        layout = await self._laid_out(deadline)
        columns = {layout.key.name, *_columns_of(where), *(() if owner is None else (owner.column,))}
        return len(await self._scanned(owner, where, layout, deadline, columns))

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline, *, table: Table | None = None) -> Row | None:
        """See RecordSource."""
        layout = await self._laid_out(deadline, table)
        found = await self._found([key], owner, layout, deadline)
        return found[0].row if found[0] else None

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        deadline: Deadline,
        *,
        table: Table | None = None,
        stop: bool = False,
    ) -> list[Outcome]:
        """See RecordSource."""
        layout = await self._laid_out(deadline, table)
        return await self._changed(self._writer.insert(rows, owner, layout, deadline, stop=stop))

    async def update(
        self, changes: Sequence[Change], owner: Owner | None, deadline: Deadline, *, table: Table | None = None
    ) -> list[Outcome]:
        """See RecordSource. Rows are read and checked, then written: a change of another program in between is lost."""
        layout = await self._laid_out(deadline, table)
        found = await self._found([change.key for change in changes], owner, layout, deadline)
        there = admitted(found, [change.guard for change in changes])
        return await self._changed(self._writer.update(there, changes, owner, layout, deadline))

    async def delete(
        self, keys: Sequence[tuple[Key, Guard | None]], owner: Owner | None, deadline: Deadline
    ) -> list[Outcome]:
        """See RecordSource. Rows are read and checked, then deleted: a change of another program in between is lost."""
        layout = await self._laid_out(deadline)
        found = await self._found([key for key, _ in keys], owner, layout, deadline)
        there = admitted(found, [guard for _, guard in keys])
        return await self._changed(self._writer.delete(there, layout, deadline))

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        """See RecordSource."""
        self._layout = None

        async def ask() -> Text:
            count = await self._tables_shown(deadline)
            return Text(
                f"Airtable accepts the token and shows {count} tables of the base",
                f"O Airtable aceita o token e mostra {count} tabelas da base",
            )

        steps = self._way_there(ask, deadline=deadline)
        return await tried({**steps, **table_steps(self, user_link_field, deadline)})

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """See RecordSource. The name of a table is its id, by which it is connected; its title what people call it."""
        try:
            described = await self._api.tables(deadline)
        except Hidden:
            raise forbidden() from None
        sources = derived(described)
        layouts = [layout_of(each, sources) for each in described]
        tables = sorted((each.table for each in layouts if each), key=lambda table: table.name)
        behind = [table for table in tables if ("", table.name) > after]
        return SourceTables(tuple(behind[:limit]), more=len(behind) > limit)

    async def close(self) -> None:
        """See RecordSource."""
        await self._api.close()

    async def _tables_shown(self, deadline: Deadline) -> int:
        try:
            return len(await self._api.tables(deadline))
        except Hidden:
            raise forbidden() from None

    async def _laid_out(self, deadline: Deadline, expected: Table | None = None) -> Layout:
        """The layout, described anew after a minute. QueryFailed where it is not the `expected` one."""
        if self._layout is None or self._layout[0] < time.monotonic():
            try:
                described = await self._api.tables(deadline)
            except Hidden:
                raise forbidden() from None
            mine = [each for each in described if self._name in (each.get("id"), each.get("name"))]
            by_id = [each for each in mine if each.get("id") == self._name]
            layout = layout_of((by_id or mine)[0], derived(described)) if mine else None
            if layout is None:
                raise self._gone()
            kept = self._layout[1] if self._layout else None
            # The same object while nothing changed: what is made for a table is kept for as long as that is.
            self._layout = (time.monotonic() + _FRESH, kept if kept == layout else layout)
        layout = self._layout[1]
        if expected is not None and expected != layout.table:
            raise self._altered()
        return layout

    @staticmethod
    def _by_key(query: Query, layout: Layout) -> bool:
        return layout.numbered and not query.order

    async def _numbered(
        self, query: Query, layout: Layout, deadline: Callable[[], Deadline]
    ) -> AsyncGenerator[list[Row]]:
        """The rows behind a place, in pages by the key; a page may be empty."""
        after = query.after
        scope = formulas.of_scope(query.owner, query.where, layout)
        # A filter, and an owner whom no formula finds, may drop most of what is read.
        dropped = query.where is not None or (query.owner is not None and scope is None)
        size = _PAGE if dropped or query.limit is None else min(_PAGE, max(query.limit, 1))
        while True:
            asked: dict[str, Json] = {"sort": [{"field": layout.field_id(layout.key.name), "direction": "asc"}]}
            narrowed = formulas.both(formulas.behind(after, layout), scope)
            answer = await self._page({**asked, "pageSize": size}, narrowed, layout, deadline())
            rows = [found.row for found in answer.found]
            ahead = [row for row in rows if not after or cast("int", row.key[0]) > cast("int", after[0])]
            yield [row for row in ahead if self._wanted(row, query.owner, query.where, layout)]
            if not (answer.offset and ahead):
                return
            after = ahead[-1].key

    async def _sorted(self, query: Query, layout: Layout, deadline: Deadline) -> list[Row]:
        """All rows behind a place, sorted. What was read serves all pages of one call, which have one deadline."""
        call = (deadline.at, query.owner, query.where, query.order)
        if self._kept is None or self._kept[0] != call:
            rows = ordered(await self._scanned(query.owner, query.where, layout, deadline), query.order, layout.table)
            self._kept = (call, rows)
        rows = self._kept[1]
        behind = [row for row in rows if not query.after or is_behind(row.cursor, query.after, query.order)]
        if len(behind) <= (query.limit or 0) or query.limit is None:
            self._kept = None
        return behind

    async def _scanned(
        self,
        owner: Owner | None,
        where: Where | None,
        layout: Layout,
        deadline: Deadline,
        columns: set[str] | None = None,
    ) -> list[Row]:
        """All rows that match, in no order."""
        narrowed = formulas.of_scope(owner, where, layout)
        found = await self._all(narrowed, layout, deadline, columns)
        return [each.row for each in found if self._wanted(each.row, owner, where, layout)]

    async def _all(
        self, narrowed: str | None, layout: Layout, deadline: Deadline, columns: set[str] | None = None
    ) -> list[Found]:
        """The records that a formula lets through. A list whose place was forgotten begins again, once."""
        for last in (False, True):
            found: dict[str, Found] = {}
            asked: dict[str, Json] = {"pageSize": _PAGE}
            try:
                while True:
                    answer = await self._page(asked, narrowed, layout, deadline, columns)
                    found.update((each.id, each) for each in answer.found)
                    if len(found) > MAX_SCANNED:
                        raise _too_many()
                    if not answer.offset:
                        return list(found.values())
                    asked["offset"] = answer.offset
            except Expired:
                if last:
                    raise garbage() from None
        raise garbage()

    async def _found(
        self, keys: Sequence[Key], owner: Owner | None, layout: Layout, deadline: Deadline
    ) -> list[Found | None]:
        """The owner's records of keys; None for each that is not there."""
        found: dict[Key, Found] = {}
        for narrowed in formulas.of_keys([key for key in keys if layout.is_key(key)], layout):
            there = await self._all(narrowed, layout, deadline)
            found.update((each.row.key, each) for each in there if is_owned(each.row, owner, layout.table))
        return [found.get(key) for key in keys]

    async def _page(
        self,
        asked: Mapping[str, Json],
        narrowed: str | None,
        layout: Layout,
        deadline: Deadline,
        columns: set[str] | None = None,
    ) -> Page:
        try:
            return await page(self._api, asked, narrowed, layout, deadline, columns)
        except (Hidden, Altered) as error:
            raise self._told(error) from None

    async def _changed(self, outcomes: Awaitable[list[Outcome]]) -> list[Outcome]:
        try:
            found = await outcomes
        except (Hidden, Altered) as error:
            raise self._told(error) from None
        return [
            Outcome(None, self._told(each.error)) if isinstance(each.error, Hidden | Altered) else each
            for each in found
        ]

    def _told(self, error: Hidden | Altered) -> QueryFailed:
        self._layout = None
        return self._gone() if isinstance(error, Hidden) else self._altered()

    @staticmethod
    def _wanted(row: Row, owner: Owner | None, where: Where | None, layout: Layout) -> bool:
        return is_owned(row, owner, layout.table) and matches(row, where, layout.table)

    def _gone(self) -> QueryFailed:
        return QueryFailed(
            Text(
                f"Airtable shows no table {self._name!r} to the stored token",
                f"Tabela '{self._name}' não encontrada no Airtable, ou o token não tem acesso a ela",
            ),
            suggestion=Text("Correct table_id, or give the token access", "Corrija table_id ou dê acesso ao token"),
        )

    def _altered(self) -> QueryFailed:
        return QueryFailed(
            Text(
                f"Table {self._name!r} has been altered since it was described",
                f"A tabela '{self._name}' foi alterada desde que foi descrita",
            ),
            suggestion=Text("Ask again", "Tente novamente"),
        )


def _columns_of(where: Where | None) -> set[str]:
    match where:
        case And(parts) | Or(parts):
            return set().union(*map(_columns_of, parts))
        case Not(part):
            return _columns_of(part)
        case Comparison(name):
            return {name}
    return set()


def _base_url(configuration: Airtable) -> str:
    return (configuration.base_url or BASE_URL).rstrip("/").removesuffix("/v0")


def _too_many() -> QueryFailed:
    return QueryFailed(
        Text(
            f"More than {MAX_SCANNED:,} records of Airtable would have to be read for this",
            f"Seria preciso ler mais de {MAX_SCANNED:,} registros do Airtable".replace(",", "."),
        ),
        suggestion=Text(
            "Filter by a text or a number for less, or list without order_by a table that has an autoNumber field",
            "Filtre por texto ou número, ou liste sem order_by uma tabela com campo autoNumber",
        ),
    )
