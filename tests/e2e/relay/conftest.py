"""A server with a WUZAPI of its own, whose switches the tests throw."""

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.contract.calls import Caller
from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.fakes.wuzapi import FakeUser, FakeWuzapi, State

TOKEN = "token-of-ana"


@pytest.fixture(scope="module")
def relay_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that gives up on WUZAPI after two seconds, and never takes it for down."""
    with world_in(tmp_path_factory.mktemp("relay"), request_timeout="2s") as world:
        world.wuzapi.admin_token = ADMIN_TOKEN
        yield world


@pytest.fixture
def world(relay_world: World) -> Iterator[World]:
    """The server, with WUZAPI as it is before and after every test."""
    wuzapi = relay_world.wuzapi
    yield relay_world
    wuzapi.trouble, wuzapi.lose, wuzapi.delay = None, None, 0.0
    wuzapi.contradicts = wuzapi.legacy_status = wuzapi.integer_ids = wuzapi.null_lists = wuzapi.stale_tokens = False


@pytest.fixture
def wuzapi(world: World) -> FakeWuzapi:
    return world.wuzapi


@pytest.fixture
def ana(world: World) -> Caller:
    """A user who is logged in."""
    caller = world.user(TOKEN)
    user = user_of(world.wuzapi, TOKEN)
    user.state, user.jid, user.qr = State.LOGGED_IN, "5581900000001@s.whatsapp.net", ""
    return caller


def user_of(wuzapi: FakeWuzapi, token: str) -> FakeUser:
    """The user of that token as WUZAPI keeps it."""
    return next(user for user in wuzapi.users.values() if user.token == token)


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Waits until it holds."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.02)):
        if holds():
            return
        waiting.wait(0.02)
    raise AssertionError("it never held")
