"""Calls of WUZAPI, in one shape whatever its version: the status is the truth, the envelope is taken off."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import orjson

from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import OutcomeUnknown, ServiceError, Text, WuzapiUnreachable
from wuzapi_manager_server.upstreams.file_body import FileJson
from wuzapi_manager_server.upstreams.http import HttpAnswer, HttpUpstream, Late, TooLarge, Unavailable, Unreachable
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer, late, unknown_answer, unreachable

_ENVELOPE = {"code", "success"}
_OF_A_PROXY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_NOTHING: Mapping[str, str] = {}


class WuzapiCall(NamedTuple):
    """A call to make. `again` says that it has no effect and may be sent more than once.

    `file` goes out in place of `body`; `seconds` replaces the longest time that calls may take.
    """

    method: str
    path: str
    params: Mapping[str, str] = _NOTHING
    body: Mapping[str, Json] | None = None
    again: bool = False
    file: FileJson | None = None
    seconds: float | None = None


class WuzapiAnswer(NamedTuple):
    """An answer of any status.

    `data` is what the envelope holds, or the whole document where there is no envelope; None also where the answer is
    no JSON, and `is_json` is false then. `error` is WUZAPI's own text, empty where it has none. `is_wuzapis` says that
    it has WUZAPI's envelope: what stands before WUZAPI may answer in JSON too. `is_empty` says that it has no body.
    """

    status: int
    data: Json
    is_json: bool
    error: str
    headers: Mapping[str, str]
    is_wuzapis: bool = False
    is_empty: bool = False

    @property
    def ok(self) -> bool:
        """Whether the call was carried out."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def failed_between(self) -> bool:
        """Whether something failed that is not WUZAPI itself, so that nobody knows what WUZAPI did."""
        return self.status in _OF_A_PROXY or (self.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not self.is_wuzapis)


class AnswerLost(Exception):
    """The call may have been carried out, and its answer is not known. `error` is what a caller is told."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.text.en)
        self.error = error


class SendFailed(Exception):
    """WUZAPI says that a send failed, and may have begun it: `error` is what a caller is told."""

    def __init__(self, error: ServiceError) -> None:
        super().__init__(error.text.en)
        self.error = error


class WuzapiGateway:
    """The calls of one WUZAPI server. `admin_token` is the one that WUZAPI runs with."""

    def __init__(self, upstream: HttpUpstream, admin_token: str) -> None:
        self._upstream = upstream
        self._admin_token = admin_token

    async def call(self, call: WuzapiCall, user: User | None, deadline: Deadline) -> WuzapiAnswer:
        """The answer to a call as a user, or as the administrator (None).

        Where nothing was sent, or the call has no effect: WuzapiUnreachable or TimedOut. AnswerLost where it may have
        been carried out.
        """
        credentials = {"authorization": self._admin_token} if user is None else {"token": user.token}
        return await self._send(call, credentials, deadline)

    async def health(self, deadline: Deadline) -> WuzapiAnswer:
        """The answer to `GET /health`, for which no token is asked."""
        return await self._send(WuzapiCall("GET", "/health", again=True), {}, deadline)

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    async def _send(self, call: WuzapiCall, credentials: Mapping[str, str], deadline: Deadline) -> WuzapiAnswer:
        body = call.file or (None if call.body is None else orjson.dumps(call.body))
        headers = {**credentials, "content-type": "application/json"} if body is not None else credentials
        try:
            answer = await self._upstream.send(
                call.method,
                call.path,
                deadline,
                params=[*call.params.items()],
                headers=headers,
                body=body,
                again=call.again,
                seconds=call.seconds,
            )
        except Unavailable as failure:
            raise unreachable(failure.retry_after) from None
        except Unreachable as failure:
            if failure.sent and not call.again:
                raise AnswerLost(_not_known_whether()) from None
            raise unreachable() from None
        except Late as failure:
            if failure.sent and not call.again:
                raise AnswerLost(_late_not_known_whether()) from None
            raise late() from None
        except TooLarge:
            raise (bad_answer() if call.again else AnswerLost(unknown_answer())) from None
        return _read(answer, {*credentials.values(), self._admin_token})


def _read(answer: HttpAnswer, secrets: set[str]) -> WuzapiAnswer:
    status, headers, body = answer
    try:
        document: Json = orjson.loads(body)
    except orjson.JSONDecodeError:
        return WuzapiAnswer(status, None, is_json=False, error="", headers=headers, is_empty=not body.strip())
    data, error, is_wuzapis = document, "", False
    if isinstance(document, dict):
        if status >= HTTPStatus.BAD_REQUEST:
            document = {key: _without(secrets, value) for key, value in document.items()}
            data = document
        is_wuzapis = document.keys() >= _ENVELOPE
        if is_wuzapis:
            data = document["data"] if "data" in document else _rest(document)
        told = document.get("error")
        error = told if isinstance(told, str) else ""
    return WuzapiAnswer(status, data, is_json=True, error=error, headers=headers, is_wuzapis=is_wuzapis)


def _without(secrets: set[str], value: Json) -> Json:
    """A text without the tokens that the call had: WUZAPI may name them in what it says of a failure."""
    if not isinstance(value, str):
        return value
    for secret in secrets - {""}:
        value = value.replace(secret, "...")
    return value


def _rest(document: dict[str, Json]) -> Json:
    """What an envelope without data says beside its own keys: {"message": "user updated successfully"}."""
    return {key: value for key, value in document.items() if key not in {"code", "success", "error"}} or None


def _not_known_whether() -> WuzapiUnreachable:
    return WuzapiUnreachable(
        Text(
            "WUZAPI broke off before it answered; whether the call was carried out is not known",
            "O WUZAPI interrompeu a conexão antes de responder; não se sabe se a chamada foi executada",
        ),
        suggestion=Text("Look whether it was done before you repeat it", "Verifique se foi concluída antes de repetir"),
    )


def _late_not_known_whether() -> OutcomeUnknown:
    return OutcomeUnknown(
        Text(
            "WUZAPI did not answer in time; whether the call was carried out is not known",
            "Timeout na comunicação com WUZAPI; não se sabe se a chamada foi executada",
        ),
        suggestion=Text("Look whether it was done before you repeat it", "Verifique se foi concluída antes de repetir"),
    )
