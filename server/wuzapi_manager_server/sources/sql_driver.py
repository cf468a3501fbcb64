"""What an engine of a SQL server adds to the pool of its connections."""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection

from wuzapi_manager_server.domain.connection import SqlServer
from wuzapi_manager_server.errors import ServiceError
from wuzapi_manager_server.sources.sql_work import Job


class Driver(Protocol):
    """What an engine adds to the pool: how its driver connects, works for a job, and fails."""

    name: str
    port: int
    error: type[Exception]
    options: Mapping[str, object]
    """More arguments of SQLAlchemy's create_engine."""
    writes_apart: bool
    """Whether transactions that write have connections of their own, whose sessions begin them by themselves."""

    def url(self) -> URL:
        """The SQLAlchemy dialect and driver, nothing else."""
        ...

    def connect(
        self, server: SqlServer, address: str, port: int, patience: float, job: Job, *, write: bool
    ) -> DBAPIConnection:
        """A connection to that address within `patience` seconds, already adopted by the job; any driver error.

        The name that TLS verifies is the host of `server`. The session is set up as the engine's columns expect it, in
        autocommit unless it is to `write` apart, with the longest statement bounded by the server too.
        """
        ...

    def adopt(self, raw: DBAPIConnection, job: Job) -> None:
        """From now on the connection works for `job`: when that is to end, its statement is cancelled on the server.

        The statement then ends soon with any driver error, and so does one that a dead server never answers.
        """
        ...

    def fileno(self, raw: DBAPIConnection) -> int:
        """The connection's socket; -1 where it is closed."""
        ...

    def ping(self, raw: DBAPIConnection) -> None:
        """Asks the server for a sign of life; a driver error where there is none."""
        ...

    def begin(self, raw: DBAPIConnection) -> None:
        """Begins a transaction, where the session does not do so by itself."""
        ...

    def translated(self, error: BaseException | None) -> ServiceError:
        """The error to tell, by the driver's code alone. `sql_table.Altered` where the schema is not as described."""
        ...
