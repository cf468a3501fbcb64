"""What a source of records is. Every engine implements RecordSource; one contract suite tests them all.

Every call takes the owner whose rows it may touch, without a default, so that none can forget it: None means all rows
and is for administrators and shared tables. The owner's text is compared byte by byte with the column's text, whatever
the column's type or collation.

A caller that gives the `table` it counts on gets QueryFailed, and nothing is done, where it has been altered since:
cells stand in the order of the columns, and one column must not be taken for another.

Every call ends by its deadline (TimedOut), and stops its work when its task is cancelled; a write that was begun is
then rolled back or completed, never left in between. Failures are ConnectionFailed, CredentialsRejected, QueryFailed,
AlreadyExists, Conflict, PermissionDenied (where a source may not lie), TimedOut or OutcomeUnknown; nothing was changed
then, but after OutcomeUnknown and WrittenOtherwise. No driver's text is in them.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.filter import Filter
from wuzapi_manager_server.domain.table import Cell, Key, Owner, Row, SourceTables, Step, Table

Where = Filter[Cell]
"""A condition on columns, its values converted to cells of the columns' types."""

Guard = Callable[[Row], None]
"""Looks at a row within the transaction that is about to change it, and raises to refuse."""


class Sort(NamedTuple):
    """A column to sort by. Null sorts before every value, in descending order after every value."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Query:
    """Which rows to read, in which order.

    The source appends the primary key to `order`. `after` is the `cursor` of the last row read: rows behind it follow.
    Where the table has no primary key, `offset` says how many rows to pass over instead. `limit` None means all rows
    (for `stream` alone). Rows come with all columns of the table. `table` is the description that the caller counts on;
    None counts on whatever is there.
    """

    owner: Owner | None
    where: Where | None = None
    order: tuple[Sort, ...] = ()
    after: Key = ()
    offset: int = 0
    limit: int | None = None
    table: Table | None = None


class Change(NamedTuple):
    """New values by column for the row of `key`; `guard` sees the row as it was, within the transaction."""

    key: Key
    values: Mapping[str, Cell]
    guard: Guard | None = None


class Outcome(NamedTuple):
    """What became of one item of a write: the row as it is now (None when deleted or refused), or why it was refused.

    Sources with transactions never give an error here: they raise, and nothing is changed.
    """

    row: Row | None
    error: Exception | None = None


class RecordSource(Protocol):
    """A table that lives elsewhere. Safe to use from many tasks at once."""

    async def describe(self, deadline: Deadline, *, anew: bool = False) -> Table:
        """The table, its columns and capabilities; cached for about a minute. QueryFailed when it is not there.

        `anew` asks the source in any case.
        """
        ...

    async def fetch(self, query: Query, deadline: Deadline) -> Sequence[Row]:
        """At most `query.limit` rows."""
        ...

    def stream(self, query: Query, deadline: Callable[[], Deadline]) -> AsyncGenerator[Sequence[Row]]:
        """All rows in lists of some hundred, in constant memory. `deadline` is asked anew for each list."""
        ...

    async def count(self, owner: Owner | None, where: Where | None, deadline: Deadline) -> int:
        """How many rows match."""
        ...

    async def get(self, key: Key, owner: Owner | None, deadline: Deadline, *, table: Table | None = None) -> Row | None:
        """The row of that key, or None when there is none or it is another owner's."""
        ...

    async def insert(
        self,
        rows: Sequence[Mapping[str, Cell]],
        owner: Owner | None,
        deadline: Deadline,
        *,
        table: Table | None = None,
        stop: bool = False,
    ) -> list[Outcome]:
        """Makes rows, and reads each back: one that is not the owner's then is refused with QueryFailed.

        With `stop` those behind the first that is refused are not tried, where each is for itself.
        """
        ...

    async def update(
        self, changes: Sequence[Change], owner: Owner | None, deadline: Deadline, *, table: Table | None = None
    ) -> list[Outcome]:
        """Changes rows, and reads each back. NotFound (`metadata` has the place as `index`) for a row not there."""
        ...

    async def delete(
        self, keys: Sequence[tuple[Key, Guard | None]], owner: Owner | None, deadline: Deadline
    ) -> list[Outcome]:
        """Deletes rows. NotFound (`metadata` has the place as `index`) for a row not there."""
        ...

    async def test(self, user_link_field: str, deadline: Deadline) -> list[Step]:
        """Tries the source step by step; the first step that fails is the last. Never raises for what it finds.

        `user_link_field` is empty where the scope is shared: that step is left out then.
        """
        ...

    async def tables(self, after: tuple[str, str], limit: int, deadline: Deadline) -> SourceTables:
        """A page of the tables and views of the source behind the (schema, name) `after`; ("", "") starts."""
        ...

    async def close(self) -> None:
        """Gives up what it holds. Calls under way end with ConnectionFailed or their result."""
        ...
