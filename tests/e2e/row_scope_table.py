"""Random tables of many owners, and a model of whose row is whose. The model reads the file, never the service."""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from tests.contract.sqlite_source import quoted
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as connections

Raw = None | int | float | str | bytes
Row = Mapping[str, Raw]
"""A row as the file holds it, by column."""

LINK_TYPES = (
    "TEXT",
    "TEXT COLLATE NOCASE",
    "TEXT COLLATE RTRIM",
    "VARCHAR(40) DEFAULT 'nobody'",
    "INTEGER",
    "NUMERIC",
    "DOUBLE",
    "BLOB",
    "",
)
KEYS = {
    "integer": ("a INTEGER PRIMARY KEY, b INTEGER", ")"),
    "replacing": ("a INTEGER PRIMARY KEY ON CONFLICT REPLACE, b INTEGER", ")"),
    "text": ("a TEXT PRIMARY KEY, b INTEGER", ")"),
    "nocase": ("a TEXT COLLATE NOCASE PRIMARY KEY, b INTEGER", ")"),
    "untyped": ("a PRIMARY KEY, b INTEGER", ")"),
    "composite": ("a TEXT, b INTEGER", ", PRIMARY KEY (a, b))"),
    "without rowid": ("a TEXT, b INTEGER", ", PRIMARY KEY (a, b)) WITHOUT ROWID"),
    "with link": ("a INTEGER, b INTEGER", ", PRIMARY KEY (owner, b))"),
    "none": ("a TEXT, b INTEGER", ")"),
}
"""The columns a and b, and the end of the statement that makes the table."""

COLUMNS = ("a", "b", "owner", "name", "n", "note", "code", "mark", "veil", "tag")
"""`tag`, a number, tells rows apart; `mark` and `veil` hold texts that stand in that row alone."""

MARK, VEIL = "marked-", "veiled-"
CODE = {True: "code TEXT UNIQUE ON CONFLICT REPLACE", False: "code TEXT UNIQUE"}


class Person(NamedTuple):
    """What stands for a user in link fields."""

    token: str
    identity: str
    jid: str


# Each differs from others in what a careless comparison would not see.
PEOPLE = (
    Person("token-of-ana", "ana", "551199@s.whatsapp.net"),
    Person("TOKEN-OF-ANA", "ANA", "551199@S.whatsapp.net"),
    Person("token-of-an_", "ana ", "551199@s.whatsapp.net "),
    Person("token-of-an%", "\u0430na", "%@%"),
    Person("00012345", "an\u0303a", "00012345"),
    Person("12345678", "12345", "12345"),
    Person("012345678", "a\u00f1a", "\uff11\uff12\uff13\uff14\uff15"),
    Person("12345678.0", "%", "12345.0"),
    Person("x'OR'1'='1", "'OR''='", "' OR 1=1 --"),
    Person('x"OR"1"="1', "NULL", "\u0130@s"),
)
LINKS = {
    connections.USER_LINK_VALUE_TOKEN: 0,
    connections.USER_LINK_VALUE_USER_ID: 1,
    connections.USER_LINK_VALUE_JID: 2,
}
TEXTS = (
    *(
        "",
        "a",
        "B",
        "An",
        "ana",
        "an\u0303a",
        "\u0430na",
        "%",
        "_",
        "an%",
        "' OR 1=1 --",
        '"',
        "\\",
        "12345",
        "00012345",
    ),
    *("token-of-ana", "\u00c9", "\u00e9", "x;y", "line\nbreak", "~x", "null", "12345678 "),
)


def lookalikes(value: str) -> tuple[Raw, ...]:
    """Cells that are not that value, but nearly."""
    whole = value.isascii() and value.isdigit()
    numbers: tuple[Raw, ...] = (int(value), float(value), value.lstrip("0"), value + ".0") if whole else ()
    return (
        *(value.swapcase(), value + " ", " " + value, value[:-1], value + "\0", value.encode(), value + "%"),
        *("_" * len(value), "%", None, "", 0, b"", 1.5, *numbers),
    )


def owns(value: str, cell: Raw, link_type: str) -> bool:
    """Whether a link cell is that value: its text, byte by byte; a whole number is its digits."""
    if isinstance(cell, bytes):
        return link_type == "BLOB" and cell == value.encode()
    return isinstance(cell, str | int) and str(cell) == value


@dataclass(frozen=True)
class Table:
    """A table in a file of its own, and what the users of a connection may see of it.

    `visible` are columns by the names that callers know them by, `writable` some of these names.
    """

    file: Path
    link: connections.UserLinkValue.ValueType
    link_type: str
    key: str
    mappings: tuple[common.FieldMapping, ...]
    visible: Mapping[str, str]
    writable: tuple[str, ...]

    def value(self, person: Person) -> str:
        """What stands for a person in the link column."""
        return person[LINKS[self.link]]

    def make(self, rows: Sequence[Sequence[Raw]], *, replacing: bool) -> None:
        """Makes it; rows that a constraint refuses are left out."""
        before, end = KEYS[self.key]
        with closing(sqlite3.connect(self.file, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            database.execute(
                f"CREATE TABLE t ({before}, owner {self.link_type}, name TEXT, n INTEGER, note, {CODE[replacing]},"
                f" mark TEXT, veil TEXT, tag INTEGER{end}"
            )
            marks = ", ".join("?" * len(COLUMNS))
            database.executemany(f"INSERT OR IGNORE INTO t VALUES ({marks})", rows)
            database.execute("COMMIT")

    def rows(self) -> list[Row]:
        """Every row."""
        with closing(sqlite3.connect(self.file)) as database:
            database.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
            chosen = ", ".join(map(quoted, COLUMNS))
            return [dict(zip(COLUMNS, row, strict=True)) for row in database.execute(f"SELECT {chosen} FROM t")]

    def is_of(self, value: str, row: Row) -> bool:
        """Whether the row is that owner's."""
        return owns(value, row["owner"], self.link_type)

    def field(self, column: str) -> str:
        """The name of a visible column."""
        return next(field for field, named in self.visible.items() if named == column)

    def searched(self) -> list[str]:
        """The visible columns of text."""
        types = {"a": "INTEGER" if "a INTEGER" in KEYS[self.key][0] else "TEXT", "owner": self.link_type}
        found = {"name", "note", "code", "mark", "veil"} | {
            column for column, type_ in types.items() if not type_ or "TEXT" in type_ or "CHAR" in type_
        }
        return [column for column in self.visible.values() if column in found]


def canon(rows: Sequence[Row]) -> list[str]:
    """Rows that can be compared: 1, 1.0 and '1' are not the same, and their order is of no matter."""
    return sorted(repr(tuple(row.values())) for row in rows)


@st.composite
def tables(draw: st.DrawFn, file: Path) -> Table:
    """A table that exists."""
    link = draw(st.sampled_from(sorted(LINKS)))
    key = draw(st.sampled_from([*KEYS, "integer", "composite"]))
    mappings, visible, writable = draw(_mapped(secret=link == connections.USER_LINK_VALUE_TOKEN))
    readable = () if key == "none" else writable
    table = Table(file, link, draw(st.sampled_from([*LINK_TYPES, *LINK_TYPES[:2]])), key, mappings, visible, readable)
    table.make(draw(_rows(table)), replacing=draw(st.booleans()))
    return table


@st.composite
def _mapped(
    draw: st.DrawFn, *, secret: bool
) -> tuple[tuple[common.FieldMapping, ...], dict[str, str], tuple[str, ...]]:
    known = [column for column in COLUMNS if not (secret and column == "owner")]
    if draw(st.booleans()):
        return (), {column: column for column in known}, tuple(column for column in known if column != "owner")
    # Names of other columns among them: a field of a name is not the column of that name.
    turn = draw(st.sampled_from([0, 1, 3]))
    spare = draw(st.sampled_from(["", " field", ", desc"]))
    mappings, visible, writable = [], {}, []
    for at, column in enumerate(COLUMNS):
        if column not in known or (column != "tag" and draw(st.sampled_from(range(5))) == 0):
            continue
        field = COLUMNS[(at + turn) % len(COLUMNS)] + spare
        shown = column == "tag" or draw(st.sampled_from(range(5))) > 0
        editable = column == "tag" or draw(st.sampled_from(range(5))) > 0
        mappings.append(common.FieldMapping(field=field, column=column, visible=shown, editable=editable))
        if shown:
            visible[field] = column
            if editable and column != "owner":
                writable.append(field)
    return tuple(draw(st.permutations(mappings))), visible, tuple(writable)


@st.composite
def _rows(draw: st.DrawFn, table: Table) -> list[tuple[Raw, ...]]:
    values = [table.value(person) for person in draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3))]
    near = [cell for value in values for cell in lookalikes(value)]
    owners = draw(st.lists(st.sampled_from(values) | st.sampled_from([*values, *near]), max_size=12))
    texts, numbers = st.none() | st.sampled_from(TEXTS), st.none() | st.integers(-2, 2)
    rows: list[tuple[Raw, ...]] = []
    for at, owner in enumerate(owners):
        made = st.tuples(keys(table, at), numbers, texts, numbers, texts | numbers)
        a, b, name, n, note = draw(made)
        rows.append((a, at if b is None else b, owner, name, n, note, f"c{at}", f"{MARK}{at:04}", f"{VEIL}{at:04}", at))
    return rows


def keys(table: Table, at: int) -> st.SearchStrategy[Raw]:
    """What may stand in column a of row `at`: mostly what tells rows apart."""
    if "a INTEGER" in KEYS[table.key][0]:
        return st.just(at)
    texts = st.sampled_from(["K", "k", "~", "k ", "0", "1", "001", "%", "' OR 1=1 --", "\u0130", "/", "#?", "", None])
    if table.key == "without rowid":
        texts = texts.map(lambda text: text or "none")
    return st.just(f"k{at}") | texts
