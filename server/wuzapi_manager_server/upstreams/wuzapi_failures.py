"""How WUZAPI fails, in the words of callers: its status decides.

Its texts are looked at for 400 and 500 alone, where nothing else tells a session in the wrong state from a bad request
or a failure.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

from wuzapi_manager_server.errors import (
    AlreadyExists,
    Code,
    InvalidToken,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServiceError,
    Text,
    TimedOut,
    WuzapiError,
    WuzapiUnreachable,
)

_MAX_WAIT = 3600.0
_DEFAULT_WAIT = 5.0
_LONGEST_TEXT = 200
_BAD_REQUEST = 400
_FAILED = 500
_WRONG_STATE = re.compile(
    r"no session|not connected|already (connected|logged in|paired)"
    r"|cannot (disconnect|set proxy)|could not (logout|disconnect) as it was not|.*not logged in",
    re.IGNORECASE,
)
_NO_AVATAR = re.compile(r"no avatar found|.*profile picture.*", re.IGNORECASE)
# What an error of WUZAPI may drag along: addresses of its network, files, and long digits or letters as of keys.
_PRIVATE = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+|\b[\w.-]+:\d{2,5}\b|\b\d{1,3}(?:\.\d{1,3}){3}\b|(?:/[\w.-]+){2,}|[\w+/=-]{40,}",
    re.IGNORECASE,
)
CHECK_SERVICE = Text("Check that the service is available", "Verifique se o serviço está disponível")
_CHECK_REQUEST = Text("Check the request", "Verifique a requisição")


def told(error: str) -> str:
    """WUZAPI's own text as a caller may see it: one short line without addresses, files and keys."""
    return " ".join(_PRIVATE.sub("...", error).split())[:_LONGEST_TEXT]


def failure_of(  # noqa: C901, PLR0911 - a case for each status
    status: int, error: str, headers: Mapping[str, str], *, is_json: bool, as_admin: bool = False
) -> ServiceError:
    """The error that an answer with a status other than 2xx stands for."""
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return _admin_token_refused() if as_admin else _token_refused()
        case HTTPStatus.FORBIDDEN:
            return PermissionDenied(
                Text("WUZAPI refuses this to the token", "Token não possui permissões necessárias"),
                suggestion=Text(
                    "Use a token with administrative permissions", "Use um token com permissões administrativas"
                ),
            )
        case HTTPStatus.NOT_FOUND if is_json:
            return NotFound(_with(Text("WUZAPI knows no such thing", "Não encontrado no WUZAPI"), error))
        case HTTPStatus.NOT_FOUND | HTTPStatus.METHOD_NOT_ALLOWED:
            return WuzapiError(
                Code.UNIMPLEMENTED,
                Text("This WUZAPI does not know the call", "Este WUZAPI não conhece a chamada"),
                suggestion=Text(
                    "Check the path and method, or use a later version of WUZAPI",
                    "Verifique o caminho e o método, ou use uma versão mais recente do WUZAPI",
                ),
            )
        case HTTPStatus.CONFLICT:
            return AlreadyExists(_with(Text("It is there already", "Já existe"), error))
        case HTTPStatus.TOO_MANY_REQUESTS:
            return _too_many(headers)
        case HTTPStatus.NOT_IMPLEMENTED:
            return _wrong_state(error)
        case _ if status in {_BAD_REQUEST, _FAILED} and _WRONG_STATE.match(error.strip()):
            return _wrong_state(error)
        case _ if status == _FAILED and _NO_AVATAR.match(error.strip()):
            return NotFound(Text("There is no picture, or it is hidden", "Não há foto de perfil, ou ela está oculta"))
        case _ if _BAD_REQUEST <= status < _FAILED:
            return WuzapiError(
                Code.INVALID_ARGUMENT,
                _with(Text("WUZAPI refuses the request", "O WUZAPI recusou a requisição"), error),
                suggestion=_CHECK_REQUEST,
            )
        case _:
            return bad_answer(error)


def bad_answer(error: str = "") -> WuzapiError:
    """WUZAPI failed, or what answered is no WUZAPI."""
    return WuzapiError(
        Code.UNAVAILABLE,
        _with(Text("WUZAPI answered with an error", "Erro na comunicação com WUZAPI"), error),
        suggestion=CHECK_SERVICE,
    )


def unknown_answer() -> WuzapiError:
    """What answered a call with an effect is no WUZAPI."""
    return WuzapiError(
        Code.UNAVAILABLE,
        Text(
            "The answer is none of WUZAPI's; whether the call was carried out is not known",
            "A resposta não é do WUZAPI; não se sabe se a chamada foi executada",
        ),
        suggestion=Text("Look whether it was done before you repeat it", "Verifique se foi concluída antes de repetir"),
    )


def unreachable(retry_after: float | None = None) -> WuzapiUnreachable:
    """Nothing was sent, or nothing that has an effect."""
    return WuzapiUnreachable(
        Text("WUZAPI cannot be reached", "Não foi possível conectar com WUZAPI"),
        suggestion=CHECK_SERVICE,
        retry_after=retry_after,
    )


def late() -> TimedOut:
    """No answer in time."""
    return TimedOut(
        Text("WUZAPI did not answer in time", "Timeout na comunicação com WUZAPI"),
        suggestion=Text("Check the network connection", "Verifique a conexão de rede"),
    )


def _with(text: Text, error: str) -> Text:
    shown = told(error)
    return Text(f"{text.en}: {shown}", f"{text.pt}: {shown}") if shown else text


def _token_refused() -> InvalidToken:
    return InvalidToken(
        Text("Invalid or expired token", "Token inválido ou expirado"),
        suggestion=Text("Check that the token is correct", "Verifique se o token está correto"),
    )


def _admin_token_refused() -> WuzapiError:
    return WuzapiError(
        Code.FAILED_PRECONDITION,
        Text("WUZAPI refuses the administrator's token", "O WUZAPI recusou o token de administrador"),
        suggestion=Text(
            "Set WUZAPI_ADMIN_TOKEN to the one that WUZAPI runs with",
            "Defina WUZAPI_ADMIN_TOKEN com o mesmo valor usado pelo WUZAPI",
        ),
    )


def _too_many(headers: Mapping[str, str]) -> RateLimited:
    digits = headers.get("retry-after", "").strip()
    wait = min(float(digits), _MAX_WAIT) if digits.isascii() and digits.isdigit() else _DEFAULT_WAIT
    return RateLimited(
        Text("WUZAPI gets too many requests", "Muitas requisições"),
        suggestion=Text("Wait some seconds before you try again", "Aguarde alguns segundos antes de tentar novamente"),
        retry_after=wait,
    )


def _wrong_state(error: str) -> WuzapiError:
    return WuzapiError(
        Code.FAILED_PRECONDITION,
        _with(Text("The session does not allow this now", "A sessão não permite isso agora"), error),
        suggestion=Text(
            "See GetSessionStatus; ConnectSession connects, WatchSession pairs a phone",
            "Consulte GetSessionStatus; ConnectSession conecta, WatchSession pareia um telefone",
        ),
    )
