"""request_id: the same again is the stored answer and no second effect; with another body it is refused."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import grpc
import pytest
from grpc import StatusCode

from tests.contract.calls import Caller, Refusal, refused
from tests.contract.desk import Desk, connect
from tests.contract.server import World
from tests.contract.sources import PEOPLE, MadeTable, SourceUnderTest

Create = Callable[[Desk, str, str], object]
CREATES: dict[str, Create] = {
    "create": lambda desk, name, request_id: desk.create({"name": name}, request_id=request_id),
    "batch": lambda desk, name, request_id: desk.create_many([{"name": name}], request_id=request_id),
}


@pytest.fixture
def table(source: SourceUnderTest) -> MadeTable:
    return source.make(PEOPLE)


@pytest.fixture
def desk(world: World, source: SourceUnderTest, table: MadeTable, ana: Caller, bruno: Caller) -> Desk:
    return Desk(ana, connect(world, source, table, ana, bruno))


@pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
def test_the_same_again_is_the_same_answer(
    source: SourceUnderTest, table: MadeTable, desk: Desk, create: Create
) -> None:
    """A repeat gives the answer of the first time, also when the record is another by now, and makes nothing."""
    request_id = str(uuid4())
    first = create(desk, "x", request_id)
    source.run(table, "UPDATE {t} SET name = 'changed'")
    for same in (request_id, request_id.upper()):
        assert create(desk, "x", same) == first
    assert [row[2] for row in source.rows(table)] == ["changed"]
    source.run(table, "DELETE FROM {t}")
    assert create(desk, "x", request_id) == first
    assert source.rows(table) == []


@pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
def test_another_body_is_refused(source: SourceUnderTest, table: MadeTable, desk: Desk, create: Create) -> None:
    """The same id for something else is a mistake of the caller, and makes nothing."""
    request_id = str(uuid4())
    create(desk, "x", request_id)
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        create(desk, "y", request_id)
    assert set(refusal.violations) == {"request_id"}
    assert len(source.rows(table)) == 1


@pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
def test_without_an_id_each_call_is_its_own(
    source: SourceUnderTest, table: MadeTable, desk: Desk, bruno: Caller, create: Create
) -> None:
    """No id, other ids and other callers do not meet each other."""
    request_id = str(uuid4())
    for _ in range(3):
        create(desk, "x", "")
    for made in (request_id, str(uuid4())):
        create(desk, "x", made)
    create(Desk(bruno, desk.id), "x", request_id)
    assert len(source.rows(table)) == 6


def test_a_refused_call_frees_its_id(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """A call that did nothing may come again under its id once the reason is gone."""
    if not source.can.chosen_keys:
        pytest.skip("a create cannot meet a row that is there")
    request_id = str(uuid4())
    source.add(table, [[1, desk.caller.token, "in the way", 0]])
    with refused(StatusCode.ALREADY_EXISTS):
        desk.create({"id": 1}, request_id=request_id)
    source.run(table, "DELETE FROM {t}")
    assert desk.create({"id": 1}, request_id=request_id).id == "1"
    assert desk.create({"id": 1}, request_id=request_id).id == "1"
    assert len(source.rows(table)) == 1


@pytest.mark.parametrize("create", CREATES.values(), ids=CREATES)
def test_many_at_once_make_one(source: SourceUnderTest, table: MadeTable, desk: Desk, create: Create) -> None:
    """Of concurrent calls with one id one writes; the others get its answer, or ABORTED and when to ask again."""
    request_id = str(uuid4())

    def attempt(_: int) -> object:
        try:
            return create(desk, "x", request_id)
        except grpc.RpcError as error:
            refusal = Refusal().read(error)
            assert refusal.code is StatusCode.ABORTED
            assert refusal.reason == "CONFLICT"
            assert refusal.retry_after is not None
            return None

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answer in pool.map(attempt, range(24)) if answer is not None]
    assert answers
    assert all(answer == answers[0] for answer in answers)
    assert len(source.rows(table)) == 1


@pytest.mark.parametrize(
    "request_id", ["x", "1", "0" * 32, "{" + "0" * 8 + "}", "12345678-1234-1234-1234-123456789abc ", "\0", "é"]
)
def test_an_id_that_is_no_uuid_is_refused(
    source: SourceUnderTest, table: MadeTable, desk: Desk, request_id: str
) -> None:
    """Only UUIDs in their usual spelling are taken."""
    calls: list[Create] = [*CREATES.values(), lambda at, name, one: at.take_in(name.encode(), request_id=one)]
    for call in calls:
        with refused(StatusCode.INVALID_ARGUMENT) as refusal:
            call(desk, "{}", request_id)
        assert set(refusal.violations) == {"request_id"}
    assert source.rows(table) == []


def test_an_import_is_done_once(source: SourceUnderTest, table: MadeTable, desk: Desk) -> None:
    """The same import again gives the same report and makes nothing; as another import its id is refused."""
    request_id, lines = str(uuid4()), b'{"name": "a"}\n{"name": "b"}\n'
    first = desk.take_in(lines, request_id=request_id)
    assert desk.take_in(lines, request_id=request_id) == first
    assert first.created_count == len(source.rows(table)) == 2
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        desk.take_in(lines, request_id=request_id, skip=True)
    assert set(refusal.violations) == {"request_id"}


def test_what_is_remembered_holds_no_value(world: World, desk: Desk) -> None:
    """The stored answer of a create lies encrypted: its values are not in the service's files."""
    secret = f"value-{uuid4()}"
    desk.create({"name": secret}, request_id=str(uuid4()))
    for file in world.data.iterdir():
        assert secret.encode() not in file.read_bytes()
