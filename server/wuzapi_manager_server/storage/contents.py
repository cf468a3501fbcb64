"""Looks whether all that the tables hold is what it can be, decrypts and follows from what came before.

What was damaged on the disk is told by the checksums of rows; this tells what was written wrongly, or by another.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from wuzapi_manager_server.errors import Code, DatabaseError
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.audit import AuditStore
from wuzapi_manager_server.storage.branding import BrandingStore
from wuzapi_manager_server.storage.connections import ConnectionStore
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.integrity import MOST_PROBLEMS
from wuzapi_manager_server.storage.metadata import MetadataStore
from wuzapi_manager_server.storage.models import Clock
from wuzapi_manager_server.storage.secrets_at_rest import decrypted, request_place

_AT_ONCE = 500
_CONNECTIONS = "SELECT id FROM database_connections WHERE id > ? ORDER BY id LIMIT ?"
_REVISIONS = "SELECT id FROM branding_config WHERE id > ? ORDER BY id LIMIT ?"
_REQUESTS = "SELECT scope, sealed FROM idempotency_requests WHERE scope > ? ORDER BY scope LIMIT ?"


class Contents:
    """What a full check looks at beside the structure of the file."""

    def __init__(self, database: Database, box: SecretBox, clock: Clock) -> None:
        self._database = database
        self._box = box
        self._connections = ConnectionStore(database, box, clock)
        self._brandings = BrandingStore(database, clock)
        self._metadata = MetadataStore(database, clock)
        self._audits = AuditStore(database, box, clock)

    def check(self, watch: Callable[[], None] = lambda: None) -> tuple[str, ...]:
        """What cannot be read or was changed, at most 100 sentences; none when all is well. A long read.

        `watch` is called often and may raise to end the work.
        """
        problems: list[str] = []
        for what, read in self._pieces():
            watch()
            problem = _problem(what, read)
            if problem:
                problems.append(problem)
            if len(problems) >= MOST_PROBLEMS:
                break
        problems += self._audits.check(watch)
        return tuple(problems[:MOST_PROBLEMS])

    def _pieces(self) -> Iterator[tuple[str, Callable[[], object]]]:
        for (number,) in self._rows(_CONNECTIONS, 0):
            yield f"connection {number}", partial(self._connections.get, number, secrets=True)
        for (number,) in self._rows(_REVISIONS, 0):
            yield f"revision {number} of the branding", partial(self._brandings.get, number)
        yield "the metadata", self._read_metadata
        yield "what is kept of requests", self._read_requests

    def _rows(self, text: str, after: object) -> Iterator[tuple[Any, ...]]:
        while rows := self._database.rows(text, (after, _AT_ONCE)):
            yield from rows
            after = rows[-1][0]

    def _read_metadata(self) -> None:
        after = ""
        while page := self._metadata.page(after, _AT_ONCE):
            after = page[-1].key

    def _read_requests(self) -> None:
        for scope, sealed in self._rows(_REQUESTS, b""):
            decrypted(self._box, request_place(scope), sealed)


def _problem(what: str, read: Callable[[], object]) -> str:
    try:
        read()
    except DatabaseError as error:
        if error.code is not Code.DATA_LOSS:
            raise
        return f"{what} cannot be read: {error.text.en}"
    return ""
