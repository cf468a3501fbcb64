"""Changes of a table within a transaction: all of them, or an error and none.

Every row is looked at once it is written: one that is not the owner's then, or not there (a trigger moved it, the
engine converted the owner's value), fails the whole. The write itself gives the row where nothing can change it
afterwards; else it is read back by its key once all are written.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa

from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, JsonDocument, Key, Owner, Row
from wuzapi_manager_server.errors import QueryFailed, Text, record_not_found
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.sql_read import Finder
from wuzapi_manager_server.sources.sql_table import SqlTable, bad_value
from wuzapi_manager_server.sources.sql_work import Job, outcome_unknown

PARAMETERS = 1000
"""Values in one INSERT or UPDATE, unless a single row has more."""

LARGEST = 1 << 20
"""Bytes of values in one statement, unless a single row has more: servers bound the length of a statement."""

DELETED_AT_ONCE = 100
"""Rows in one DELETE."""

Values = dict[str, object]
"""Raw values by the key of the column's element."""


def insert(written: "Written", rows: Sequence[Mapping[str, Cell]]) -> list[Outcome]:
    """Makes rows, many in one statement."""
    written.table.check_writable()
    raws = [_raw(written.table, row) for row in rows]
    for _, group in groupby(raws, key=lambda raw: raw.keys()):
        same = list(group)
        size = max(1, PARAMETERS // max(1, len(same[0])))
        for at in range(0, len(same), size):
            written.check()
            written.insert(same[at : at + size])
    return _kept(written, rows)


def update(written: "Written", changes: Sequence[Change]) -> list[Outcome]:
    """Changes rows."""
    written.table.check_writable()
    targets = written.targets([(change.key, change.guard) for change in changes])
    raws = [_raw(written.table, change.values, row) for change, row in zip(changes, targets, strict=True)]
    for rows, values in _together(written.table, targets, raws):
        written.check()
        written.update(rows, values)
    return _kept(written, [change.values for change in changes])


def _kept(written: "Written", given: Sequence[Mapping[str, Cell]]) -> list[Outcome]:
    """The rows that were written, in doubtful columns with just what was given. QueryFailed otherwise."""
    outcomes = written.outcomes()
    for at, (name, column) in enumerate(written.table.columns.items()):
        if not column.doubtful:
            continue
        for values, (row, _) in zip(given, outcomes, strict=True):
            if name in values and row is not None and not column.is_kept(values[name], row.cells[at]):
                raise bad_value(
                    name,
                    Text("the table would round or cut this value", "a tabela arredondaria ou cortaria este valor"),
                )
    return outcomes


def _together(
    table: SqlTable, rows: Sequence[Row], raws: Sequence[Values]
) -> Iterator[tuple[Sequence[Row], Sequence[Values]]]:
    """Changes by what one statement can do: many of the same columns, where the key is one whole number and stays."""
    whole = len(table.key) == 1 and all(type(row.key[0]) is int for row in rows)
    for columns, group in groupby(zip(rows, raws, strict=True), key=lambda pair: pair[1].keys()):
        together = whole and columns and table.key[0].element.key not in columns
        most = max(1, PARAMETERS // (2 * len(columns) + 1)) if together else 1
        batch: list[tuple[Row, Values]] = []
        size = 0
        for row, raw in group:
            if batch and (len(batch) == most or size + bytes_of(raw) > LARGEST):
                yield _parted(batch)
                batch, size = [], 0
            batch.append((row, raw))
            size += bytes_of(raw)
        yield _parted(batch)


def _parted(batch: Sequence[tuple[Row, Values]]) -> tuple[list[Row], list[Values]]:
    return [row for row, _ in batch], [raw for _, raw in batch]


def bytes_of(raw: Values) -> int:
    """About how long its values are in a statement."""
    return sum(len(value) for value in raw.values() if isinstance(value, str | bytes))


def delete(written: "Written", keys: Sequence[tuple[Key, Guard | None]]) -> list[Outcome]:
    """Deletes rows, many by one statement."""
    written.table.check_writable()
    targets = written.targets(keys)
    for at in range(0, len(targets), DELETED_AT_ONCE):
        written.check()
        group = [row.key for row in targets[at : at + DELETED_AT_ONCE]]
        result = written.connection.execute(sa.delete(written.table.element).where(written.finder.condition(*group)))
        if result.rowcount > len(group) or (result.rowcount < len(group) and _are_there(written, group)):
            raise not_done()
    return [Outcome(None) for _ in keys]


def _are_there(written: "Written", keys: Sequence[Key]) -> bool:
    """Whether one of those rows is left, be it another's by now. Others are gone with rows that they referred to."""
    anyone = Finder(written.connection, written.table, None)
    return bool(anyone.many(keys)) or any(anyone.get(key) for key in keys if None in key)


def _raw(table: SqlTable, values: Mapping[str, Cell], row: Row | None = None) -> Values:
    """In the order of the table's columns, so that rows of the same columns look alike; without what stays in `row`."""
    for name in values:
        table.column(name)
    return {
        str(column.element.key): column.bind(_not_missing(values[name], column.column))
        for at, (name, column) in enumerate(table.columns.items())
        if name in values and not (row is not None and column.stays(row.cells[at], values[name]))
    }


def _not_missing(cell: Cell, column: Column) -> Cell:
    """The null of JSON where a column of documents cannot be empty: both are read as null."""
    return JsonDocument(None) if cell is None and column.type is ColumnType.JSON and not column.nullable else cell


class Written:
    """The rows that one call writes: their keys, and where the writes give them whole, the rows themselves.

    `check` raises where the work shall end.
    """

    def __init__(
        self, connection: sa.Connection, table: SqlTable, owner: Owner | None, check: Callable[[], None]
    ) -> None:
        self.connection = connection
        self.table = table
        self.check = check
        self.finder = Finder(connection, table, owner)
        self.keys: list[Key] = []
        self.rows: list[Row] = []

    @property
    def owned(self) -> sa.ColumnElement[bool]:
        """Whether the row that was written is the owner's."""
        return self.finder.owned

    def targets(self, wanted: Sequence[tuple[Key, Guard | None]]) -> list[Row]:
        """The rows to change, locked, each approved by its guard. NotFound, with its place, for one not there."""
        found = self.finder.many([key for key, _ in wanted], lock=True)
        rows = []
        for index, (key, guard) in enumerate(wanted):
            row = found.get(key) or self.finder.get(key, lock=True)
            if row is None:
                raise record_not_found(index)
            if guard is not None:
                guard(row)
            rows.append(row)
        return rows

    def insert(self, raws: list[Values]) -> None:
        """Makes rows of the same columns, by one statement."""
        # ABORT where the table says ON CONFLICT REPLACE: a row made must not take another's place.
        statement = sa.insert(self.table.element).prefix_with("OR ABORT", dialect="sqlite")
        if raws[0]:
            statement = statement.values({key: sa.bindparam(key) for key in raws[0]})
        keys, rows = self._execute(statement, raws if len(raws) > 1 else raws[0], len(raws))
        self.keys += keys
        self.rows += rows

    def update(self, rows: Sequence[Row], raws: Sequence[Values]) -> None:
        """Changes rows that `targets` gave, all of the same columns, by one statement."""
        if not raws[0]:
            self.keys += [row.key for row in rows]
            self.rows += rows
            return
        statement = sa.update(self.table.element).prefix_with("OR ABORT", dialect="sqlite")
        keys, now = self._execute(
            statement.where(self.changing(rows)).values(self.values_of(rows, raws)), {}, len(rows)
        )
        if len(rows) > 1:  # they come in any order
            order = {key: at for at, key in enumerate(keys)}
            places = [order.get(row.key, -1) for row in rows]
            if -1 in places:
                raise not_kept()
            keys, now = [keys[at] for at in places], [now[at] for at in places] if now else ()
        self.keys += keys
        self.rows += now

    def changing(self, rows: Sequence[Row]) -> sa.ColumnElement[bool]:
        """The condition that lets those rows through, and none of other owners."""
        return self.finder.condition(*(row.key for row in rows))

    def values_of(self, rows: Sequence[Row], raws: Sequence[Values]) -> dict[str, object]:
        """What an UPDATE sets: the values, or of several rows for each the one that stands by its key."""
        if len(rows) == 1:
            return raws[0]
        columns, key = self.table.element.c, self.table.key[0].element
        return {
            name: sa.case(
                {row.key[0]: sa.literal(raw[name], columns[name].type) for row, raw in zip(rows, raws, strict=True)},
                value=key,
            )
            for name in raws[0]
        }

    def _execute(
        self, statement: sa.Insert | sa.Update, values: Values | Sequence[Values], count: int
    ) -> tuple[Sequence[Key], Sequence[Row]]:
        """The keys of the rows that were written, and where the write gives them whole the rows."""
        shown = [column.shown for column in self.finder.shape.selected] if self.table.returns else []
        keys = [column.careful for column in self.table.key]
        returning = statement.returning(*([*shown, self.owned.label("owned")] if shown else keys))
        with self.connection.execute(returning, values) as result:
            written = result.fetchall()
        if not shown:
            if len(written) != count:
                raise not_done()
            return list(map(self.key_of, written)), ()
        rows = self.given_back(written, count)
        return rows.keys, rows

    def given_back(self, written: Sequence[Sequence[object]], count: int) -> Rows:
        """The rows that a statement gave whole, each with whether it is the owner's. QueryFailed where one is not."""
        if len(written) != count:
            raise not_done()
        if not all(raw[-1] == 1 for raw in written):  # as a truth value, or as the number that engines without have
            raise not_kept()
        return self.finder.shape.rows_of([raw[:-1] for raw in written])

    def key_of(self, raw: Iterable[object]) -> Key:
        """The key of the raw values of its columns."""
        return tuple(column.scalar(column.caught(part)) for column, part in zip(self.table.key, raw, strict=True))

    def outcomes(self) -> list[Outcome]:
        """The rows as they are once all are written."""
        if self.rows:
            return [Outcome(row) for row in self.rows]
        self.check()
        if self.table.deferred:  # what a trigger does to the rows is done before they are looked at
            self.connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
        found = self.finder.many(self.keys)
        outcomes = []
        for key in self.keys:
            row = found.get(key) or self.finder.get(key)
            if row is None:
                raise not_kept()
            outcomes.append(Outcome(row))
        return outcomes


class WrittenAlone(Written):
    """One row, by a statement that saves itself, or is refused by the server where the row is not the owner's then.

    It needs a table that `returns` its rows, and takes one turn instead of three.
    """

    def __init__(self, connection: sa.Connection, table: SqlTable, owner: Owner | None, job: Job) -> None:
        super().__init__(connection, table, owner, job.check)
        self._job = job

    @property
    def owned(self) -> sa.ColumnElement[bool]:
        """True, or the failure with the SQLSTATE that NOT_KEPT names."""
        kept = sa.case((self.finder.owned, sa.literal_column("1")), else_=sa.literal_column("0"))
        return sa.func.ln(kept) == sa.literal_column("0")

    def _execute(
        self, statement: sa.Insert | sa.Update, values: Values | Sequence[Values], count: int
    ) -> tuple[Sequence[Key], Sequence[Row]]:
        self._job.begin_alone()
        try:
            return super()._execute(statement, values, count)
        except UnicodeDecodeError as error:  # the row is there, with a text that is none
            raise outcome_unknown() from error


NOT_KEPT = "2201E"
"""The SQLSTATE of the logarithm of nothing: a failure that an expression can be made to raise and tables seldom do."""


def not_kept() -> QueryFailed:
    """The error for a row that is not there, or not the owner's, once it was written."""
    return QueryFailed(
        Text(
            "The table did not keep the row as it was written, so nothing was changed",
            "A tabela não manteve a linha como foi gravada; nada foi alterado",
        ),
        suggestion=Text(
            "Check the table's triggers and the type of its key and link columns",
            "Verifique os gatilhos da tabela e o tipo das colunas de chave e de vínculo",
        ),
    )


def not_done() -> QueryFailed:
    """The error for a statement that changed another number of rows than it should."""
    return QueryFailed(
        Text("The table refused the change", "A tabela recusou a alteração"),
        suggestion=Text("Check the table's triggers", "Verifique os gatilhos da tabela"),
    )
