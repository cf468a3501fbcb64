"""The row scope under random tables, mappings, links and steps: nobody sees or changes what is another's.

Each example makes a table in a file of its own and takes some steps on it as random users. Every byte that comes back
is searched for what stands in rows of others or in hidden columns, and after each step the whole file is compared with
what it was. ROW_SCOPE_EXAMPLES says how many examples; without it they are few and always the same ones.
"""

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple
from uuid import uuid4

import grpc
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from tests.contract.calls import Caller
from tests.contract.desk import Desk, compared, plain
from tests.contract.server import World, world_in
from tests.e2e.row_scope_filters import EVERYTHING, Where, finds, wheres, wild_wheres
from tests.e2e.row_scope_table import COLUMNS, MARK, PEOPLE, TEXTS, VEIL, Person, Row, canon, keys, tables
from tests.e2e.row_scope_watch import Refused, Watched
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb

LONG = "ROW_SCOPE_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("ROW_SCOPE_EXAMPLES", "100"))
PLANTED = re.compile(f"({MARK}|{VEIL})(\\d{{4}})".encode())
KINDS = st.sampled_from([pb.FILE_FORMAT_JSONL, pb.FILE_FORMAT_CSV])
JUNK_IDS = ("1", "01", "-1", "k1", "K1", "k1 ", "~", "1 OR 1=1", "' OR '1'='1", "%", "_", "k1'--", "NULL", " ")
_numbers = count(1)


class Known(NamedTuple):
    """A record as the administrator lists it."""

    tag: object
    id: str
    etag: str


class Story:
    """A table, a connection to it, and the steps that random users take."""

    def __init__(self, world: World, people: Mapping[Person, Caller], data: st.DataObject) -> None:
        self.people = people
        self.admin = world.admin
        self.draw = data.draw
        file = world.sources / f"row-scope-{next(_numbers)}.db"
        self.table = table = self.draw(tables(file), "table")
        connection = connections.Connection(
            name="row scope",
            sqlite=connections.SqliteSource(database=file.name, table_name="t"),
            user_link_field="owner",
            user_link_value=table.link,
            assigned_users=[person.token for person in people],
            field_mappings=table.mappings,
        )
        request = connections.CreateConnectionRequest(connection=connection)
        self.connection = world.admin.connections.CreateConnection(request).connection.id
        self.tag = table.field("tag")
        self.tags = count(1000)
        self.used: dict[str, Caller] = {}
        self.rows: list[Row] = table.rows()
        self.own: list[Row] = []
        self.allowed: set[bytes] = set()

    def tell(self) -> None:
        """Takes the steps."""
        steps = [self.lists, self.gets, self.creates, self.updates, self.deletes, self.batches, self.imports]
        for _ in range(self.draw(st.integers(3, 7), "steps")):
            person = self.draw(st.sampled_from(self._callers()), "caller")
            value = self.table.value(person)
            as_admin = self.draw(once_in(4), "as the administrator")
            caller = self.admin if as_admin else self.people[person]
            desk = Desk(caller, self.connection, as_user=value if as_admin else "")
            desk.rpc = Watched.stub(desk.rpc, self._look)
            self._take(self.draw(st.sampled_from([*steps, self.reaches]), "step"), desk, value)

    def _callers(self) -> Sequence[Person]:
        """Everybody, but mostly those who own rows."""
        owners = [one for one in PEOPLE if any(self.table.is_of(self.table.value(one), row) for row in self.rows)]
        return [*PEOPLE, *owners * len(PEOPLE)]

    def _take(self, step: Callable[[Desk], None], desk: Desk, value: str) -> None:
        before = self.rows
        self.own = [row for row in before if self.table.is_of(value, row)]
        others = canon([row for row in before if not self.table.is_of(value, row)])
        seen = [column for column in ("mark", "veil") if column in self.table.visible.values()]
        self.allowed = {str(row[column]).encode() for row in self.own for column in seen}
        outcome = "answered"
        try:
            step(desk)
        except Refused as refused:
            outcome = f"refused {refused.code.name}"
            assert canon(self.table.rows()) == canon(before), "what was refused changed something"
        self.rows = self.table.rows()
        event(f"{step.__name__} {outcome}")
        assert canon([row for row in self.rows if not self.table.is_of(value, row)]) == others, "another's row changed"

    def _look(self, said: bytes) -> None:
        for found in PLANTED.finditer(said):
            assert found[0] in self.allowed, f"{found[0]!r} was shown"

    def _owned_now(self, desk: Desk) -> list[Row]:
        value = desk.as_user or next(
            self.table.value(person) for person, caller in self.people.items() if caller is desk.caller
        )
        return [row for row in self.table.rows() if self.table.is_of(value, row)]

    def lists(self, desk: Desk) -> None:
        """Lists in both formats, counts and exports find what the model finds."""
        table = self.table
        tame = st.just(EVERYTHING) | wheres(table)
        where = self.draw(wild_wheres(table) if self.draw(once_in(5)) else tame, "filter")
        search = self.draw(st.just("") | st.sampled_from([*TEXTS, MARK, VEIL, "an"]), "search")
        chosen = self.draw(st.lists(st.sampled_from([*table.visible]), unique=True, max_size=4), "fields")
        fields = [*dict.fromkeys([*chosen, self.tag])] if chosen else []
        size = self.draw(st.sampled_from([0, 1, 2, 3, 5]), "size")
        found = self._paged(desk, where, search, fields, size)
        exported = self._exported(desk, where, search, fields)
        assert exported == found
        assert desk.count(where.filter, search) == sum(found.values())
        own = Counter(row["tag"] for row in self.own)
        assert found <= own
        if where.holds is not None:
            texts = table.searched()
            matching = [row for row in self.own if where.holds(row)]
            if search:
                matching = [row for row in matching if any(finds(search, row[column]) for column in texts)]
            assert found == Counter(row["tag"] for row in matching)

    def _paged(self, desk: Desk, where: Where, search: str, fields: Sequence[str], size: int) -> Counter[object]:
        sorts = self.draw(st.lists(st.sampled_from([*self.table.visible]), unique=True, max_size=2), "sorts")
        way = self.draw(st.sampled_from(["", " desc"]), "way")
        order = ", ".join(f'"{field}"{way}' for field in sorts)
        as_json = self.draw(st.booleans(), "as JSON")
        found: Counter[object] = Counter()
        token, total = "", 0
        while True:
            ask = partial(
                Desk.page,
                where=where.filter,
                order_by=order,
                search=search,
                fields=fields,
                page_size=size,
                page_token=token,
                count_total=True,
                json=as_json,
            )
            if token:
                self._steal(desk, ask)
            page = ask(desk)
            listed = json.loads(page.records_json) if as_json else [{"fields": plain(one)} for one in page.records]
            assert all(set(one["fields"]) == set(fields or self.table.visible) for one in listed)
            found.update(one["fields"][self.tag] for one in listed)
            total, token = page.total_size, page.next_page_token
            if not token:
                break
        assert total == sum(found.values())
        return found

    def _exported(self, desk: Desk, where: Where, search: str, fields: Sequence[str]) -> Counter[object]:
        kind = self.draw(KINDS, "format")
        chunks = list(desk.chunks(kind, where.filter, search=search, fields=fields))
        text = b"".join(chunk.chunk for chunk in chunks).decode()
        token = next((chunk.resume_token for chunk in chunks if chunk.resume_token), "")
        if token:
            self._steal(
                desk,
                lambda other: list(other.chunks(kind, where.filter, search=search, fields=fields, resume_token=token)),
            )
        if kind == pb.FILE_FORMAT_JSONL:
            return Counter(json.loads(line)[self.tag] for line in text.split("\n") if line)
        return Counter(int(line[self.tag]) for line in csv.DictReader(io.StringIO(text, newline="")))

    def _steal(self, desk: Desk, call: Callable[[Desk], object]) -> None:
        """Nobody else can go on where the caller stopped."""
        thief = self.draw(st.sampled_from([None, *PEOPLE]), "thief")
        caller = self.admin if thief is None else self.people[thief]
        if caller is not desk.caller:
            other = Desk(caller, self.connection)
            other.rpc = Watched.stub(other.rpc, self._look)
            self._refused(lambda: call(other), grpc.StatusCode.INVALID_ARGUMENT)

    def gets(self, desk: Desk) -> None:
        """Every own row is found by its id; any other id, in use or not, is not there."""
        known = self._known()
        own = self._own_ids(known)
        for one in known:
            if one.id not in own:
                self._refused(partial(desk.get, one.id), *self._absent())
            elif len(own[one.id]) == 1:
                assert plain(desk.get(one.id))[self.tag] in {row["tag"] for row in self.own}
        for junk in self._junk(known):
            self._refused(partial(desk.get, junk), *self._absent())

    def creates(self, desk: Desk) -> None:
        """A new row is the maker's, and so is the answer to a repeated request."""
        values = {self.tag: next(self.tags)} if self.draw(once_in(3)) else self._values()
        used = self.draw(st.sampled_from([uuid4().hex, *self.used]), "request id") if self.used else uuid4().hex
        request_id = uuid_of(used)
        dry = self.draw(once_in(6), "dry run")
        sure = self.table.key == "integer" and self.table.link_type.startswith("TEXT") and [*values] == [self.tag]
        repeated = used in self.used
        try:
            made = desk.create(values, request_id=request_id, validate_only=dry)
        except Refused:
            assert not sure or repeated, "what the table takes was refused"
            raise
        assert self._may_write(values)
        # A dry run repeats nothing and is repeated by nothing.
        assert dry or not repeated or self.used[used] is not desk.caller, "an id was taken for another request"
        assert plain(made)[self.tag] == values[self.tag]
        if not dry:
            self.used[used] = desk.caller
            assert desk.create(values, request_id=request_id) == made
        assert len(self._owned_now(desk)) == len(self.own) + (not dry)

    def updates(self, desk: Desk) -> None:
        """An update changes the one own row that it names."""
        target, own = self._target()
        values = self._values(target.tag)
        mask = self.draw(st.sampled_from([[], [], [], ["*"], [*values], ["owner"]]), "mask")
        etag = self.draw(st.sampled_from(["", "", target.etag, target.etag, "another"]), "etag")
        dry = self.draw(once_in(6), "dry run")
        refusal = caught(partial(desk.update, target.id, values, mask, etag=etag, validate_only=dry))
        if refusal:
            assert target.id in own or mask or not self._may_write(values) or refusal.code in self._absent()
            raise refusal
        assert target.id in own
        assert self._may_write([field for field in values if not mask or mask == ["*"] or field in mask])
        self._changed(desk, {target.tag}, dry=dry)

    def deletes(self, desk: Desk) -> None:
        """A delete takes the one own row that it names."""
        target, own = self._target()
        etag = self.draw(st.sampled_from(["", "", target.etag, target.etag, "another"]), "etag")
        dry = self.draw(once_in(6), "dry run")
        refusal = caught(partial(desk.delete, target.id, etag=etag, validate_only=dry))
        if refusal:
            assert target.id in own or refusal.code in self._absent()
            raise refusal
        assert target.id in own
        self._gone(desk, {target.tag}, dry=dry)

    def batches(self, desk: Desk) -> None:
        """A batch is done whole, or, with another's row among its own, not at all."""
        kind = self.draw(st.sampled_from(["create", "update", "delete"]), "batch")
        dry = self.draw(once_in(6), "dry run")
        if kind == "create":
            rows = [self._values() for _ in range(self.draw(st.integers(1, 3), "items"))]
            made = desk.create_many(rows, validate_only=dry)
            assert all(map(self._may_write, rows))
            assert [plain(one)[self.tag] for one in made.records] == [row[self.tag] for row in rows]
            assert len(self._owned_now(desk)) == len(self.own) + len(made.records) * (not dry)
            return
        targets = [self._target() for _ in range(self.draw(st.integers(1, 3), "items"))]
        tags = {target.tag for target, _ in targets}
        if kind == "update":
            changes = [(target.id, self._values(target.tag), "") for target, _ in targets]
            desk.update_many(changes, validate_only=dry)
            assert all(self._may_write(values) for _, values, _ in changes)
            self._changed(desk, tags, dry=dry)
        else:
            desk.delete_many([target.id for target, _ in targets], validate_only=dry)
            self._gone(desk, tags, dry=dry)
        assert all(target.id in own for target, own in targets)

    def imports(self, desk: Desk) -> None:
        """What is imported is the importer's, and lines that name what may not be written are not."""
        lines = [self._values() for _ in range(self.draw(st.integers(1, 4), "lines"))]
        kind = self.draw(KINDS, "format")
        dry = self.draw(once_in(6), "dry run")
        if kind == pb.FILE_FORMAT_CSV:
            header = [*lines[0]]
            lines = [{field: line.get(field) for field in header} for line in lines]
            data = "\r\n".join([csv_line(header), *(csv_line([*line.values()]) for line in lines)]).encode()
        else:
            data = "\n".join(map(json.dumps, lines)).encode()
        report = desk.take_in(
            data, kind, skip=self.draw(st.booleans(), "skip"), validate_only=dry, piece=self.draw(st.integers(3, 99))
        )
        event(f"imported some: {report.created_count > 0}")
        assert report.created_count <= sum(map(self._may_write, lines))
        now = self._owned_now(desk)
        assert len(now) == len(self.own) + report.created_count * (not dry), (canon(now), canon(self.table.rows()))

    def reaches(self, desk: Desk) -> None:
        """What a caller may not see is not told of, and can be neither asked for, filtered nor sorted by."""
        assert {column.field for column in desk.describe().columns} == set(self.table.visible)
        for name in sorted({*COLUMNS, "rowid", "oid", "1"} - set(self.table.visible)):
            calls: list[Callable[[], object]] = [
                partial(desk.page, fields=[name]),
                partial(desk.page, order_by=f'"{name}"'),
                partial(desk.count, compared(name, pb.OP_IS_NOT_NULL)),
                partial(desk.export, where=compared(name, pb.OP_STARTS_WITH, "t")),
            ]
            self._refused(self.draw(st.sampled_from(calls), "reach"), grpc.StatusCode.INVALID_ARGUMENT)

    def _known(self) -> list[Known]:
        records = Desk(self.admin, self.connection).page(page_size=1000).records
        return [Known(plain(record)[self.tag], record.id, record.etag) for record in records]

    def _own_ids(self, known: Sequence[Known]) -> dict[str, list[object]]:
        """Ids of own rows, each with the tags of the own rows that have it: nulls in keys make it several."""
        tags = {row["tag"] for row in self.own}
        ids: dict[str, list[object]] = {}
        for one in known:
            if one.tag in tags and one.id:
                ids.setdefault(one.id, []).append(one.tag)
        return ids

    def _target(self) -> tuple[Known, Mapping[str, Sequence[object]]]:
        """An own row, anyone's, or none; and the ids of the own ones, with their tags.

        What has the id of one own row, and be it another's (nulls in keys), names the own row.
        """
        known = self._known()
        own = self._own_ids(known)
        mine = [one for one in known if one.id in own]
        junk = [Known(-1, one, "") for one in self._junk(known)]
        some = mine if mine and not self.draw(once_in(4), "anybody's") else [*known, *junk]
        target = self.draw(st.sampled_from(some), "target")
        tags = own.get(target.id, ())
        return (target._replace(tag=tags[0]) if len(tags) == 1 else target), own

    @staticmethod
    def _junk(known: Sequence[Known]) -> list[str]:
        """Ids that no row has, also not where the case of letters is of no matter."""
        used = {one.id.lower() for one in known}
        return [junk for junk in JUNK_IDS if junk.lower() not in used]

    def _absent(self) -> tuple[grpc.StatusCode, ...]:
        keyless = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT)
        return keyless if self.table.key == "none" else (grpc.StatusCode.NOT_FOUND,)

    def _changed(self, desk: Desk, tags: set[object], *, dry: bool) -> None:
        """At most those own rows are not as they were, and as many are there as before."""
        now = self._owned_now(desk)
        kept = [row for row in self.own if row["tag"] not in tags]
        assert len(now) == len(self.own)
        assert not Counter(canon(self.own if dry else kept)) - Counter(canon(now))

    def _gone(self, desk: Desk, tags: set[object], *, dry: bool) -> None:
        kept = [row for row in self.own if dry or row["tag"] not in tags]
        assert canon(self._owned_now(desk)) == canon(kept)

    def _may_write(self, fields: Sequence[str] | Mapping[str, object]) -> bool:
        return all(field in self.table.writable for field in fields)

    def _values(self, tag: object = None) -> dict[str, Any]:
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

    @staticmethod
    def _refused(call: Callable[[], object], *codes: grpc.StatusCode) -> None:
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


def uuid_of(text: str) -> str:
    """A UUID in the spelling with hyphens."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def csv_line(cells: Sequence[object]) -> str:
    """A line of CSV in which null and empty text differ."""
    return ",".join("" if cell is None else '"' + str(cell).replace('"', '""') + '"' for cell in cells)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own: elsewhere the same tokens are other users'."""
    with world_in(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def people(world: World) -> dict[Person, Caller]:
    return {person: world.user(person.token, identity=person.identity, jid=person.jid) for person in PEOPLE}


@pytest.mark.timeout(120 + EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=not LONG,
    print_blob=True,
    # Taking the cause of a failure apart takes minutes: it is for who looks for one.
    phases=[Phase.explicit, Phase.generate, *([Phase.shrink] if LONG else [])],
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_nobody_sees_or_changes_what_is_anothers(
    world: World, people: dict[Person, Caller], data: st.DataObject
) -> None:
    """After every step of any story no answer held another user's row, and no other user's row had changed."""
    story = Story(world, people, data)
    try:
        story.tell()
    finally:
        story.table.file.unlink()
