"""Airtable as the suite sees it: tables of a fake, which encodes our reading of its documents and is not Airtable.

Keys are autoNumber fields, which Airtable alone gives.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import ClassVar

from tests.contract.sources import Can, MadeTable, Shape, Spec, Value
from tests.fakes.airtable import TOKEN, FakeAirtable, FakeField, FakeTable
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager_server.domain.table import ColumnType

_BASE = "appOfTheContract1"
_FIELDS: Mapping[ColumnType, tuple[str, Mapping[str, object]]] = {
    ColumnType.BOOLEAN: ("checkbox", {"icon": "check"}),
    ColumnType.INTEGER: ("number", {"precision": 0}),
    ColumnType.FLOAT: ("number", {"precision": 8}),
    ColumnType.TEXT: ("multilineText", {}),
    ColumnType.DATE: ("date", {"dateFormat": {"name": "iso"}}),
    ColumnType.TIMESTAMP_TZ: ("dateTime", {"timeZone": "utc"}),
    ColumnType.DURATION: ("duration", {"durationFormat": "h:mm:ss"}),
}


class AirtableUnderTest:
    """Each table in the same base."""

    can: ClassVar = Can(
        types=frozenset(_FIELDS),
        transactions=False,
        chosen_keys=False,
        exact_numbers=False,
        infinities=False,
        describes_late=True,
        empty_values=False,
        constraints=False,
        any_key=False,
        microseconds=False,
        many=450,
    )

    def __init__(self, fake: FakeAirtable) -> None:
        self._fake = fake

    def make(self, shape: Shape, rows: Sequence[Sequence[Value]] = ()) -> MadeTable:
        """See SourceUnderTest."""
        with self._fake.lock:
            place = self._fake.make(_BASE, shape.name or "a table", [_field(column) for column in shape.columns])
        table = MadeTable(place.id, shape, place)
        self.add(table, rows)
        return table

    def source_of(self, table: MadeTable) -> connections.Connection:
        """See SourceUnderTest."""
        return connections.Connection(
            airtable=connections.AirtableSource(
                base_url=self._fake.url, base_id=_BASE, api_key=TOKEN, table_id=_place(table).id
            )
        )

    def add(self, table: MadeTable, rows: Sequence[Sequence[Value]]) -> None:
        """See SourceUnderTest."""
        names = [column.name for column in table.shape.columns]
        with self._fake.lock:
            for row in rows:
                _place(table).put({name: _raw(value) for name, value in zip(names, row, strict=True)})

    def rows(self, table: MadeTable) -> list[tuple[Value, ...]]:
        """See SourceUnderTest."""
        with self._fake.lock:
            held = [dict(cells) for cells in _place(table).records.values()]
        rows = [tuple(cells.get(column.name) for column in table.shape.columns) for cells in held]
        return sorted(rows, key=lambda row: (row[0] is not None, row[0]))

    def run(self, table: MadeTable, statement: str) -> None:
        """See SourceUnderTest: the few statements that the suite has."""
        for pattern, change in _STATEMENTS.items():
            found = re.fullmatch(pattern, statement)
            if found:
                with self._fake.lock:
                    change(_place(table), *found.groups())
                return
        raise AssertionError(f"the fake cannot do {statement}")


def _place(table: MadeTable) -> FakeTable:
    assert isinstance(table.place, FakeTable)
    return table.place


def _field(column: Spec) -> FakeField:
    if column.key:
        return FakeField(column.name, "autoNumber")
    kind, options = _FIELDS[column.type]
    return FakeField(column.name, kind, options)


def _raw(value: Value) -> Value:
    match value:
        case datetime():
            return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return value


def _chosen(table: FakeTable, key: str | None) -> list[str]:
    return [each for each, cells in table.records.items() if key is None or str(cells[table.fields[0].name]) == key]


def _update(table: FakeTable, name: str, value: str, key: str | None) -> None:
    for each in _chosen(table, key):
        table.records[each][name] = value


def _delete(table: FakeTable, key: str | None) -> None:
    for each in _chosen(table, key):
        del table.records[each]
    if not table.records:
        table.last_number = 0


def _add_column(table: FakeTable, name: str, value: str) -> None:
    table.fields.append(FakeField(name, id=f"fldAdded{len(table.fields):09}"))
    for cells in table.records.values():
        cells[name] = value


def _drop_column(table: FakeTable, name: str) -> None:
    table.fields = [each for each in table.fields if each.name != name]


def _rename_column(table: FakeTable, old: str, new: str) -> None:
    for each in table.fields:
        each.name = new if each.name == old else each.name
    for cells in table.records.values():
        cells[new] = cells.pop(old, None)


def _hide(table: FakeTable) -> None:
    table.hidden = True


def _show(table: FakeTable) -> None:
    table.hidden = False


_STATEMENTS: Mapping[str, Callable[..., None]] = {
    r"UPDATE \{t\} SET (\w+) = '(\w+)'(?: WHERE id = (\S+))?": _update,
    r"DELETE FROM \{t\}(?: WHERE id = (\S+))?": _delete,
    r"ALTER TABLE \{t\} ADD COLUMN (\w+) \S+ DEFAULT '(\w+)'": _add_column,
    r"ALTER TABLE \{t\} DROP COLUMN (\w+)": _drop_column,
    r"ALTER TABLE \{t\} RENAME COLUMN (\w+) TO (\w+)": _rename_column,
    r"ALTER TABLE \{t\} RENAME TO elsewhere": _hide,
    r"ALTER TABLE elsewhere RENAME TO \{t\}": _show,
}
