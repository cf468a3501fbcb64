"""A table of many owners, a connection to it, and the steps that random users take."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

import grpc
from hypothesis import event
from hypothesis import strategies as st

from tests.contract.calls import Caller
from tests.contract.desk import Desk, plain
from tests.contract.server import World
from tests.e2e.row_scope_engine import COLUMNS, Engine, Row, canon
from tests.e2e.row_scope_people import PEOPLE, TEXTS, Person
from tests.e2e.row_scope_table import MARK, VEIL, keys, tables
from tests.e2e.row_scope_watch import Refused, Watched
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb

KINDS = st.sampled_from([pb.FILE_FORMAT_JSONL, pb.FILE_FORMAT_CSV])
_PLANTED = re.compile(f"({MARK}|{VEIL})(\\d{{4}})".encode())
_JUNK_IDS = ("1", "01", "-1", "k1", "K1", "k1 ", "~", "1 OR 1=1", "' OR '1'='1", "%", "_", "k1'--", "NULL", " ")
_numbers = count(1)


class Known(NamedTuple):
    """A record as the administrator lists it."""

    tag: object
    id: str
    etag: str


Step = Callable[["Story", Desk], None]


class Story:
    """What users do with one table. While a step runs, `own` are the rows of who takes it.

    Every byte that comes back is searched for what stands in rows of others or in hidden columns.
    """

    def __init__(self, world: World, engine: Engine, people: Mapping[Person, Caller], data: st.DataObject) -> None:
        self.people = people
        self.admin = world.admin
        self.draw = data.draw
        self.table = table = self.draw(tables(engine, f"row-scope-{next(_numbers)}"), "table")
        connection = engine.source_of(table.name)
        connection.name = "row scope"
        connection.user_link_field = "owner"
        connection.user_link_value = table.link
        connection.assigned_users.extend(person.token for person in people)
        connection.field_mappings.extend(table.mappings)
        request = connections.CreateConnectionRequest(connection=connection)
        self.connection = world.admin.connections.CreateConnection(request).connection.id
        self.tag = table.field("tag")
        self.tags = count(1000)
        self.used: dict[str, Caller] = {}
        self.rows: list[Row] = table.rows()
        self.own: list[Row] = []
        self.allowed: set[bytes] = set()

    def tell(self, steps: Sequence[Step]) -> None:
        """Takes some of these steps."""
        for _ in range(self.draw(st.integers(3, 7), "steps")):
            person = self.draw(st.sampled_from(self._callers()), "caller")
            value = self.table.value(person)
            as_admin = self.draw(once_in(4), "as the administrator")
            caller = self.admin if as_admin else self.people[person]
            desk = Desk(caller, self.connection, as_user=value if as_admin else "")
            desk.rpc = Watched.stub(desk.rpc, self.look)
            self._take(self.draw(st.sampled_from(steps), "step"), desk, value)

    def end(self) -> None:
        """Takes the connection and the table away."""
        self.admin.connections.DeleteConnection(connections.DeleteConnectionRequest(id=self.connection))
        self.table.engine.drop(self.table.name)

    def _callers(self) -> Sequence[Person]:
        """Everybody, but mostly those who own rows."""
        owners = [one for one in PEOPLE if any(self.table.is_of(self.table.value(one), row) for row in self.rows)]
        return [*PEOPLE, *owners * len(PEOPLE)]

    def _take(self, step: Step, desk: Desk, value: str) -> None:
        before = self.rows
        self.own = [row for row in before if self.table.is_of(value, row)]
        others = canon([row for row in before if not self.table.is_of(value, row)])
        seen = [column for column in ("mark", "veil") if column in self.table.visible.values()]
        self.allowed = {str(row[column]).encode() for row in self.own for column in seen}
        outcome = "answered"
        try:
            step(self, desk)
        except Refused as refused:
            outcome = f"refused {refused.code.name}"
            assert canon(self.table.rows()) == canon(before), "what was refused changed something"
        self.rows = self.table.rows()
        event(f"{step.__name__} {outcome}")
        assert canon([row for row in self.rows if not self.table.is_of(value, row)]) == others, "another's row changed"

    def look(self, said: bytes) -> None:
        """Insists that what came back holds no planted text but the caller's own."""
        for found in _PLANTED.finditer(said):
            assert found[0] in self.allowed, f"{found[0]!r} was shown"

    def owned_now(self, desk: Desk) -> list[Row]:
        """The rows that are the caller's now."""
        value = desk.as_user or next(
            self.table.value(person) for person, caller in self.people.items() if caller is desk.caller
        )
        return [row for row in self.table.rows() if self.table.is_of(value, row)]

    def known(self) -> list[Known]:
        """All records."""
        records = Desk(self.admin, self.connection).page(page_size=1000).records
        return [Known(plain(record)[self.tag], record.id, record.etag) for record in records]

    def own_ids(self, known: Sequence[Known]) -> dict[str, list[object]]:
        """Ids of own rows, each with the tags of the own rows that have it: nulls in keys make it several."""
        tags = {row["tag"] for row in self.own}
        ids: dict[str, list[object]] = {}
        for one in known:
            if one.tag in tags and one.id:
                ids.setdefault(one.id, []).append(one.tag)
        return ids

    def target(self) -> tuple[Known, Mapping[str, Sequence[object]]]:
        """An own row, anyone's, or none; and the ids of the own ones, with their tags.

        What has the id of one own row, and be it another's (nulls in keys), names the own row.
        """
        known = self.known()
        own = self.own_ids(known)
        mine = [one for one in known if one.id in own]
        junk = [Known(-1, one, "") for one in self.junk(known)]
        some = mine if mine and not self.draw(once_in(4), "anybody's") else [*known, *junk]
        target = self.draw(st.sampled_from(some), "target")
        tags = own.get(target.id, ())
        return (target._replace(tag=tags[0]) if len(tags) == 1 else target), own

    def junk(self, known: Sequence[Known]) -> list[str]:
        """Ids that no row has, also not where the case of letters or spaces at the end are of no matter."""
        used = {one.id.lower().rstrip(" ") for one in known} | ({""} if self.table.key == "padded" else set())
        return [junk for junk in _JUNK_IDS if junk.lower().rstrip(" ") not in used]

    def absent(self) -> tuple[grpc.StatusCode, ...]:
        """How an id that is none of the caller's is refused."""
        keyless = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
        return keyless if self.table.key == "none" else (grpc.StatusCode.NOT_FOUND,)

    def changed(self, desk: Desk, tags: set[object], *, dry: bool) -> None:
        """At most those own rows are not as they were, in columns that may be written; as many are there as before."""
        now = self.owned_now(desk)
        free = {self.table.visible[field] for field in self.table.writable}
        kept = [row for row in self.own if row["tag"] not in tags]
        assert len(now) == len(self.own)
        assert not Counter(canon(self.own if dry else kept)) - Counter(canon(now))
        held = [[{name: row[name] for name in row if name not in free} for row in rows] for rows in (self.own, now)]
        assert canon(held[0]) == canon(held[1])

    def gone(self, desk: Desk, tags: set[object], *, dry: bool) -> None:
        """Those own rows are not there, all others as they were."""
        kept = [row for row in self.own if dry or row["tag"] not in tags]
        assert canon(self.owned_now(desk)) == canon(kept)

    def may_write(self, fields: Sequence[str] | Mapping[str, object]) -> bool:
        """Whether all of these fields may be written."""
        return all(field in self.table.writable for field in fields)

    def values(self, tag: object = None) -> dict[str, Any]:
        """Values of a write: of any column that may be written, and now and then of one that may not."""
        named: dict[str, st.SearchStrategy[Any]] = {
            "a": keys(self.table, self.draw(st.integers(0, 15))),
            "b": st.integers(0, 15),
            "n": st.none() | st.integers(-2, 2),
            "code": st.integers(0, 15).map(lambda number: f"c{number}"),
        }
        texts = st.none() | st.sampled_from(TEXTS)
        fields = self.draw(st.lists(st.sampled_from([*self.table.visible]), unique=True, max_size=4), "fields")
        columns = {field: self.table.visible[field] for field in fields if field in self.table.writable}
        values = {field: self.draw(named.get(column, texts), field) for field, column in columns.items()}
        if self.draw(once_in(8), "what may not be written"):
            forbidden = [name for name in (*self.table.visible, *COLUMNS) if name not in self.table.writable]
            value = self.table.value(self.draw(st.sampled_from(PEOPLE), "owner"))
            values.update(dict.fromkeys(self.draw(st.lists(st.sampled_from([*forbidden, "rowid"]))), value))
        return {**values, self.tag: next(self.tags) if tag is None else tag}


def insist_on_refusal(call: Callable[[], object], *codes: grpc.StatusCode) -> None:
    """The call is refused with one of these codes."""
    refusal = caught(call)
    assert refusal is not None, "it was answered"
    assert refusal.code in codes, refusal


def caught(call: Callable[[], object]) -> Refused | None:
    """How a call was refused, where it was."""
    try:
        call()
    except Refused as refused:
        return refused
    return None


def once_in(times: int) -> st.SearchStrategy[bool]:
    """True one time of so many."""
    return st.sampled_from([False] * (times - 1) + [True])
