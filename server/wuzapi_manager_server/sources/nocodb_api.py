"""Calls of NocoDB's v2 API: JSON in and out, and its failures in this service's words.

HTTP statuses and NocoDB's own error codes decide; none of its texts, which hold SQL and stacks, goes any further.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

import orjson

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import (
    AlreadyExists,
    Code,
    ConnectionFailed,
    CredentialsRejected,
    NocodbError,
    OutcomeUnknown,
    QueryFailed,
    RateLimited,
    ServiceError,
    Text,
    TimedOut,
)
from wuzapi_manager_server.upstreams.http import HttpAnswer, HttpUpstream, Late, TooLarge, Unavailable, Unreachable

_STAGES = {
    "resolve": Text("The host of NocoDB has no address", "O host do NocoDB não tem endereço"),
    "connect": Text("NocoDB cannot be reached", "Servidor NocoDB indisponível"),
    "tls": Text("TLS with NocoDB failed", "Falha de TLS com o NocoDB"),
    "answer": Text("NocoDB broke the connection off", "O NocoDB interrompeu a conexão"),
}
_CHECK = Text("Check the host of the connection and that NocoDB is up", "Verifique o host e se o NocoDB está no ar")
_GOOD = frozenset({HTTPStatus.OK, HTTPStatus.CREATED})
_DEFAULT_WAIT = 30.0
_LONGEST_WAIT = 3600.0


class Gone(Exception):
    """404: what was asked for is not there; `what` is NocoDB's code, such as TABLE_NOT_FOUND, or empty."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Refusal(Exception):
    """400 or 422: the request, or the database behind NocoDB, refuses; `what` is NocoDB's code without ERR_."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class TooLong(QueryFailed):
    """414 or 431: the URL is longer than NocoDB, or what stands before it, takes."""


class _NoJson(Exception):
    """A good status, and nothing that NocoDB answers."""


class Api:
    """The API of one NocoDB with one token. `timeout` of the upstream bounds each call, with the caller's deadline."""

    def __init__(self, upstream: HttpUpstream, token: str) -> None:
        self._upstream = upstream
        self._token = token

    async def read(
        self, path: Sequence[str], deadline: Deadline, params: Sequence[tuple[str, str]] = ()
    ) -> Mapping[str, Json]:
        """GET. Raises Gone, Refusal and ServiceErrors."""
        try:
            return await self.read_page(path, deadline, params)
        except TooLarge:
            raise no_answer_of_nocodb() from None

    async def read_page(
        self, path: Sequence[str], deadline: Deadline, params: Sequence[tuple[str, str]]
    ) -> Mapping[str, Json]:
        """GET of what may be asked for in smaller pieces, and shorter. Raises TooLarge too, and TooLong."""
        answer = await self._send("GET", path, deadline, params, None)
        try:
            found = self._judged(answer)
        except _NoJson:
            raise no_answer_of_nocodb() from None
        if not isinstance(found, dict):
            raise no_answer_of_nocodb()
        return found

    async def write(self, method: str, path: Sequence[str], body: Json, deadline: Deadline) -> Json:
        """POST, PATCH or DELETE. Raises Gone, Refusal and ServiceErrors; OutcomeUnknown when the answer was lost."""
        answer = await self._send(method, path, deadline, (), orjson.dumps(body))
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise outcome_unknown()
        try:
            return self._judged(answer)
        except _NoJson:
            raise outcome_unknown() from None

    async def close(self) -> None:
        """Closes the connections."""
        await self._upstream.close()

    async def _send(
        self,
        method: str,
        path: Sequence[str],
        deadline: Deadline,
        params: Sequence[tuple[str, str]],
        body: bytes | None,
    ) -> HttpAnswer:
        self._check(path)
        headers = {"xc-token": self._token, "accept": "application/json"}
        if body is not None:
            headers["content-type"] = "application/json"
        reads = method == "GET"
        where = "/api/v2/" + "/".join(quote(part, safe="") for part in path)
        try:
            return await self._upstream.send(
                method, where, deadline, params=params, headers=headers, body=body, again=reads
            )
        except Unreachable as error:
            if error.sent and not reads:
                raise outcome_unknown() from None
            raise ConnectionFailed(_STAGES[error.stage], suggestion=_CHECK, metadata={"stage": error.stage}) from None
        except Late as error:
            if error.sent and not reads:
                raise outcome_unknown() from None
            raise TimedOut(
                Text("NocoDB did not answer in time", "O NocoDB não respondeu a tempo"), suggestion=_CHECK
            ) from None
        except Unavailable as error:
            raise ConnectionFailed(
                Text("NocoDB has failed lately and is left alone for a moment", "Servidor NocoDB indisponível"),
                suggestion=_CHECK,
                retry_after=error.retry_after,
            ) from None
        except TooLarge:
            if reads:
                raise
            raise outcome_unknown() from None

    def _check(self, path: Sequence[str]) -> None:
        """Refuses a token that is no header and an id that is no part of a path."""
        if not self._token or not self._token.isascii() or not self._token.isprintable() or " " in self._token:
            raise _rejected()
        if not {"", ".", ".."}.isdisjoint(path):
            raise Gone("")

    def _judged(self, answer: HttpAnswer) -> Json:
        """What a good answer holds. Raises _NoJson where it is good, but for what it holds."""
        found: Json = None
        with suppress(orjson.JSONDecodeError):
            found = cast("Json", orjson.loads(answer.body))
        if answer.status in _GOOD:
            if found is None:
                raise _NoJson
            return found
        code = found.get("error") if isinstance(found, dict) else None
        raise _failure(answer, code.removeprefix("ERR_") if isinstance(code, str) else "")


def _failure(answer: HttpAnswer, what: str) -> Exception:
    """What an answer that is no good one means; `what` is NocoDB's code."""
    status = answer.status
    found: Exception
    match status:
        case HTTPStatus.UNAUTHORIZED:
            found = _rejected()
        case HTTPStatus.FORBIDDEN:
            found = _forbidden()
        case HTTPStatus.TOO_MANY_REQUESTS:
            found = RateLimited(
                Text("NocoDB gets too many requests", "O NocoDB recebeu requisições demais"),
                suggestion=Text("Wait before you try again", "Aguarde antes de tentar novamente"),
                retry_after=_seconds(answer.headers.get("retry-after", "")),
            )
        case HTTPStatus.NOT_FOUND if what:
            found = Gone(what)
        case HTTPStatus.BAD_REQUEST if what == "FIELD_UNIQUE_CONSTRAINT_VIOLATION":
            found = AlreadyExists(Text("A unique value is taken", "Um valor único já existe"))
        case HTTPStatus.BAD_REQUEST | HTTPStatus.UNPROCESSABLE_ENTITY:
            found = Refusal(what)
        case HTTPStatus.REQUEST_URI_TOO_LONG | HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
            found = TooLong(
                Text("The filter is too long for NocoDB", "O filtro é longo demais para o NocoDB"),
                suggestion=Text("Filter by fewer or shorter values", "Filtre por menos valores"),
            )
        case _ if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            found = NocodbError(
                Code.FAILED_PRECONDITION,
                Text("NocoDB answered with a redirect, which is not followed", "O NocoDB redirecionou a chamada"),
                suggestion=Text("Set the host to NocoDB's own address", "Configure o host com o endereço do NocoDB"),
            )
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            found = NocodbError(
                Code.UNAVAILABLE,
                Text("NocoDB has an internal error", "Erro interno do servidor NocoDB"),
                suggestion=Text("Look into the log of NocoDB", "Consulte o log do NocoDB"),
                metadata={"status": str(status)},
            )
        case _:
            found = no_answer_of_nocodb()
    return found


def outcome_unknown() -> OutcomeUnknown:
    """A write whose answer was lost."""
    return OutcomeUnknown(
        Text("NocoDB did not tell whether it did the change", "O NocoDB não informou se fez a alteração"),
        suggestion=Text("Read the records before you repeat it", "Leia os registros antes de repetir"),
    )


def table_gone(name: str) -> QueryFailed:
    """The table is not there, or NocoDB cannot find it in its database."""
    return QueryFailed(
        Text(
            f"Table {name!r} was not found in NocoDB, or its database has it no more",
            f"Projeto ou tabela não encontrados no NocoDB: '{name}'",
        ),
        suggestion=Text(
            "Correct table_id, or synchronize the metadata in NocoDB",
            "Corrija table_id ou sincronize os metadados no NocoDB",
        ),
        metadata={"table": name},
    )


def refused(name: str) -> QueryFailed:
    """NocoDB, or the database behind it, refuses what it was sent."""
    return QueryFailed(
        Text(
            f"NocoDB refuses this for table {name!r}: a constraint, a type, or a changed column",
            f"O NocoDB recusou a operação na tabela '{name}'",
        ),
        suggestion=Text("Check the values against the table in NocoDB", "Confira os valores com a tabela no NocoDB"),
        metadata={"table": name},
    )


def _rejected() -> ServiceError:
    return CredentialsRejected(
        Text("NocoDB refuses the token", "Token de autenticação NocoDB inválido"),
        suggestion=Text("Save a valid API token in the connection", "Salve um token de API válido na conexão"),
    )


def _forbidden() -> ServiceError:
    return CredentialsRejected(
        Text("The token may not do this in NocoDB", "Sem permissão para acessar os dados no NocoDB"),
        suggestion=Text(
            "Give the token's user access to the base: as a viewer to read, as an editor to write",
            "Dê ao usuário do token acesso à base: como viewer para ler, como editor para gravar",
        ),
    )


def no_answer_of_nocodb() -> ServiceError:
    """An answer that NocoDB does not give."""
    return NocodbError(
        Code.UNAVAILABLE,
        Text("What answered is not NocoDB, or it is broken", "A resposta não é do NocoDB ou está corrompida"),
        suggestion=_CHECK,
    )


def _seconds(text: str) -> float:
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else _DEFAULT_WAIT
