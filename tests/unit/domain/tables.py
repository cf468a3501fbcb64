"""Small tables, connections and fields to test with."""

from collections.abc import Sequence
from dataclasses import replace
from re import Pattern

from wuzapi_manager_server.domain.caller import Admin, Caller
from wuzapi_manager_server.domain.connection import Connection, Sharing, Sqlite, UserLinkValue
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.row_scope import RowScope
from wuzapi_manager_server.domain.table import Capabilities, Column, ColumnType, Table
from wuzapi_manager_server.errors import Text

CAPABLE = Capabilities(
    transactions=True,
    exact_numbers=True,
    count=True,
    search=True,
    key_paging=True,
    max_batch_size=100,
    verified_updates=True,
)


def column(
    kind: ColumnType,
    name: str = "value",
    *,
    dynamic: bool = False,
    texts: Pattern[str] | None = None,
    derived_from: frozenset[str] | None = frozenset(),
    **more: bool,
) -> Column:
    return Column(name, kind, kind.value.lower(), dynamic=dynamic, texts=texts, derived_from=derived_from, **more)


def computed(name: str, *sources: str, told: bool = True) -> Column:
    """A column that is computed from these; where `told` is False, from nobody knows what."""
    return column(ColumnType.TEXT, name, read_only=True, derived_from=frozenset(sources) if told else None)


def table(*columns: Column, key: Sequence[str] = ("id",), read_only: Text | None = None) -> Table:
    return Table("orders", columns, tuple(key), replace(CAPABLE, read_only_reason=read_only))


def connection(
    *mappings: FieldMapping,
    link: str = "owner",
    value: UserLinkValue = UserLinkValue.USER_ID,
    shared: bool = False,
) -> Connection:
    return Connection(
        name="orders",
        source=Sqlite("orders.db", "orders"),
        user_link_field=link,
        user_link_value=value,
        row_scope=Sharing.SHARED if shared else Sharing.USER,
        field_mappings=mappings,
        id=7,
        version=1,
    )


def shared_fields(*columns: Column, mappings: Sequence[FieldMapping] = ()) -> Fields:
    """The fields of a table whose rows everyone sees."""
    return fields_of(table(*columns), connection(*mappings, link="", shared=True), Admin())


def fields_of(where: Table, through: Connection, caller: Caller, as_user: str = "") -> Fields:
    return Fields.of(where, through, RowScope.of(caller, through, as_user))
