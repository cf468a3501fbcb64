"""Random tables of many owners, and a model of whose row is whose. The model asks the engine, never the service."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as attribute

from hypothesis import strategies as st

from tests.e2e.row_scope_engine import COLUMNS, WHOLE, Engine, Raw, Row
from tests.e2e.row_scope_people import LINKS, PEOPLE, TEXTS, Person, lookalikes
from wuzapi_manager.v1 import common_pb2 as common
from wuzapi_manager.v1 import connection_pb2 as connections

MARK, VEIL = "marked-", "veiled-"


@dataclass(frozen=True)
class Table:
    """A table of an engine, and what the users of a connection may see of it.

    `visible` are columns by the names that callers know them by, `writable` some of these names.
    """

    engine: Engine = attribute(repr=False)
    name: str
    link: connections.UserLinkValue.ValueType
    link_type: str
    key: str
    mappings: tuple[common.FieldMapping, ...]
    visible: Mapping[str, str]
    writable: tuple[str, ...]

    def value(self, person: Person) -> str:
        """What stands for a person in the link column."""
        return person[LINKS[self.link]]

    def rows(self) -> list[Row]:
        """Every row."""
        return self.engine.rows(self.name)

    def is_of(self, value: str, row: Row) -> bool:
        """Whether the row is that owner's."""
        return self.engine.owns(value, row["owner"], self.link_type)

    def takes_any_tag(self) -> bool:
        """Whether it takes a new row of which nothing but the tag is given, whosever it is."""
        return self.key in {"integer", *self.engine.given} and self.link_type in self.engine.texts

    def field(self, column: str) -> str:
        """The name of a visible column."""
        return next(field for field, named in self.visible.items() if named == column)

    def searched(self) -> list[str]:
        """The visible columns of text."""
        found = {"name", "note", "code", "mark", "veil"}
        found |= set() if self.key in WHOLE else {"a"}
        found |= {"owner"} if self.link_type in self.engine.searched else set()
        return [column for column in self.visible.values() if column in found or column not in COLUMNS]


@st.composite
def tables(draw: st.DrawFn, engine: Engine, name: str) -> Table:
    """A table that exists."""
    link = draw(st.sampled_from(sorted(LINKS)))
    key = draw(st.sampled_from([*engine.keys, *engine.keys[:2] * 2]))
    given = engine.given.get(key)
    mappings, visible, writable = draw(_mapped(given, secret=link == connections.USER_LINK_VALUE_TOKEN))
    readable = () if key == "none" else writable
    link_type = draw(st.sampled_from([*engine.link_types, *engine.link_types[:2] * 3]))
    table = Table(engine, name, link, link_type, key, mappings, visible, readable)
    engine.make(name, key, link_type, draw(_rows(table)), replacing=draw(st.booleans()))
    return table


@st.composite
def _mapped(
    draw: st.DrawFn, given: str | None, *, secret: bool
) -> tuple[tuple[common.FieldMapping, ...], dict[str, str], tuple[str, ...]]:
    columns = [*COLUMNS, *([given] if given and given not in COLUMNS else [])]
    known = [column for column in columns if not (secret and column == "owner")]
    never = ("owner", given)
    if draw(st.booleans()):
        return (), {column: column for column in known}, tuple(column for column in known if column not in never)
    # Names of other columns among them: a field of a name is not the column of that name.
    turn = draw(st.sampled_from([0, 1, 3]))
    spare = draw(st.sampled_from(["", " field", ", desc"]))
    mappings, visible, writable = [], {}, []
    for at, column in enumerate(columns):
        if column not in known or (column != "tag" and draw(st.sampled_from(range(5))) == 0):
            continue
        field = columns[(at + turn) % len(columns)] + spare
        shown = column == "tag" or draw(st.sampled_from(range(5))) > 0
        editable = column == "tag" or draw(st.sampled_from(range(5))) > 0
        mappings.append(common.FieldMapping(field=field, column=column, visible=shown, editable=editable))
        if shown:
            visible[field] = column
            if editable and column not in never:
                writable.append(field)
    return tuple(draw(st.permutations(mappings))), visible, tuple(writable)


@st.composite
def _rows(draw: st.DrawFn, table: Table) -> list[tuple[Raw, ...]]:
    values = [table.value(person) for person in draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3))]
    near = [cell for value in values for cell in lookalikes(value)]
    owners = draw(st.lists(st.sampled_from(values) | st.sampled_from([*values, *near]), max_size=12))
    if draw(st.booleans()):  # what collations take for the same, beside what it is
        owners += [cell for value in values for cell in (value, value.swapcase(), value + " ")]
    texts, numbers = st.none() | st.sampled_from(TEXTS), st.none() | st.integers(-2, 2)
    rows: list[tuple[Raw, ...]] = []
    for at, owner in enumerate(owners):
        made = st.tuples(keys(table, at), numbers, texts, numbers, texts | numbers)
        a, b, name, n, note = draw(made)
        rows.append((a, at if b is None else b, owner, name, n, note, f"c{at}", f"{MARK}{at:04}", f"{VEIL}{at:04}", at))
    return rows


def keys(table: Table, at: int) -> st.SearchStrategy[Raw]:
    """What may stand in column a of row `at`: mostly what tells rows apart."""
    if table.key in WHOLE:
        return st.just(at)
    texts = st.sampled_from(["K", "k", "~", "k ", "0", "1", "001", "%", "' OR 1=1 --", "\u0130", "/", "#?", "", None])
    if table.key == "without rowid":
        texts = texts.map(lambda text: text or "none")
    return st.just(f"k{at}") | texts
