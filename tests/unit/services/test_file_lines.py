"""Records read from the bytes of files."""

import json
import time
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.domain.tables import column, shared_fields
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.table import ColumnType, Json
from wuzapi_manager_server.errors import InvalidInput
from wuzapi_manager_server.services.file_lines import MAX_LINE, Csv, JsonLines, Line, Reader

FIELDS = shared_fields(
    column(ColumnType.TEXT, "name"), column(ColumnType.BOOLEAN, "paid"), column(ColumnType.JSON, "papers")
)
LONE = shared_fields(column(ColumnType.TEXT, "name"))


def read(reader: Reader, *chunks: bytes) -> list[Line]:
    return [*(line for chunk in chunks for line in reader.feed(chunk)), *reader.end()]


def csv(*chunks: bytes, fields: Fields = FIELDS) -> list[Line]:
    return read(Csv(fields), *chunks)


def values(lines: Sequence[Line]) -> list[list[Json]]:
    assert not [line.complaints for line in lines if line.complaints]
    return [list(line.values.values()) for line in lines]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a,true,5", [["a", True, 5]]),
        ("a,,\r\nb,,\r\n", [["a", None, None], ["b", None, None]]),
        ('"",,', [["", None, None]]),
        (",,", [[None, None, None]]),
        ('"a ""b"", c",,', [['a "b", c', None, None]]),
        ('"""",,', [['"', None, None]]),
        ('"a\r\nb\nc\rd",,', [["a\r\nb\nc\rd", None, None]]),
        ('"a\r\n\r\n",,\r\nb,,', [["a\r\n\r\n", None, None], ["b", None, None]]),
        ('"a",true,"{""x"": [1, ""é""]}"', [["a", True, {"x": [1, "é"]}]]),
        ('x,,"""5"""', [["x", None, "5"]]),
        ("\n\r\n  \n\u00e9,false,\n\n", [["é", False, None]]),
        (" a ,,", [[" a ", None, None]]),
        ("a\rb,,", [["a\rb", None, None]]),
        ("", []),
    ],
)
def test_csv_is_read_as_it_is_meant(text: str, found: list[list[Json]]) -> None:
    """Nothing is null, a pair of quotes is empty text, quotes hold anything, blank lines are passed over."""
    assert values(csv(b"name,paid,papers\n" + text.encode())) == found


def test_headers() -> None:
    """A header may be quoted, in any order, of some fields, behind a byte order mark and blank lines."""
    assert csv(b'\xef\xbb\xbf"papers",name\r\n{},a\r\n')[0].values == {"papers": {}, "name": "a"}
    assert csv(b"\n\r\nname\na")[0].values == {"name": "a"}
    assert csv(b"name,paid\n") == []
    assert csv(b"name,paid") == []
    assert csv(b"") == []


@pytest.mark.parametrize(
    "header",
    [b"name,x", b"name,name", b"name,", b"Name", b" name", b'"na"me', b"name\rpaid", b"\xff", b"name;paid", b'na""me'],
)
def test_bad_headers_are_refused(header: bytes) -> None:
    """A header that does not name fields of the table, each once, ends the import."""
    with pytest.raises(InvalidInput, match="the CSV's header must name fields"):
        csv(header + b"\na,b\n")


@pytest.mark.parametrize(
    ("bad", "width"),
    [
        ('5" pipe,,', 1),
        ('a,,5" pipe', 1),
        ('"5" pipe,,', 1),
        ('"a",,x"', 1),
        ('"x\ny" z,,', 2),
        ('"x\n""y"z",,', 2),
        ('"x\ny",,5" pipe', 2),
        ('a"\r', 1),
    ],
)
def test_a_stray_quote_spoils_its_own_record_alone(bad: str, width: int) -> None:
    """A quote opens a cell at its start alone: what stands behind a record that is none is read as it is meant."""
    one, two, *others = csv(f'name,paid,papers\na,,\n{bad}\nb,,\n"c\nd",,\ne,,\n'.encode())
    assert not one.complaints
    assert (two.number, [str(each.text.en) for each in two.complaints]) == (3, ["is not well-formed CSV in UTF-8"])
    assert [(line.number, line.values["name"]) for line in others] == [
        (3 + width, "b"),
        (4 + width, "c\nd"),
        (6 + width, "e"),
    ]


def test_a_header_that_never_ends_is_told() -> None:
    """A quote left open in the header makes all of the file one malformed record."""
    [line] = csv(b'"name\na\nb\n')
    assert line.number == 1
    assert line.complaints


@pytest.mark.parametrize(
    ("text", "number", "field", "message"),
    [
        ('"a', 2, "", "well-formed"),
        ('a"b"c,,', 2, "", "well-formed"),
        ('"a"b,,', 2, "", "well-formed"),
        ('"a" ,,', 2, "", "well-formed"),
        ("a,b", 2, "", "has 2 cells where the header has 3"),
        ("a,,,", 2, "", "has 4 cells"),
        ('"x\ny",\n', 2, "", "has 2 cells"),
        ("a,,{", 2, "papers", "must be JSON"),
        ('\n\na,,""', 4, "papers", "must be JSON"),
    ],
)
def test_bad_records_are_told_by_their_line(text: str, number: int, field: str, message: str) -> None:
    """A record that cannot be read is told by the line where it begins."""
    [line] = csv(b"name,paid,papers\n" + text.encode())
    assert line.number == number
    [complaint] = line.complaints
    assert complaint.field == field
    assert message in complaint.text.en
    assert not line.values


def test_every_bad_cell_of_a_record_is_told() -> None:
    """A record is read whole before it is refused: each cell that its column cannot hold is told."""
    fields = shared_fields(column(ColumnType.JSON, "papers"), column(ColumnType.JSON, "cards"))
    [line] = csv(b"papers,cards\n{,}\n", fields=fields)
    assert [complaint.field for complaint in line.complaints] == ["papers", "cards"]


def test_text_that_is_not_utf8_is_told_by_its_line() -> None:
    """Bytes of another encoding are refused, the lines around them are read."""
    lines = csv(b"name\na\n\xe9\nb\n", fields=LONE)
    assert [(line.number, not line.complaints) for line in lines] == [(2, True), (3, False), (4, True)]
    lines = read(JsonLines(), b'{"a":1}\n{"a":"\xe9"}\n\xff\xfe{\x00}\x00\n{}\n')
    assert [not line.complaints for line in lines] == [True, False, False, True]


def test_records_over_several_lines_count_them_all() -> None:
    """The number of a record is that of its first line, whatever came before."""
    lines = csv(b'name\n"a\n\nb"\nc\n\n"d\n', fields=LONE)
    assert [(line.number, not line.complaints) for line in lines] == [(2, True), (5, True), (7, False)]


def test_a_column_alone_may_hold_white_space() -> None:
    """Where the header names one field, a line of spaces is that text; an empty line is none."""
    assert values(csv(b'name\n  \n\n\r\n""\n', fields=LONE)) == [["  "], [""]]


CELLS = (
    st.none()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(['"', "\r\n", ",", "\r", "\n"])
)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=4)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(place for place in cuts if place < len(data)), len(data)]
    return [data[one:other] for one, other in pairwise(places)]


def spelled(cell: str | None) -> str:
    return "" if cell is None else '"' + cell.replace('"', '""') + '"'


@given(ROWS, CUTS, st.sampled_from(["\n", "\r\n"]))
def test_csv_may_be_cut_anywhere(rows: list[tuple[str | None, str | None]], cuts: list[int], end: str) -> None:
    """What the chunks are does not matter: quoted text comes back to the last character."""
    fields = shared_fields(column(ColumnType.TEXT, "a"), column(ColumnType.TEXT, "b"))
    data = end.join(["a,b", *(",".join(map(spelled, row)) for row in rows)]).encode()
    assert values(csv(*cut(data, cuts), fields=fields)) == [list(row) for row in rows]


@given(st.binary(max_size=60) | st.text('a",\r\n', max_size=60).map(str.encode), CUTS)
def test_any_bytes_are_read_or_refused_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    """Any bytes give the same lines whatever the chunks; nothing is raised by them."""
    for make in (lambda: Csv(FIELDS), JsonLines):
        head = b"name,paid,papers\n" if make is not JsonLines else b""
        assert read(make(), *cut(head + data, cuts)) == read(make(), head + data)


OBJECTS = st.dictionaries(
    st.text(max_size=4), st.none() | st.booleans() | st.integers() | st.text(max_size=6), max_size=3
)


@given(st.lists(OBJECTS, max_size=4), CUTS, st.booleans())
def test_json_lines_may_be_cut_anywhere(objects: list[dict[str, Json]], cuts: list[int], plain: bool) -> None:
    """What the chunks are does not matter; blank lines, CRLF and a byte order mark neither."""
    text = "\r\n\n".join(json.dumps(each) for each in objects)
    data = b"" if plain else b"\xef\xbb\xbf"
    lines = read(JsonLines(), *cut(data + text.encode(), cuts))
    assert [line.values for line in lines] == objects
    assert [line.number for line in lines] == [1 + 2 * at for at in range(len(objects))]


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "null",
        "[]",
        '"a"',
        "{",
        "{}{}",
        "{'a':1}",
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        '{"a":' + "9" * 5_000 + "}",
        '{"a":' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"a":' * 100_000,
        "\x00",
    ],
    ids=range(15),
)
def test_what_is_no_object_is_told(text: str) -> None:
    """Anything but one JSON object with each key once is refused by its line, and the next is read."""
    bad, good = read(JsonLines(), text.encode() + b'\n{"a":1}')
    [complaint] = bad.complaints
    assert complaint.text.en == "is not a JSON object in UTF-8, each key once"
    assert good == Line(2, {"a": 1})


def test_numbers_that_no_double_holds_reach_the_column() -> None:
    """A huge number is left for the column to judge; a lone surrogate too."""
    [line] = read(JsonLines(), b'{"a":1e400,"b":"\\ud800","c":1.10}')
    assert repr(line.values["a"]) == "1e400"
    assert line.values["b"] == "\ud800"
    assert line.values["c"] == 1.1


@pytest.mark.parametrize("make", [lambda: Csv(LONE), JsonLines])
@pytest.mark.parametrize("tail", [b"", b"\n"])
def test_a_line_has_a_greatest_length(make: Callable[[], Reader], tail: bytes) -> None:
    """Above it the import ends, behind the lines before it, whether the line has ended or not."""
    lines = make().feed(b"name\n{}\n" + b"x" * (MAX_LINE + 1) + tail)
    numbers = [next(lines).number for _ in range(1 if make is not JsonLines else 2)]
    assert numbers[-1] == 2
    with pytest.raises(InvalidInput, match="line 3 is longer"):
        next(lines)


def test_an_open_quote_has_a_greatest_length() -> None:
    """A quote that is never closed ends the import instead of swallowing it."""
    reader = Csv(LONE)
    chunks = [b'name\n"open\n', *[b"x" * 99_999 + b"\n"] * 50]
    with pytest.raises(InvalidInput, match="line 2 is longer"):
        read(reader, *chunks)


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b"a" * 300_000 + b'"x\n',
        b'"' + b'""' * 150_000 + b'x"x\n',
        b'"' + b"\n" * 100_000,
        b'"\n"' * 100_000,
        b"a," * 150_000 + b"\n",
        b'"' + b"a,\n" * 300_000 + b'"\n',
        b" " * 300_000 + b'"\n',
    ],
    ids=range(7),
)
def test_no_csv_takes_long(data: bytes) -> None:
    """Reading takes a time that grows with the bytes alone, whatever they are and however small the chunks."""
    began = time.process_time()
    csv(b"name\n" + data, fields=LONE)
    csv(b"name\n", *(data[at : at + 100] for at in range(0, len(data), 100)), fields=LONE)
    assert time.process_time() - began < 20


def test_no_json_takes_long() -> None:
    """Small chunks of a long line are put together once."""
    began = time.process_time()
    [line] = read(JsonLines(), b'{"a":"', *[b"xy"] * 500_000, b'"}')
    assert not line.complaints
    assert time.process_time() - began < 20
