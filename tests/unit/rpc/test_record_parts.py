"""Records as the bytes of an answer."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.rpc.convert_records import record_to
from wuzapi_manager_server.rpc.record_parts import JsonParts, StructParts
from wuzapi_manager_server.services.records import Record, Shown

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
SIZES = st.sampled_from([0, 1, 96, 97, 98, 99, 100, 101, 125, 126, 127, 128, 300, 20_000])
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXT
NESTED: st.SearchStrategy[Json] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=5
)
COLUMN: st.SearchStrategy[st.SearchStrategy[Json]] = st.sampled_from(
    [TEXT, SIZES.map("é".__mul__), SIZES.map("x".__mul__), st.integers(0, 9), st.floats(0, 1), NESTED]
)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    """Records of the same fields; a column mostly holds values of one kind."""
    names = draw(st.lists(TEXT | SIZES.map("n".__mul__), max_size=4, unique=True))
    kinds = [draw(COLUMN) for _ in names]
    made = []
    for at in range(draw(st.integers(1, 4))):
        values: dict[str, Json] = {name: draw(kind | st.none()) for name, kind in zip(names, kinds, strict=True)}
        made.append(Record("" if draw(st.booleans()) else f"r{at}", values, f"e{at}"))
    return made


def shown(found: list[Record]) -> Shown:
    names = list(found[0].fields)
    return Shown(
        [record.id for record in found],
        [record.etag for record in found],
        [() for _ in found],
        names,
        [[record.fields[name] for record in found] for name in names],
    )


@given(records())
def test_structs_are_those_that_protobuf_makes(found: list[Record]) -> None:
    """Read by protobuf, the bytes are the very messages; each part is one of them."""
    parts = StructParts()
    whole = parts.answer(parts.together(shown(found)))
    expected = [record_to(record) for record in found]
    assert list(pb.ListRecordsResponse.FromString(whole).records) == expected
    assert [pb.ListRecordsResponse.FromString(part).records[0] for part in parts.each(shown(found))] == expected


@given(records())
def test_json_is_an_array_of_objects(found: list[Record]) -> None:
    """The bytes are a field that holds the records as JSON; the parts joined are the same."""
    parts = JsonParts()
    whole = parts.answer(parts.together(shown(found)))
    expected = [{"id": record.id, "fields": record.fields, "etag": record.etag} for record in found]
    assert orjson.loads(pb.ListRecordsResponse.FromString(whole).records_json) == orjson.loads(orjson.dumps(expected))
    assert parts.join(parts.each(shown(found))) == parts.together(shown(found))
