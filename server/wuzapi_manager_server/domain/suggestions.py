"""What a connection's settings could be, judged by a table's columns: a start for the person who connects it."""

import re
from itertools import pairwise

from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.table import Column, ColumnType, Table

# Names that installations of the product use, the surest first, then what such columns are called elsewhere.
_KNOWN_LINKS = ("chatwoottoken", "wasendtoken", "usertoken", "wuzapitoken")
_LIKELY_LINKS = re.compile(r"(^|_)(user|owner|usuario|dono)(_?(id|token|jid))?$|token$|jid$", re.IGNORECASE)
# A word of a column's name that says that nobody should be shown what it holds.
_SECRET_WORDS = frozenset(
    {"password", "passwd", "passphrase", "pwd", "senha", "secret", "segredo", "token", "apikey", "credential", "hash"}
    | {"credentials", "salt", "cvv", "pin", "otp", "totp", "private"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("secret", "key"), ("chave", "api"), ("auth", "key")})
_INPUTS = {
    ColumnType.BOOLEAN: "checkbox",
    ColumnType.INTEGER: "number",
    ColumnType.DECIMAL: "number",
    ColumnType.FLOAT: "number",
    ColumnType.DATE: "date",
    ColumnType.TIME: "time",
    ColumnType.TIMESTAMP: "datetime",
    ColumnType.TIMESTAMP_TZ: "datetime",
    ColumnType.JSON: "json",
}


def user_link_field(table: Table) -> str:
    """The column that looks like the one that says whose a row is; empty where none does."""
    by_plain_name = {re.sub(r"[^a-z0-9]", "", column.name.lower()): column.name for column in table.columns}
    for known in _KNOWN_LINKS:
        if known in by_plain_name:
            return by_plain_name[known]
    return next((column.name for column in table.columns if _LIKELY_LINKS.search(column.name)), "")


def field_mappings(table: Table) -> tuple[FieldMapping, ...]:
    """A mapping of every column but the link field: computed and key columns are shown and not edited.

    Columns whose names say that they hold a password, a token or the like are neither shown nor edited.
    """
    link = user_link_field(table)
    return tuple(_mapping(column) for column in table.columns if column.name != link)


def _mapping(column: Column) -> FieldMapping:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+", " ", column.name).strip()
    visible = not _is_secret(words)
    editable = visible and not (column.read_only or (column.primary_key and column.has_default))
    return FieldMapping(
        field=column.name,
        column=column.name,
        label=words[:1].upper() + words[1:],
        type=_INPUTS.get(column.type, "text"),
        visible=visible,
        editable=editable,
        required=editable and not (column.nullable or column.has_default),
    )


def _is_secret(words: str) -> bool:
    said = re.findall(r"[a-z]+", words.lower())
    return not _SECRET_WORDS.isdisjoint(said) or not _SECRET_PAIRS.isdisjoint(pairwise(said))
