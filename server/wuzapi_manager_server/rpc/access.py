"""Who may call what: one table."""

from collections.abc import Mapping
from enum import Enum

from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.errors import InvalidToken, PermissionDenied, Text


class Access(Enum):
    """Whom an RPC answers."""

    PUBLIC = "anyone"
    USER = "users"
    ADMIN = "administrators"
    USER_OR_ADMIN = "users and administrators"


_SERVICES: Mapping[str, Access] = {
    "wuzapi_manager.v1.BrandingService": Access.ADMIN,
    "wuzapi_manager.v1.ConnectionService": Access.ADMIN,
    "wuzapi_manager.v1.MaintenanceService": Access.ADMIN,
    "wuzapi_manager.v1.RecordService": Access.USER_OR_ADMIN,
    "wuzapi_manager.v1.RelayService": Access.USER,
}
_METHODS: Mapping[str, Access] = {
    "/wuzapi_manager.v1.BrandingService/GetBranding": Access.PUBLIC,
    "/wuzapi_manager.v1.ConnectionService/ListUserConnections": Access.USER,
    "/wuzapi_manager.v1.RelayService/Call": Access.USER_OR_ADMIN,
    "/wuzapi_manager.v1.RelayService/CheckHealth": Access.PUBLIC,
    "/wuzapi_manager.v1.RelayService/CreateUser": Access.ADMIN,
    "/wuzapi_manager.v1.RelayService/DeleteUser": Access.ADMIN,
    "/wuzapi_manager.v1.RelayService/GetRelayConfig": Access.PUBLIC,
    "/wuzapi_manager.v1.RelayService/GetUser": Access.ADMIN,
    "/wuzapi_manager.v1.RelayService/ListUsers": Access.ADMIN,
    "/wuzapi_manager.v1.RelayService/UpdateUser": Access.ADMIN,
}
_OPEN_SERVICES = frozenset(
    {"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"}
)


def is_open(method: str) -> bool:
    """Whether the RPC (`/package.Service/Method`) belongs to health or reflection: no token, no admission."""
    return method[1:].partition("/")[0] in _OPEN_SERVICES


def access_to(method: str) -> Access | None:
    """Whom the RPC (`/package.Service/Method`) answers; None when the table does not know it."""
    return _METHODS.get(method) or _SERVICES.get(method[1:].partition("/")[0])


def check(access: Access, caller: Caller) -> None:
    """Refuses a caller whom the RPC does not answer: InvalidToken without a token, PermissionDenied with another."""
    match access, caller:
        case (Access.PUBLIC, _) | (Access.USER, User()) | (Access.ADMIN, Admin()):
            return
        case (Access.USER_OR_ADMIN, User() | Admin()):
            return
        case (_, Public()):
            raise _token_missing(access)
        case (Access.ADMIN, _):
            raise PermissionDenied(
                Text("This call is for administrators", "Acesso permitido apenas a administradores"),
                suggestion=_ADMIN_TOKEN,
            )
        case _:
            raise users_alone()


_USER_TOKEN = Text(
    "Send the user's WUZAPI token as `token` in the metadata",
    "Envie o token WUZAPI do usuário como `token` nos metadados",
)
_ADMIN_TOKEN = Text(
    "Send the administrator's token as `authorization` in the metadata",
    "Envie o token do administrador como `authorization` nos metadados",
)
_EITHER_TOKEN = Text(
    "Send the user's WUZAPI token as `token`, or the administrator's as `authorization`, in the metadata",
    "Envie nos metadados o token WUZAPI do usuário como `token` ou o do administrador como `authorization`",
)


def users_alone() -> PermissionDenied:
    """The refusal of the administrator where a user is needed."""
    return PermissionDenied(
        Text("This call is for users, not for the administrator", "Esta chamada é para usuários"),
        suggestion=_USER_TOKEN,
    )


def _token_missing(access: Access) -> InvalidToken:
    wanted = {Access.USER: _USER_TOKEN, Access.ADMIN: _ADMIN_TOKEN}.get(access, _EITHER_TOKEN)
    return InvalidToken(Text("No token was given", "Token não fornecido"), suggestion=wanted)
