"""SQLAlchemy's SQLite over the driver cysqlite, which brings a SQLite of its own.

The platform's (3.40.1 on Debian 12) can corrupt a WAL database that has two connections; it was mended in 3.51.3.
"""

from collections.abc import Callable
from typing import Any, cast

import cysqlite
from cysqlite._cysqlite import Connection as Driver
from cysqlite._cysqlite import Cursor
from sqlalchemy import Connection
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import ConnectArgsType, DBAPIConnection
from sqlalchemy.engine.url import URL

_driver: Any = cysqlite
"""The module, whose constants have no types."""

NAME = "sqlite+cysqlite"

LARGEST_VALUE = 64 << 20
"""Bytes of one value or row: a view of a foreign file must not fill the memory."""

_OPEN_NOFOLLOW = 0x01000000
"""SQLITE_OPEN_NOFOLLOW of sqlite3.h, which the driver does not name: the path must hold no symbolic link."""


class DriverCursor:
    """The driver's cursor, which names the columns of a result in seven parts each, as PEP 249 has it."""

    arraysize = 1

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.execute = cursor.execute
        self.executemany = cursor.executemany
        self.fetchone = cursor.fetchone
        self.fetchmany = cursor.fetchmany
        self.fetchall = cursor.fetchall
        self.close = cursor.close

    @property
    def description(self) -> list[tuple[str, None, None, None, None, None, None]] | None:
        """The columns of the result; None where the statement gives none."""
        columns = self._cursor.description
        return None if columns is None else [(column[0], None, None, None, None, None, None) for column in columns]

    @property
    def rowcount(self) -> int:
        """Rows changed by the statement itself, not by triggers."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row inserted last."""
        return self._cursor.lastrowid


class DriverConnection:
    """The driver's connection (`driver`), whose ends of transactions are no errors where SQLite has ended it before."""

    def __init__(self, driver: Driver) -> None:
        self.driver = driver

    def cursor(self) -> DriverCursor:
        """A new cursor."""
        return DriverCursor(self.driver.cursor())

    def commit(self) -> None:
        """Commits the transaction, where there is one."""
        if self.driver.in_transaction:
            self.driver.commit()

    def rollback(self) -> None:
        """Ends the transaction, where there is one."""
        if self.driver.in_transaction:
            self.driver.rollback()

    def close(self) -> None:
        """Closes the file."""
        self.driver.close()


class CysqliteDialect(SQLiteDialect_pysqlite):
    """SQLite as cysqlite speaks it. Transactions are begun by whoever connects; nothing begins one by itself."""

    driver = "cysqlite"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """The driver's module."""
        return _driver

    def connect(self, *cargs: Any, **cparams: Any) -> DBAPIConnection:
        """A connection of the driver, as SQLAlchemy expects one."""
        return cast("DBAPIConnection", DriverConnection(_driver.connect(*cargs, **cparams)))

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        """Opens an existing file alone, for reading where it cannot be written."""
        flags = _driver.SQLITE_OPEN_READWRITE | _OPEN_NOFOLLOW
        return [url.database or ""], {"flags": flags, "timeout": 0.0, "extensions": False}

    def on_connect(self) -> Callable[[DBAPIConnection], None]:
        """Prepares a connection to a file that is not ours and not trusted."""
        return _prepare

    def detect_autocommit_setting(self, dbapi_conn: DBAPIConnection) -> bool:  # noqa: ARG002 - SQLAlchemy's signature
        """Whether SQLAlchemy may leave transactions out."""
        return False

    def is_disconnect(self, e: object, connection: object, cursor: object) -> bool:  # noqa: ARG002 - SQLAlchemy's signature
        """Never: a file does not hang up."""
        return False


def _prepare(prepared: DBAPIConnection) -> None:
    connection = cast("DriverConnection", prepared).driver
    connection.setlimit(_driver.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(_driver.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
    connection.db_config(_driver.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.db_config(_driver.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    # A name in double quotes that is no column must be an error, not a text.
    connection.db_config(_driver.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.db_config(_driver.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.execute("PRAGMA cell_size_check = ON").fetchall()
    connection.execute("PRAGMA foreign_keys = ON").fetchall()


def driver_of(connection: Connection) -> Driver:
    """The driver's own connection below SQLAlchemy's."""
    return cast("DriverConnection", connection.connection.driver_connection).driver


registry.register("sqlite.cysqlite", __name__, "CysqliteDialect")
