"""Outgoing HTTP: one lasting client for each upstream, bounded in time, size and calls at once."""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote, urlencode

import httpx

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import PermissionDenied
from wuzapi_manager_server.observe import UpstreamMetrics
from wuzapi_manager_server.upstreams.addresses import AddressGuard
from wuzapi_manager_server.upstreams.http_faults import Late, Stage, TooLarge, Unavailable, Unreachable
from wuzapi_manager_server.upstreams.http_host import Verdict, host_of
from wuzapi_manager_server.upstreams.http_transport import Connections, HttpAnswer, Progress
from wuzapi_manager_server.upstreams.retry_after import backoff, retry_after

__all__ = ["HttpAnswer", "HttpUpstream", "Late", "Stage", "TooLarge", "Unavailable", "Unreachable"]

_ANYWHERE = ("0.0.0.0/0", "::/0")
_IDLE_SECONDS = 4.0  # Node, which NocoDB runs on, closes after 5: a request must not meet a connection that just closed
_PATH = re.compile(r"/(?!/)[^\s?#\\\x00-\x1f\x7f]*")
_ATTEMPTS = 3
_ASKS_TO_WAIT = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "wuzapi-manager"}
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


_parsed = lru_cache(maxsize=256)(httpx.URL)
"""Parsed URLs: many are asked for again and again, and to parse one takes as long as to send it."""


class Pieces(Protocol):
    """A body that is sent piece by piece, and more than once where need be."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces, from the beginning."""
        ...


class HttpUpstream:
    """The HTTP server at `base_url` (http or https, without query). Safe to use from many tasks of one event loop.

    `timeout` bounds every call as a whole, in seconds; an earlier deadline of the caller wins. At most `in_flight`
    calls are open at once, each with a connection of its own, and eight times as many wait; upstreams of the same host
    and port with the same `in_flight` share that, and the circuit breaker. An answer may have `answer_bytes`.
    Connections end after `idle` seconds without a call: less than the upstream's own limit. `guard` says where
    `base_url` may lead; None is for addresses that the operator set, and raises no PermissionDenied. `tls` replaces
    the certificates that are trusted (public ones, or those of SSL_CERT_FILE).

    Redirects are answers and never followed, proxies of the environment not used, cookies not kept, and answers are
    asked for without compression. (So httpx's own client is left out: it reads where a redirect leads, and logs URLs.)
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        guard: AddressGuard | None = None,
        in_flight: int = 32,
        answer_bytes: int = 16 << 20,
        idle: float = _IDLE_SECONDS,
        tls: ssl.SSLContext | None = None,
        metrics: UpstreamMetrics | None = None,
    ) -> None:
        self._metrics = metrics
        self._timeout = timeout
        self._answer_bytes = answer_bytes
        self._guarded = guard is not None
        self._connections = Connections(guard or AddressGuard(_ANYWHERE), tls, idle)
        self._base = base_url.rstrip("/")
        self._host = host_of(str(httpx.URL(base_url).copy_with(raw_path=b"/")), in_flight)

    async def send(
        self,
        method: str,
        path: str,
        deadline: Deadline,
        *,
        params: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | Pieces | None = None,
        again: bool = False,
        seconds: float | None = None,
    ) -> HttpAnswer:
        """Sends a request to `path` below the base URL, which starts with one slash and is percent-encoded.

        `again` says that the call has no effect, or the same effect twice: it is sent up to three times then, after a
        failure or where the answer asks to come back in time (Retry-After of a 429 or 503). Without, it is sent again
        only where nothing of it had left, on a connection that had been closed meanwhile. `seconds` bounds this call in
        place of `timeout`.

        Raises Unreachable, Late, Unavailable, TooLarge, or the guard's PermissionDenied. ValueError for a path that
        could lead elsewhere, a URL above 64 KiB, or a header that is none.
        """
        if not _PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError(
                "a path must start with one slash and have no query, fragment, white space or dot segments"
            )
        longest = self._timeout if seconds is None else seconds
        left = min(deadline.remaining(), longest)
        if left <= 0:
            raise Late(sent=False)
        sent_headers = {**_HEADERS, **{name.lower(): value for name, value in headers.items()}}
        if body is not None and not isinstance(body, bytes):
            sent_headers["content-length"] = str(
                body.size
            )  # without, it would go in chunks, which not all servers take
        try:
            where = self._base + path
            url = f"{where}?{urlencode(params, quote_via=quote)}" if params else where
            request = httpx.Request(method, _parsed(url), headers=sent_headers, content=body)
        except httpx.InvalidURL:
            raise ValueError("a URL that is too long") from None
        until = Deadline.after(left)
        progress = Progress(patience=longest / 2)
        self._host.earn()
        try:
            async with asyncio.timeout(left):
                return await self._send(request, until, progress, again=again)
        except TimeoutError:
            raise Late(sent=progress.sent) from None
        except PermissionDenied:
            if self._guarded:
                raise
            raise Unreachable("resolve", sent=progress.sent) from None

    async def close(self) -> None:
        """Closes the connections. Calls under way end with Unreachable."""
        await self._connections.aclose()

    async def _send(self, request: httpx.Request, until: Deadline, progress: Progress, *, again: bool) -> HttpAnswer:
        """Sends it until it is answered, as often and as long as it may be; gives or raises what came of it last."""
        outcome = await self._outcome(request, until, progress, again=again)
        for attempt in range(1, _ATTEMPTS if again else 1):
            wait = _wait(outcome, attempt)
            if wait is None or wait >= until.remaining() or not self._host.may_retry():
                break
            await asyncio.sleep(wait)
            if self._metrics is not None:
                self._metrics.retries.inc()
            try:
                outcome = await self._outcome(request, until, progress, again=again)
            except Unavailable:
                break
        if isinstance(outcome, Unreachable):
            raise Unreachable(outcome.stage, sent=outcome.sent or progress.sent)
        return outcome

    async def _outcome(
        self, request: httpx.Request, until: Deadline, progress: Progress, *, again: bool
    ) -> HttpAnswer | Unreachable:
        try:
            return await self._attempt(request, until, progress, again=again)
        except Unreachable as failure:
            return failure

    async def _attempt(self, request: httpx.Request, until: Deadline, progress: Progress, *, again: bool) -> HttpAnswer:
        """Sends it, and once more where the connection that it was on had been closed meanwhile."""
        if self._metrics is None:
            return await self._tried(request, until, progress, Verdict(), again=again)
        verdict, began, outcome = Verdict(), time.perf_counter(), "cut_off"
        try:
            answer = await self._tried(request, until, progress, verdict, again=again)
            outcome = f"{answer.status // 100}xx"
        except Unavailable as failure:
            outcome = ""
            self._metrics.refused("busy" if failure.busy else "breaker")
            raise
        except Unreachable:
            outcome = "unreachable"
            raise
        except TooLarge:
            outcome = "too_large"
            raise
        finally:
            if outcome:
                self._metrics.ended(outcome)
                self._metrics.seconds.observe(time.perf_counter() - began)
            if verdict.opened:
                self._metrics.opened.inc()
        return answer

    async def _tried(
        self, request: httpx.Request, until: Deadline, progress: Progress, verdict: Verdict, *, again: bool
    ) -> HttpAnswer:
        async with self._host.call(progress.patience, verdict):
            try:
                answer = await self._connections.answer(request, until, progress, self._answer_bytes)
            except Unreachable as failure:
                if not (progress.reused and (again or not failure.sent)):
                    raise
                await self._connections.close_idle()  # they are of the same age
                answer = await self._connections.answer(request, until, progress, self._answer_bytes)
            verdict.status = answer.status
            return answer


def _wait(outcome: HttpAnswer | Unreachable, attempt: int) -> float | None:
    """The seconds to wait before the attempt of that number, from 1; None where another would not help."""
    wait = backoff(attempt - 1)
    if isinstance(outcome, Unreachable):
        return None if outcome.stage == "tls" else wait
    asked = retry_after(outcome.headers.get("retry-after", ""), datetime.now(UTC))
    return None if asked is None or outcome.status not in _ASKS_TO_WAIT else max(wait, asked)
