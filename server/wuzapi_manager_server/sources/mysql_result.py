"""The rows of an answer of MySQL, read with half the work of the driver's own result.

The form of a row: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response_text_resultset_row.html
"""

from collections.abc import Callable
from typing import Any

from pymysql.connections import MySQLResult
from pymysql.constants import FIELD_TYPE

_NULL, _TWO, _THREE, _EIGHT = 0xFB, 0xFC, 0xFD, 0xFE
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
    converters: list[tuple[str | None, Callable[[Any], Any] | None]]
    fields: list[Any]

    def _get_descriptions(self) -> None:
        super()._get_descriptions()  # type: ignore[misc]  # missing in the stubs
        self.converters = [
            (None if field.type_code in _NUMBERS else encoding, converter)
            for field, (encoding, converter) in zip(self.fields, self.converters, strict=True)
        ]

    def _read_row_from_packet(self, packet: Any) -> tuple[Any, ...]:
        """The values of a row. ValueError or IndexError where the packet is not as long as it says."""
        data: bytes = packet.get_all_data()
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
