"""How far the reading of a list has come.

The place in the list of a table with a key is the key of the row read last. Where no condition can say that key, as of
a long text or of one with both kinds of quotes, the rows since the last key that could be said are passed over by their
number. Without a key there are only numbers.
"""

from collections.abc import Sequence

from wuzapi_manager_server.domain.table import Key, Row
from wuzapi_manager_server.errors import QueryFailed, Text
from wuzapi_manager_server.sources.nocodb_ask import Ask
from wuzapi_manager_server.sources.nocodb_order import wrong_token
from wuzapi_manager_server.sources.nocodb_table import NocoColumn
from wuzapi_manager_server.sources.nocodb_where import Unsaid, behind


class Place:
    """Makes `ask` go on behind what was read, at first behind `after`. InvalidInput for a key of another shape."""

    def __init__(self, ask: Ask, keys: Sequence[NocoColumn], after: Key) -> None:
        if after and len(after) != len(keys):
            raise wrong_token()
        self._ask = ask
        self._keys = keys
        self._after = after
        self._sought: Unsaid | None = None
        self._read: Sequence[Row] = ()
        if after:
            try:
                ask.behind = behind(keys, after, descending=ask.down)
            except Unsaid as unsaid:  # the list is read from its beginning until the row is met
                self._sought = unsaid

    def behind(self, rows: Sequence[Row]) -> list[Row]:
        """Those of the rows read now that stand behind the place."""
        self._read = rows
        if self._sought is None:
            return [row for row in rows if not self._keys or row.key != self._after]
        met = next((at for at, row in enumerate(rows) if row.key == self._after), None)
        if met is None:
            return []
        self._sought = None
        return list(rows[met + 1 :])

    def advance(self) -> None:
        """Goes on behind the rows read now. QueryFailed where NocoDB could not tell what comes there."""
        ask, count = self._ask, len(self._read)
        if self._keys and self._sought is None:
            last = self._read[-1].key
            if _inexact(last) or (ask.behind and not ask.passed and all(row.key == self._after for row in self._read)):
                raise _no_further()
            self._after = last
            try:
                ask.behind, ask.passed = behind(self._keys, last, descending=ask.down), 0
            except Unsaid:
                ask.passed += count
        else:
            ask.passed += count

    def end(self) -> None:
        """The list has ended. QueryFailed where the row to begin behind was not met: nobody knows where it stood."""
        if self._sought is not None:
            raise _lost(self._sought.name)


def _inexact(key: Key) -> bool:
    """Whether NocoDB may have rounded it: it would not find the row again."""
    return any(isinstance(part, int | float) and abs(part) >= 2**53 for part in key)


def _no_further() -> QueryFailed:
    return QueryFailed(
        Text(
            "Keys beyond 2^53 cannot be paged through: NocoDB rounds them",
            "Chaves acima de 2^53 não podem ser paginadas: o NocoDB as arredonda",
        )
    )


def _lost(name: str) -> QueryFailed:
    return QueryFailed(
        Text(
            f"The record is gone behind which the list would go on, and NocoDB cannot be asked for its key {name!r}",
            f"O registro após o qual a lista continuaria não existe mais, e o NocoDB não busca sua chave '{name}'",
        ),
        suggestion=Text("Begin the list anew", "Recomece a lista"),
    )
