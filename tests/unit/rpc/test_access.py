"""Who may call what."""

import pytest

from tests.unit.protos import services
from wuzapi_manager_server.domain.caller import Admin, Caller, Public, User
from wuzapi_manager_server.errors import InvalidToken, PermissionDenied
from wuzapi_manager_server.rpc.access import Access, access_to, check, is_open

USER = User("1", "Ana", "", "token-of-ana")


def test_table_knows_every_rpc() -> None:
    """No RPC of the stubs is missing from the table, and the exceptions in it name RPCs that exist."""
    names = [f"/{service.full_name}/{method.name}" for service in services() for method in service.methods]
    assert len(names) >= 20
    assert [name for name in names if access_to(name) is None] == []
    answers = {name: access_to(name) for name in names}
    assert [name for name, access in answers.items() if access is Access.PUBLIC] == [
        "/wuzapi_manager.v1.BrandingService/GetBranding",
        "/wuzapi_manager.v1.RelayService/CheckHealth",
        "/wuzapi_manager.v1.RelayService/GetRelayConfig",
    ]
    relay = {name.rpartition("/")[2]: access for name, access in answers.items() if "RelayService" in name}
    assert {name for name, access in relay.items() if access is Access.ADMIN} == {
        f"{verb}User{'s' if verb == 'List' else ''}" for verb in ("List", "Get", "Create", "Update", "Delete")
    }
    assert [name for name, access in relay.items() if access is Access.USER_OR_ADMIN] == ["Call"]
    assert [name for name, access in answers.items() if access is Access.USER and "RelayService" not in name] == [
        "/wuzapi_manager.v1.ConnectionService/ListUserConnections"
    ]
    assert {access for name, access in answers.items() if "RecordService" in name} == {Access.USER_OR_ADMIN}


def test_unknown_rpc_has_no_access() -> None:
    """What the table does not know answers nobody."""
    assert access_to("/other.Service/Call") is None
    assert not is_open("/other.Service/Call")
    assert is_open("/grpc.health.v1.Health/Check")


@pytest.mark.parametrize(
    ("access", "caller"),
    [
        (Access.PUBLIC, Public()),
        (Access.PUBLIC, USER),
        (Access.USER, USER),
        (Access.ADMIN, Admin()),
        (Access.USER_OR_ADMIN, USER),
        (Access.USER_OR_ADMIN, Admin()),
    ],
)
def test_who_may_passes(access: Access, caller: Caller) -> None:
    """Callers whom an RPC answers pass."""
    check(access, caller)


@pytest.mark.parametrize(
    ("access", "caller", "error", "suggestion"),
    [
        (Access.USER, Public(), InvalidToken, "`token`"),
        (Access.ADMIN, Public(), InvalidToken, "`authorization`"),
        (Access.USER_OR_ADMIN, Public(), InvalidToken, "as `token`, or the administrator's as `authorization`"),
        (Access.ADMIN, USER, PermissionDenied, "`authorization`"),
        (Access.USER, Admin(), PermissionDenied, "`token`"),
    ],
)
def test_who_may_not_is_told_which_token(
    access: Access, caller: Caller, error: type[InvalidToken | PermissionDenied], suggestion: str
) -> None:
    """The others learn which token to send, in both languages."""
    with pytest.raises(error) as raised:
        check(access, caller)
    assert raised.value.suggestion is not None
    assert suggestion in raised.value.suggestion.en
    assert suggestion.rsplit(maxsplit=1)[-1] in raised.value.suggestion.pt
