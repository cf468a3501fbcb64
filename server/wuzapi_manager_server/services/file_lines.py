"""Records read from the bytes of a file that comes in chunks."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.json_text import parse_json
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.domain.values import Refused, from_text
from wuzapi_manager_server.errors import InvalidInput, Text, Violation

MAX_LINE = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
# Possessive, so that a record that does not fit is refused at once, whatever stands in its quotes.
_CELL = re.compile(r'(?:"((?:[^"]++|"")*+)"|([^",]*+))(,|\Z)')

_WHOLE_CELLS = re.compile(rb'(?:(?:"(?:[^"]++|"")*+"|[^",]*+),)*+')
_REST = re.compile(rb'(?:[^"]++|"")*+"')
"""A cell in quotes behind the quote that begins it, with the one that ends it."""


class Line(NamedTuple):
    """A record of a file by its line (from 1), or why it cannot be read: at fields, or at "" for the line."""

    number: int
    values: Mapping[str, Json]
    complaints: tuple[Violation, ...] = ()


class Reader(Protocol):
    """Reads records from chunks that may end anywhere."""

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """The records that are whole with this chunk."""
        ...

    def end(self) -> Iterator[Line]:
        """The record that the file ends with, where its last line is not ended."""
        ...


class _Splitter:
    """Cuts chunks into lines at LF and numbers them. InvalidInput behind the lines before one longer than MAX_LINE."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self.number = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = bytes(self._rest) + lines[0]
            self._rest.clear()
        self._rest += rest
        for line in lines:
            yield self._numbered(line)
        if len(self._rest) > MAX_LINE:
            raise InvalidInput([_too_long(self.number + 1)])

    def end(self) -> Iterator[bytes]:
        line = bytes(self._rest)
        self._rest.clear()
        if line:
            yield self._numbered(line)

    def _numbered(self, line: bytes) -> bytes:
        self.number += 1
        if len(line) > MAX_LINE:
            raise InvalidInput([_too_long(self.number)])
        return line.removeprefix(_BOM) if self.number == 1 else line


class JsonLines:
    """A JSON object a line; blank lines are passed over."""

    def __init__(self) -> None:
        self._lines = _Splitter()

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """See Reader."""
        return self._read(self._lines.feed(chunk))

    def end(self) -> Iterator[Line]:
        """See Reader."""
        return self._read(self._lines.end())

    def _read(self, lines: Iterator[bytes]) -> Iterator[Line]:
        for line in lines:
            if line.strip():
                yield self._object(line)

    def _object(self, line: bytes) -> Line:
        try:
            values = parse_json(line.decode())
        except ValueError:
            values = None
        if isinstance(values, dict):
            return Line(self._lines.number, values)
        text = Text(
            "is not a JSON object in UTF-8, each key once", "Não é um objeto JSON em UTF-8, sem chaves repetidas"
        )
        return Line(self._lines.number, {}, (Violation("", text),))


class Csv:
    """RFC 4180 with a header of fields. An empty cell is null, a pair of quotes is empty text.

    Blank lines are passed over; one of spaces is the text that it is where the header names one field.
    """

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._lines = _Splitter()
        self._header: list[str] | None = None
        self._open = bytearray()
        self._unclosed = False
        self._began = 0

    def feed(self, chunk: bytes) -> Iterator[Line]:
        """See Reader. InvalidInput where the header is not one of this table's."""
        return self._read(self._lines.feed(chunk))

    def end(self) -> Iterator[Line]:
        """See Reader."""
        yield from self._read(self._lines.end())
        if self._open:
            yield Line(self._began, {}, (_malformed(),))

    def _read(self, lines: Iterator[bytes]) -> Iterator[Line]:
        for line in lines:
            if self._open:
                self._open += b"\n"
            else:
                self._began = self._lines.number
            self._open += line
            self._unclosed = _is_unclosed(line, within=self._unclosed)
            if self._unclosed:
                if len(self._open) > MAX_LINE:
                    raise InvalidInput([_too_long(self._began)])
                continue
            record = bytes(self._open).removesuffix(b"\r")
            self._open.clear()
            alone = self._header is not None and len(self._header) == 1
            if not record or not (alone or record.strip()):
                continue
            cells = _cells(record)
            if self._header is None:
                self._header = self._checked_header(cells)
            else:
                yield self._values(self._header, cells)

    def _checked_header(self, cells: list[str | None] | None) -> list[str]:
        names = [name or "" for name in cells or [""]]
        for at, name in enumerate(names):
            if name not in self._fields.by_name or name in names[:at]:
                shown = name[:100]
                raise InvalidInput(
                    [
                        Violation(
                            "chunk",
                            Text(
                                f"the CSV's header must name fields of the table, each once; {shown!r} does not",
                                f"O cabeçalho do CSV deve conter campos da tabela, sem repetição; '{shown}' é inválido",
                            ),
                        )
                    ]
                )
        return names

    def _values(self, header: list[str], cells: list[str | None] | None) -> Line:
        if cells is None:
            return Line(self._began, {}, (_malformed(),))
        if len(cells) != len(header):
            text = Text(
                f"has {len(cells)} cells where the header has {len(header)}",
                f"Tem {len(cells)} células, mas o cabeçalho tem {len(header)}",
            )
            return Line(self._began, {}, (Violation("", text),))
        values: dict[str, Json] = {}
        complaints: list[Violation] = []
        for name, cell in zip(header, cells, strict=True):
            try:
                values[name] = None if cell is None else from_text(cell, self._fields.by_name[name].column)
            except Refused as refused:
                complaints.append(Violation(name, refused.text))
        return Line(self._began, {} if complaints else values, tuple(complaints))


def _is_unclosed(line: bytes, *, within: bool) -> bool:
    """Whether the next line belongs to the same record: its last cell began with a quote that is not closed.

    `within`: the line itself begins within such a cell. A quote elsewhere opens nothing, so that a stray one spoils its
    own record alone.
    """
    if b'"' not in line:
        return within
    at = 0
    if within:
        closed = _REST.match(line)
        if closed is None:
            return True
        at = closed.end()
        if line[at : at + 1] != b",":
            return False
        at += 1
    at = _WHOLE_CELLS.match(line, at).end()  # type: ignore[union-attr]  # none is enough for it
    return line[at : at + 1] == b'"' and _REST.match(line, at + 1) is None


def _cells(record: bytes) -> list[str | None] | None:
    """The cells of a record, null where there is nothing; None where it is malformed."""
    try:
        text = record.decode()
    except UnicodeDecodeError:
        return None
    cells: list[str | None] = []
    at = 0
    while True:
        found = _CELL.match(text, at)
        if found is None:
            return None
        quoted, plain, comma = found.groups()
        cells.append(plain or None if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if not comma:
            return cells


def _malformed() -> Violation:
    return Violation("", Text("is not well-formed CSV in UTF-8", "Não é CSV válido em UTF-8"))


def _too_long(number: int) -> Violation:
    return Violation(
        "chunk",
        Text(f"line {number} is longer than {MAX_LINE} bytes", f"A linha {number} tem mais de {MAX_LINE} bytes"),
    )
