"""Pages of records: cut at their size and at the bytes of an answer."""

from collections.abc import AsyncGenerator

import orjson
import pytest

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.errors import Code, QueryFailed
from wuzapi_manager_server.rpc.convert_records import record_to
from wuzapi_manager_server.rpc.record_pages import Page, RecordFormat, page_of
from wuzapi_manager_server.services.records import Found, Record


class Finding:
    """Records of a size, as a source finds them; knows how many were asked for and whether it was closed."""

    def __init__(self, count: int, size: int = 1) -> None:
        self.records = [Record(str(at), {"a": "x" * size, "b": None}, f"e{at}") for at in range(1, count + 1)]
        self.given = 0
        self.closed = False

    async def __call__(self) -> AsyncGenerator[Found]:
        try:
            for record in self.records:
                self.given += 1
                yield Found(record, (self.given,))
        finally:
            self.closed = True


def ids(page: Page) -> list[str]:
    if page.records_json:
        return [record["id"] for record in orjson.loads(page.records_json)]
    return [record.id for record in page.records]


@pytest.mark.parametrize("kind", RecordFormat)
@pytest.mark.parametrize(
    ("there", "size", "following"), [(0, 3, ()), (2, 3, ()), (3, 3, ()), (4, 3, (3,)), (9, 1, (1,))]
)
async def test_a_page_ends_at_its_size(kind: RecordFormat, there: int, size: int, following: tuple[int, ...]) -> None:
    """At most so many records, and the place behind them where others follow; no more is read than tells that."""
    found = Finding(there)
    page = await page_of(found(), size, kind, 1_000_000)
    assert ids(page) == [record.id for record in found.records[:size]]
    assert page.following == following
    assert found.given == min(there, size + 1)
    assert found.closed


@pytest.mark.parametrize("kind", RecordFormat)
async def test_a_page_ends_at_the_bytes_of_an_answer(kind: RecordFormat) -> None:
    """Fewer records come where an answer holds no more, and the place behind them continues."""
    found = Finding(10, 1_000)
    page = await page_of(found(), 10, kind, 3_500)
    assert ids(page) == ["1", "2", "3"]
    assert page.following == (3,)
    assert found.closed
    answer = pb.ListRecordsResponse(records=page.records, records_json=page.records_json)
    assert answer.ByteSize() <= 3_500 + 10


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
    page = await page_of(found(), 5, RecordFormat.JSON, 10_000)
    assert page.records == []
    assert orjson.loads(page.records_json) == [
        {"id": record.id, "fields": record.fields, "etag": record.etag} for record in found.records
    ]
    page = await page_of(found(), 5, RecordFormat.STRUCT, 10_000)
    assert page.records == [record_to(record) for record in found.records]
    assert page.records_json == b""
    empty = await page_of(Finding(0)(), 5, RecordFormat.JSON, 10_000)
    assert empty == Page([], b"[]", ())
