"""A NocoDB table as a source of records, through the v2 data and metadata APIs."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import TypeVar

from wuzapi_manager_server.domain.connection import Nocodb, Source
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row, SourceTables, Step, Table
from wuzapi_manager_server.errors import Code, ConnectionFailed, NocodbError, QueryFailed, ServiceError, Text
from wuzapi_manager_server.observe import UpstreamMetrics
from wuzapi_manager_server.sources.base import Change, Guard, Outcome, Query, Where
from wuzapi_manager_server.sources.nocodb_api import Api, Gone, Refusal, table_gone
from wuzapi_manager_server.sources.nocodb_read import Reader, Stale
from wuzapi_manager_server.sources.nocodb_table import NocoTable, table_of
from wuzapi_manager_server.sources.nocodb_write import Writer
from wuzapi_manager_server.sources.trial import table_steps, tried
from wuzapi_manager_server.sources.web_trial import way_there
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import HttpUpstream

T = TypeVar("T")
_DESCRIBED_SECONDS = 60.0
_MOST_BASES = 1_000


class NocodbEngine:
    """Makes the sources of NOCODB connections; see sources.registry.Engine. `timeout` is of each call, in seconds."""

    def __init__(self, guard: AddressGuard, timeout: float, metrics: UpstreamMetrics | None = None) -> None:
        self._guard = guard
        self._metrics = metrics
        self._timeout = timeout

    def check(self, configuration: Source) -> Text | None:
        """Nothing beyond the host, which the registry looks at."""
        del configuration
        return None

    def open(self, configuration: Source) -> "NocodbSource":
        """The source of that table."""
        assert isinstance(configuration, Nocodb)  # noqa: S101 - the registry gives each engine its own type
        upstream = HttpUpstream(configuration.host, timeout=self._timeout, guard=self._guard, metrics=self._metrics)
        return NocodbSource(upstream, configuration, self._guard)


class NocodbSource:
    """Table `table_id` of base `project_id`; see RecordSource."""

    def __init__(self, upstream: HttpUpstream, configuration: Nocodb, guard: AddressGuard) -> None:
        self._api = Api(upstream, configuration.secret)
        self._configuration = configuration
        self._guard = guard
        self._table: NocoTable | None = None
        self._until = 0.0
        self._closed = False

    async def describe(self, deadline: Deadline, *, anew: bool = False) -> Table:
        """See RecordSource."""
        return (await self._described(deadline, anew=anew)).table

    async def fetch(self, query: Query, deadline: Deadline) -> list[Row]:
        """See RecordSource. At most 10,000 rows are sorted by other columns than the key: QueryFailed beyond."""
        return await self._with(query.table, deadline, lambda reader: reader.page(query, deadline))

    async def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[list[Row]]:
        """See RecordSource."""
        reader = await self._reader(query.table, deadline())
        try:
            async with aclosing(reader.stream(query, deadline)) as lists:
                async for rows in lists:
                    yield rows
        except Stale:
            raise self._changed() from None
        except NocodbError as error:
            raise await self._diagnosis(error, deadline()) from None

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        """See RecordSource. All rows are counted by NocoDB; others are read, 1,000 at once, and compared."""
        return await self._with(None, deadline, lambda reader: reader.count(owner, where, deadline))

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline, *, table: Table | None = None) -> Row | None:
        """See RecordSource."""
        return await self._with(table, deadline, lambda reader: reader.get(key, owner, deadline))

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        deadline: Deadline,
        *,
        table: Table | None = None,
        stop: bool = False,
    ) -> list[Outcome]:
        """See RecordSource: each row for itself."""
        reader = await self._reader(table, deadline)
        return await self._written(self._writer(reader, owner, deadline).insert(rows, stop=stop))

    async def update(
        self, changes: Sequence[Change], owner: Owner | None, deadline: Deadline, *, table: Table | None = None
    ) -> list[Outcome]:
        """See RecordSource: each row for itself, once all were found."""
        reader = await self._reader(table, deadline)
        return await self._written(self._writer(reader, owner, deadline).update(changes))

    async def delete(
        self, keys: Sequence[tuple[Key, Guard | None]], owner: Owner | None, deadline: Deadline
    ) -> list[Outcome]:
        """See RecordSource: each row for itself, once all were found."""
        reader = await self._reader(None, deadline)
        return await self._written(self._writer(reader, owner, deadline).delete(keys))

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        """See RecordSource."""
        self._table = None

        async def ask() -> Text:
            with suppress(Gone, Refusal):  # an answer all the same
                await self._api.read(("meta", "bases"), deadline)
            return Text("The token is valid", "O token é válido")

        steps = way_there(ask, self._guard, self._configuration.host, deadline)
        return await tried(steps | table_steps(self, user_link_field, deadline))

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """See RecordSource: the tables of the base by id, of all bases where it names none."""
        names = [name for name in await self._names(deadline) if name > after[1]]
        found = [table for name in names[:limit] if (table := await self._listed(name, deadline))]
        return SourceTables(tuple(found), more=len(names) > limit)

    async def close(self) -> None:
        """See RecordSource."""
        self._closed = True
        await self._api.close()

    async def _names(self, deadline: Deadline) -> list[str]:
        """The ids of the tables of the base, or of all bases where the connection names none."""
        bases = [self._configuration.project_id]
        if not bases[0]:
            bases = await self._ids(("meta", "bases"), deadline)
        return sorted({name for base in bases for name in await self._ids(("meta", "bases", base, "tables"), deadline)})

    async def _ids(self, path: Sequence[str], deadline: Deadline) -> list[str]:
        try:
            answer = await self._api.read(path, deadline)
        except (Gone, Refusal):
            raise base_gone(self._configuration.project_id) from None
        found = answer.get("list")
        if not isinstance(found, list):
            raise base_gone(self._configuration.project_id)
        tables = [each for each in found if isinstance(each, dict) and not each.get("mm")]
        return [name for each in tables if isinstance(name := each.get("id"), str)]

    async def _listed(self, name: str, deadline: Deadline) -> Table | None:
        try:
            return (await self._asked(name, deadline)).table
        except QueryFailed:  # dropped meanwhile
            return None

    async def _described(self, deadline: Deadline, *, anew: bool = False) -> NocoTable:
        if self._closed:
            raise ConnectionFailed(Text("The connection was closed or changed", "A conexão foi encerrada ou alterada"))
        if self._table is None or anew or time.monotonic() >= self._until:
            found = await self._asked(self._configuration.table_id, deadline)
            if self._table is None or self._table != found:  # who holds the old one goes on holding it otherwise
                self._table = found
            self._until = time.monotonic() + _DESCRIBED_SECONDS
        return self._table

    async def _asked(self, name: str, deadline: Deadline) -> NocoTable:
        try:
            found = table_of(await self._api.read(("meta", "tables", name), deadline))
        except (Gone, Refusal):
            raise table_gone(name) from None
        except (KeyError, TypeError):
            raise NocodbError(
                Code.UNAVAILABLE,
                Text("What NocoDB tells of the table cannot be read", "Os metadados da tabela não puderam ser lidos"),
                suggestion=Text("Check the version of NocoDB", "Verifique a versão do NocoDB"),
            ) from None
        base = self._configuration.project_id
        if base and found.base != base:
            raise table_gone(name)
        return found

    async def _reader(self, table: Table | None, deadline: Deadline) -> Reader:
        """Reads the table; QueryFailed where it is not the one that the caller counts on."""
        found = await self._described(deadline)
        if table is not None and table is not found.table and table != found.table:
            raise self._changed()
        return Reader(self._api, found)

    async def _with(self, table: Table | None, deadline: Deadline, work: Callable[[Reader], Awaitable[T]]) -> T:
        """Does work; again, once, where it turned out that the table has changed since it was described."""
        try:
            return await work(await self._reader(table, deadline))
        except Stale:
            pass
        except NocodbError as error:
            raise await self._diagnosis(error, deadline) from None
        old = self._table
        if await self._described(deadline, anew=True) != old:
            raise self._changed()
        try:
            return await work(Reader(self._api, await self._described(deadline)))
        except Stale:
            raise table_gone(self._configuration.table_id) from None
        except NocodbError as error:
            raise await self._diagnosis(error, deadline) from None

    def _writer(self, reader: Reader, owner: Owner | None, deadline: Deadline) -> Writer:
        return Writer(reader, owner, deadline, self._forget)

    async def _written(self, work: Awaitable[list[Outcome]]) -> list[Outcome]:
        try:
            outcomes = await work
        except Stale:
            raise self._changed() from None
        return [Outcome(None, self._changed()) if isinstance(each.error, Stale) else each for each in outcomes]

    async def _diagnosis(self, error: NocodbError, deadline: Deadline) -> ServiceError:
        """What an error of NocoDB's own is: that its database does not have the table any more, or just that.

        NocoDB says so of a list or not, as it happens, and always of a count.
        """
        name = self._configuration.table_id
        if error.code is Code.UNAVAILABLE:
            try:
                await self._api.read(("tables", name, "records", "count"), deadline)
            except (Gone, Refusal):
                return table_gone(name)
        return error

    def _forget(self) -> None:
        """Has the next call describe the table anew."""
        self._until = 0.0

    def _changed(self) -> QueryFailed:
        self._forget()
        name = self._configuration.table_id
        return QueryFailed(
            Text(f"Table {name!r} has changed meanwhile", f"A tabela '{name}' foi alterada nesse meio tempo"),
            suggestion=Text("Ask again", "Tente novamente"),
        )


def base_gone(name: str) -> QueryFailed:
    """There is no such base, or the token may not see it."""
    return QueryFailed(
        Text(f"Base {name!r} was not found in NocoDB", f"Projeto '{name}' não encontrado no NocoDB"),
        suggestion=Text("Correct project_id", "Corrija project_id"),
    )
