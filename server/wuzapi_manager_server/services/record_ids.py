"""Record ids of a table: plain where the key is plain, sealed where the key holds a credential."""

from collections.abc import Sequence

from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.domain.keys import MAX_CODED_ID, dump_key, is_integer_key, key_of, load_key, record_id
from wuzapi_manager_server.domain.table import Key, Table
from wuzapi_manager_server.errors import QueryFailed, Text, record_not_found
from wuzapi_manager_server.secret_box import SecretBox


class RecordIds:
    """Gives ids to the rows of one connection's table, and finds their keys again. `secret` columns show in none."""

    def __init__(self, box: SecretBox, connection: Connection, table: Table, secret: frozenset[str]) -> None:
        self._box = box
        self._table = table
        self._sealed = not secret.isdisjoint(table.primary_key)
        self._plain = len(table.primary_key) == 1 and is_integer_key(table) and not self._sealed
        self._context = str(connection.id).encode()

    def give(self, key: Key) -> str:
        """The id of the row of that key; empty where the table has no primary key."""
        if self._sealed:
            return self._box.seal("record id", dump_key(key), self._context)
        return record_id(key, self._table)

    def many(self, keys: Sequence[Key]) -> list[str]:
        """The ids of rows, as `give` gives them."""
        if self._plain and {type(key[0]) for key in keys} == {int}:
            return [str(key[0]) for key in keys]
        return [self.give(key) for key in keys]

    def take(self, identifier: str) -> Key:
        """The key of an id. NotFound for an id that no row can have; QueryFailed where rows have none."""
        if not self._table.primary_key:
            raise QueryFailed(
                Text(
                    f"Table {self._table.name!r} has no primary key to find a record by",
                    f"A tabela '{self._table.name}' não tem chave primária para localizar um registro",
                )
            )
        key = None
        if len(identifier) <= MAX_CODED_ID:
            if self._sealed:
                opened = self._box.unseal("record id", identifier, self._context)
                key = None if opened is None else load_key(opened)
            else:
                key = key_of(identifier, self._table)
        if key is None:
            raise record_not_found()
        return key
