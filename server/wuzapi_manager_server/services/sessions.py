"""Follows a session: what changes, and each fresh QR code."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal, NamedTuple

from wuzapi_manager_server.domain.caller import User
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.qr_picture import png_of
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import Code, ServiceError, WuzapiError
from wuzapi_manager_server.services.relay import Relay
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer
from wuzapi_manager_server.upstreams.wuzapi_gateway import WuzapiCall

State = Literal["NO_SESSION", "CONNECTED", "QR", "LOGGED_IN", "LOGGED_OUT"]

_STATUS = WuzapiCall("GET", "/session/status", again=True)
_QR = WuzapiCall("GET", "/session/qr", again=True)
_NO_MORE_THAN = 5
"""Failures in a row before a watcher is told: WUZAPI starts again within seconds."""


class Seen(NamedTuple):
    """A session at one moment; `png` in state QR, `paired` where WUZAPI knows a phone of it."""

    state: State
    png: bytes = b""
    jid: str = ""
    paired: bool = False


class Sessions:
    """Watches sessions by asking every `interval` seconds: WUZAPI tells of changes to webhooks alone."""

    def __init__(self, relay: Relay, interval: float = 1.0) -> None:
        self._relay = relay
        self._interval = interval

    async def watch(self, user: User, deadline: Deadline) -> AsyncGenerator[Seen, None]:
        """The session now, then whenever it is another; ends after LOGGED_IN and at the deadline.

        Failures of WUZAPI are borne five times in a row, but not at first.
        """
        last: Seen | None = None
        was_in, failures = False, 0
        while True:
            try:
                seen = await self._seen(user, deadline)
                failures = 0
            except ServiceError as error:
                failures += 1
                if last is None or failures > _NO_MORE_THAN or error.code is not Code.UNAVAILABLE:
                    raise
                seen = last
            if was_in and seen.state == "NO_SESSION" and not seen.paired:
                seen = Seen("LOGGED_OUT")
            was_in = was_in or seen.paired
            if seen != last:
                last = seen
                yield seen
            if seen.state == "LOGGED_IN":
                await self._relay.callers.changed(token=user.token, identity=user.id)  # the JID kept is that of before
                return
            if deadline.remaining() <= self._interval:
                return
            await asyncio.sleep(self._interval)

    async def _seen(self, user: User, deadline: Deadline) -> Seen:
        try:
            data = _lowered(await self._relay.ask(user, _STATUS, deadline))
        except WuzapiError as error:
            if error.code is Code.FAILED_PRECONDITION:  # how versions before May 2025 say that there is no session
                return Seen("NO_SESSION")
            raise
        if not data.keys() & {"connected", "loggedin"}:
            raise bad_answer()
        jid, logged_in = data.get("jid"), bool(data.get("loggedin"))
        if not data.get("connected"):
            return Seen("NO_SESSION", paired=logged_in)
        if logged_in:
            return Seen("LOGGED_IN", jid=jid if isinstance(jid, str) else "", paired=True)
        png = await self._png(user, deadline)
        return Seen("QR", png) if png else Seen("CONNECTED", paired=bool(jid))

    async def _png(self, user: User, deadline: Deadline) -> bytes:
        try:
            code = _lowered(await self._relay.ask(user, _QR, deadline)).get("qrcode")
        except WuzapiError as error:
            if error.code is Code.FAILED_PRECONDITION:  # it was connected or logged in meanwhile
                return b""
            raise
        return png_of(code) if isinstance(code, str) else b""


def _lowered(data: Json) -> dict[str, Json]:
    return {key.lower(): value for key, value in data.items()} if isinstance(data, dict) else {}
