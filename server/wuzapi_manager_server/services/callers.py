"""Who is calling: nobody known, a user of WUZAPI, or the administrator."""

import asyncio
import hmac
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Protocol

from wuzapi_manager_server.domain.caller import EVERYONE, Admin, Caller, Public, User, is_admin_token, is_user_token
from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.errors import Code, InvalidToken, ServiceError, Text, WuzapiError
from wuzapi_manager_server.observe import failure, logger
from wuzapi_manager_server.services.user_cache import UserCache
from wuzapi_manager_server.upstreams.wuzapi import WuzapiUser

LONGEST_TTL = timedelta(hours=24)
"""The longest that users may be kept: what was told of changes may be forgotten afterwards."""
_LONGEST_QUESTION = 60.0
_PUBLIC = Public()
_ADMIN = Admin()


class Tokens(Protocol):
    """Knows whose a user's token is."""

    async def session_status(self, token: str, deadline: Deadline) -> WuzapiUser | None:
        """The user, or None when the token is refused. Not knowing is an error."""
        ...


class Told(Protocol):
    """A change of a user that some process told of."""

    @property
    def number(self) -> int:
        """Grows with every change."""
        ...

    @property
    def user_id(self) -> str:
        """Whose; empty where that is not known."""
        ...


class Changes(Protocol):
    """What processes tell each other of changed users."""

    def since(self, seen: int) -> Sequence[Told]:
        """The changes from that number on, which is 0 at first; that one included where it is still known."""
        ...

    async def add(self, user_id: str) -> None:
        """Tells the others."""
        ...


class Callers:
    """Tells who is calling from the tokens of a call. For the tasks of one event loop.

    Users are asked for at `wuzapi` and kept for `ttl` seconds, refused tokens for `refusal_ttl`; at most `size` of
    each, apart, so that guesses of tokens cannot push out users. Failures to find out are not kept. While several calls
    wait for the same token there is one question, which ends when the last of them leaves. What `changes` tell is
    looked at in every call, so that an answer is never older than a change that any process has acknowledged.

    `hits` and `misses` count how often the answer was there already and how often not, `questions` how often WUZAPI was
    asked.
    """

    def __init__(
        self,
        admin_token: str,
        wuzapi: Tokens | None,
        ttl: float = 300.0,
        refusal_ttl: float = 10.0,
        size: int = 10_000,
        changes: Changes | None = None,
    ) -> None:
        self._admin_digest = sha256(admin_token.encode()).digest()
        self._wuzapi = wuzapi
        self._users: UserCache[WuzapiUser] = UserCache(ttl, size)
        self._refused: UserCache[bool] = UserCache(refusal_ttl, size)
        self._running: dict[bytes, _Question] = {}
        self._changes = changes
        self._seen = 0
        self._forgotten = 0
        self.hits = 0
        self.misses = 0
        self.questions = 0

    name = "users"

    def __len__(self) -> int:
        """How many users and refusals are kept."""
        return len(self._users) + len(self._refused)

    def clear(self) -> None:
        """Forgets whose tokens are: WUZAPI is asked anew."""
        self._users.clear()
        self._refused.clear()

    async def identify(self, *, token: str | None, authorization: str | None, deadline: Deadline) -> Caller:
        """The caller who gives these, either of which may be absent (None).

        `authorization` is the administrator's token, raw or after `Bearer `. Where it is given it decides alone: a good
        `token` beside a wrong one does not help. InvalidToken for what is malformed or refused; the errors of WUZAPI
        when it cannot say whose `token` is; WuzapiError FAILED_PRECONDITION when no WUZAPI is configured; TimedOut at
        the deadline.
        """
        if authorization is not None:
            return self._admin(authorization)
        if token is None:
            return _PUBLIC
        if not is_user_token(token):
            raise _invalid_token()
        digest = sha256(token.encode()).digest()
        self._catch_up()
        found = self._users.get(digest)
        if found is not None:
            self.hits += 1
        elif self._refused.get(digest):
            self.hits += 1
            raise _invalid_token()
        else:
            self.misses += 1
            found = await self._ask(digest, token, deadline)
            if found is None:
                raise _invalid_token()
        return User(found.id, found.name, found.jid, token)

    def forget(self, *, token: str = "", identity: str = "") -> None:
        """Drops what is kept of a user, named by token or id: after the next question it is as WUZAPI says then.

        Users whose id an old WUZAPI does not tell may be meant by any id. Questions under way are answered to those who
        wait, and not kept.
        """
        self._forgotten += 1
        if token:
            digest = sha256(token.encode()).digest()
            self._users.drop(lambda key, _: key == digest)
            self._refused.drop(lambda key, _: key == digest)
        if identity:
            self._users.drop(lambda _, user: user.id in {identity, ""})

    async def changed(self, *, token: str = "", identity: str = "") -> None:
        """Drops what is kept of a user, as `forget`, here and in all other processes before this returns.

        Where the others cannot be reached this is logged, and they keep what they have for its time.
        """
        self.forget(token=token, identity=identity)
        if self._changes is None:
            return
        try:
            await self._changes.add(identity)
        except ServiceError as error:
            logger().warning("change of a user not told", **failure(error))

    async def changed_all(self) -> None:
        """Drops what is kept of all users, here and in all other processes before this returns, as `changed`."""
        self.clear()
        await self.changed(identity=EVERYONE)

    def _catch_up(self) -> None:
        """Drops what changed in other processes. Tokens are not told: refusals, which are short-lived, go all."""
        if self._changes is None:
            return
        told = self._changes.since(self._seen)
        if len(told) == (1 if self._seen else 0) and (not told or told[0].number == self._seen):
            return
        self._forgotten += 1
        self._refused.clear()
        if self._seen and (not told or told[0].number != self._seen):  # purged, or the database was restored
            self._users.clear()
        changed = {change.user_id for change in told if change.number != self._seen}
        self._users.drop(lambda _, user: user.id in changed or EVERYONE in changed or not user.id)
        self._seen = told[-1].number if told else 0

    def _admin(self, authorization: str) -> Admin:
        scheme, space, rest = authorization.partition(" ")
        given = rest.strip(" ") if space and scheme.lower() == "bearer" else authorization
        if not is_admin_token(given) or not hmac.compare_digest(sha256(given.encode()).digest(), self._admin_digest):
            raise _invalid_token()
        return _ADMIN

    async def _ask(self, digest: bytes, token: str, deadline: Deadline) -> WuzapiUser | None:
        if self._wuzapi is None:
            raise no_wuzapi()
        wait = deadline.cap(_LONGEST_QUESTION)
        question = self._running.get(digest)
        if question is None:
            self.questions += 1
            question = _Question(asyncio.create_task(self._question(self._wuzapi, digest, token)))
            self._running[digest] = question
        question.waiters += 1
        try:
            done, _ = await asyncio.wait((question.task,), timeout=wait)
            if not done:
                raise timed_out()
            return question.task.result()
        finally:
            question.waiters -= 1
            if not question.waiters:
                question.task.cancel()  # where it is done this only says that its failure was seen
                if self._running.get(digest) is question:
                    del self._running[digest]

    async def _question(self, wuzapi: Tokens, digest: bytes, token: str) -> WuzapiUser | None:
        """Asks for all who wait. It has a deadline of its own, so that an impatient caller does not spoil it."""
        forgotten = self._forgotten
        user = await wuzapi.session_status(token, Deadline.after(_LONGEST_QUESTION))
        self._catch_up()
        if forgotten != self._forgotten:  # it may be of before the change
            return user
        if user is None:
            self._refused.put(digest, value=True)
        else:
            self._users.put(digest, user)
        return user


class _Question:
    """A question under way, and how many wait for its answer."""

    def __init__(self, task: asyncio.Task[WuzapiUser | None]) -> None:
        self.task = task
        self.waiters = 0


def _invalid_token() -> InvalidToken:
    return InvalidToken(
        Text("Invalid or expired token", "Token inválido ou expirado"),
        suggestion=Text("Check that the token is correct", "Verifique se o token está correto"),
    )


def no_wuzapi() -> WuzapiError:
    """The error where WUZAPI is needed and its address is not set."""
    return WuzapiError(
        Code.FAILED_PRECONDITION,
        Text(
            "Users cannot be identified: this service has no WUZAPI to ask",
            "Não é possível identificar usuários: nenhum WUZAPI está configurado",
        ),
        suggestion=Text(
            "Set WUZAPI_BASE_URL to the address of WUZAPI, such as http://127.0.0.1:8080, and start the service again",
            "Defina WUZAPI_BASE_URL com o endereço do WUZAPI, por exemplo http://127.0.0.1:8080, e reinicie o serviço",
        ),
    )
