"""Where secrets lie in the database, and which keys they need.

A secret is encrypted for its place, so that one copied to another place by whoever can write to the file does not
decrypt there.
"""

from collections.abc import Set as AbstractSet

from peewee import Field, Function, fn

from wuzapi_manager_server.errors import Code, DatabaseError, Text
from wuzapi_manager_server.secret_box import SecretBox, Undecryptable
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.faults import refused
from wuzapi_manager_server.storage.models import Assignment, DatabaseConnection, IdempotencyRequest

_C = DatabaseConnection
SECRET_COLUMNS = (_C.password, _C.nocodb_token, _C.airtable_api_key)
_PLACES = (*SECRET_COLUMNS, Assignment.user_secret, IdempotencyRequest.sealed)


def connection_place(connection_id: int, column: str) -> str:
    """The identity of a connection's secret."""
    return f"database_connections/{connection_id}/{column}"


def assignment_place(connection_id: int, user_hash: bytes) -> str:
    """The identity of a user's text at a connection."""
    return f"connection_assignments/{connection_id}/{user_hash.hex()}"


def request_place(scope: bytes) -> str:
    """The identity of what is kept of a request that may come again."""
    return f"idempotency_requests/{scope.hex()}"


def decrypted(box: SecretBox, place: str, stored: str) -> str:
    """The secret of a place. DatabaseError DATA_LOSS where it was moved there, changed, or its key is gone."""
    try:
        return box.decrypt(place, stored)
    except Undecryptable as error:
        raise DatabaseError(
            Code.DATA_LOSS,
            Text("A stored secret cannot be decrypted", "Um segredo armazenado não pode ser descriptografado"),
            suggestion=Text(
                "Check SECRET_KEYS, restore a backup, or set the secret again",
                "Verifique SECRET_KEYS, restaure um backup ou informe o segredo novamente",
            ),
        ) from error


def key_id_of(column: Field) -> Function:
    """The id of the key that a column's secret was encrypted with."""
    return fn.SUBSTR(column, 1, fn.INSTR(column, ":") - 1)


def keys_in_use(database: Database) -> set[str]:
    """The ids of all keys that something in the database is encrypted with. Reads every secret: a long read."""
    found: set[str] = set()
    for column in _PLACES:
        stored = column.model.select(key_id_of(column)).where(column.is_null(False)).distinct()
        found.update(str(row[0]) for row in database.fetch(stored))
    return found


def check_keys(used: AbstractSet[str], box: SecretBox) -> None:
    """DatabaseError that names the ids of keys that are used and that the box has not."""
    missing = sorted(used - set(box.key_ids))
    if missing:
        ids = ", ".join(missing)
        raise refused(
            f"Stored secrets need keys that are not here: {ids}",
            f"Segredos armazenados precisam de chaves que não estão disponíveis: {ids}",
            suggestion=Text(
                "Add those keys to SECRET_KEYS (or restore the file secret.key beside the database), then start again",
                "Adicione essas chaves a SECRET_KEYS (ou restaure o arquivo secret.key junto ao banco) e reinicie",
            ),
        )
