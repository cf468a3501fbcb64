"""Random filters, each with what it means in plain Python."""

import operator
import string
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.contract.desk import all_of, any_of, compared, no
from tests.e2e.row_scope_engine import COLUMNS, Row
from tests.e2e.row_scope_people import TEXTS
from tests.e2e.row_scope_table import Table
from wuzapi_manager.v1 import record_pb2 as pb

Holds = Callable[[Row], bool]
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ORDERED: Mapping[pb.Op.ValueType, Callable[[Any, Any], bool]] = {
    pb.OP_EQ: operator.eq,
    pb.OP_LT: operator.lt,
    pb.OP_LE: operator.le,
    pb.OP_GT: operator.gt,
    pb.OP_GE: operator.ge,
}


class Where(NamedTuple):
    """A filter and what it means; `holds` None where nothing is said of that, or of whether it is taken at all."""

    filter: pb.Filter | None
    holds: Holds | None


EVERYTHING = Where(None, lambda _: True)


def wheres(table: Table) -> st.SearchStrategy[Where]:
    """Filters on columns whose values are what their types say."""
    leaves = [_leaf(field, column) for field, column in table.visible.items() if column in ("tag", "n", "name")]
    return st.recursive(st.one_of(leaves), _grown, max_leaves=6)


def wild_wheres(table: Table) -> st.SearchStrategy[Where]:
    """Filters on anything, with anything: columns hidden or not there, values of other types, each operator."""
    scalar = st.none() | st.booleans() | st.integers(-2, 99_999) | st.floats() | st.sampled_from(TEXTS)
    value = st.just(...) | scalar | st.lists(scalar, max_size=3)
    names = st.sampled_from([*table.visible, *COLUMNS, "rowid", "owner' OR 1=1 --", '"owner"', ""])
    made = st.builds(compared, names, st.sampled_from(pb.Op.values()[1:]), value)
    return st.recursive(st.builds(Where, made, st.none()), _grown, max_leaves=4)


def finds(text: str, cell: object) -> bool:
    """Whether the text is in the cell, whatever the case of ASCII letters."""
    return cell is not None and _lower(text) in _lower(cell)


def _lower(cell: object) -> str:
    return str(cell).translate(_LOWER)


def _grown(parts: st.SearchStrategy[Where]) -> st.SearchStrategy[Where]:
    several = st.lists(parts, min_size=1, max_size=3)
    return st.one_of(
        st.builds(_joined, st.just(all_of), st.just(all), several),
        st.builds(_joined, st.just(any_of), st.just(any), several),
        st.builds(_turned, parts),
    )


def _met(column: str, test: Callable[[Any], bool], row: Row) -> bool:
    return row[column] is not None and test(row[column])


def _joined(group: Callable[..., pb.Filter], of: Callable[..., bool], parts: list[Where]) -> Where:
    filters = [*map(_message, parts)]
    meanings = [part.holds for part in parts if part.holds is not None]
    known = len(meanings) == len(parts)
    return Where(group(*filters), (lambda row: of(holds(row) for holds in meanings)) if known else None)


def _turned(part: Where) -> Where:
    holds = part.holds
    return Where(no(_message(part)), None if holds is None else lambda row: not holds(row))


def _message(part: Where) -> pb.Filter:
    assert part.filter is not None
    return part.filter


def _leaf(field: str, column: str) -> st.SearchStrategy[Where]:
    values: st.SearchStrategy[Any] = st.sampled_from(TEXTS) if column == "name" else st.integers(-2, 12)
    ordered = st.sampled_from(sorted(_ORDERED))
    kinds = [
        st.builds(lambda op, value: (op, value, lambda cell: _ORDERED[op](cell, value)), ordered, values),
        st.builds(lambda some: (pb.OP_IN, some, lambda cell: cell in some), st.lists(values, min_size=1, max_size=3)),
        st.builds(lambda low, high: (pb.OP_BETWEEN, [low, high], lambda cell: low <= cell <= high), values, values),
        st.just((pb.OP_IS_NOT_NULL, ..., lambda _: True)),
        st.just((pb.OP_NE, None, lambda _: True)),
    ]
    if column == "name":
        kinds += [
            st.builds(lambda text: (pb.OP_CONTAINS, text, lambda cell: finds(text, cell)), values),
            st.builds(
                lambda text: (pb.OP_STARTS_WITH, text, lambda cell: _lower(cell).startswith(_lower(text))), values
            ),
        ]
    of_values = st.one_of(kinds).map(
        lambda kind: Where(compared(field, kind[0], kind[1]), partial(_met, column, kind[2]))
    )
    others = st.builds(lambda value: Where(compared(field, pb.OP_NE, value), lambda row: row[column] != value), values)
    nulls = st.sampled_from([compared(field, pb.OP_IS_NULL), compared(field, pb.OP_EQ, None)])
    return of_values | others | nulls.map(lambda where: Where(where, lambda row: row[column] is None))
