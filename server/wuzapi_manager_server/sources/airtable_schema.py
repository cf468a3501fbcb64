"""Tables of Airtable as its metadata API tells them: fields become columns, and one column becomes the key.

The key is an autoNumber field where the table has one that a formula can name: it grows with every record, so lists are
paged by it at a constant cost. Otherwise it is Airtable's own record id, in a column that no field stands for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from wuzapi_manager_server.domain.table import Capabilities, Cell, Column, ColumnType, Json, Row, Table
from wuzapi_manager_server.sources.airtable_literals import field
from wuzapi_manager_server.sources.airtable_values import to_cell

RECORD_ID = "record_id"
MAX_BATCH = 1_000
_MAX_NAME = 1_000
_T = ColumnType
_TYPES: Mapping[str, ColumnType] = {
    **dict.fromkeys(
        ("singleLineText", "email", "url", "multilineText", "phoneNumber", "richText", "singleSelect"), _T.TEXT
    ),
    "externalSyncSource": _T.TEXT,
    **dict.fromkeys(("currency", "percent"), _T.FLOAT),
    **dict.fromkeys(("rating", "count", "autoNumber"), _T.INTEGER),
    "checkbox": _T.BOOLEAN,
    "date": _T.DATE,
    **dict.fromkeys(("dateTime", "createdTime", "lastModifiedTime"), _T.TIMESTAMP_TZ),
    "duration": _T.DURATION,
    **dict.fromkeys(("multipleSelects", "multipleRecordLinks"), _T.ARRAY),
}
_COMPUTED = frozenset({"count", "autoNumber", "createdTime", "lastModifiedTime", "externalSyncSource"})
_WRITABLE = frozenset({"number", *_TYPES}) - _COMPUTED
_OF_A_RESULT = frozenset({"formula", "rollup"})
_ID = re.compile(r"\w+", re.ASCII)
_RECORD = re.compile(r"rec[A-Za-z0-9]{14}")


@dataclass(frozen=True)
class Layout:
    """A table and where its cells are: the id of the field of each column, None for that of the record's own id."""

    table: Table
    field_ids: tuple[str | None, ...]

    @property
    def key(self) -> Column:
        """The key's column."""
        return self.table.columns[self.table.index[self.table.primary_key[0]]]

    @property
    def numbered(self) -> bool:
        """Whether the key is an autoNumber, by which Airtable itself can sort and compare."""
        return self.field_ids[self.table.index[self.key.name]] is not None

    def row(self, record: Mapping[str, Json]) -> Row | None:
        """The row of a record as the API gives it (fields by their ids); None where that is none."""
        identifier, given = record.get("id"), record.get("fields")
        if not isinstance(identifier, str) or not isinstance(given, dict):
            return None
        cells: list[Cell] = [
            identifier if field is None else to_cell(given.get(field), column)
            for field, column in zip(self.field_ids, self.table.columns, strict=True)
        ]
        key = cells[self.table.index[self.key.name]]
        if not isinstance(key, str | int):
            return None
        return Row((key,), (key,), tuple(cells))

    def is_key(self, key: Sequence[object]) -> bool:
        """Whether a record could have that key."""
        part = key[0] if len(key) == 1 else None
        if self.numbered:
            return isinstance(part, int) and not isinstance(part, bool)
        return isinstance(part, str) and bool(_RECORD.fullmatch(part))

    def field_id(self, column: str) -> str:
        """The id of a column's field."""
        return self.field_ids[self.table.index[column]] or ""


def layout_of(described: Mapping[str, Json], sources: Mapping[str, frozenset[str] | None]) -> Layout | None:
    """The layout of a table as the API describes it; None where that is no description.

    `sources` are the fields that each computed one is computed from (airtable_derived.py).
    """
    identifier, name, fields = described.get("id"), described.get("name"), described.get("fields")
    if not isinstance(identifier, str) or not isinstance(name, str) or not isinstance(fields, list):
        return None
    if not _ID.fullmatch(identifier):  # it becomes a part of paths
        return None
    known = [field for field in fields if isinstance(field, dict)]
    names = {
        each: called
        for field in known
        if isinstance(each := field.get("id"), str) and isinstance(called := field.get("name"), str)
    }
    if len(names) != len(fields):
        return None
    ids: list[str | None] = list(names)
    columns = [_column(field, sources, names) for field in known]
    numbers = [at for at, column in enumerate(columns) if column.native_type == "autoNumber" and _nameable(column)]
    if numbers:
        at = numbers[0]
        columns[at] = Column(
            columns[at].name, _T.INTEGER, "autoNumber", False, True, primary_key=True, has_default=True
        )
    else:
        taken = {column.name for column in columns}
        own = RECORD_ID
        while own in taken:
            own += "_"
        at = 0
        columns.insert(0, Column(own, _T.TEXT, "record id", False, True, primary_key=True, has_default=True))
        ids.insert(0, None)
    capabilities = Capabilities(
        transactions=False,
        exact_numbers=False,
        count=True,
        search=True,
        key_paging=bool(numbers),
        max_batch_size=MAX_BATCH,
        verified_updates=True,
    )
    return Layout(Table(identifier, tuple(columns), (columns[at].name,), capabilities, title=name), tuple(ids))


def _nameable(column: Column) -> bool:
    return len(column.name) <= _MAX_NAME and field(column.name) is not None


def _column(
    field: Mapping[str, Json], sources: Mapping[str, frozenset[str] | None], names: Mapping[str, str]
) -> Column:
    kind = str(field.get("type"))
    found = sources.get(str(field["id"]), frozenset())
    computed = kind not in _WRITABLE
    return Column(
        str(field["name"]),
        _type_of(field),
        kind,
        nullable=kind != "checkbox",
        read_only=computed,
        has_default=kind == "checkbox",
        derived_from=None if found is None else frozenset(names[each] for each in found if each in names),
    )


def _type_of(field: Mapping[str, Json]) -> ColumnType:
    kind = str(field.get("type"))
    options = field.get("options")
    options = options if isinstance(options, dict) else {}
    if kind == "number":
        return _T.INTEGER if options.get("precision") == 0 else _T.FLOAT
    if kind in _OF_A_RESULT and isinstance(options.get("result"), dict):
        result = cast("dict[str, Json]", options["result"])
        return _T.JSON if result.get("type") in _OF_A_RESULT else _type_of(result)
    return _TYPES.get(kind, _T.JSON)
