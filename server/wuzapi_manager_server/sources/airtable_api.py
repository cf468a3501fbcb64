"""Calls of Airtable's web API for one base: the turn, the token, and what an answer of an error means.

Statuses and Airtable's own error types decide; no text of Airtable leaves this file.
"""

import json
from collections.abc import Mapping, Sequence
from typing import cast
from urllib.parse import quote

from wuzapi_manager_server.domain.connection import Airtable
from wuzapi_manager_server.domain.deadline import Deadline, timed_out
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import (
    AirtableError,
    Code,
    ConnectionFailed,
    CredentialsRejected,
    OutcomeUnknown,
    QueryFailed,
    ServiceError,
    Text,
)
from wuzapi_manager_server.sources.airtable_rate import BaseRate, rate_limited
from wuzapi_manager_server.upstreams.http import (
    HttpAnswer,
    HttpUpstream,
    Late,
    Stage,
    TooLarge,
    Unavailable,
    Unreachable,
)

_SPENT = "PUBLIC_API_BILLING_LIMIT_EXCEEDED"
_RETRY = 5.0
_OK, _REDIRECTS, _UNAUTHORIZED, _FORBIDDEN, _MISSING, _TOO_MANY, _SERVER = 200, 300, 401, 403, 404, 429, 500
_HIDDEN = frozenset({"INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND", "NOT_FOUND", "TABLE_NOT_FOUND", "MODEL_ID_NOT_FOUND"})
_CHANGED = frozenset({"INVALID_FILTER_BY_FORMULA", "UNKNOWN_FIELD_NAME", "INVALID_SORT_FIELD"})


class Hidden(Exception):
    """What was asked for is not there, or the token may not see it: Airtable answers the same."""


class Altered(Exception):
    """The table has no field of a name or id that was told before."""


class Expired(Exception):
    """The place in a list is not known any more: the list has to begin again."""


class AirtableApi:
    """Calls for one base. `send` is safe to use from many tasks."""

    def __init__(self, upstream: HttpUpstream, configuration: Airtable, rate: BaseRate) -> None:
        self._upstream = upstream
        self._base = configuration.base_id
        self._headers = {"authorization": f"Bearer {configuration.secret}", "content-type": "application/json"}
        self._rate = rate

    async def tables(self, deadline: Deadline) -> list[Mapping[str, Json]]:
        """The tables of the base as the metadata API describes them."""
        try:
            answer = await self._send("GET", f"/v0/meta/bases/{self._base}/tables", deadline, again=True)
        except TooLarge:
            raise garbage() from None
        tables = answer.get("tables")
        if not isinstance(tables, list):
            raise garbage()
        return [each for each in tables if isinstance(each, dict)]

    async def listed(self, table: str, asked: Mapping[str, Json], deadline: Deadline) -> Mapping[str, Json]:
        """A page of records, of fewer than asked for where they are large.

        It is asked for by POST: a URL stands in logs, and a filter may hold a user's token.
        """
        path = f"/v0/{self._base}/{quote(table, safe='')}/listRecords"
        size = asked.get("pageSize")
        while True:
            try:
                return await self._send("POST", path, deadline, body={**asked, "pageSize": size}, again=True)
            except TooLarge:
                if not isinstance(size, int) or size <= 1:
                    raise garbage() from None
                size = max(1, size // 8)  # large cells: fewer records fit into an answer

    async def written(
        self, method: str, table: str, records: Sequence[Mapping[str, Json]], deadline: Deadline
    ) -> Mapping[str, Json]:
        """Makes (POST) or changes (PATCH) at most ten records: all of them or none."""
        body: dict[str, Json] = {
            "records": [dict(each) for each in records],
            "typecast": False,
            "returnFieldsByFieldId": True,
        }
        return await self._send(method, f"/v0/{self._base}/{quote(table, safe='')}", deadline, body=body)

    async def deleted(self, table: str, identifiers: Sequence[str], deadline: Deadline) -> None:
        """Deletes at most ten records."""
        params = [("records[]", each) for each in identifiers]
        answer = await self._send("DELETE", f"/v0/{self._base}/{quote(table, safe='')}", deadline, params=params)
        told = answer.get("records")
        gone = (
            {each.get("id") for each in told if isinstance(each, dict) and each.get("deleted") is True}
            if isinstance(told, list)
            else set()
        )
        if gone != set(identifiers):
            raise unknown()

    async def close(self) -> None:
        """Gives the connections back."""
        await self._upstream.close()

    async def _send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        params: Sequence[tuple[str, str]] = (),
        body: Mapping[str, Json] | None = None,
        again: bool = False,
    ) -> Mapping[str, Json]:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
        while True:
            deadline.cap(1)
            await self._rate.turn(deadline)
            answer = await self._answer(method, path, deadline, params, content, again=again)
            if answer.status != _TOO_MANY:
                return _read(answer, again=again)
            if _kind_of(answer) == _SPENT:
                raise rate_limited(None, spent=True)
            wait = self._rate.punished(_seconds(answer.headers.get("retry-after", "")))
            if deadline.remaining() < wait:
                raise rate_limited(wait)

    async def _answer(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        params: Sequence[tuple[str, str]],
        content: bytes | None,
        *,
        again: bool,
    ) -> HttpAnswer:
        """The answer; a write of which nobody knows whether it was carried out is OutcomeUnknown."""
        try:
            return await self._upstream.send(
                method, path, deadline, params=params, headers=self._headers, body=content, again=again
            )
        except (Late, Unreachable) as failure:
            if failure.sent and not again:
                raise unknown() from None
            raise (timed_out() if isinstance(failure, Late) else _unreachable(stage=failure.stage)) from None
        except Unavailable as failure:
            raise _unreachable(failure.retry_after) from None
        except TooLarge:
            if not again:
                raise unknown() from None
            raise


def _read(answer: HttpAnswer, *, again: bool) -> Mapping[str, Json]:
    if _OK <= answer.status < _REDIRECTS:
        try:
            value = json.loads(answer.body)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            return cast("dict[str, Json]", value)
        raise garbage() if again else unknown()
    if answer.status >= _SERVER and not again:
        raise unknown()
    raise _failure(answer.status, _kind_of(answer))


def _failure(status: int, kind: str) -> Exception:  # noqa: PLR0911 - a table: one return a kind of failure
    if status == _UNAUTHORIZED:
        return CredentialsRejected(
            Text("Airtable refuses the stored token", "O Airtable recusou o token armazenado"),
            suggestion=Text("Store a token that is valid", "Informe um token válido"),
        )
    if kind in _HIDDEN or status == _MISSING:
        return Hidden()
    if status == _FORBIDDEN:
        return forbidden()
    if kind in _CHANGED:
        return Altered()
    if kind == "LIST_RECORDS_ITERATOR_NOT_AVAILABLE":
        return Expired()
    if status >= _SERVER:
        return AirtableError(
            Code.UNAVAILABLE,
            Text(f"Airtable answered {status}", f"O Airtable respondeu {status}"),
            suggestion=Text("Ask again later", "Tente novamente mais tarde"),
            retry_after=_RETRY,
        )
    if status < 400:  # noqa: PLR2004 - where HTTP's errors begin
        return AirtableError(
            Code.FAILED_PRECONDITION,
            Text("Airtable answered with a redirect, which is refused", "Redirecionamento do Airtable recusado"),
            suggestion=Text("Correct base_url", "Corrija base_url"),
        )
    return QueryFailed(
        Text(f"Airtable refuses the request ({status})", f"O Airtable recusou a operação ({status})"),
        suggestion=Text(
            "Check the values against the fields of the table", "Verifique os valores e os campos da tabela"
        ),
    )


def forbidden() -> ServiceError:
    """The token is valid and lacks a permission."""
    return CredentialsRejected(
        Text("The stored Airtable token may not do this", "O token do Airtable não tem permissão para isto"),
        suggestion=Text(
            "Give it the scopes data.records:read, data.records:write and schema.bases:read, and access to the base",
            "Conceda os escopos data.records:read, data.records:write e schema.bases:read e acesso à base",
        ),
    )


def garbage() -> AirtableError:
    """An answer that is none."""
    return AirtableError(
        Code.UNAVAILABLE,
        Text("Airtable gave an answer that cannot be read", "Resposta do Airtable ilegível"),
        suggestion=Text("Check base_url, or ask again later", "Verifique base_url ou tente novamente mais tarde"),
    )


def unknown() -> OutcomeUnknown:
    """A write whose answer was lost."""
    return OutcomeUnknown(
        Text("Whether Airtable carried out the change is not known", "Não se sabe se o Airtable gravou a alteração"),
        suggestion=Text("Read the records before repeating it", "Leia os registros antes de repetir"),
    )


def _unreachable(retry_after: float = _RETRY, *, stage: Stage = "connect") -> ConnectionFailed:
    return ConnectionFailed(
        Text("Airtable cannot be reached", "Não foi possível conectar ao Airtable"),
        suggestion=Text("Check base_url and the network", "Verifique base_url e a rede"),
        metadata={"stage": stage},
        retry_after=retry_after,
    )


def _kind_of(answer: HttpAnswer) -> str:
    """Airtable's name of the error, in whichever of its shapes; empty where there is none."""
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    error = value.get("error") if isinstance(value, dict) else None
    errors = value.get("errors") if isinstance(value, dict) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        error = errors[0].get("error")
    if isinstance(error, dict):
        error = error.get("type")
    return error if isinstance(error, str) else ""


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 5 else 0.0  # noqa: PLR2004 - below a day
