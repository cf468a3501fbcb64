"""Sorting and paging: nulls, directions, key paging while rows come and go, tokens, pages cut by their bytes."""

import itertools
from collections.abc import Callable

import pytest
from grpc import RpcError, StatusCode

from tests.contract.calls import Caller, refused
from tests.contract.desk import Desk, compared, connect, plain
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, Shape, SourceUnderTest, Spec
from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import ColumnType

COLUMNS = (
    Spec("id", ColumnType.INTEGER, key=True, nullable=False),
    Spec("owner"),
    Spec("n", ColumnType.INTEGER),
    Spec("t"),
    Spec("f", ColumnType.FLOAT),
)
ROWS = [
    (at, n, t, f) for at, (n, t, f) in enumerate(itertools.product((None, 1, 2), (None, "a", "b"), (None, -0.5, 2.0)))
]


@pytest.fixture(scope="module")
def table(source: SourceUnderTest, ana: Caller, bruno: Caller) -> MadeTable:
    owners = (ana.token, bruno.token)
    return source.make(
        Shape(COLUMNS), [[2 * at + which, owner, *rest] for at, *rest in ROWS for which, owner in enumerate(owners)]
    )


@pytest.fixture(scope="module")
def desk(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller, bruno: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana, bruno))


ORDERS = [
    "",
    "id desc",
    "n",
    "n desc",
    "t, n desc",
    "n desc, t desc, f",
    "f desc, t, n desc, id desc",
    '"t" DESC,f asc',
]


def sorted_by(order: str) -> list[int]:
    names = {"id": 0, "n": 1, "t": 2, "f": 3}
    rows = sorted(ROWS)
    for part in reversed([part.split() for part in order.replace('"', "").split(",") if part]):

        def rank(row: tuple[object, ...], place: int = names[part[0]]) -> tuple[bool, object]:
            return row[place] is not None, 0 if row[place] is None else row[place]

        rows.sort(key=rank, reverse=len(part) > 1 and part[1].lower() == "desc")
    return [2 * row[0] for row in rows]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("size", [1, 4, 1000])
def test_any_order_pages_through_all_rows(desk: Desk, order: str, size: int) -> None:
    """Null is before every value, behind every value in descending order; the key decides last; no row is lost."""
    pages = list(desk.pages(order_by=order, page_size=size))
    assert [plain(record)["id"] for page in pages for record in page.records] == sorted_by(order)
    assert all(len(page.records) == size for page in pages[:-1])
    assert 0 < len(pages[-1].records) <= size


@pytest.mark.parametrize("order", ["", "n desc, t"])
def test_rows_that_come_and_go_meanwhile_shift_nothing(
    world: World, source: SourceUnderTest, ana: Caller, bruno: Caller, order: str
) -> None:
    """Rows inserted or deleted between two pages make the next neither skip nor repeat one."""
    table = source.make(Shape(COLUMNS), [[at * 10, ana.token, at // 4, "t", 1.0] for at in range(20)])
    desk = Desk(ana, connect(world, source, table, ana, bruno))
    seen: list[str] = []
    before = [record.id for page in desk.pages(order_by=order) for record in page.records]
    fresh = itertools.count(1)
    for page in desk.pages(order_by=order, page_size=3):
        found = [record.id for record in page.records]
        seen += found
        here = next(fresh)
        source.add(table, [[1000 + here, bruno.token, 3, "t", 1.0], [-here, ana.token, 99, "t", 1.0]])
        source.run(table, f"DELETE FROM {{t}} WHERE id = {found[0]}")
    assert [one for one in seen if one in before] == before
    assert len(seen) == len({*seen})


def test_sizes_have_a_default_and_a_bound(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """0 means 100, above 1,000 means 1,000, negative is refused."""
    table = source.make(PEOPLE, [[at, ana.token, "x", at] for at in range(1, 1102)])
    desk = Desk(ana, connect(world, source, table, ana))
    assert len(desk.page().records) == 100
    assert len(desk.page(page_size=1000).records) == 1000
    assert len(desk.page(page_size=2**31 - 1).records) == 1000
    for size in (-1, -(2**31)):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            desk.page(page_size=size)
        assert set(refusal.violations) == {"page_size"}
    assert desk.column("id", page_size=1000) == list(range(1, 1102))


@pytest.mark.parametrize(
    "order",
    ["nothing", "owner", "n sideways", "n desc desc", ",", "n,", "n,,t", '"n', "n;t", "n, n desc", "N", "1", "n--"],
)
def test_an_order_that_is_none_is_refused(desk: Desk, order: str) -> None:
    """Unknown, hidden and repeated fields and what cannot be read are refused; nothing of it reaches the engine."""
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.page(order_by=order)
    assert set(refusal.violations) == {"order_by"}


def test_a_token_is_for_the_same_request_of_the_same_caller(desk: Desk, bruno: Caller) -> None:
    """Another filter, order, search, user or connection refuses a token; page size, fields and format may change."""
    where = compared("n", pb.OP_GE, 1)
    token = desk.page(where, order_by="n", page_size=2).next_page_token
    following = [plain(record)["id"] for record in desk.page(where, order_by="n", page_token=token).records]
    again = desk.page(where, order_by="n", page_token=token, page_size=3, fields=["id"], count_total=True, json=True)
    assert again.records_json.count(b'"etag"') == 3
    assert following == [one for one in sorted_by("n") if one in {2 * row[0] for row in ROWS if row[1]}][2:]
    wrong: list[Callable[[], object]] = [
        lambda: desk.page(compared("n", pb.OP_GE, 2), order_by="n", page_token=token),
        lambda: desk.page(order_by="n", page_token=token),
        lambda: desk.page(where, order_by="n desc", page_token=token),
        lambda: desk.page(where, page_token=token),
        lambda: desk.page(where, order_by="n", search="a", page_token=token),
        lambda: Desk(bruno, desk.id).page(where, order_by="n", page_token=token),
    ]
    for call in wrong:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call()
        assert set(refusal.violations) == {"page_token"}


def test_a_token_with_any_changed_byte_is_refused(desk: Desk) -> None:
    """Tokens are sealed: every other byte at every place is noticed, and so is a cut, a doubled or a made-up one."""
    token = desk.page(page_size=2).next_page_token
    step = max(1, len(token) // 40)
    changed = [f"{token[:at]}{'A' if token[at] != 'A' else 'B'}{token[at + 1 :]}" for at in range(0, len(token), step)]
    for other in (*changed, token[:-1], token * 2, token + "=", token[::-1], "x", "é", " " + token, token.swapcase()):
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            desk.page(page_token=other, page_size=2)
        assert set(refusal.violations) == {"page_token"}
        assert other not in refusal.message or len(other) < 9


def test_a_token_tells_nothing(desk: Desk) -> None:
    """Tokens hold no readable value of a row: neither the key nor the values that are sorted by."""
    tokens = [page.next_page_token for page in desk.pages(order_by="t, f", page_size=5) if page.next_page_token]
    assert len({*tokens}) == len(tokens)
    assert all(len(token) < 1000 for token in tokens)


def test_a_page_is_cut_by_its_bytes(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """A page holds fewer records than asked for when they are large, and goes on where it was cut."""
    table = source.make(PEOPLE, [[at, ana.token, "é" * 300_000, at] for at in range(1, 21)])
    desk = Desk(ana, connect(world, source, table, ana))
    for json in (False, True):
        token, seen = "", 0
        while True:
            page = desk.page(page_size=1000, page_token=token, json=json)
            assert page.ByteSize() < 4 << 20
            seen += len(page.records) or page.records_json.count(b'"etag"')
            token = page.next_page_token
            if not token:
                break
        assert seen == 20
    assert len(desk.page(fields=["age"], page_size=1000).records) == 20


def test_a_text_too_long_to_page_by_is_told_of(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """Sorted by long texts, a list goes on or says which field is too long; without a further page it is answered."""
    length = min(1_000_000, source.can.max_text)
    table = source.make(PEOPLE, [[at, ana.token, "abc"[at] * length, at] for at in range(3)])
    desk = Desk(ana, connect(world, source, table, ana))
    assert [record.id for record in desk.page(order_by="name desc").records] == ["2", "1", "0"]
    assert [record.id for page in desk.pages(order_by="age", page_size=1) for record in page.records] == ["0", "1", "2"]
    try:
        pages = list(desk.pages(order_by="name desc", page_size=1))
    except RpcError:
        with refused(StatusCode.FAILED_PRECONDITION, "QUERY_FAILED") as refusal:
            desk.page(order_by="name desc", page_size=1)
        assert refusal.metadata["field"] == "name"
        assert "another field" in refusal.help
    else:
        assert [record.id for page in pages for record in page.records] == ["2", "1", "0"]
        assert all(len(page.next_page_token) <= 64 << 10 for page in pages)


def test_a_record_larger_than_an_answer_is_told_of(world: World, source: SourceUnderTest, ana: Caller) -> None:
    """One record above what an answer may hold is RESOURCE_EXHAUSTED with what to do; fewer fields are answered."""
    table = source.make(PEOPLE, [[1, ana.token, "x" * (5 << 20), 1], [2, ana.token, "small", 2]])
    desk = Desk(ana, connect(world, source, table, ana))
    for call in (desk.page, lambda: desk.page(json=True), lambda: desk.get("1")):
        with refused(StatusCode.RESOURCE_EXHAUSTED, "QUERY_FAILED") as refusal:
            call()
        assert "fields" in refusal.help
        assert refusal.metadata["record_id"] == "1"
    assert [plain(record) for record in desk.page(fields=["age"]).records] == [{"age": 1}, {"age": 2}]
    assert plain(desk.get("1", ["age"])) == {"age": 1}
    assert len(desk.export()) > 5 << 20
