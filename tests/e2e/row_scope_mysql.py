"""MySQL or MariaDB under the row-scope properties: each table in the one database."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import ClassVar

import pymysql

from tests.contract.mysql_source import MysqlPlace
from tests.e2e.row_scope_engine import COLUMNS, Raw, Row
from wuzapi_manager.v1 import connection_pb2 as connections

_KEYS = {
    "integer": ("a BIGINT AUTO_INCREMENT PRIMARY KEY, b INT", ""),
    "composite": ("a VARCHAR(30), b INT", ", PRIMARY KEY (a, b)"),
    "text": ("a VARCHAR(30) PRIMARY KEY, b INT", ""),
    "nocase": ("a VARCHAR(30) COLLATE utf8mb4_general_ci PRIMARY KEY, b INT", ""),
    "padded": ("a CHAR(12) COLLATE utf8mb4_bin PRIMARY KEY, b INT", ""),
    "with link": ("a INT, b INT", ", PRIMARY KEY (owner, b)"),
    "none": ("a VARCHAR(30), b INT", ""),
}
"""The columns a and b, and the end of the table's definition."""


class MysqlEngine:
    """Tables in the database of this place."""

    link_types: ClassVar = (
        "VARCHAR(60)",
        "VARCHAR(60) COLLATE utf8mb4_general_ci",
        "VARCHAR(60) COLLATE utf8mb4_bin DEFAULT 'nobody'",
        "VARCHAR(60) COLLATE utf8mb4_unicode_ci",
        "CHAR(60)",
        "BIGINT",
        "INT UNSIGNED",
        "DECIMAL(20, 0)",
        "DECIMAL(20, 1)",
        "DOUBLE",
        "VARBINARY(60)",
    )
    texts: ClassVar = frozenset(link_types[:4])
    searched: ClassVar = frozenset(kind for kind in link_types if "TEXT" in kind or "CHAR" in kind)
    keys: ClassVar = tuple(_KEYS)
    given: ClassVar[Mapping[str, str]] = {}

    def __init__(self, place: MysqlPlace) -> None:
        self._place = place
        self._connection = place.connect()
        self._run("SET SESSION lock_wait_timeout = 20")

    def make(
        self,
        name: str,
        key: str,
        link_type: str,
        rows: Sequence[Sequence[Raw]],
        *,
        replacing: bool = False,  # noqa: ARG002 - no constraint of MySQL replaces rows
    ) -> None:
        """See Engine."""
        before, end = _KEYS[key]
        self._run(
            f"CREATE TABLE `{name}` ({before}, owner {link_type}, name TEXT, n INT, note TEXT, code VARCHAR(30) UNIQUE,"
            f" mark TEXT, veil TEXT, tag INT{end}) AUTO_INCREMENT = 1000"
        )
        marks = ", ".join(["%s"] * len(COLUMNS))
        self._connection.begin()
        with self._connection.cursor() as cursor:
            for row in rows:
                try:
                    cursor.execute(f"INSERT INTO `{name}` VALUES ({marks})", row)
                except (pymysql.err.DataError, pymysql.err.IntegrityError, pymysql.err.OperationalError):
                    continue
        self._connection.commit()

    def rows(self, name: str) -> list[Row]:
        """See Engine."""
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM `{name}`")
            return [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]

    def drop(self, name: str) -> None:
        """See Engine."""
        self._run(f"DROP TABLE `{name}`")

    def source_of(self, name: str) -> connections.Connection:
        """See Engine."""
        place = self._place
        return connections.Connection(
            mysql=connections.MysqlSource(
                host=place.host,
                port=place.port,
                database=place.database,
                username=place.user,
                password=place.password,
                table_name=name,
            )
        )

    def owns(self, value: str, cell: Raw, link_type: str) -> bool:  # noqa: ARG002 - the cell's own type tells
        """See Engine: numbers are their digits, those behind the point included; fractions of doubles nobody's."""
        match cell:
            case bytes():
                return cell == value.encode()
            case Decimal():
                return f"{cell:f}" == value
            case str() | int():
                return str(cell) == value
            case _:
                return False

    def close(self) -> None:
        """Leaves the server."""
        self._connection.close()

    def _run(self, statement: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
