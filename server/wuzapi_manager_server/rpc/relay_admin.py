"""RelayService's calls that manage users of WUZAPI."""

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.audit import target
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import NotFound, Text
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.relay_answers import lowered, user_of
from wuzapi_manager_server.rpc.relay_users import change, creation, user_id
from wuzapi_manager_server.rpc.requests import Problems, repeatable
from wuzapi_manager_server.services.once import Once, check_request_id
from wuzapi_manager_server.services.relay import Relay, after_change, data_of
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer, unknown_answer
from wuzapi_manager_server.upstreams.wuzapi_gateway import AnswerLost, WuzapiCall

_USERS = "/admin/users"
_MOST_OF_ID = 64


class RelayAdmin:
    """Answers GetUser, CreateUser, UpdateUser and DeleteUser. Changes drop what is kept of the user."""

    def __init__(self, relay: Relay, once: Once) -> None:
        self._relay = relay
        self._once = once

    async def get_user(self, request: pb.GetUserRequest, _: object) -> pb.GetUserResponse:
        """See the proto."""
        return pb.GetUserResponse(user=await self._user(user_id(request.id)))

    async def create_user(self, request: pb.CreateUserRequest, _: object) -> object:
        """See the proto."""
        problems = Problems()
        problems.attempt(lambda: check_request_id(request.request_id), None)
        body = problems.attempt(lambda: creation(request.user), {})
        problems.settle()
        call = current()
        lost = False

        async def made() -> bytes:
            nonlocal lost
            try:
                answer = await self._relay.answer(call.caller, WuzapiCall("POST", _USERS, body=body), call.deadline)
            except AnswerLost as failure:
                lost = True
                raise failure.error from None
            if answer.failed_between or (answer.ok and "id" not in lowered(answer.data)):
                lost = True
                raise unknown_answer()
            user = user_of(data_of(answer, as_admin=True))
            user.name = user.name or request.user.name  # old versions answer with the id alone
            return pb.CreateUserResponse(user=user).SerializeToString()

        try:
            answer = await self._once.around(
                repeatable(call.caller, request, request.request_id), made, undone=lambda: not lost
            )
            target.set(f"relay/{pb.CreateUserResponse.FromString(answer).user.id[:_MOST_OF_ID]}")
            return answer
        finally:
            await self._relay.callers.changed(token=request.user.token)

    async def update_user(self, request: pb.UpdateUserRequest, _: object) -> pb.UpdateUserResponse:
        """See the proto."""
        body = change(request.user, request.update_mask)
        identity = request.user.id
        try:
            await self._ask(WuzapiCall("PUT", f"{_USERS}/{identity}", body=body), empty=True)
        finally:
            await self._relay.callers.changed(identity=identity, token=request.user.token)
        with after_change():
            return pb.UpdateUserResponse(user=await self._user(identity))

    async def delete_user(self, request: pb.DeleteUserRequest, _: object) -> pb.DeleteUserResponse:
        """See the proto."""
        identity = user_id(request.id)
        full = request.full if request.HasField("full") else True
        try:
            await self._ask(WuzapiCall("DELETE", f"{_USERS}/{identity}{'/full' if full else ''}"), empty=True)
        finally:
            await self._relay.callers.changed(identity=identity)
        return pb.DeleteUserResponse(id=identity)

    async def _user(self, identity: str) -> pb.WuzapiUser:
        """A user. WUZAPI answers with a list, which is empty where there is none."""
        found = await self._ask(WuzapiCall("GET", f"{_USERS}/{identity}", again=True))
        if isinstance(found, dict):
            return user_of(found)
        if found is not None and not isinstance(found, list):
            raise bad_answer()
        if not found:
            raise NotFound(
                Text(f"There is no user {identity} in WUZAPI", f"Usuário {identity} não encontrado no WUZAPI"),
                metadata={"id": identity},
            )
        return user_of(found[0])

    async def _ask(self, call: WuzapiCall, *, empty: bool = False) -> Json:
        return await self._relay.ask(current().caller, call, current().deadline, empty=empty)
