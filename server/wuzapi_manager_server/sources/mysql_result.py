"""The rows of an answer of MySQL, read with half the work of the driver's own result.

The form of a row: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pymysql import err
from pymysql.connections import TEXT_TYPES, MySQLResult
from pymysql.constants import FIELD_TYPE
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

from wuzapi_manager_server.sources.mysql_errors import LOST

_NULL, _TWO, _THREE, _EIGHT, _END, _ERROR = 0xFB, 0xFC, 0xFD, 0xFE, 0xFE, 0xFF
_LONGEST_END = 8
_LARGEST = 0xFFFFFF
"""Bytes of a packet that goes on in the next."""

_BINARY = 63
"""The character set of bytes."""

_NUMBERS = frozenset(
    {
        *(FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.LONG, FIELD_TYPE.INT24, FIELD_TYPE.LONGLONG),
        *(FIELD_TYPE.YEAR, FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE),
    }
)
"""Types whose converters read the digits as they come, without making a text of them first."""


class MysqlResult(MySQLResult):
    """An answer; `converters` holds for each column in which encoding its text is, and what makes its value."""

    # What the stubs of the driver leave out.
    connection: Any
    converters: list[tuple[str | None, Callable[[Any], Any] | None]]
    description: Any
    field_count: int
    fields: list[Any]
    rows: Any

    def _get_descriptions(self) -> None:
        """See the driver. Columns are described anew in every answer, mostly as they were the last time."""
        connection = self.connection
        encoding: str = connection.encoding
        read = connection._read_packet  # noqa: SLF001 - how the driver's own results read
        self.fields = [_field(read().get_all_data(), encoding) for _ in range(self.field_count)]
        self.converters = [
            (_encoding(field, encoding), connection.decoders.get(field.type_code)) for field in self.fields
        ]
        if not read().is_eof_packet():
            raise ValueError("an answer whose columns do not end")
        self.description = tuple([field.description() for field in self.fields])

    def _read_rowdata_packet(self) -> None:
        """See the driver, which spends as long on the packets as on the rows within them."""
        connection = self.connection
        read = connection._read_bytes  # noqa: SLF001 - how the driver's own results read
        number: int = connection._next_seq_id  # noqa: SLF001 - likewise
        rows = []
        while True:
            data = b""
            size = _LARGEST
            while size == _LARGEST:
                header: bytes = read(4)
                size = header[0] | header[1] << 8 | header[2] << 16
                if header[3] != number:
                    raise err.OperationalError(LOST, "packets are missing")
                number = (number + 1) % 256
                data = data + read(size) if data else read(size)
            if data[0] >= _END and (data[0] == _ERROR or len(data) <= _LONGEST_END):
                break
            rows.append(self._row(data))
        connection._next_seq_id = number  # noqa: SLF001 - likewise
        packet = MysqlPacket(data, connection.encoding)
        packet.check_error()
        self._check_packet_is_eof(packet)  # type: ignore[attr-defined]  # missing in the stubs; keeps what the end says
        self.connection = None  # nothing more is read
        self.affected_rows = len(rows)
        self.rows = tuple(rows)

    def _read_row_from_packet(self, packet: Any) -> tuple[Any, ...]:
        return self._row(packet.get_all_data())

    def _row(self, data: bytes) -> tuple[Any, ...]:
        """The values of a row. ValueError or IndexError where the packet is not as long as it says."""
        at = 0
        row: list[Any] = []
        for encoding, converter in self.converters:
            size = data[at]
            at += 1
            if size >= _NULL:
                if size == _NULL:
                    row.append(None)
                    continue
                width = {_TWO: 2, _THREE: 3, _EIGHT: 8}[size]
                size = int.from_bytes(data[at : at + width], "little")
                at += width
            value: Any = data[at : at + size]
            at += size
            if encoding is not None:
                value = value.decode(encoding)
            row.append(value if converter is None else converter(value))
        if at != len(data):
            raise ValueError("a row is not as long as its packet")
        return tuple(row)


@lru_cache(maxsize=1024)
def _field(data: bytes, encoding: str) -> FieldDescriptorPacket:
    return FieldDescriptorPacket(data, encoding)


def _encoding(field: Any, encoding: str) -> str | None:
    """What the values of a column are decoded by; None where they stay bytes."""
    kind = field.type_code
    if kind in _NUMBERS or (kind in TEXT_TYPES and field.charsetnr == _BINARY):
        return None
    return encoding if kind in TEXT_TYPES or kind == FIELD_TYPE.JSON else "ascii"
