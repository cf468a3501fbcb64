"""What is asked of WUZAPI, as whom, and what its answers mean."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NamedTuple

from wuzapi_manager_server.domain.caller import Caller, User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.relay_call import Scope
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import Code, PermissionDenied, ServiceError, Text, WuzapiError
from wuzapi_manager_server.services.callers import Callers
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer, failure_of
from wuzapi_manager_server.upstreams.wuzapi_gateway import (
    AnswerLost,
    SendFailed,
    WuzapiAnswer,
    WuzapiCall,
    WuzapiGateway,
)

_HEALTH_SECONDS = 5.0
_HEALTH_KEPT = 2.0
_SERVER_FAILED = 500


class Health(NamedTuple):
    """Whether WUZAPI answers, in how many seconds, and its version where it tells."""

    online: bool
    latency: float = 0.0
    version: str = ""


class Relay:
    """Calls WUZAPI for callers. Without a `gateway` every call is WuzapiError FAILED_PRECONDITION.

    What the administrator changes is forgotten by `callers`.
    """

    def __init__(self, gateway: WuzapiGateway | None, callers: Callers) -> None:
        self._gateway = gateway
        self.callers = callers
        self._health: tuple[float, asyncio.Task[Health]] | None = None

    async def answer(self, caller: Caller, call: WuzapiCall, deadline: Deadline) -> WuzapiAnswer:
        """The answer of any status. AnswerLost where the call may have been carried out and nobody knows."""
        user = caller if isinstance(caller, User) else None
        answer = await self._wuzapi().call(call, user, deadline)
        if user is not None and answer.status == HTTPStatus.UNAUTHORIZED:
            self.callers.forget(token=user.token)  # it was deleted, or has another token, without this service
        return answer

    async def ask(self, caller: Caller, call: WuzapiCall, deadline: Deadline, *, empty: bool = False) -> Json:
        """The data of a call that was carried out; what kept it from being so is an error.

        `empty` takes an answer without a body for data.
        """
        try:
            answer = await self.answer(caller, call, deadline)
        except AnswerLost as lost:
            raise lost.error from None
        return data_of(answer, as_admin=not isinstance(caller, User), empty=empty)

    async def send(self, user: User, call: WuzapiCall, deadline: Deadline) -> dict[str, Json]:
        """The data of a send. AnswerLost, SendFailed and refusals as `check_sent` raises them."""
        answer = await self.answer(user, call, deadline)
        check_sent(answer, failure(answer, as_admin=False))
        return answer.data if isinstance(answer.data, dict) else {}

    async def health(self) -> Health:
        """Whether WUZAPI answers; known for two seconds, and asked for once for all who wait."""
        gateway = self._wuzapi()
        loop = asyncio.get_running_loop()
        if self._health is None or (self._health[1].done() and self._health[0] + _HEALTH_KEPT < loop.time()):
            self._health = (loop.time(), asyncio.create_task(_health(gateway)))
        return await asyncio.shield(self._health[1])

    async def close(self) -> None:
        """Ends what is under way."""
        if self._health is not None:
            self._health[1].cancel()
        if self._gateway is not None:
            await self._gateway.close()

    def check(self) -> None:
        """WuzapiError FAILED_PRECONDITION where no WUZAPI is set."""
        self._wuzapi()

    def _wuzapi(self) -> WuzapiGateway:
        if self._gateway is None:
            raise _not_set()
        return self._gateway


def scope_for(caller: Caller, asked: Scope | None) -> Scope:
    """The scope of a call: the one asked for, or the caller's own. PermissionDenied where it is not the caller's."""
    own = Scope.USER if isinstance(caller, User) else Scope.ADMIN
    if asked is None or asked is own:
        return own
    if asked is Scope.ADMIN:
        raise PermissionDenied(
            Text("Scope ADMIN is for administrators", "O escopo ADMIN é apenas para administradores"),
            suggestion=Text(
                "Send the administrator's token as `authorization` in the metadata",
                "Envie o token do administrador como `authorization` nos metadados",
            ),
        )
    raise PermissionDenied(
        Text("Scope USER is for users, not for the administrator", "O escopo USER é apenas para usuários"),
        suggestion=Text(
            "Send the user's WUZAPI token as `token` in the metadata",
            "Envie o token WUZAPI do usuário como `token` nos metadados",
        ),
    )


@contextmanager
def after_change() -> Iterator[None]:
    """An error within tells that the change was made: what failed is to read what came of it."""
    try:
        yield
    except ServiceError as error:
        error.text = Text(
            f"The change was made, but what came of it could not be read: {error.text.en}",
            f"A alteração foi feita, mas o resultado não pôde ser lido: {error.text.pt}",
        )
        raise


def data_of(answer: WuzapiAnswer, *, as_admin: bool, empty: bool = False) -> Json:
    """The data of an answer; the error that it stands for where the call was not carried out.

    None for an answer without a body, where `empty` takes that: some calls say all by their status.
    """
    if not answer.ok:
        raise _failure(answer, as_admin=as_admin)
    if not answer.is_json and not (empty and answer.is_empty):
        raise bad_answer()
    return answer.data


def check_sent(answer: WuzapiAnswer, refusal: ServiceError | None) -> None:
    """Nothing where a send went out; the `refusal` where WUZAPI refused it before it could.

    AnswerLost where nobody knows: the answer has no data, or something between here and WUZAPI failed. SendFailed with
    the refusal where WUZAPI says that it failed to send: after a timeout, for one, WhatsApp may have the message.
    """
    if answer.ok and isinstance(answer.data, dict):
        return
    if refusal is None or answer.failed_between:
        raise AnswerLost(bad_answer())
    raise SendFailed(refusal) if answer.status >= _SERVER_FAILED and not _is_of_the_session(answer) else refusal


def _is_of_the_session(answer: WuzapiAnswer) -> bool:
    """Whether WUZAPI refused a call for the state of the session, which it looks at before anything else."""
    error = failure(answer, as_admin=False)
    return isinstance(error, WuzapiError) and error.code is Code.FAILED_PRECONDITION


def failure(answer: WuzapiAnswer, *, as_admin: bool) -> ServiceError | None:
    """The error that an answer stands for; None for success."""
    return None if answer.ok else _failure(answer, as_admin=as_admin)


def _failure(answer: WuzapiAnswer, *, as_admin: bool) -> ServiceError:
    return failure_of(answer.status, answer.error, answer.headers, is_json=answer.is_json, as_admin=as_admin)


async def _health(gateway: WuzapiGateway) -> Health:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    try:
        answer = await gateway.health(Deadline.after(_HEALTH_SECONDS))
    except ServiceError:
        return Health(online=False)
    if answer.status >= _SERVER_FAILED:
        return Health(online=False)
    version = answer.data.get("version") if isinstance(answer.data, dict) else ""
    return Health(online=True, latency=loop.time() - begun, version=version if isinstance(version, str) else "")


def _not_set() -> WuzapiError:
    return WuzapiError(
        Code.FAILED_PRECONDITION,
        Text("This service has no WUZAPI to relay to", "Nenhum WUZAPI está configurado"),
        suggestion=Text(
            "Set WUZAPI_BASE_URL to the address of WUZAPI, such as http://127.0.0.1:8080, and start the service again",
            "Defina WUZAPI_BASE_URL com o endereço do WUZAPI, por exemplo http://127.0.0.1:8080, e reinicie o serviço",
        ),
    )
