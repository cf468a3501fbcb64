"""Pages of records: cut at their size and at the bytes of an answer."""

from collections.abc import AsyncGenerator

import orjson
import pytest

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.rpc.convert_records import record_to
from wuzapi_manager_server.rpc.record_pages import Page, RecordFormat, page_of
from wuzapi_manager_server.services.records import Record, Shown


class Finding:
    """Records of a size, as a source finds them, `step` at once; knows how many were read and whether it was closed."""

    def __init__(self, count: int, size: int = 1, step: int = 1) -> None:
        self.records = [Record(str(at), {"a": "x" * size, "b": None}, f"e{at}") for at in range(1, count + 1)]
        self.step = step
        self.given = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[Shown]:
        try:
            for start in range(0, len(self.records), self.step):
                some = self.records[start : start + self.step]
                self.given += len(some)
                yield Shown(
                    [record.id for record in some],
                    [record.etag for record in some],
                    [(int(record.id),) for record in some],
                    ["a", "b"],
                    [[record.fields[name] for record in some] for name in ("a", "b")],
                )
        finally:
            self.closed = True


def answer(page: Page) -> pb.ListRecordsResponse:
    return pb.ListRecordsResponse.FromString(page.data)


def ids(page: Page) -> list[str]:
    found = answer(page)
    if found.records_json:
        return [record["id"] for record in orjson.loads(found.records_json)]
    return [record.id for record in found.records]


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize("kind", RecordFormat)
@pytest.mark.parametrize(
    ("there", "size", "following"), [(0, 3, ()), (2, 3, ()), (3, 3, ()), (4, 3, (3,)), (9, 1, (1,))]
)
async def test_a_page_ends_at_its_size(
    kind: RecordFormat, there: int, size: int, following: tuple[int, ...], step: int
) -> None:
    """At most so many records, and the place behind them where others follow; no list more is read than tells that."""
    found = Finding(there, step=step)
    page = await page_of(found(), size, kind, 1_000_000)
    assert ids(page) == [record.id for record in found.records[:size]]
    assert page.following == following
    assert found.given <= size + step
    assert found.closed


@pytest.mark.parametrize("step", [1, 2, 10])
@pytest.mark.parametrize("kind", RecordFormat)
async def test_a_page_ends_at_the_bytes_of_an_answer(kind: RecordFormat, step: int) -> None:
    """Fewer records come where an answer holds no more, and the place behind them continues."""
    found = Finding(10, 1_000, step)
    page = await page_of(found(), 10, kind, 3_500)
    assert ids(page) == ["1", "2", "3"]
    assert page.following == (3,)
    assert found.closed
    assert len(page.data) <= 3_500


@pytest.mark.parametrize("kind", RecordFormat)
async def test_a_record_that_no_answer_holds_is_told(kind: RecordFormat) -> None:
    """It is RESOURCE_EXHAUSTED with the record's id and what to do."""
    found = Finding(3, 5_000)
    with pytest.raises(QueryFailed) as error:
        await page_of(found(), 10, kind, 4_000)
    assert error.value.code is Code.RESOURCE_EXHAUSTED
    assert error.value.metadata == {"record_id": "1"}
    assert error.value.suggestion
    assert found.closed


async def test_both_formats_say_the_same() -> None:
    """The JSON array holds the id, fields and etag of each record; the messages hold the same."""
    found = Finding(2)
    told = answer(await page_of(found(), 5, RecordFormat.JSON, 10_000))
    assert list(told.records) == []
    assert orjson.loads(told.records_json) == [
        {"id": record.id, "fields": record.fields, "etag": record.etag} for record in found.records
    ]
    told = answer(await page_of(found(), 5, RecordFormat.STRUCT, 10_000))
    assert list(told.records) == [record_to(record) for record in found.records]
    assert told.records_json == b""
    empty = await page_of(Finding(0)(), 5, RecordFormat.JSON, 10_000)
    assert answer(empty).records_json == b"[]"
    assert empty.following == ()
