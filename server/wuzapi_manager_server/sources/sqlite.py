"""A table of a SQLite file as a source of records."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from wuzapi_manager_server.domain.connection import Source, Sqlite
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Capabilities, SourceTables, Step, Table
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.sql import SqlSource
from wuzapi_manager_server.sources.sql_table import SqlTable
from wuzapi_manager_server.sources.sql_work import Job, closed
from wuzapi_manager_server.sources.sqlite_file import SqliteFile, file_of
from wuzapi_manager_server.sources.sqlite_folder import Located, SqliteFolder
from wuzapi_manager_server.sources.sqlite_schema import describe, listed, schema_version
from wuzapi_manager_server.sources.trial import table_steps, tried

T = TypeVar("T")


class _Moved(Exception):
    """Another file lies where the open one was found."""


class SqliteEngine:
    """Makes the sources of SQLITE connections; see sources.registry.Engine."""

    def __init__(self, folder: SqliteFolder) -> None:
        self._folder = folder

    def check(self, configuration: Source) -> Text | None:
        """Why the file may not be a source."""
        return self._folder.check(configuration.database) if isinstance(configuration, Sqlite) else None

    def open(self, configuration: Source) -> "SqliteSource":
        """The source of that table."""
        assert isinstance(configuration, Sqlite)  # noqa: S101 - the registry gives each engine its own type
        return SqliteSource(self._folder, configuration.database, configuration.table_name)


class SqliteSource(SqlSource):
    """Table `table_name` of the file `database` below the folder; opened by the first call.

    Where the file lies is checked with every call: it may be replaced, moved or linked away meanwhile.
    """

    def __init__(self, folder: SqliteFolder, database: str, table_name: str) -> None:
        super().__init__()
        self._folder = folder
        self._database = database
        self._name = table_name
        self._open: tuple[Located, SqliteFile] | None = None
        self._closed = False

    async def transaction(
        self, work: Callable[[sa.Connection, Job], T], deadline: Deadline, *, write: bool = False, alone: bool = False
    ) -> T:
        """See SqlSource. Nothing is written but in transactions."""
        assert not alone  # noqa: S101 - the class says so
        deadline = min(deadline, Deadline.after(self._folder.timeout), key=lambda moment: moment.at)
        located, file = await self._opened(deadline)
        try:
            return await file.run(
                lambda connection, job: work(self._there(located, connection), job), deadline, write=write
            )
        except _Moved:
            await self._give_back((located, file))
        located, file = await self._opened(deadline)
        return await file.run(work, deadline, write=write)

    async def _opened(self, deadline: Deadline) -> tuple[Located, SqliteFile]:
        if self._open is None:
            located = await self._folder.workers.run(lambda _: self._folder.locate(self._database), deadline)
            if self._closed:
                raise closed()
            if self._open is None:  # another call may have opened it meanwhile
                self._open = located, self._folder.open(located)
        return self._open

    async def _give_back(self, opened: tuple[Located, SqliteFile]) -> None:
        if self._open == opened:
            self._open = None
            await self._folder.release(opened[0])

    def _there(self, located: Located, connection: sa.Connection) -> sa.Connection:
        if self._folder.locate(self._database) != located:
            raise _Moved
        return connection

    def described(self, connection: sa.Connection, known: SqlTable | None) -> SqlTable:
        """See SqlSource: right as long as the schema's own version number stands."""
        return self._describe(connection, self._name, known)

    def _describe(self, connection: sa.Connection, name: str, known: SqlTable | None) -> SqlTable:
        file = file_of(connection)  # not the open one: another call may have closed or replaced that meanwhile
        writable = file.writable
        version = (file, writable, schema_version(connection))
        if known is not None and known.version == version:
            return known
        return describe(connection, name, writable=writable, version=version)

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """See RecordSource; the schema's name is empty."""

        def read(connection: sa.Connection, _: Job) -> SourceTables:
            names = [table.name for table in listed(connection) if not after[1] or table.name > after[1]]
            return SourceTables(
                tuple(self._try_describe(connection, name) for name in names[:limit]), more=len(names) > limit
            )

        return await self.transaction(read, deadline)

    def _try_describe(self, connection: sa.Connection, name: str) -> Table:
        try:
            return self._describe(connection, name, None).table
        except DBAPIError:  # a view of what is gone, or of functions that only its own program has
            capabilities = Capabilities(
                transactions=True,
                exact_numbers=False,
                count=False,
                search=False,
                key_paging=False,
                max_batch_size=0,
                verified_updates=True,
                read_only_reason=Text("It cannot be read", "Não pode ser lida"),
            )
            return Table(name=name, columns=(), primary_key=(), capabilities=capabilities)

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        """See RecordSource. A file needs neither TLS nor authentication, so those steps are left out."""
        self.forget()

        async def resolve() -> Text:
            await self._folder.workers.run(lambda _: self._folder.locate(self._database), deadline)
            return Text("The file was found", "O arquivo foi encontrado")

        async def connect() -> Text:
            count = await self.transaction(lambda connection, _: len(listed(connection)), deadline)
            return Text(
                f"It is a SQLite database; tables and views: {count}",
                f"É um banco SQLite; tabelas e visões: {count}",
            )

        return await tried({"resolve": resolve, "connect": connect} | table_steps(self, user_link_field, deadline))

    async def close(self) -> None:
        """See RecordSource."""
        self._closed = True
        if self._open is not None:
            await self._give_back(self._open)
