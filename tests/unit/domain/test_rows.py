"""Rows by column."""

from wuzapi_manager_server.domain.rows import NO_ROWS, Rows
from wuzapi_manager_server.domain.table import Row

LIST = [Row((1,), (9, 1), (1, "a")), Row((2,), (8, 2), (2, None)), Row((3,), (7, 3), (3, "c"))]


def test_rows_are_the_rows_they_were_made_of() -> None:
    """One by one, all, and a part of them."""
    rows = Rows.of(LIST)
    assert rows.columns == [(1, 2, 3), ("a", None, "c")]
    assert list(rows) == [*LIST] == [rows[at] for at in range(3)]
    assert len(rows) == 3
    assert list(rows[1:]) == LIST[1:]
    assert rows[-1] == LIST[-1]
    assert Rows.of(rows) is rows


def test_parts_are_joined_in_their_order() -> None:
    """Empty parts say nothing, not even of columns."""
    first, rest = Rows.of(LIST[:1]), Rows.of(LIST[1:])
    assert list(Rows.joined([NO_ROWS, first, NO_ROWS, rest])) == LIST
    assert Rows.joined([NO_ROWS, first]) is first
    assert list(Rows.joined([])) == list(Rows.joined([NO_ROWS])) == list(Rows.of([])) == []


def test_rows_without_cursors_keep_all_else() -> None:
    """Tables without a key have nothing to go on behind."""
    assert list(Rows.of(LIST).without_cursors()) == [row._replace(cursor=()) for row in LIST]
