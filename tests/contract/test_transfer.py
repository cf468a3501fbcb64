"""Exports and imports: JSON lines and CSV, resumed anywhere, cut anywhere, refused line by line."""

import csv
import io
import json

import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, compared, connect
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, Shape, SourceUnderTest, Spec, demands
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager.v1.record_pb2 import FILE_FORMAT_CSV, FILE_FORMAT_JSONL
from wuzapi_manager_server.domain.table import ColumnType

FORMATS = (FILE_FORMAT_JSONL, FILE_FORMAT_CSV)
NAMES = ["plain", "", None, 'quo"te', "com,ma", "line\nbreak", "cr\rlf\r\n", "ação", " space ", '"', "x" * 9000]


@pytest.fixture(scope="module")
def full(world: World, source: SourceUnderTest, ana: Caller, bruno: Caller) -> Desk:
    names = [name if source.can.keeps(name) else "not empty" for name in NAMES]
    rows = [
        [2 * at + which, owner.token, names[at % len(names)], at]
        for at in range(1, source.can.many + 1)
        for which, owner in enumerate((ana, bruno))
    ]
    return Desk(ana, connect(world, source, source.make(PEOPLE, rows), ana, bruno))


@pytest.fixture
def table(source: SourceUnderTest) -> MadeTable:
    return source.make(PEOPLE)


@pytest.fixture
def empty(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana))


def read(data: bytes, kind: pb.FileFormat.ValueType) -> list[dict[str, object]]:
    """The records of a file by libraries that others use: empty and null are one in CSV there."""
    if kind == FILE_FORMAT_JSONL:
        assert data.endswith(b"\n")
        return [json.loads(line) for line in data.split(b"\n") if line]
    rows = csv.DictReader(io.StringIO(data.decode(), newline=""))
    return [{"id": int(row["id"]), "name": row["name"], "age": int(row["age"])} for row in rows]


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_holds_all_that_a_list_holds(
    source: SourceUnderTest, full: Desk, kind: pb.FileFormat.ValueType
) -> None:
    """Every own record by key, readable by any program, and nothing of anyone else."""
    expected = full.all(page_size=1000)
    assert len(expected) == source.can.many
    if kind == FILE_FORMAT_CSV:
        expected = [{**record, "name": record["name"] or ""} for record in expected]
    assert read(full.export(kind), kind) == expected


@pytest.mark.parametrize("kind", FORMATS)
def test_chunks_are_whole_lines_and_count(source: SourceUnderTest, full: Desk, kind: pb.FileFormat.ValueType) -> None:
    """Chunks hold at most 64 KiB of whole lines, and the count is of the records so far."""
    chunks = list(full.chunks(kind))
    assert len(chunks) > 3
    assert all(0 < len(chunk.chunk) <= 64 * 1024 for chunk in chunks)
    assert all(chunk.chunk.endswith(b"\n") and chunk.resume_token for chunk in chunks)
    counts = [chunk.record_count for chunk in chunks]
    assert counts == sorted(counts)
    assert counts[-1] == source.can.many


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_resumes_behind_any_chunk(full: Desk, kind: pb.FileFormat.ValueType) -> None:
    """What came before a token and what comes after it are the whole export, whichever chunk was the last."""
    chunks = list(full.chunks(kind))
    whole = b"".join(chunk.chunk for chunk in chunks)
    for at, chunk in enumerate(chunks):
        before = b"".join(each.chunk for each in chunks[: at + 1])
        after = b"".join(each.chunk for each in full.chunks(kind, resume_token=chunk.resume_token))
        assert before + after == whole


def test_a_resume_token_is_for_the_same_export(full: Desk, bruno: Caller) -> None:
    """Another format, filter, search, field list or user refuses it, and so does a changed byte."""
    token = next(full.chunks()).resume_token
    for chunks in (
        full.chunks(FILE_FORMAT_CSV, resume_token=token),
        full.chunks(where=compared("age", pb.OP_GT, 1), resume_token=token),
        full.chunks(search="x", resume_token=token),
        full.chunks(fields=["id"], resume_token=token),
        full.chunks(resume_token=token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]),
        full.chunks(resume_token="x"),
        Desk(bruno, full.id).chunks(resume_token=token),
    ):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            list(chunks)
        assert set(refusal.violations) == {"resume_token"}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_is_filtered_searched_and_chosen_from(full: Desk, kind: pb.FileFormat.ValueType) -> None:
    """Filter, search and fields mean what they mean in a list; fields stand in the order asked for."""
    where = compared("age", pb.OP_LE, 200)
    data = full.export(kind, where, search="QUO", fields=["age", "name"])
    count = full.count(where, "QUO")
    assert count == 18
    lines = data.splitlines()
    if kind == FILE_FORMAT_CSV:
        assert lines[:2] == [b"age,name", b'3,"quo""te"']
    else:
        assert lines[0] == b'{"age":3,"name":"quo\\"te"}'
    assert len(lines) == count + (kind == FILE_FORMAT_CSV)


@pytest.mark.parametrize("kind", FORMATS)
def test_an_export_of_nothing(full: Desk, kind: pb.FileFormat.ValueType) -> None:
    """No record is no line; CSV has its header all the same."""
    data = full.export(kind, compared("age", pb.OP_LT, 0))
    assert data == (b"id,name,age\r\n" if kind == FILE_FORMAT_CSV else b"")


def test_a_record_above_a_chunk_comes_in_several(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Only the last chunk of a large record has a token to resume by."""
    table = source.make(PEOPLE, [[1, ana.token, "é" * 100_000, 1], [2, ana.token, "small", 2]])
    desk = Desk(ana, connect(world, source, table, ana))
    chunks = list(desk.chunks())
    assert all(len(chunk.chunk) <= 64 * 1024 for chunk in chunks)
    assert [bool(chunk.resume_token) for chunk in chunks][:2] == [False, False]
    records = [json.loads(line) for line in b"".join(chunk.chunk for chunk in chunks).splitlines()]
    assert records == desk.all()
    for at, chunk in enumerate(chunks):
        if chunk.resume_token:
            rest = b"".join(each.chunk for each in desk.chunks(resume_token=chunk.resume_token))
            assert rest == b"".join(each.chunk for each in chunks[at + 1 :])


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("piece", [7, 1000, 60_000])
def test_an_export_is_imported_again(
    source: SourceUnderTest, full: Desk, empty: Desk, table: MadeTable, kind: pb.FileFormat.ValueType, piece: int
) -> None:
    """A file that was exported makes the same records elsewhere, wherever its bytes are cut on the way."""
    few = compared("age", pb.OP_LE, 120 if piece == 7 else source.can.many)
    fields = [] if source.can.chosen_keys else ["name", "age"]
    report = empty.take_in(full.export(kind, few, fields=fields), kind, piece=piece)
    assert (report.created_count, report.failed_count, report.stopped) == (full.count(few), 0, False)
    made, given = empty.all(page_size=1000), full.all(few, page_size=1000)
    if fields:
        made, given = ([{**one, "id": None} for one in each] for each in (made, given))
    assert made == given
    assert {row[1] for row in source.rows(table)} == {empty.caller.token}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n\r\n  \n", []),
        (b'{"name":"a"}', ["a"]),
        (b'\xef\xbb\xbf{"name":"bom"}\r\n\r\n{"name":"b"}', ["bom", "b"]),
        (b'{"name":"\\u00e9\\ud83e\\udd9c"}', ["é🦜"]),
        (b'{"name":null}\n{}', [None, None]),
    ],
)
def test_json_lines_as_programs_write_them(
    source: SourceUnderTest, empty: Desk, table: MadeTable, data: bytes, expected: list[object]
) -> None:
    """Blank lines, a byte order mark, CR LF and a missing last line end are no fault."""
    assert empty.take_in(data).created_count == len(expected)
    assert [row[2] for row in source.rows(table)] == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"name\r\n", []),
        (b"age,name\n1,a\n2,b", [("a", 1), ("b", 2)]),
        (b'name,age\r\n"",\r\n,1\r\n', [("", None), (None, 1)]),
        (b'name\n"a ""b"", c"\n"x\r\ny"\n', [('a "b", c', None), ("x\r\ny", None)]),
        (b'"name","age"\n"1","2"\n', [("1", 2)]),
        (b"\xef\xbb\xbfname\nbom\n\n", [("bom", None)]),
    ],
)
def test_csv_as_programs_write_it(
    source: SourceUnderTest, empty: Desk, table: MadeTable, data: bytes, expected: list[object]
) -> None:
    """Columns in any order, quotes, line breaks within cells, a byte order mark; an empty cell is null."""
    demands(source.can.empty_values or b'\n"",' not in data)
    assert empty.take_in(data, FILE_FORMAT_CSV).created_count == len(expected)
    assert [row[2:] for row in source.rows(table)] == expected


BAD_LINES = b"""{"id": 7, "name": "one", "age": 1}

{"name": "two", "age": "x", "nothing": 1}
not json
[1]
{"id": 7, "name": "taken"}
{"name": "six", "age": 6}
{"owner": "me"}
{"name": "\xff"}
"""


def bad_lines(source: SourceUnderTest) -> bytes:
    """The lines, as good ones and bad ones are for the engine."""
    return BAD_LINES if source.can.chosen_keys else BAD_LINES.replace(b'"id": 7, ', b"", 1)


def test_an_import_that_stops_makes_nothing_behind(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """Also where it is the source that refuses a line, and each line is for itself."""
    demands(source.can.chosen_keys)
    names = [b'{"id": %d, "name": "%d"}\n' % (at, at) for at in (7, 8, 7, 9, 10)]
    report = empty.take_in(b"".join(names))
    assert (report.created_count, report.failed_count, report.stopped) == (2, 1, True)
    assert [(error.line, error.reason) for error in report.errors] == [(3, "ALREADY_EXISTS")]
    assert [row[2] for row in source.rows(table)] == ["7", "8"]


def test_an_import_that_stops_keeps_what_came_before(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """The first refused line ends it; the report names the line of the file and every bad field of it."""
    report = empty.take_in(bad_lines(source))
    assert (report.created_count, report.failed_count, report.stopped) == (1, 1, True)
    assert [(error.line, error.field, error.reason) for error in report.errors] == [
        (3, "age", "VALIDATION_ERROR"),
        (3, "nothing", "VALIDATION_ERROR"),
    ]
    assert all(error.message for error in report.errors)
    assert [row[2] for row in source.rows(table)] == ["one"]


def test_an_import_that_skips_goes_on(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """Every refused line is reported by its number in the file, and the others are made."""
    report = empty.take_in(bad_lines(source), skip=True)
    assert (report.created_count, report.failed_count, report.stopped) == (2, 6, False)
    told = {(error.line, error.field) for error in report.errors}
    key = "" if source.can.chosen_keys else "id"
    assert told == {(3, "age"), (3, "nothing"), (4, ""), (5, ""), (6, key), (8, "owner"), (9, "")}
    taken = next(error for error in report.errors if error.line == 6)
    assert taken.reason == ("ALREADY_EXISTS" if source.can.chosen_keys else "VALIDATION_ERROR")
    assert sorted(str(row[2]) for row in source.rows(table)) == ["one", "six"]


def test_errors_of_csv_name_the_first_line_of_a_record(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """Line numbers count lines of the file, and a record over several lines has its first one's."""
    data = b'name,age\n"two\nthree",x\n4,4,4\n"five",5\ns"i"x,6\n"seven\neight",8\n9,"'
    report = empty.take_in(data, FILE_FORMAT_CSV, skip=True)
    assert [(error.line, error.field) for error in report.errors] == [(2, "age"), (4, ""), (6, ""), (9, "")]
    assert [row[2] for row in source.rows(table)] == ["five", "seven\neight"]


def test_a_dry_run_reports_and_makes_nothing(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """With validate_only the report says what would be, as far as that can be known, and nothing is made."""
    report = empty.take_in(bad_lines(source), skip=True, validate_only=True)
    assert (report.created_count, report.failed_count) == ((3, 5) if source.can.chosen_keys else (2, 6))
    assert source.rows(table) == []


def test_at_most_a_hundred_refusals_are_listed(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """All refusals are counted, the first hundred are told."""
    report = empty.take_in(b'{"age": "x"}\n' * 700 + b'{"age": 1}\n', skip=True)
    assert (report.created_count, report.failed_count, len(report.errors)) == (1, 700, 100)
    assert [error.line for error in report.errors] == list(range(1, 101))


@pytest.mark.parametrize(
    "header", [b"name,owner", b"name,name", b"nothing", b"name,", b'"name"x', b"Name", b"name\xff"]
)
def test_a_header_of_other_fields_is_refused(
    source: SourceUnderTest, empty: Desk, table: MadeTable, header: bytes
) -> None:
    """A CSV's header names fields that the caller may see, each once; otherwise nothing is made."""
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        empty.take_in(header + b"\na,b\n", FILE_FORMAT_CSV)
    assert set(refusal.violations) == {"chunk"}
    assert source.rows(table) == []


def test_a_line_that_fits_no_format_is_refused_at_once(empty: Desk) -> None:
    """However long a quoted cell is, what is wrong behind it costs no more than reading it."""
    data = b'name,age\n"' + b"a" * 1_000_000 + b'"x,1\n"' + b'""' * 500_000 + b'"x,2\n'
    report = empty.take_in(data, FILE_FORMAT_CSV, skip=True)
    assert [error.line for error in report.errors] == [2, 3]


def test_an_import_without_a_message_is_refused(empty: Desk) -> None:
    """A stream that ends at once says nothing to import."""
    with refused(StatusCode.INVALID_ARGUMENT):
        empty.rpc.ImportRecords(iter(()))


def test_a_line_without_end_is_refused(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """A line above 4 MiB is refused while it comes in, in both formats, quoted or not."""
    endless = b'{"name": "' + b"x" * (5 << 20)
    for data, kind in ((endless, FILE_FORMAT_JSONL), (b'name\n"' + (b"x" * 999 + b"\n") * 5_300, FILE_FORMAT_CSV)):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            empty.take_in(data, kind)
        assert refusal.violations
    assert source.rows(table) == []


def test_an_import_in_many_batches_keeps_its_order(source: SourceUnderTest, empty: Desk, table: MadeTable) -> None:
    """Thousands of lines are made in their order, in batches, while the stream goes on."""
    count = source.can.many + 1_000
    lines = b"".join(b'{"age": %d}\n' % at for at in range(count))
    assert empty.take_in(lines, piece=999).created_count == count
    assert [row[3] for row in source.rows(table)] == list(range(count))


def test_what_cannot_be_written_cannot_be_imported(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """An import into what takes no writes is refused as a whole, also when it holds no line."""
    demands(source.can.any_key)
    view = source.make(Shape((Spec("id", ColumnType.INTEGER), Spec("owner"), Spec("name")), view=True))
    desk = Desk(ana, connect(world, source, view, ana))
    for data in (b"", b'{"name": "x"}\n'):
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED"):
            desk.take_in(data)
