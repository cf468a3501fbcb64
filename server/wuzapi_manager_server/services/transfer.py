"""Records as files: JSON lines and CSV, out in chunks and in from chunks."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import NamedTuple

import orjson

from wuzapi_manager_server.domain.columns import Written, json_values
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.fields import Field
from wuzapi_manager_server.domain.table import Cell, Key
from wuzapi_manager_server.domain.values import to_text
from wuzapi_manager_server.errors import (
    AlreadyExists,
    InvalidInput,
    QueryFailed,
    ServiceError,
    Violation,
    WrittenOtherwise,
)
from wuzapi_manager_server.services.file_lines import Csv, JsonLines, Line, Reader
from wuzapi_manager_server.services.records import OpenTable, Result

CHUNK = 64 * 1024
MAX_REPORTED = 100
# What a source refuses a row for; anything else is no fault of the row and ends the import.
_OF_A_ROW = (InvalidInput, AlreadyExists, QueryFailed)
_BATCH = 200
_CSV_NEEDS_QUOTES = frozenset(',"\r\n')


class FileFormat(Enum):
    """The format of an export or import. Names are those of the protos without prefix."""

    JSONL = "JSONL"
    CSV = "CSV"


class Chunk(NamedTuple):
    """A piece of an export: whole lines, the place behind them (() inside a large record), records so far."""

    data: bytes
    place: Key
    records: int


class BadLine(NamedTuple):
    """A line that was refused."""

    line: int
    field: str
    message: str
    reason: str


class Report(NamedTuple):
    """What became of an import. `errors` holds the first refusals alone."""

    created: int
    failed: int
    errors: tuple[BadLine, ...]
    stopped: bool


async def exported(
    lists: AsyncGenerator[tuple[Sequence[Mapping[str, Written]], Sequence[Key]]],
    fields: Sequence[Field],
    kind: FileFormat,
    *,
    resumed: bool,
) -> AsyncGenerator[Chunk]:
    """The chunks of an export, each at most CHUNK bytes. A resumed CSV has no header again."""
    encode = partial(_csv_line, fields) if kind is FileFormat.CSV else _json_line
    buffer = bytearray()
    place: Key = ()
    count = 0
    if kind is FileFormat.CSV and not resumed:
        *pieces, rest = _pieces(_csv_cells([field.name for field in fields]))
        for piece in pieces:
            yield Chunk(piece, (), 0)
        buffer += rest
    async for rows, places in lists:
        for values, behind in zip(rows, places, strict=True):
            line = encode(values)
            if buffer and len(buffer) + len(line) > CHUNK:
                yield Chunk(bytes(buffer), place, count)
                buffer.clear()
            if len(line) > CHUNK:
                *pieces, line = _pieces(line)
                for piece in pieces:
                    yield Chunk(piece, (), count)
            buffer += line
            place = behind
            count += 1
    if buffer:
        yield Chunk(bytes(buffer), place, count)


def _pieces(line: bytes) -> list[bytes]:
    return [line[at : at + CHUNK] for at in range(0, len(line), CHUNK)]


_JSON_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE


def _json_line(values: Mapping[str, Written]) -> bytes:
    return orjson.dumps(values, option=_JSON_OPTIONS)


def _csv_line(fields: Sequence[Field], values: Mapping[str, Written]) -> bytes:
    cells = ((json_values([values[field.name]])[0], field.column) for field in fields)
    return _csv_cells([None if value is None else to_text(value, column) for value, column in cells])


def _csv_cells(cells: Sequence[str | None]) -> bytes:
    """A line of RFC 4180, where null is nothing and empty text is a pair of quotes."""
    quoted = (
        "" if cell is None else f'"{cell.replace(chr(34), chr(34) * 2)}"' if _needs_quotes(cell) else cell
        for cell in cells
    )
    return (",".join(quoted) + "\r\n").encode("utf-8", "surrogatepass")


def _needs_quotes(cell: str) -> bool:
    return not cell or not _CSV_NEEDS_QUOTES.isdisjoint(cell)


class _Row(NamedTuple):
    """A row to make, from the line of that number."""

    number: int
    cells: Mapping[str, Cell]


class Importer:
    """Makes records from chunks of a file, in batches."""

    def __init__(self, table: OpenTable, kind: FileFormat, *, skip: bool, validate_only: bool) -> None:
        self._table = table
        self._reader: Reader = Csv(table.fields) if kind is FileFormat.CSV else JsonLines()
        self._skip = skip
        self._validate_only = validate_only
        self.untouched = True
        """Whether nothing was written yet."""
        self.created = 0
        self._failed = 0
        self._errors: list[BadLine] = []
        self._stopped = False

    async def run(self, chunks: AsyncIterator[bytes], deadline: Callable[[], Deadline]) -> Report:
        """Reads to the end, or to the first refused line where none is to be skipped."""
        self._table.insist_on_writing()
        batch: list[Line] = []
        async for chunk in chunks:
            for line in self._reader.feed(chunk):
                batch.append(line)
                if len(batch) == _BATCH:
                    await self._make(batch, deadline())
                    batch.clear()
                if self._stopped:
                    break
            if self._stopped:
                break
        else:
            batch.extend(self._reader.end())
            await self._make(batch, deadline())
        return Report(self.created, self._failed, tuple(self._errors), self._stopped)

    async def _make(self, lines: Sequence[Line], deadline: Deadline) -> None:
        """Makes a batch: together where every line is good, else line by line, so that each refusal has its line."""
        good: list[_Row] = []
        refused: list[tuple[int, ServiceError]] = []
        for line in lines:
            try:
                if line.complaints:
                    raise InvalidInput(line.complaints)
                good.append(_Row(line.number, self._table.prepared([line.values], lambda _at: "")[0]))
            except ServiceError as error:
                refused.append((line.number, error))
                if not self._skip:
                    break
        if self._validate_only:
            self.created += len(good)
            await asyncio.sleep(0)  # nothing else here lets other calls have their turn
        elif good:
            refused.extend(await self._made(good, deadline))
        for number, refusal in sorted(refused, key=lambda each: each[0])[: None if self._skip else 1]:
            self._refuse(number, refusal)

    async def _made(self, rows: Sequence[_Row], deadline: Deadline) -> list[tuple[int, ServiceError]]:
        """Makes rows, and tells those that were refused."""
        try:
            cells = [row.cells for row in rows]
            return self._refused(rows, await self._table.create(cells, deadline, stop=not self._skip))
        except ServiceError as error:
            # Without transactions nobody knows which rows were made: to make them again would double some.
            if not _is_of_a_row(error) or not self._table.table.capabilities.transactions:
                raise
            if len(rows) == 1:
                return [(rows[0].number, error)]
        refused: list[tuple[int, ServiceError]] = []
        for row in rows:
            refused.extend(await self._made([row], deadline))
            if refused and not self._skip:
                break
        return refused

    def _refused(self, rows: Sequence[_Row], results: Sequence[Result]) -> list[tuple[int, ServiceError]]:
        """The rows that a source without transactions refused, each for itself."""
        self.created += sum(result.error is None for result in results)
        if any(result.error is None or isinstance(result.error, WrittenOtherwise) for result in results):
            self.untouched = False
        refused: list[tuple[int, ServiceError]] = []
        for row, result in zip(rows, results, strict=True):
            if isinstance(result.error, ServiceError) and _is_of_a_row(result.error):
                refused.append((row.number, result.error))
                if not self._skip:  # those behind it were not tried
                    break
            elif result.error is not None:
                raise result.error
        return refused

    def _refuse(self, number: int, error: ServiceError) -> None:
        self._failed += 1
        self._stopped = not self._skip
        violations = error.violations if isinstance(error, InvalidInput) else (Violation("", error.text),)
        for violation in violations[: MAX_REPORTED - len(self._errors)]:
            field = violation.field.removeprefix(".")
            self._errors.append(BadLine(number, field, violation.text.en, error.reason))


def _is_of_a_row(error: ServiceError) -> bool:
    return isinstance(error, _OF_A_ROW)
