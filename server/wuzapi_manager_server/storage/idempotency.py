"""Remembers requests that may come again, for 24 hours.

A request is found by a keyed digest of its scope (who asks what under which id). What it was and its answer lie
encrypted in the row, so nothing of either can be read from the file.
"""

import hashlib
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from peewee import SQL

from wuzapi_manager_server.errors import Conflict, InvalidInput, Text, Violation
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.storage.checksums import intact
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.models import (
    Clock,
    IdempotencyRequest,
    compiled,
    moment_of,
    moment_text,
    named,
)
from wuzapi_manager_server.storage.secrets_at_rest import decrypted, request_place

KEPT = timedelta(hours=24)
PURGE_BATCH = 500
LEFT = 2
"""In the column `answered`: 0 is under way, 1 answered, 2 left without an answer."""
_RETRY_AFTER = 1.0

_R = IdempotencyRequest
_THIS = (_R.scope == named("scope")) & intact(_R)
_FIND = compiled(_R.select(_R.scope, _R.sealed, _R.answered, _R.created_at).where(_THIS))
_ADD = compiled(_R.insert({field: named(field.name) for field in (_R.scope, _R.sealed, _R.answered, _R.created_at)}))
_ANSWER = compiled(_R.update({_R.sealed: named("sealed"), _R.answered: SQL("1")}).where(_THIS))
_LEAVE = compiled(_R.update({_R.answered: SQL("2")}).where(_THIS & (_R.answered == SQL("0"))))
_RETAKE = compiled(_R.update({_R.answered: SQL("0"), _R.created_at: named("created_at")}).where(_THIS))
_REMOVE = compiled(_R.delete().where(_THIS))
_PURGE = compiled(
    _R.delete().where(
        _R.scope.in_(
            _R.select(_R.scope).where(_R.created_at < named("before")).order_by(_R.created_at).limit(named("limit"))
        )
    )
)


class Remembered(NamedTuple):
    """What is kept of a request, encrypted: SHA-256 of its scope and body, and its answer once there is one."""

    scope: str
    body: str
    answer: str | None = None

    def sealed(self, box: SecretBox, place: bytes) -> str:
        """As it lies in the row of that key."""
        return box.encrypt(request_place(place), orjson.dumps(tuple(self)).decode())

    @classmethod
    def opened(cls, box: SecretBox, place: bytes, sealed: str) -> "Remembered":
        """From the row of that key. DatabaseError where it does not decrypt."""
        return cls(*orjson.loads(decrypted(box, request_place(place), sealed)))

    def places(self, box: SecretBox) -> tuple[bytes, ...]:
        """The keys of the row by every key of the box, the first key's first."""
        return box.digests("request that may come again", self.scope.encode())


class _Row(NamedTuple):
    scope: bytes
    sealed: str
    answered: int
    created_at: str


class IdempotencyStore:
    """Remembers requests and their answers. Everything here runs within `Database.write`.

    A request that has had no answer for longer than `max_age` counts as cut off.
    """

    def __init__(
        self, database: Database, box: SecretBox, clock: Clock, max_age: timedelta = timedelta(minutes=2)
    ) -> None:
        self._database = database
        self._box = box
        self._clock = clock
        self._max_age = max_age

    def begin(self, scope: bytes, body: bytes, *, again: bool = False, longer: timedelta = timedelta()) -> bytes | None:
        """The answer of the same request before; None when it is new, and then it is recorded as begun.

        InvalidInput where the scope came with another body, Conflict where the first is still running (with
        `retry_after`), or was left or cut off, so that its outcome is not known (without). With `again` one that was
        left or cut off is begun once more. It may run for so much `longer` than `max_age`.
        """
        asked = _remembered(scope, body)
        now = self._clock()
        oldest = now - self._max_age - longer
        row = self._find(asked)
        if row is not None and moment_of(row.created_at) < now - KEPT:
            self._remove(row.scope)
            row = None
        if row is None:
            place = asked.places(self._box)[0]
            row = _Row(place, asked.sealed(self._box, place), 0, moment_text(now))
            self._database.changed(_ADD, row._asdict())
            return None
        kept = Remembered.opened(self._box, row.scope, row.sealed)
        if kept.body != asked.body:
            raise InvalidInput(
                [
                    Violation(
                        "request_id",
                        Text("was used for another request before", "request_id já foi usado em outra requisição"),
                    )
                ]
            )
        if kept.answer is not None:
            return b64decode(kept.answer)
        if row.answered != LEFT and moment_of(row.created_at) > oldest:
            raise _running()
        if not again:
            raise _cut_off()
        self._database.changed(_RETAKE, {"scope": row.scope, "created_at": moment_text(now)})
        return None

    def finish(self, scope: bytes, answer: bytes) -> None:
        """Keeps the answer of a request that was begun."""
        row = self._find(_remembered(scope, b""))
        if row is not None:  # it may have run for longer than requests are kept
            kept = Remembered.opened(self._box, row.scope, row.sealed)._replace(answer=b64encode(answer).decode())
            self._database.changed(_ANSWER, {"scope": row.scope, "sealed": kept.sealed(self._box, row.scope)})

    def leave(self, scope: bytes) -> None:
        """Notes that nothing is under way any more for a request whose outcome is not known."""
        row = self._find(_remembered(scope, b""))
        if row is not None:
            self._database.changed(_LEAVE, {"scope": row.scope})

    def abandon(self, scope: bytes) -> None:
        """Forgets a request that had no effect, so that it may come again."""
        row = self._find(_remembered(scope, b""))
        if row is not None:
            self._remove(row.scope)

    def purge(self, before: datetime) -> int:
        """Forgets what was begun before that moment, at most 500 at a time, and says how many."""
        return self._database.changed(_PURGE, {"before": moment_text(before), "limit": PURGE_BATCH})

    def _find(self, asked: Remembered) -> _Row | None:
        for place in asked.places(self._box):
            for row in self._database.rows(_FIND, {"scope": place}):
                return _Row(*row)
        return None

    def _remove(self, place: bytes) -> None:
        self._database.changed(_REMOVE, {"scope": place})


def _remembered(scope: bytes, body: bytes) -> Remembered:
    return Remembered(hashlib.sha256(scope).hexdigest(), hashlib.sha256(body).hexdigest())


def _running() -> Conflict:
    return Conflict(
        Text("A call with this request_id is still running", "Uma chamada com este request_id ainda está em andamento"),
        suggestion=Text("Ask again in a second", "Tente novamente em um segundo"),
        retry_after=_RETRY_AFTER,
    )


def _cut_off() -> Conflict:
    return Conflict(
        Text(
            "The call with this request_id was cut off; its outcome is not known",
            "A chamada com este request_id foi interrompida; seu resultado não é conhecido",
        ),
        suggestion=Text(
            "Look whether it was done; if not, repeat it with a new request_id",
            "Verifique se foi concluída; se não, repita com um novo request_id",
        ),
    )
