"""Exports and imports."""

import asyncio
import csv
import io
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, connection, shared_fields
from tests.unit.services.memory_source import MemorySource
from wuzapi_manager_server.domain.caller import Admin, Caller, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import ColumnType, Json, Key
from wuzapi_manager_server.errors import (
    Code,
    ConnectionFailed,
    CredentialsRejected,
    InvalidInput,
    QueryFailed,
    ServiceError,
    Text,
    TimedOut,
)
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.audit import Audit
from wuzapi_manager_server.services.file_lines import Csv, JsonLines
from wuzapi_manager_server.services.record_ids import RecordIds
from wuzapi_manager_server.services.records import OpenTable
from wuzapi_manager_server.services.transfer import (
    CHUNK,
    MAX_REPORTED,
    BadLine,
    Chunk,
    FileFormat,
    Importer,
    Report,
    exported,
)
from wuzapi_manager_server.sources.base import RecordSource

BOX = SecretBox([SecretBox.new_key()])
ANA = User("u1", "Ana", "", "ana-token")
Rows = list[tuple[dict[str, Json], Key]]


async def lists_of(*lists: Rows) -> AsyncGenerator[tuple[list[dict[str, Json]], list[Key]]]:
    for rows in lists:
        yield [values for values, _ in rows], [place for _, place in rows]


async def export(fields: Fields, kind: FileFormat, *lists: Rows, resumed: bool = False) -> list[Chunk]:
    return [chunk async for chunk in exported(lists_of(*lists), fields.all, kind, resumed=resumed)]


TEXT_AND_JSON = shared_fields(column(ColumnType.TEXT, "a"), column(ColumnType.JSON, "b"))
CELLS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
LISTS = st.lists(
    st.lists(st.tuples(CELLS, CELLS | st.integers(-5, 5) | st.just([1, {"x": None}])), max_size=4), max_size=4
)


@pytest.mark.parametrize("kind", FileFormat)
@given(lists=LISTS)
def test_what_is_exported_can_be_imported(kind: FileFormat, lists: list[list[tuple[Json, Json]]]) -> None:
    """Every value of every record comes back, null apart from empty text, whatever the text holds."""
    rows: list[Rows] = [[({"a": one, "b": other}, (at,)) for at, (one, other) in enumerate(each)] for each in lists]
    chunks = asyncio.run(export(TEXT_AND_JSON, kind, *rows))
    data = b"".join(chunk.data for chunk in chunks)
    reader = Csv(TEXT_AND_JSON) if kind is FileFormat.CSV else JsonLines()
    lines = [*reader.feed(data), *reader.end()]
    assert [line.values for line in lines] == [values for each in rows for values, _ in each]


async def test_a_csv_is_what_others_read() -> None:
    """The header names the fields, lines end in CRLF, and the csv module reads the same."""
    rows: Rows = [({"a": 'say "hi",\r\nthen go', "b": None}, (1,)), ({"a": "", "b": [True]}, (2,))]
    [chunk] = await export(TEXT_AND_JSON, FileFormat.CSV, rows)
    assert chunk == Chunk(b'a,b\r\n"say ""hi"",\r\nthen go",\r\n"",[true]\r\n', (2,), 2)
    read = list(csv.reader(io.StringIO(chunk.data.decode(), newline="")))
    assert read == [["a", "b"], ['say "hi",\r\nthen go', ""], ["", "[true]"]]


async def test_an_empty_export() -> None:
    """Without records a CSV is its header, unless it was resumed; JSON lines are nothing."""
    assert await export(TEXT_AND_JSON, FileFormat.CSV, []) == [Chunk(b"a,b\r\n", (), 0)]
    assert await export(TEXT_AND_JSON, FileFormat.CSV, resumed=True) == []
    assert await export(TEXT_AND_JSON, FileFormat.JSONL, []) == []


@pytest.mark.parametrize("kind", FileFormat)
@pytest.mark.parametrize("size", [10, 1_000, CHUNK // 2, CHUNK - 9, CHUNK - 8, CHUNK, 3 * CHUNK])
async def test_chunks_are_whole_lines_of_bounded_size(kind: FileFormat, size: int) -> None:
    """No chunk is above 64 KiB; each ends with a whole line and its place, but pieces of a record larger than one."""
    fields = shared_fields(column(ColumnType.TEXT, "a"))
    rows: Rows = [({"a": "x" * size}, (at,)) for at in range(1, 300 if size <= 1_000 else 5)]
    chunks = await export(fields, kind, rows[:2], rows[2:])
    assert all(0 < len(chunk.data) <= CHUNK for chunk in chunks)
    assert [chunk.records for chunk in chunks] == sorted(chunk.records for chunk in chunks)
    assert chunks[-1].records == len(rows)
    header = b"a\r\n" if kind is FileFormat.CSV else b""
    for at, chunk in enumerate(chunks):
        so_far = b"".join(each.data for each in chunks[: at + 1])
        if chunk.place:
            [last] = chunk.place
            assert last == chunk.records
            again = await export(fields, kind, rows[chunk.records :], resumed=True)
            assert so_far + b"".join(each.data for each in again) == b"".join(each.data for each in chunks)
        else:
            assert size + 9 > CHUNK or so_far == header
        if size <= CHUNK // 2:
            assert chunk.data.endswith(b"\n")


async def test_a_huge_header_is_cut_too() -> None:
    """A header of many long names is sent in pieces as well."""
    fields = shared_fields(*(column(ColumnType.TEXT, f"{at:0>250}") for at in range(600)))
    chunks = await export(fields, FileFormat.CSV, [])
    assert all(len(chunk.data) <= CHUNK and not chunk.place for chunk in chunks)
    assert b"".join(chunk.data for chunk in chunks).count(b",") == 599


async def test_a_huge_record_is_cut_in_time_that_grows_with_it() -> None:
    """A record of 64 MiB is cut without being copied over and over."""
    fields = shared_fields(column(ColumnType.TEXT, "a"))
    began = time.perf_counter()
    chunks = await export(fields, FileFormat.JSONL, [({"a": "x" * 2**26}, (1,))])
    assert time.perf_counter() - began < 10
    assert [chunk.place for chunk in chunks] == [()] * (len(chunks) - 1) + [(1,)]


def opened(source: MemorySource, caller: Caller = ANA, as_user: str = "") -> OpenTable:
    through = connection()
    scope = RowScope.of(caller, through, as_user)
    fields = Fields.of(source.table, through, scope)
    typed: RecordSource = source
    return OpenTable(
        through,
        typed,
        source.table,
        scope,
        fields,
        RecordIds(BOX, through, source.table, fields.secret),
        BOX,
        Unheard(),
    )


class Unheard(Audit):
    """Nobody reads what is told of these records."""

    def __init__(self) -> None:
        """Without a database."""

    async def records(
        self, connection_id: int, record_ids: Sequence[str], fields: Sequence[str] = (), as_user: str = ""
    ) -> None:
        del connection_id, record_ids, fields, as_user


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def take_in(
    source: MemorySource,
    *chunks: bytes,
    kind: FileFormat = FileFormat.JSONL,
    skip: bool = False,
    validate_only: bool = False,
    caller: Caller = ANA,
    as_user: str = "",
) -> Report:
    importer = Importer(opened(source, caller, as_user), kind, skip=skip, validate_only=validate_only)
    return await importer.run(chunks_of(*chunks), lambda: Deadline.after(10))


def lines(*rows: dict[str, Json]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def people(count: int, start: int = 0) -> list[dict[str, Json]]:
    return [{"name": f"n{at}", "age": at % 10} for at in range(start, start + count)]


@pytest.mark.parametrize("transactions", [True, False])
async def test_records_are_made_in_batches(transactions: bool) -> None:
    """Good lines are made 200 at a time, each stamped with its owner."""
    source = MemorySource(transactions=transactions)
    data = lines(*people(450))
    report = await take_in(source, *(data[at : at + 1_000] for at in range(0, len(data), 1_000)))
    assert report == Report(450, 0, (), stopped=False)
    assert source.inserts == [200, 200, 50]
    assert source.names() == [row["name"] for row in people(450)]
    assert {row["owner"] for row in source.rows.values()} == {"u1"}


async def test_the_last_line_may_lack_its_end() -> None:
    """A line that ends with the file counts; a file of nothing makes nothing."""
    source = MemorySource()
    assert (await take_in(source, b'{"name":"a"}\n{"name":"b"}')).created == 2
    assert await take_in(source) == Report(0, 0, (), stopped=False)
    assert await take_in(source, b"", b"\n\n") == Report(0, 0, (), stopped=False)


async def test_csv_is_taken_in() -> None:
    """A CSV makes records by its header."""
    source = MemorySource()
    report = await take_in(source, b"age,name\r\n7,", b'"a\r\nb"\r\n,c\r\n', kind=FileFormat.CSV)
    assert report.created == 2
    assert [(row["name"], row["age"]) for row in source.rows.values()] == [("a\r\nb", 7), ("c", None)]


BAD = b'{"name":"a"}\n{"name":5,"x":1}\n{"name":"b"}\nnonsense\n{"name":"a"}\n{"name":"c","age":13}\n{"name":"d"}\n'


@pytest.mark.parametrize("transactions", [True, False])
async def test_bad_lines_are_skipped_and_told(transactions: bool) -> None:
    """Each refused line is reported in order with its field and reason, the others are made."""
    source = MemorySource(transactions=transactions)
    report = await take_in(source, BAD, skip=True)
    assert source.names() == ["a", "b", "d"]
    assert report == Report(
        3,
        4,
        (
            BadLine(2, "name", "must be text", "VALIDATION_ERROR"),
            BadLine(2, "x", "'x' is not a field of 'orders'", "VALIDATION_ERROR"),
            BadLine(4, "", "is not a JSON object in UTF-8, each key once", "VALIDATION_ERROR"),
            BadLine(5, "", "name is taken", "ALREADY_EXISTS"),
            BadLine(6, "", "no age is 13", "QUERY_FAILED"),
        ),
        stopped=False,
    )


@pytest.mark.parametrize("transactions", [True, False])
@pytest.mark.parametrize(
    ("rows", "line", "made"),
    [
        ([{"name": "a"}, {"name": 5}, {"name": "b"}], 2, ["a"]),
        ([{"name": 5}, {"name": "b"}], 1, []),
        ([{"name": "a"}, {"name": "b"}, {"name": "a"}], 3, ["a", "b"]),
        ([{"name": "a"}, {"name": "a"}, {"name": 5}], 2, ["a"]),
        ([{"name": "a"}, {"name": "a"}, {"name": "z"}], 2, ["a"]),
        ([*people(199), {"name": 5}, *people(10, 500)], 200, [row["name"] for row in people(199)]),
        ([*people(200), {"name": 5}, *people(300, 500)], 201, [row["name"] for row in people(200)]),
    ],
)
async def test_an_import_stops_at_the_first_bad_line(
    rows: list[dict[str, Json]], line: int, made: list[str], transactions: bool
) -> None:
    """What stands before it is made, nothing behind it is looked at, and it alone is reported."""
    source = MemorySource(transactions=transactions)
    report = await take_in(source, lines(*rows))
    assert source.names() == made
    assert (report.created, report.failed, report.stopped) == (len(made), 1, True)
    assert [error.line for error in report.errors] == [line]


async def test_a_stopped_import_reads_no_further() -> None:
    """The chunks behind a refused line are not asked for."""
    asked = []

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(10):
            asked.append(at)
            yield lines(*people(300, 300 * at)) if at != 1 else b"nonsense\n" + lines(*people(300, 5_000))

    importer = Importer(opened(MemorySource()), FileFormat.JSONL, skip=False, validate_only=False)
    report = await importer.run(chunks(), lambda: Deadline.after(10))
    assert asked == [0, 1]
    assert (report.created, report.errors[0].line) == (300, 301)


async def test_a_source_without_transactions_is_not_asked_twice() -> None:
    """Where nobody knows which rows a failed batch has made, it is not made again."""
    source = MemorySource(transactions=False)
    source.broken = QueryFailed(Text("lost", "perdido"))
    with pytest.raises(QueryFailed):
        await take_in(source, lines(*people(3)), skip=True)
    assert source.inserts == [3]


@pytest.mark.parametrize("transactions", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed(Text("away", "fora")),
        CredentialsRejected(Text("no", "não")),
        TimedOut(Text("late", "tarde")),
    ],
)
async def test_what_is_no_fault_of_a_row_ends_the_import(error: ServiceError, transactions: bool) -> None:
    """A source that is away, late or refuses the credentials is an error of the call, also where lines are skipped."""
    source = MemorySource(transactions=transactions)
    source.broken = error
    with pytest.raises(type(error)):
        await take_in(source, lines(*people(3)), skip=True)
    assert source.inserts == [3]


async def test_a_foreign_failure_of_a_row_ends_the_import() -> None:
    """An error that a source gives for one row, but that is not the row's, is raised; what was made is counted."""

    class Flaky(MemorySource):
        def _refusal(self, _values: object, _owner: object) -> ServiceError | None:
            return ConnectionFailed(Text("away", "fora")) if len(self.rows) == 2 else None

    source = Flaky(transactions=False)
    importer = Importer(opened(source), FileFormat.JSONL, skip=True, validate_only=False)
    with pytest.raises(ConnectionFailed):
        await importer.run(chunks_of(lines(*people(5))), lambda: Deadline.after(10))
    assert importer.created == 2


async def test_a_dry_run_makes_nothing_and_lets_others_have_their_turn() -> None:
    """It counts what would be made and tells what is bad, and other tasks go on meanwhile."""
    source = MemorySource()
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    report = await take_in(source, lines(*people(1_000), {"name": 5}, *people(1_000)), skip=True, validate_only=True)
    task.cancel()
    assert (report.created, report.failed, report.stopped) == (2_000, 1, False)
    assert source.rows == {}
    assert source.inserts == []
    assert turns >= 10


async def test_only_the_first_refusals_are_kept() -> None:
    """All are counted, the first 100 are told, also those of one line."""
    source = MemorySource()
    report = await take_in(source, b"{}\n" * 1_000, skip=True)
    assert (report.failed, len(report.errors), report.errors[-1].line) == (1_000, MAX_REPORTED, 100)
    wide = lines({f"x{at}": 1 for at in range(500)}, {"name": "a"})
    report = await take_in(source, wide, skip=True)
    assert (report.created, report.failed, len(report.errors)) == (1, 1, MAX_REPORTED)


async def test_whose_rows_they_are() -> None:
    """A user's lines are stamped whatever they say; the administrator names a user or gives the link field."""
    source = MemorySource()
    report = await take_in(source, lines({"name": "a", "owner": "u2"}), skip=True)
    assert report.errors == (BadLine(1, "owner", "is read-only", "VALIDATION_ERROR"),)
    report = await take_in(source, lines({"name": "a"}, {"name": "b", "owner": "u2"}), skip=True, caller=Admin())
    assert report.errors == (BadLine(1, "as_user", "is required: whose row is it?", "MISSING_REQUIRED_FIELD"),)
    await take_in(source, lines({"name": "c"}), caller=Admin(), as_user="u3")
    assert [row["owner"] for row in source.rows.values()] == ["u2", "u3"]


async def test_a_table_that_takes_no_writes_takes_no_import() -> None:
    """It is QueryFailed before anything is read."""
    with pytest.raises(QueryFailed, match="it is a view") as error:
        await take_in(MemorySource(read_only=Text("it is a view", "é uma visão")), b"nonsense")
    assert error.value.code is Code.FAILED_PRECONDITION


async def test_a_bad_header_ends_an_import() -> None:
    """A CSV whose header is not the table's is InvalidInput, also where lines are skipped."""
    with pytest.raises(InvalidInput, match="header"):
        await take_in(MemorySource(), b"x\n1\n", kind=FileFormat.CSV, skip=True)


async def test_every_batch_has_a_deadline_of_its_own() -> None:
    """A batch that begins too late is TimedOut; what was made before stays."""
    source = MemorySource()
    importer = Importer(opened(source), FileFormat.JSONL, skip=True, validate_only=False)
    deadlines = iter([Deadline.after(10), Deadline.after(-1)])
    with pytest.raises(TimedOut):
        await importer.run(chunks_of(lines(*people(300))), lambda: next(deadlines))
    assert importer.created == len(source.rows) == 200
