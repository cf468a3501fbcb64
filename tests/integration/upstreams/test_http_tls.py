"""TLS: the address is the one that was checked, the certificate must be that of the name."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.server.certificates import Authority
from tests.integration.upstreams.conftest import Open
from tests.integration.upstreams.script import Script
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http import Late, Unreachable

GUARD = AddressGuard(("127.0.0.1",), lookup=lambda _: ["127.0.0.1"])


def soon() -> Deadline:
    return Deadline.after(10.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@pytest.fixture
def trusted(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


@pytest.fixture
def shop(authority: Authority) -> Iterator[Script]:
    with Script(certificate=authority.issue("shop", dns="shop.example")) as made:
        yield made


async def test_the_name_is_asked_for_and_verified(shop: Script, trusted: ssl.SSLContext, upstream_of: Open) -> None:
    """The connection goes to the address that the guard gave; SNI and the certificate have the name."""
    upstream = upstream_of(f"https://shop.example:{shop.port}", guard=GUARD, tls=trusted)
    for _ in range(3):
        assert (await upstream.send("GET", "/", soon())).status == 200
    assert shop.names == ["shop.example"]
    assert shop.requests[0].headers["host"] == f"shop.example:{shop.port}"
    assert shop.connections_taken == 1


async def test_the_certificate_of_another_name_is_refused(
    shop: Script, trusted: ssl.SSLContext, upstream_of: Open
) -> None:
    """It does not help that the certificate is good for the address: the name decides. Nothing was sent."""
    upstream = upstream_of(f"https://bank.example:{shop.port}", guard=GUARD, tls=trusted)
    for again in (False, True):
        with pytest.raises(Unreachable) as caught:
            await upstream.send("POST", "/", soon(), body=b"secret", again=again)
        assert (caught.value.stage, caught.value.sent) == ("tls", False)
    assert shop.requests == []
    assert shop.connections_taken == 2


async def test_an_authority_that_is_not_trusted_is_refused(shop: Script, upstream_of: Open) -> None:
    """By default the public authorities are trusted, and no other."""
    with pytest.raises(Unreachable) as caught:
        await upstream_of(f"https://shop.example:{shop.port}", guard=GUARD).send("GET", "/", soon())
    assert (caught.value.stage, caught.value.sent) == ("tls", False)
    assert shop.requests == []


async def test_a_server_without_tls_is_refused(server: Script, trusted: ssl.SSLContext, upstream_of: Open) -> None:
    """A handshake with something else fails, it is never left out."""
    with pytest.raises(Unreachable) as caught:
        await upstream_of(f"https://127.0.0.1:{server.port}", tls=trusted).send("GET", "/", soon())
    assert (caught.value.stage, caught.value.sent) == ("tls", False)
    assert server.requests == []


async def test_a_handshake_that_hangs_is_late(trusted: ssl.SSLContext, upstream_of: Open) -> None:
    """The deadline ends it, and nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        upstream = upstream_of(f"https://127.0.0.1:{silent.getsockname()[1]}", tls=trusted, timeout=0.3)
        with pytest.raises(Late) as caught:
            await upstream.send("GET", "/", soon())
    assert not caught.value.sent


async def test_a_handshake_that_is_given_up_leaves_no_socket(trusted: ssl.SSLContext, upstream_of: Open) -> None:
    """The other side sees the connection end as soon as the call is cancelled."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(30)
        upstream = upstream_of(f"https://127.0.0.1:{silent.getsockname()[1]}", tls=trusted, timeout=60.0)
        call = asyncio.create_task(upstream.send("GET", "/", Deadline.after(60.0)))
        accepted, _ = await asyncio.to_thread(silent.accept)
        with accepted:
            accepted.settimeout(30)
            assert await asyncio.to_thread(accepted.recv, 1) == b"\x16"  # the handshake has begun
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            while await asyncio.to_thread(accepted.recv, 4096):
                pass


async def test_connections_that_a_tls_server_ends_are_no_error(
    shop: Script, trusted: ssl.SSLContext, upstream_of: Open
) -> None:
    """As without TLS: an effect meets a new connection and is carried out once."""
    upstream = upstream_of(f"https://shop.example:{shop.port}", guard=GUARD, tls=trusted)
    for _ in range(4):
        assert (await upstream.send("POST", "/", soon(), body=b"{}")).status == 200
        shop.cut_connections()
    assert len(shop.requests) == 4
