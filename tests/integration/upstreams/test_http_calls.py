"""What an outgoing call sends, what it gives back, and what it never does."""

import asyncio
import logging
import socket

import pytest

from tests.fakes.http_server import Answer
from tests.integration.upstreams.conftest import Open
from tests.integration.upstreams.script import OK, Script
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.upstreams.http import TooLarge


def soon() -> Deadline:
    return Deadline.after(10.0)


async def test_a_request_goes_out_as_it_was_given(server: Script, upstream_of: Open) -> None:
    """Method, path below the base, parameters in order and repeated, headers and body reach the server."""
    upstream = upstream_of(f"{server.url}/base/")
    answer = await upstream.send(
        "PATCH",
        "/rows/a%2Fb",
        soon(),
        params=[("where", "(a,eq,é&b)"), ("id", "1"), ("id", "2")],
        headers={"xc-token": "secret"},
        body=b'{"x":1}',
    )
    assert (answer.status, answer.body) == (200, b'{"ok":true}')
    assert answer.headers["content-type"] == "application/json"
    [request] = server.requests
    assert request.method == "PATCH"
    assert request.path == "/base/rows/a%2Fb?where=%28a%2Ceq%2C%C3%A9%26b%29&id=1&id=2"
    assert request.body == b'{"x":1}'
    assert request.headers["xc-token"] == "secret"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(
    "path",
    [
        *("", "rows", "//evil.example/x", "http://evil.example", "/a/../admin", "/..", "/./a", "/a?b=c", "/a#b"),
        *("/a b", "/a\\b", "/a\r\nx: y", "/a\n", "/\x01", "/\x7f"),
    ],
)
async def test_a_path_leads_nowhere_else(server: Script, upstream_of: Open, path: str) -> None:
    """A path that names a host, climbs, or holds a query is an error before anything is sent."""
    with pytest.raises(ValueError, match="path"):
        await upstream_of(server.url).send("GET", path, soon())
    assert server.requests == []


async def test_a_header_holds_no_other(server: Script, upstream_of: Open) -> None:
    """A value with a line break does not become a header of its own."""
    with pytest.raises(ValueError, match="header"):
        await upstream_of(server.url).send("GET", "/", soon(), headers={"token": "a\r\nauthorization: b"})
    assert server.requests == []


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 400, 401, 404, 418, 429, 500, 502, 503])
async def test_every_status_is_an_answer(server: Script, upstream_of: Open, status: int) -> None:
    """A redirect is not followed, a failure not raised, and neither is repeated by itself."""
    elsewhere = (("Location", f"{server.url}/elsewhere"), ("X-A", "1"), ("x-a", "2"))
    server.answers = [Answer(status, b"" if status == 204 else b"<html>Traceback", "text/html", elsewhere)]
    answer = await upstream_of(server.url).send("GET", "/here", soon(), again=True)
    assert answer.status == status
    assert answer.headers["location"] == f"{server.url}/elsewhere"
    assert answer.headers["x-a"] == "1, 2"
    assert [request.path for request in server.requests] == ["/here"]


@pytest.mark.parametrize("location", ["http://[::1", "\x01", "//", "ftp://x:99999999/", "x" * 70_000])
async def test_where_a_redirect_leads_is_not_even_read(server: Script, upstream_of: Open, location: str) -> None:
    """A Location that is no URL is an answer as any other."""
    server.answers = [Answer(302, headers=(("Location", location),))]
    answer = await upstream_of(server.url).send("GET", "/", soon(), again=True)
    assert (answer.status, answer.headers["location"]) == (302, location)


async def test_a_url_may_have_so_many_characters(server: Script, upstream_of: Open) -> None:
    """64 KiB is not sent."""
    for path, params in (("/" + "x" * 70_000, []), ("/", [("q", "x" * 70_000)])):
        with pytest.raises(ValueError, match="long"):
            await upstream_of(server.url).send("GET", path, soon(), params=params)
    assert server.requests == []


async def test_urls_are_not_logged(
    server: Script, upstream_of: Open, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """They hold ids, filters and sometimes secrets."""
    with caplog.at_level(logging.INFO):
        await upstream_of(server.url).send("GET", "/secret", soon(), params=[("token", "secret")])
    assert "secret" not in caplog.text
    assert "secret" not in "".join(capfd.readouterr())


async def test_cookies_and_proxies_are_not_used(
    server: Script, upstream_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one answer sets is not sent with the next request, and no variable leads it elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        server.answers = [OK._replace(headers=(("Set-Cookie", "session=1; Path=/"),))]
        upstream = upstream_of(server.url)
        for _ in range(2):
            assert (await upstream.send("GET", "/", soon())).status == 200
    assert "cookie" not in server.requests[1].headers


async def test_a_compressed_answer_is_left_alone(server: Script, upstream_of: Open) -> None:
    """A server that compresses without being asked to cannot make a large answer of a small one."""
    server.answers = [Answer(200, b"\x1f\x8b not really gzip", headers=(("Content-Encoding", "gzip"),))]
    assert (await upstream_of(server.url).send("GET", "/", soon())).body == b"\x1f\x8b not really gzip"


async def test_an_answer_may_have_so_many_bytes(server: Script, upstream_of: Open) -> None:
    """One byte more is TooLarge, and the next call goes through."""
    upstream = upstream_of(server.url, answer_bytes=100_000)
    server.answers = [Answer(200, b"x" * 100_000), Answer(200, b"x" * 100_001), Answer(200, b"x" * (64 << 20)), OK]
    assert len((await upstream.send("GET", "/", soon())).body) == 100_000
    for _ in range(2):
        with pytest.raises(TooLarge):
            await upstream.send("GET", "/", soon())
    assert (await upstream.send("GET", "/", soon())).body == OK.body


async def test_one_connection_serves_one_call_after_the_other(server: Script, upstream_of: Open) -> None:
    """Twenty calls in a row take one connection; twenty at once no more than may be in flight."""
    upstream = upstream_of(server.url, in_flight=4)
    for _ in range(20):
        await upstream.send("GET", "/", soon())
    assert server.connections_taken == 1
    await asyncio.gather(*(upstream.send("GET", "/", soon()) for _ in range(20)))
    assert server.connections_taken <= 4
    assert len(server.requests) == 40
