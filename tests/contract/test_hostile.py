"""Hostile texts wherever a request takes one: a clear refusal or an empty answer, and never another's row."""

from collections.abc import Callable

import grpc
import pytest
from grpc import StatusCode

from tests.contract.calls import Caller
from tests.contract.desk import Desk, compared, connect
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, SourceUnderTest
from wuzapi_manager.v1 import record_pb2 as pb

HOSTILE = [
    "' OR '1'='1",
    '" OR ""="',
    "1; DROP TABLE people; --",
    "1 OR 1=1",
    "%",
    "_%",
    "x)~or(Id,gt,0",
    "(Id,gt,0)~or(Id,lt,0)",
    "@(id,gt,0)",
    "{owner}",
    "TRUE()",
    '") OR TRUE() OR ("',
    "\\'",
    "%s%(a)s:name?",
    "../records",
    "..%2F..%2Frecords",
    "%2e%2e/1",
    "2?where=(Id,gt,0)",
    "2#",
    "2&limit=1000",
    "2,1",
    "~eyJ9",
    "\u202e2",
    "2\u200b",
    " 2",
    "+2",
    "2.0",
    "0x2",
    "9" * 40,
    "2\n",
    "2\0",
    "$ne",
    "a'" * 32_768,
]

REFUSALS = {StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND, StatusCode.ABORTED, StatusCode.PERMISSION_DENIED}
SECRET = "secret of bruno"

Use = Callable[[Desk, str], object]

POSITIONS: dict[str, Use] = {
    "get": lambda desk, text: desk.get(text),
    "update": lambda desk, text: desk.update(text, {"name": "changed"}),
    "delete": lambda desk, text: desk.delete(text),
    "update many": lambda desk, text: desk.update_many([(text, {"name": "changed"}, "")]),
    "delete many": lambda desk, text: desk.delete_many([text]),
    "etag": lambda desk, text: desk.update(desk.page().records[0].id, {"name": "changed"}, etag=text),
    "page token": lambda desk, text: desk.page(page_token=text),
    "order": lambda desk, text: desk.page(order_by=text),
    "fields": lambda desk, text: desk.get(desk.page().records[0].id, [text]),
    "mask": lambda desk, text: desk.update(desk.page().records[0].id, {"name": "changed"}, [text]),
    "field to set": lambda desk, text: desk.create({text: "x"}),
    "field to filter": lambda desk, text: desk.page(compared(text, pb.OP_EQ, "x")),
    "value to equal": lambda desk, text: desk.page(compared("name", pb.OP_EQ, text)),
    "value among": lambda desk, text: desk.page(compared("name", pb.OP_IN, [text, "nobody"])),
    "value within": lambda desk, text: desk.page(compared("name", pb.OP_CONTAINS, text)),
    "number": lambda desk, text: desk.page(compared("age", pb.OP_EQ, text)),
    "search": lambda desk, text: desk.page(search=text),
    "count": lambda desk, text: desk.count(compared("name", pb.OP_STARTS_WITH, text)),
    "export": lambda desk, text: desk.export(where=compared("name", pb.OP_EQ, text)),
    "request id": lambda desk, text: desk.create({"name": "x"}, request_id=text),
    "as user": lambda desk, text: Desk(desk.caller, desk.id, as_user=text).page(),
}


@pytest.fixture(scope="module")
def table(source: SourceUnderTest, ana: Caller) -> MadeTable:
    rows = [[1, ana.token, "Ana", 30], [2, "token-of-bruno", SECRET, 40], [3, ana.token, "Aninha", 3]]
    return source.make(PEOPLE, rows)


@pytest.fixture(scope="module")
def desk(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana, world.user("token-of-bruno")))


def said(use: Callable[[], object]) -> object:
    """The answer, or the error in its place."""
    try:
        return use()
    except grpc.RpcError as error:
        return error


@pytest.mark.parametrize("position", POSITIONS)
def test_no_text_is_more_than_a_text(source: SourceUnderTest, table: MadeTable, desk: Desk, position: str) -> None:
    """SQL, conditions of NocoDB, formulas of Airtable, paths and numbers in disguise."""
    before = source.rows(table)
    for text in HOSTILE:
        answer = said(lambda text=text: POSITIONS[position](desk, text))  # type: ignore[misc]  # one a turn
        assert SECRET not in str(answer), text[:50]
        assert desk.caller.token not in str(answer), text[:50]
        if isinstance(answer, grpc.RpcError):
            assert answer.code() in REFUSALS, (text[:50], answer)
        if isinstance(answer, pb.ListRecordsResponse):
            assert not answer.records, text[:50]
    assert source.rows(table) == before
    assert desk.column("name") == ["Ana", "Aninha"]


def test_the_administrator_as_somebody_hostile_sees_nothing(world: World, desk: Desk) -> None:
    """Nobody has such a name, so nothing is theirs."""
    for text in HOSTILE:
        answer = said(Desk(world.admin, desk.id, as_user=text).all)
        assert answer == [] or (isinstance(answer, grpc.RpcError) and answer.code() in REFUSALS), (text[:50], answer)
