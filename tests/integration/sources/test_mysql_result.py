"""Answers of MySQL in all sizes, and such as end in an error."""

from collections.abc import Iterator

import pytest
from pymysql import err

from tests.contract.mysql_source import mysql_database
from tests.integration.sources.helpers import soon
from wuzapi_manager_server.domain.connection import SqlServer, TlsMode
from wuzapi_manager_server.sources.mysql_connection import MysqlConnection
from wuzapi_manager_server.sources.mysql_driver import MysqlDriver, own
from wuzapi_manager_server.sources.sql_work import Job

PACKET = 0xFFFFFF
"""Bytes of a packet that goes on in the next, were it only with nothing."""


@pytest.fixture(scope="module")
def connection() -> Iterator[MysqlConnection]:
    with mysql_database() as place:
        server = SqlServer(
            host=place.host,
            port=place.port,
            database=place.database,
            username=place.user,
            secret=place.password,
            table_name="",
            tls_mode=TlsMode.DISABLE,
        )
        made = own(MysqlDriver(30).connect(server, place.host, place.port, 5, Job(soon()), write=False))
        yield made
        made.close()


def counting(most: int, selected: str) -> str:
    """A query of so many rows, numbered as `n`."""
    return (
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < "
        f"{most}) SELECT {selected} FROM numbers"
    )


def rows(connection: MysqlConnection, query: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.parametrize("size", [0, 250, 251, 65_535, 65_536, PACKET - 5, PACKET - 4, PACKET - 3])
def test_a_text_of_any_size_is_whole(connection: MysqlConnection, size: int) -> None:
    """Lengths are spelled in one byte to eight; four bytes of length and a text fill a packet, or go on in the next."""
    ((text,),) = rows(connection, f"SELECT REPEAT('x', {size})")
    assert isinstance(text, str)
    assert len(text) == size
    assert text.count("x") == size
    assert rows(connection, "SELECT 'next'") == [("next",)]


def test_an_error_amid_the_rows_is_that_error(connection: MysqlConnection) -> None:
    """What the server sent before is not taken for the answer, and the connection goes on."""
    with pytest.raises(err.OperationalError) as caught:
        rows(connection, counting(100, "IF(n = 50, (SELECT 1 UNION SELECT 2), 1)"))
    assert caught.value.args[0] == 1242
    assert rows(connection, "SELECT 'next'") == [("next",)]


def test_many_rows_are_all_there(connection: MysqlConnection) -> None:
    """The numbers of packets begin anew after 255."""
    assert rows(connection, counting(1000, "n, NULL, ''")) == [(at, None, "") for at in range(1, 1001)]


def test_warnings_are_known_after_the_rows(connection: MysqlConnection) -> None:
    """The end of an answer tells of them."""
    assert rows(connection, "SELECT CAST('abc' AS SIGNED)") == [(0,)]
    assert connection.cut() == {1292}
    assert rows(connection, "SELECT 1") == [(1,)]
    assert connection.cut() == set()
