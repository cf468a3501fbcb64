"""A row of the original application's database, whose columns may hold a value of any kind."""

from collections.abc import Iterable, Mapping

Record = Mapping[str, object]
"""Values by column name. Bytes are a BLOB, or a text that is not in the encoding of its database."""


def text_of(row: Record, column: str, *, strip: bool = True) -> str:
    """The value as a text; empty where there is none, and for bytes."""
    value = row.get(column)
    text = "" if value is None or isinstance(value, bytes) else str(value)
    return text.strip() if strip else text


def no_texts(row: Record, columns: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each of these columns that holds bytes, which nothing can be made of."""
    return tuple(f"its {column} is no text" for column in columns if isinstance(row.get(column), bytes))
