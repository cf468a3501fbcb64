"""Values that the original application kept by key, and which of them this service can keep."""

from collections.abc import Container, Iterable

from wuzapi_manager_server.domain.adopted_row import Record, no_texts, text_of
from wuzapi_manager_server.domain.maintenance import is_own_key, key_problem, value_problem

_OWN_KEYS = frozenset({"schema_version"})
_SHOWN = 40  # characters of a key


def metadata_of(rows: Iterable[Record], here: Container[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The values that come over, and notes on those that do not; the keys `here` stay as they are."""
    comes: dict[str, str] = {}
    notes: list[str] = []
    for row in rows:
        key, value = text_of(row, "key", strip=False), text_of(row, "value", strip=False)
        why = _refusal(row, key, value, here)
        if why:
            notes.append(f"{key[:_SHOWN]!r} {why}")
        else:
            comes[key] = value
    return comes, tuple(notes)


def _refusal(row: Record, key: str, value: str, here: Container[str]) -> str:
    if key in _OWN_KEYS or is_own_key(key):
        return "is the original's own and stays behind"
    if no_texts(row, ("key", "value")):
        return f"stays behind: {' and '.join(no_texts(row, ('key', 'value')))}"
    problem = key_problem(key) or value_problem(value)
    if problem is not None:
        return f"stays behind: its {problem.field} {problem.text.en}"
    return "is set here already and stays as it is" if key in here else ""
