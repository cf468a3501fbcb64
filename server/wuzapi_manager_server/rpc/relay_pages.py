"""RelayService's lists. WUZAPI gives them whole: they are sorted and given out by key."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.relay_answers import fill, filled_by_jid, lowered, object_of, user_of
from wuzapi_manager_server.rpc.requests import Problems, binding
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size
from wuzapi_manager_server.services.relay import Relay
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer
from wuzapi_manager_server.upstreams.wuzapi_gateway import WuzapiCall

_DEFAULT_PAGE, _LARGEST_PAGE = 100, 1_000
_FRAME = 8


Item = TypeVar("Item", pb.WuzapiUser, pb.Contact, pb.Group)


class RelayPages:
    """Answers ListUsers, ListContacts and ListGroups. `page_bytes` bounds an answer's size."""

    def __init__(self, relay: Relay, tokens: PageTokens, page_bytes: int) -> None:
        self._relay = relay
        self._tokens = tokens
        self._page_bytes = page_bytes

    async def list_users(self, request: pb.ListUsersRequest, _: object) -> pb.ListUsersResponse:
        """See the proto."""
        place = self._place(request)
        found = {user.id: user for user in map(user_of, _items(await self._ask("/admin/users")))}
        users, token = self._page(found, place)
        return pb.ListUsersResponse(users=users, next_page_token=token)

    async def list_contacts(self, request: pb.ListContactsRequest, _: object) -> pb.ListContactsResponse:
        """See the proto."""
        place = self._place(request)
        data = await self._ask("/user/contacts")
        found = {contact.jid: contact for contact in filled_by_jid(pb.Contact, {} if data is None else object_of(data))}
        contacts, token = self._page(found, place)
        return pb.ListContactsResponse(contacts=contacts, next_page_token=token)

    async def list_groups(self, request: pb.ListGroupsRequest, _: object) -> pb.ListGroupsResponse:
        """See the proto."""
        place = self._place(request)
        items = _items(lowered(object_of(await self._ask("/group/list"))).get("groups"))
        found = {group.jid: group for group in (fill(pb.Group(), item) for item in items)}
        groups, token = self._page(found, place)
        return pb.ListGroupsResponse(groups=groups, next_page_token=token)

    async def _ask(self, path: str) -> Json:
        return await self._relay.ask(current().caller, WuzapiCall("GET", path, again=True), current().deadline)

    def _place(self, request: pb.ListUsersRequest | pb.ListContactsRequest | pb.ListGroupsRequest) -> "_Place":
        problems = Problems()
        bound = binding(current().caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        problems.settle()
        return _Place(str(place[0]) if place else "", size, bound)

    def _page(self, found: Mapping[str, Item], place: "_Place") -> tuple[list[Item], str]:
        """The items behind the place, in the order of their keys, as many as fit; and the token of the next page."""
        page: list[Item] = []
        total = 0
        last = place.after
        for key in sorted(key for key in found if key > place.after):
            total += found[key].ByteSize() + _FRAME
            if page and (len(page) == place.size or total > self._page_bytes):
                return page, self._tokens.give((last,), place.bound)
            page.append(found[key])
            last = key
        return page, ""


class _Place(NamedTuple):
    """Behind which key a page begins, how many items it may have, and what its token is bound to."""

    after: str
    size: int
    bound: bytes


def _items(data: Json) -> list[Json]:
    """The items of a list; null is WUZAPI's word for an empty one."""
    if data is None:
        return []
    if not isinstance(data, list):
        raise bad_answer()
    return data
