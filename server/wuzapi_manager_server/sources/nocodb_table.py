"""A NocoDB table as its v2 metadata describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from wuzapi_manager_server.domain.rows import NO_ROWS, Rows
from wuzapi_manager_server.domain.table import Capabilities, Cell, Column, ColumnType, Json, Row, Scalar, Table
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.nocodb_derived import derived
from wuzapi_manager_server.sources.nocodb_values import to_cells

BATCH = 100
"""Rows that NocoDB takes in one write."""

_KEYLESS = Text("It has no primary key in NocoDB", "Não tem chave primária no NocoDB")
_VIEW = Text("It is a view", "É uma visão")
# Of related records, of buttons and codes that only a browser shows, and of NocoDB's own order.
_LEFT_OUT = frozenset(
    {"Links", "LinkToAnotherRecord", "Button", "QrCode", "Barcode", "Order", "Deleted", "Meta", "CreatedBy"}
    | {"LastModifiedBy"}
)
_COMPUTED = frozenset({"Formula", "Rollup", "Lookup", "Count", "User", "Collaborator", "Attachment"})
_STAMPED = frozenset({"CreatedTime", "LastModifiedTime", "AutoNumber"})
_TYPES = {
    "ID": ColumnType.INTEGER,
    "AutoNumber": ColumnType.INTEGER,
    "Number": ColumnType.INTEGER,
    "Rating": ColumnType.INTEGER,
    "Year": ColumnType.INTEGER,
    "Decimal": ColumnType.DECIMAL,
    "Currency": ColumnType.DECIMAL,
    "Percent": ColumnType.DECIMAL,
    "Duration": ColumnType.DECIMAL,
    "Checkbox": ColumnType.BOOLEAN,
    "Date": ColumnType.DATE,
    "DateTime": ColumnType.TIMESTAMP_TZ,
    "CreatedTime": ColumnType.TIMESTAMP_TZ,
    "LastModifiedTime": ColumnType.TIMESTAMP_TZ,
    "Time": ColumnType.TIME,
    "UUID": ColumnType.UUID,
    "JSON": ColumnType.JSON,
    "SpecificDBType": ColumnType.OTHER,
    "ForeignKey": ColumnType.OTHER,
    **dict.fromkeys(_COMPUTED, ColumnType.JSON),
}
_BY_NATIVE = (
    ("interval", ColumnType.OTHER),
    ("point", ColumnType.OTHER),
    ("range", ColumnType.OTHER),
    ("int", ColumnType.INTEGER),
    ("serial", ColumnType.INTEGER),
    ("decimal", ColumnType.DECIMAL),
    ("numeric", ColumnType.DECIMAL),
    ("double", ColumnType.FLOAT),
    ("float", ColumnType.FLOAT),
    ("real", ColumnType.FLOAT),
    ("time with", ColumnType.OTHER),
    ("timestamp", ColumnType.OTHER),
    ("time", ColumnType.TIME),
    ("uuid", ColumnType.UUID),
    ("json", ColumnType.JSON),
    ("bytea", ColumnType.BYTES),
    ("text", ColumnType.TEXT),
    ("char", ColumnType.TEXT),
)
_BY_NAME = {"uuid": ColumnType.UUID, "bit": ColumnType.OTHER, "varbit": ColumnType.OTHER}
"""Types of PostgreSQL that NocoDB takes for texts and numbers."""

_FLOATS = ("double", "float", "real")
_BLOBS = ("blob", "bytea", "binary")


class NocoColumn(NamedTuple):
    """A column, and what NocoDB calls it: `id` in requests, its title in answers.

    `native` is the database's own type, in lower case.
    """

    column: Column
    id: str
    kind: str
    native: str = ""


@dataclass(frozen=True)
class NocoTable:
    """A table with what is needed to ask for its rows."""

    table: Table
    columns: tuple[NocoColumn, ...]
    titles: frozenset[str]
    base: str

    @cached_property
    def by_name(self) -> Mapping[str, NocoColumn]:
        """The columns by name."""
        return {each.column.name: each for each in self.columns}

    @cached_property
    def keys(self) -> tuple[NocoColumn, ...]:
        """The primary key's columns."""
        return tuple(self.by_name[name] for name in self.table.primary_key)

    def rows(self, records: Sequence[Mapping[str, Json]]) -> Rows:
        """The rows from the records of an answer; what is not there is null."""
        if not records:
            return NO_ROWS
        raws = {name: [record.get(name) for record in records] for name in self.by_name}
        columns = [to_cells(raws[name], each.column) for name, each in self.by_name.items()]
        parts = [list(map(_scalar, raws[name])) for name in self.table.primary_key]
        keys = list(zip(*parts, strict=True)) if parts else [()] * len(records)
        return Rows(keys, keys, columns)

    def cell(self, row: Row, name: str) -> Cell:
        """One cell of a row."""
        return row.cells[self.table.index[name]]


def table_of(answer: Mapping[str, Json]) -> NocoTable:
    """The table of a metadata answer. KeyError or TypeError for what is none."""
    raw = answer["columns"]
    if not isinstance(raw, list):
        raise TypeError
    metas = [each for each in raw if isinstance(each, dict)]
    sources = derived(metas, answer["id"])
    columns = tuple(_column(each, sources) for each in metas if each["uidt"] not in _LEFT_OUT)
    if len({each.column.name for each in columns}) != len(columns):  # answers name columns by their titles
        raise TypeError
    keys = tuple(each.column.name for each in columns if each.column.primary_key)
    view = answer.get("type") == "view"
    reason = _KEYLESS if not keys else _VIEW if view else None
    identifier, title = str(answer["id"]), str(answer.get("title") or "")
    table = Table(
        name=identifier,
        columns=tuple(each.column for each in columns),
        primary_key=keys,
        capabilities=Capabilities(
            transactions=False,
            exact_numbers=False,
            count=True,
            search=True,
            key_paging=bool(keys),
            max_batch_size=BATCH if len(keys) == 1 else min(1, len(keys)),
            verified_updates=True,
            read_only_reason=reason,
        ),
        view=view,
        title=title,
    )
    return NocoTable(table, columns, frozenset(str(each["title"]) for each in metas), str(answer.get("base_id") or ""))


def _column(meta: Mapping[str, Json], sources: Mapping[str, frozenset[str] | None]) -> NocoColumn:
    kind, native = str(meta["uidt"]), str(meta.get("dt") or "")
    given = bool(meta.get("ai"))
    type_ = _type(kind, native.lower())
    key = bool(meta.get("pk"))
    column = Column(
        name=str(meta["title"]),
        type=type_,
        native_type=f"{kind} ({native})" if native else kind,
        nullable=not meta.get("rqd") and not key,
        read_only=(
            given
            or kind in _COMPUTED
            or kind in _STAMPED
            or type_ is ColumnType.BYTES
            or bool(meta.get("readonly"))
            or bool(meta.get("system"))
        ),
        primary_key=key,
        has_default=given or meta.get("cdf") is not None,
        dynamic=type_ is ColumnType.OTHER,
        derived_from=sources.get(str(meta["id"]), frozenset()),
    )
    return NocoColumn(column, str(meta["id"]), kind, native.lower())


def _type(kind: str, native: str) -> ColumnType:
    if any(part in native for part in _BLOBS):
        return ColumnType.BYTES
    found = _BY_NAME.get(native) or _TYPES.get(kind, ColumnType.TEXT)
    if found is ColumnType.DECIMAL and native.startswith(_FLOATS):
        return ColumnType.FLOAT
    if found is ColumnType.OTHER:
        return next((type_ for part, type_ in _BY_NATIVE if part in native), found)
    return found


def _scalar(value: Json) -> Scalar:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
