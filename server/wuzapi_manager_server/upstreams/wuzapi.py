"""WUZAPI, the WhatsApp HTTP gateway: here, as the one that knows whose a token is.

Facts about its answers are those of its source, versions of May 2025 to 2026. Its HTTP status is the truth; the
`success` of its envelope is not, and its own documentation is wrong in places.
"""

from http import HTTPStatus
from typing import NamedTuple

import orjson

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import Code, RateLimited, Text, TimedOut, WuzapiError, WuzapiUnreachable
from wuzapi_manager_server.observe import UpstreamMetrics
from wuzapi_manager_server.upstreams.http import HttpAnswer, HttpUpstream, Late, TooLarge, Unavailable, Unreachable

_MAX_ANSWER_BYTES = 1024 * 1024
_CONNECTIONS = 8
_IDLE_SECONDS = 60.0  # WUZAPI closes an idle connection after 180 s: ours must give it up first
_DEFAULT_WAIT = 5.0
_MAX_WAIT = 3600.0

_CHECK_SERVICE = Text("Check that the service is available", "Verifique se o serviço está disponível")


class WuzapiUser(NamedTuple):
    """A user as WUZAPI tells it. `id` is empty where an old version does not say; `jid` before a phone is paired."""

    id: str
    name: str
    jid: str


class Wuzapi:
    """One WUZAPI server at `base_url`. Safe to use from many tasks of one event loop.

    `timeout` bounds every call, in seconds; an earlier deadline of the caller wins. At most 8 connections are open, an
    answer may be 1 MiB. Redirects are never followed (a token goes to no host that nobody chose), proxies of the
    environment not used and cookies not kept: users share these connections.
    """

    def __init__(self, base_url: str, timeout: float, metrics: UpstreamMetrics | None = None) -> None:
        self._http = HttpUpstream(
            base_url,
            timeout=timeout,
            in_flight=_CONNECTIONS,
            answer_bytes=_MAX_ANSWER_BYTES,
            idle=_IDLE_SECONDS,
            metrics=metrics,
        )

    async def session_status(self, token: str, deadline: Deadline) -> WuzapiUser | None:
        """Whose token it is, by `GET /session/status`; None when WUZAPI refuses it (401, 403).

        `token` must have the form of a user's token. Every other failure is an error, never None: WuzapiUnreachable,
        TimedOut, RateLimited (429, with the wait that WUZAPI asks for), else WuzapiError UNAVAILABLE (5xx, redirects,
        404, an answer that is none of WUZAPI's).
        """
        answer = await self._get("/session/status", {"token": token}, deadline)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return None
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            raise RateLimited(
                Text("WUZAPI gets too many requests", "Muitas requisições"),
                suggestion=Text(
                    "Wait some seconds before you try again", "Aguarde alguns segundos antes de tentar novamente"
                ),
                retry_after=_seconds(answer.headers.get("retry-after", "")),
            )
        envelope = _object(answer.body)
        if answer.status == HTTPStatus.OK:
            return _user(envelope.get("data"))
        if answer.status == HTTPStatus.INTERNAL_SERVER_ERROR and _is_no_session(envelope):
            return WuzapiUser(id="", name="", jid="")
        raise _bad_answer()

    async def user_ids(self, admin_token: str, deadline: Deadline) -> list[str]:
        """The ids of all users, by `GET /admin/users`; errors as in `session_status`.

        WuzapiError FAILED_PRECONDITION where WUZAPI does not take the administrator's token.
        """
        answer = await self._get("/admin/users", {"authorization": admin_token}, deadline)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise WuzapiError(
                Code.FAILED_PRECONDITION,
                Text("WUZAPI refuses the administrator's token", "O WUZAPI recusou o token de administrador"),
                suggestion=Text(
                    "Set WUZAPI_ADMIN_TOKEN to the one that WUZAPI runs with",
                    "Defina WUZAPI_ADMIN_TOKEN com o mesmo valor usado pelo WUZAPI",
                ),
            )
        users = _object(answer.body).get("data")
        if answer.status != HTTPStatus.OK or not isinstance(users, list | None):
            raise _bad_answer()
        return [str(user["id"]) for user in users or () if isinstance(user, dict) and user.get("id")]

    async def close(self) -> None:
        """Closes the connections. Calls under way end with WuzapiUnreachable."""
        await self._http.close()

    async def _get(self, path: str, headers: dict[str, str], deadline: Deadline) -> HttpAnswer:
        try:
            return await self._http.send("GET", path, deadline, headers=headers, again=True)
        except Late:
            raise TimedOut(
                Text("WUZAPI did not answer in time", "Timeout na comunicação com WUZAPI"),
                suggestion=Text("Check the network connection", "Verifique a conexão de rede"),
            ) from None
        except (Unreachable, Unavailable) as failure:
            raise WuzapiUnreachable(
                Text("WUZAPI cannot be reached", "Não foi possível conectar com WUZAPI"),
                suggestion=_CHECK_SERVICE,
                retry_after=failure.retry_after if isinstance(failure, Unavailable) else None,
            ) from None
        except TooLarge:
            raise _bad_answer() from None


def _object(body: bytes) -> dict[str, object]:
    """The JSON object of an answer; an empty one for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _user(data: object) -> WuzapiUser:
    """The user in the `data` of a status answer.

    Since 2025-05-26 it has `id` (an integer before, then 32 hex digits), `name` and `jid`; older versions have only
    `Connected` and `LoggedIn`.
    """
    if not isinstance(data, dict) or not ("id" in data or "Connected" in data or "LoggedIn" in data):
        raise _bad_answer()
    identity = data.get("id", "")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    return WuzapiUser(id=_text(identity), name=_text(data.get("name")), jid=_text(data.get("jid")))


def _is_no_session(envelope: dict[str, object]) -> bool:
    """Whether it says that the token is good and its phone is not connected.

    Versions before 2025-05-26 answer so after they have accepted the token, and nothing but the text tells it from
    other failures.
    """
    return _text(envelope.get("error")).strip().lower() == "no session"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _seconds(retry_after: str) -> float:
    """The seconds of a Retry-After header, at most an hour; 5 when it has none (a date is not asked of WUZAPI)."""
    digits = retry_after.strip()
    return min(float(digits), _MAX_WAIT) if digits.isascii() and digits.isdigit() else _DEFAULT_WAIT


def _bad_answer() -> WuzapiError:
    return WuzapiError(
        Code.UNAVAILABLE,
        Text("WUZAPI answered with an error", "Erro na comunicação com WUZAPI"),
        suggestion=_CHECK_SERVICE,
    )
