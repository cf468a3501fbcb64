"""Where the server listens: ports, certificates, metrics, and what stands in the way."""

import asyncio
import os
import urllib.request
from functools import partial
from pathlib import Path

import grpc
import pytest

from tests.integration.server.app import App
from tests.integration.server.certificates import Authority
from tests.integration.server.test_health import SERVING, check
from wuzapi_manager_server.errors import CannotStart
from wuzapi_manager_server.main import running
from wuzapi_manager_server.rpc.probe import probe
from wuzapi_manager_server.rpc.server import listen, new_server
from wuzapi_manager_server.settings import Settings


async def test_second_server_on_a_port_is_refused(app: App, settings: Settings) -> None:
    """A taken port is one clear sentence, before anything else is opened."""
    async with running(settings, app.wire) as where:
        second = running(settings.model_copy(update={"grpc_port": where.port}), App().wire)
        with pytest.raises(CannotStart, match="is taken by another program: stop it, or set GRPC_PORT"):
            await second.__aenter__()
        server = new_server([], message_bytes=1, share_port=False)
        with pytest.raises(CannotStart, match="cannot listen"):
            listen(server, "127.0.0.1", where.port, None)


async def test_port_is_free_again_at_once(app: App, settings: Settings) -> None:
    """A server can start on the port of one that has just stopped."""
    async with running(settings, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        assert await check(channel, "") == SERVING
    again = settings.model_copy(update={"grpc_port": where.port})
    async with running(again, App().wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        assert await check(channel, "") == SERVING


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
async def test_address_of_others_is_refused(app: App, settings: Settings, host: str) -> None:
    """An address that is not of this machine is one clear sentence."""
    elsewhere = running(settings.model_copy(update={"grpc_host": host, "grpc_port": 45678}), app.wire)
    with pytest.raises(CannotStart, match="not an address of this machine: set GRPC_HOST"):
        await elsewhere.__aenter__()


async def test_ipv6_address_is_written_with_brackets(app: App, settings: Settings) -> None:
    """The server listens on IPv6, and says so in an address that clients take."""
    async with running(settings.model_copy(update={"grpc_host": "::1"}), app.wire) as where:
        assert where.address == f"[::1]:{where.port}"
        async with grpc.aio.insecure_channel(where.address) as channel:
            assert await check(channel, "") == SERVING


def with_tls(settings: Settings, files: tuple[Path, Path], client_ca: Path | None = None) -> Settings:
    return settings.model_copy(
        update={"tls_cert_file": files[0], "tls_key_file": files[1], "tls_client_ca_file": client_ca}
    )


async def test_tls_is_served(app: App, settings: Settings, tmp_path: Path) -> None:
    """With a certificate the server speaks TLS alone, and the health probe knows how to ask."""
    authority = Authority(tmp_path, "ca")
    secure = with_tls(settings, authority.issue("server"))
    async with running(secure, app.wire) as where:
        credentials = grpc.ssl_channel_credentials(authority.file.read_bytes())
        async with grpc.aio.secure_channel(f"localhost:{where.port}", credentials) as channel:
            assert await check(channel, "") == SERVING
        async with grpc.aio.insecure_channel(where.address) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await check(channel, "")
        asked = secure.model_copy(update={"grpc_port": where.port})
        assert await asyncio.to_thread(probe, asked) == (True, f"{where.address} is ready")


@pytest.mark.parametrize(
    "addresses", [(), ("::1",), ("2001:db8::1:0:0:1",), ("::ffff:127.0.0.1",)], ids=["subject", "v6", "zeros", "mapped"]
)
async def test_the_probe_takes_any_certificate_that_names_something(
    app: App, settings: Settings, tmp_path: Path, addresses: tuple[str, ...]
) -> None:
    """One with a subject alone, and one for IPv6 addresses alone."""
    secure = with_tls(settings, Authority(tmp_path, "ca").issue("server", dns=None, addresses=addresses))
    async with running(secure, app.wire) as where:
        asked = secure.model_copy(update={"grpc_port": where.port})
        assert await asyncio.to_thread(probe, asked) == (True, f"{where.address} is ready")


def test_the_probe_says_that_a_certificate_names_nothing(settings: Settings, tmp_path: Path) -> None:
    """One without a subject or names is a sentence."""
    files = Authority(tmp_path, "ca").issue("server", dns=None, addresses=(), common="")
    with pytest.raises(CannotStart, match="neither a DNS name nor an address"):
        probe(with_tls(settings, files))


async def test_the_probe_asks_for_liveness_alone_when_told(app: App, settings: Settings) -> None:
    """A server that is not ready answers; where none is, neither question is answered."""
    app.readiness = False
    async with running(settings, app.wire) as where:
        asked = settings.model_copy(update={"grpc_port": where.port})
        answers = f"{where.address} answers"
        assert await asyncio.to_thread(probe, asked) == (False, f"{answers} but is not ready: its log says why")
        assert await asyncio.to_thread(partial(probe, asked, liveness=True)) == (True, answers)
    assert not (await asyncio.to_thread(partial(probe, asked, liveness=True)))[0]


async def test_client_certificates_are_asked_for(app: App, settings: Settings, tmp_path: Path) -> None:
    """With a client CA only callers with a certificate of it get in."""
    authority = Authority(tmp_path, "ca")
    files = authority.issue("server", dns=None)
    cert, key = authority.issue("client")
    secure = with_tls(settings, files, authority.file)
    async with running(secure, app.wire) as where:
        roots = authority.file.read_bytes()
        known = grpc.ssl_channel_credentials(roots, key.read_bytes(), cert.read_bytes())
        async with grpc.aio.secure_channel(where.address, known) as channel:
            assert await check(channel, "") == SERVING
        async with grpc.aio.secure_channel(where.address, grpc.ssl_channel_credentials(roots)) as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await check(channel, "")
        asked = secure.model_copy(update={"grpc_port": where.port})
        assert (await asyncio.to_thread(probe, asked))[0]


async def test_certificates_are_reloaded(app: App, settings: Settings, tmp_path: Path) -> None:
    """New files are used by the next handshake; files that do not fit together leave the old ones in use."""
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    cert, key = old.issue("server")
    async with running(with_tls(settings, (cert, key)), app.wire) as where:
        address = f"localhost:{where.port}"

        async def works(roots: bytes, name: str) -> bool:
            credentials = grpc.ssl_channel_credentials(roots)
            options = (("grpc.test", name),)  # a connection of its own
            async with grpc.aio.secure_channel(address, credentials, options=options) as channel:
                try:
                    return await check(channel, "") == SERVING
                except grpc.aio.AioRpcError:
                    return False

        assert await works(old.certificate, "1")
        new_cert, new_key = new.issue("next")
        new_cert.replace(cert)
        assert await works(old.certificate, "2")
        new_key.replace(key)
        os.utime(key)
        assert await works(new.certificate, "3")
        assert not await works(old.certificate, "4")
        cert.unlink()
        assert await works(new.certificate, "5")


async def test_bad_certificate_files_are_named(app: App, settings: Settings, tmp_path: Path) -> None:
    """Files that are missing, broken or of two pairs stop the start with one sentence."""
    authority = Authority(tmp_path, "ca")
    cert, key = authority.issue("a")
    other_key = authority.issue("b")[1]
    broken = tmp_path / "broken"
    broken.write_text("nothing")
    for files, why in (
        ((tmp_path / "absent", key), "absent cannot be read"),
        ((cert, other_key), "do not fit together"),
        ((broken, key), "do not fit together, or are not PEM"),
    ):
        with pytest.raises(CannotStart, match=why):
            await running(with_tls(settings, files), app.wire).__aenter__()
        with pytest.raises(CannotStart, match="cannot be read") if files[0] != cert else pytest.raises(AssertionError):
            probe(with_tls(settings, files))
            raise AssertionError


async def test_metrics_are_served_over_http(app: App, settings: Settings) -> None:
    """With METRICS_PORT the counters and the loop's lag are there for Prometheus; a taken port is one sentence."""
    with_metrics = settings.model_copy(update={"metrics_port": 0})
    async with running(with_metrics, app.wire) as where, grpc.aio.insecure_channel(where.address) as channel:
        assert await check(channel, "") == SERVING
        text = await asyncio.to_thread(_get, f"http://127.0.0.1:{where.metrics_port}/metrics")
        assert "event_loop_lag_seconds" in text
        taken = settings.model_copy(update={"metrics_port": where.metrics_port})
        with pytest.raises(CannotStart, match="set METRICS_PORT to a free one"):
            await running(taken, App().wire).__aenter__()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - an address of our own server
        return str(response.read().decode())
