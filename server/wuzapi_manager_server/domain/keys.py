"""Keys as bytes and back, and the record ids that callers hold.

A record id is the primary key's own text where that is plain: one whole number, or one text that does not begin with
`~`. Every other key (composite, of bytes, with null, or a value that does not fit its column's type) is `~` and the
URL-safe base64 of its JSON. A key that holds a credential is sealed by the service instead (services/record_ids.py).
"""

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode

from wuzapi_manager_server.domain.table import ColumnType, Key, Scalar, Table

MAX_RECORD_ID = 4_096
"""Characters of the longest id that is a key's own text."""

MAX_CODED_ID = 64 * 1024
"""Characters of the longest id at all: a row of a longer key is found by nothing."""

_CODED = "~"


def dump_key(key: Key) -> bytes:
    """The key as JSON; bytes as {"b": base64}."""
    plain = [{"b": b64encode(part).decode()} if isinstance(part, bytes) else part for part in key]
    return json.dumps(plain, separators=(",", ":")).encode()


def load_key(data: bytes) -> Key | None:
    """The key that `dump_key` gave; None for anything else."""
    try:
        parts = json.loads(data)
        if not isinstance(parts, list):
            return None
        return tuple(_load_part(part) for part in parts)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def record_id(key: Key, table: Table) -> str:
    """The id of the row of that key; empty where the table has no primary key."""
    if len(key) == 1:
        part, integer = key[0], is_integer_key(table)
        if type(part) is int and integer:
            return str(part)
        if type(part) is str and not integer and part and not part.startswith(_CODED) and len(part) <= MAX_RECORD_ID:
            return part
    return _CODED + urlsafe_b64encode(dump_key(key)).rstrip(b"=").decode() if key else ""


def key_of(identifier: str, table: Table) -> Key | None:
    """The key that `record_id` made the id of; None for what it never gives."""
    if not identifier.startswith(_CODED):
        if len(table.primary_key) != 1 or not identifier:
            return None
        if not is_integer_key(table):
            return (identifier,) if len(identifier) <= MAX_RECORD_ID else None
        whole = identifier.isascii() and identifier.removeprefix("-").isdigit() and len(identifier) <= 20  # noqa: PLR2004 - 64 bits
        return (int(identifier),) if whole and str(int(identifier)) == identifier else None
    coded = identifier.removeprefix(_CODED)
    try:
        key = load_key(urlsafe_b64decode(coded.encode("ascii") + b"=" * (-len(coded) % 4)))
    except ValueError:
        return None
    return (
        key if key is not None and len(key) == len(table.primary_key) and record_id(key, table) == identifier else None
    )


def is_integer_key(table: Table) -> bool:
    """Whether the first column of the primary key holds whole numbers."""
    column = table.column(table.primary_key[0])
    return column is not None and column.type is ColumnType.INTEGER


def _load_part(part: object) -> Scalar:
    if isinstance(part, dict):
        return b64decode(part["b"], validate=True)
    if part is None or isinstance(part, bool | int | float | str):
        return part
    raise TypeError
