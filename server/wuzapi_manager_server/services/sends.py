"""Sends that are safe to repeat: one message, however often it is asked for.

A send is recorded durably before it goes out. Its WhatsApp id follows from who sends what under which request_id, so
that a repeat bears the same one, also after a crash in between.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256

from prometheus_client import Counter

from wuzapi_manager_server.errors import SendUnknown, ServiceError, Text
from wuzapi_manager_server.services.once import Request, check_request_id, scope_of
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.idempotency import IdempotencyStore
from wuzapi_manager_server.upstreams.wuzapi_gateway import AnswerLost, SendFailed

_RETRY_AFTER = 1.0
_PREFIX = "3EB0"  # as the ids that WhatsApp's own web client makes
_ID_DIGITS = 18


class Sends:
    """Sends at most once per request id, as far as anyone can know.

    `store` takes a send for cut off after its own `max_age`: it must be longer than a call to WUZAPI may take.
    """

    def __init__(self, database: Database, store: IdempotencyStore, outcomes: Counter | None = None) -> None:
        self._database = database
        self._store = store
        self._outcomes = outcomes
        self._running: set[asyncio.Task[bytes]] = set()

    async def send(
        self, request: Request, work: Callable[[str], Awaitable[bytes]], longer: float = 0.0, *, names: str = ""
    ) -> bytes:
        """The answer of `work`, which is given the WhatsApp id to send under. It is completed without its caller too.

        It may take so many seconds `longer` than others before it counts as cut off. `names` is the WhatsApp id that
        the request names itself, in place of the one that is given.

        The same request again gives the stored answer. SendUnknown where `work` raises AnswerLost, and the error of
        SendFailed where it raises that: the next repeat sends again under the same id, and must be the same request.
        InvalidInput for the request_id of another body; Conflict while the first is
        under way.
        """
        check_request_id(request.request_id)
        task = asyncio.create_task(self._send(request, work, timedelta(seconds=longer), names))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def drain(self, seconds: float) -> None:
        """Waits so long for what goes on without its caller. What goes on still is cut off, like a lost answer.

        Its caller hears of it as CancelledError; the next repeat sends again under the same id.
        """
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _send(
        self, request: Request, work: Callable[[str], Awaitable[bytes]], longer: timedelta, names: str
    ) -> bytes:
        scope = scope_of(request)
        stored = await self._database.write(lambda: self._store.begin(scope, request.body, again=True, longer=longer))
        if stored is not None:
            return stored
        message_id = _PREFIX + sha256(b"message id\0" + scope).hexdigest()[:_ID_DIGITS].upper()
        try:
            answer = await work(message_id)
        except AnswerLost:
            self._count("unknown")
            await self._database.write(lambda: self._store.leave(scope))
            raise _unknown(request.request_id, message_id, names) from None
        except asyncio.CancelledError:
            self._count("unknown")
            await self._database.write(lambda: self._store.leave(scope))
            raise
        except SendFailed as failure:
            self._count("refused")
            await self._database.write(lambda: self._store.leave(scope))
            raise failure.error from None
        except ServiceError:
            self._count("refused")
            await self._database.write(lambda: self._store.abandon(scope))
            raise
        self._count("sent")
        await self._database.write(lambda: self._store.finish(scope, answer))
        return answer

    def _count(self, outcome: str) -> None:
        if self._outcomes is not None:
            self._outcomes.labels(outcome).inc()

    def _finished(self, task: asyncio.Task[bytes]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone, and asyncio complains of exceptions that nobody fetched


def _unknown(request_id: str, message_id: str, names: str) -> SendUnknown:
    same = Text(
        "Ask again with the same request_id: it is sent under the same WhatsApp id, never under another",
        "Tente novamente com o mesmo request_id: o envio usa o mesmo id do WhatsApp, nunca outro",
    )
    named = Text(
        "Ask again with the same request_id: the same request goes out again, for the message that it names",
        "Tente novamente com o mesmo request_id: a mesma requisição é refeita, para a mensagem que ela indica",
    )
    return SendUnknown(
        Text(
            "The answer of WUZAPI was lost: whether the message was sent is not known",
            "A resposta do WUZAPI se perdeu: não se sabe se a mensagem foi enviada",
        ),
        suggestion=named if names else same,
        metadata={"request_id": request_id, "message_id": names or message_id},
        retry_after=_RETRY_AFTER,
    )
