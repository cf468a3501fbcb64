"""Steps of a user who reads: what is found is the user's own, all of it, and nothing else."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import grpc
from hypothesis import strategies as st

from tests.contract.desk import Desk, compared, plain
from tests.e2e.row_scope_engine import COLUMNS
from tests.e2e.row_scope_filters import EVERYTHING, Where, finds, wheres, wild_wheres
from tests.e2e.row_scope_people import PEOPLE, TEXTS
from tests.e2e.row_scope_story import KINDS, Story, insist_on_refusal, once_in
from tests.e2e.row_scope_table import MARK, VEIL
from tests.e2e.row_scope_watch import Watched
from wuzapi_manager.v1 import record_pb2 as pb


def lists(story: Story, desk: Desk) -> None:
    """Lists in both formats, counts and exports find what the model finds."""
    table = story.table
    tame = st.just(EVERYTHING) | wheres(table)
    where = story.draw(wild_wheres(table) if story.draw(once_in(5)) else tame, "filter")
    search = story.draw(st.just("") | st.sampled_from([*TEXTS, MARK, VEIL, "an"]), "search")
    chosen = story.draw(st.lists(st.sampled_from([*table.visible]), unique=True, max_size=4), "fields")
    fields = [*dict.fromkeys([*chosen, story.tag])] if chosen else []
    size = story.draw(st.sampled_from([0, 1, 2, 3, 5]), "size")
    found = _paged(story, desk, where, search, fields, size)
    exported = _exported(story, desk, where, search, fields)
    assert exported == found
    assert desk.count(where.filter, search) == sum(found.values())
    own = Counter(row["tag"] for row in story.own)
    assert found <= own
    if where.holds is not None:
        texts = table.searched()
        matching = [row for row in story.own if where.holds(row)]
        if search:
            matching = [row for row in matching if any(finds(search, row[column]) for column in texts)]
        assert found == Counter(row["tag"] for row in matching)


def _paged(story: Story, desk: Desk, where: Where, search: str, fields: Sequence[str], size: int) -> Counter[object]:
    sorts = story.draw(st.lists(st.sampled_from([*story.table.visible]), unique=True, max_size=2), "sorts")
    way = story.draw(st.sampled_from(["", " desc"]), "way")
    order = ", ".join(f'"{field}"{way}' for field in sorts)
    as_json = story.draw(st.booleans(), "as JSON")
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
            _steal(story, desk, ask)
        page = ask(desk)
        listed = json.loads(page.records_json) if as_json else [{"fields": plain(one)} for one in page.records]
        assert all(set(one["fields"]) == set(fields or story.table.visible) for one in listed)
        found.update(one["fields"][story.tag] for one in listed)
        total, token = page.total_size, page.next_page_token
        if not token:
            break
    assert total == sum(found.values())
    return found


def _exported(story: Story, desk: Desk, where: Where, search: str, fields: Sequence[str]) -> Counter[object]:
    kind = story.draw(KINDS, "format")
    chunks = list(desk.chunks(kind, where.filter, search=search, fields=fields))
    text = b"".join(chunk.chunk for chunk in chunks).decode()
    token = next((chunk.resume_token for chunk in chunks if chunk.resume_token), "")
    if token:
        _steal(
            story,
            desk,
            lambda other: list(other.chunks(kind, where.filter, search=search, fields=fields, resume_token=token)),
        )
    if kind == pb.FILE_FORMAT_JSONL:
        return Counter(json.loads(line)[story.tag] for line in text.split("\n") if line)
    return Counter(int(line[story.tag]) for line in csv.DictReader(io.StringIO(text, newline="")))


def _steal(story: Story, desk: Desk, call: Callable[[Desk], object]) -> None:
    """Nobody else can go on where the caller stopped."""
    thief = story.draw(st.sampled_from([None, *PEOPLE]), "thief")
    caller = story.admin if thief is None else story.people[thief]
    if caller is not desk.caller:
        other = Desk(caller, story.connection)
        other.rpc = Watched.stub(other.rpc, story.look)
        insist_on_refusal(lambda: call(other), grpc.StatusCode.INVALID_ARGUMENT)


def gets(story: Story, desk: Desk) -> None:
    """Every own row is found by its id; any other id, in use or not, is not there."""
    known = story.known()
    own = story.own_ids(known)
    for one in known:
        if one.id not in own:
            insist_on_refusal(partial(desk.get, one.id), *story.absent())
        elif len(own[one.id]) == 1:
            assert plain(desk.get(one.id))[story.tag] in {row["tag"] for row in story.own}
    for junk in story.junk(known):
        insist_on_refusal(partial(desk.get, junk), *story.absent())


def reaches(story: Story, desk: Desk) -> None:
    """What a caller may not see is not told of, and can be neither asked for, filtered nor sorted by."""
    assert {column.field for column in desk.describe().columns} == set(story.table.visible)
    for name in sorted({*COLUMNS, "record_id", "rowid", "oid", "1"} - set(story.table.visible)):
        calls: list[Callable[[], object]] = [
            partial(desk.page, fields=[name]),
            partial(desk.page, order_by=f'"{name}"'),
            partial(desk.count, compared(name, pb.OP_IS_NOT_NULL)),
            partial(desk.export, where=compared(name, pb.OP_STARTS_WITH, "t")),
        ]
        insist_on_refusal(story.draw(st.sampled_from(calls), "reach"), grpc.StatusCode.INVALID_ARGUMENT)
