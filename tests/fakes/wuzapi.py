"""A WUZAPI that runs anywhere: a real HTTP server that answers as WUZAPI 1.0.5 does, and as older ones where asked.

    with FakeWuzapi(admin_token="...") as fake:
        fake.add_user("ana", "token-of-ana")
        httpx.get(f"{fake.url}/session/status", headers={"token": "token-of-ana"})

`python -m tests.fakes.wuzapi --port 8080` runs it until it is interrupted, and prints how to use it.
"""

import argparse
import re
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from enum import Enum

from tests.fakes.http_server import Answer, FakeServer, Request
from tests.fakes.wuzapi_admin import ADMIN
from tests.fakes.wuzapi_answers import HTML, NO_PAGE, refuse, respond, to_json
from tests.fakes.wuzapi_messages import MESSAGES, WITHOUT_SESSION, Handler, Read, Sent, body_of
from tests.fakes.wuzapi_sessions import SESSIONS, fresh_code
from tests.fakes.wuzapi_users import EVENTS, FakeUser, State

__all__ = ["ADMIN_TOKEN", "FakeUser", "FakeWuzapi", "Lost", "Sent", "State", "Trouble"]

VERSION = "1.0.5"
ADMIN_TOKEN = "fake-admin-token"


class Trouble(Enum):
    """What every request but those to the fake itself meets while `FakeWuzapi.trouble` says so."""

    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    RATE_LIMITED = "429 with Retry-After: 7"
    FAILURE = "500"
    FALSE_SUCCESS = "500 whose body says success, as group calls do"
    UNAVAILABLE = "503 in HTML, as a proxy says it"
    GATEWAY = "504 in JSON, as a proxy says it"
    OTHER_FAILURE = "500 in JSON that is none of WUZAPI's"
    NOT_FOUND = "404 in plain text, as WUZAPI says it for an unknown path"
    REDIRECT = "302 to a page that says 200"
    EMPTY = "200 without a body"
    NO_CONTENT = "204"
    HTML = "200 in HTML"
    GARBAGE = "200 with bytes that are no text"
    OTHER_JSON = "200 with JSON that is none of WUZAPI's"
    DEEP_JSON = "200 with JSON nested a hundred thousand deep"
    HUGE = "200 with a user of 2 MiB"
    CUT = "the connection breaks off in the middle of the answer"
    TELLING = "500 that names the token of the request and the administrator's"
    COOKIE = "the right answer, with a cookie"


class Lost(Enum):
    """How the answer to one request is lost."""

    BEFORE = "the connection is cut before anything was done"
    AFTER = "it is done, and the connection is cut without an answer"
    HALF = "it is done, and the connection is cut in the middle of the answer"
    LATE = "it is done, and the answer comes `late` seconds later"
    TWICE = "it is done, and the answer comes twice"


class FakeWuzapi(FakeServer):
    """The server. Switches may be thrown at any time.

    `legacy_status`: the answers before 2025-05-26; `integer_ids`: those before 2025-05-13, for users added from then
    on; `null_lists`: empty lists and objects are null; `stale_tokens`: as the real one, which goes on taking the token
    that was changed, and that of a user who was deleted otherwise than by /full; `contradicts`: who is logged in is not
    connected, as it happens; `trouble` for all requests; `lose` says for each request how its answer is lost, `late`
    how late is; `contacts` and `groups` how many there are; `delay` and `requests` as every fake has them. `sent` holds
    the messages that WhatsApp took, `read` those that were marked as read. With `scan_after` a QR code is scanned so
    many seconds after the session connected.
    """

    def __init__(self, admin_token: str = ADMIN_TOKEN, port: int = 0) -> None:
        super().__init__(port)
        self.admin_token = admin_token
        self.users: dict[str, FakeUser] = {}
        self.legacy_status = False
        self.integer_ids = False
        self.trouble: Trouble | None = None
        self.null_lists = False
        self.stale_tokens = False
        self.contradicts = False
        self.lose: Callable[[Request], Lost | None] | None = None
        self.late = 1.0
        self.scan_after: float | None = None
        self.contacts = 3
        self.groups = 2
        self.sent: list[Sent] = []
        self.read: list[Read] = []
        self._stale: list[FakeUser] = []

    def add_user(self, name: str, token: str, *, state: State = State.LOGGED_IN, jid: str | None = None) -> str:
        """Adds a user and gives the id: 32 hex digits, or a small number with `integer_ids`."""
        number = len(self.users) + 1
        identity = str(number) if self.integer_ids else secrets.token_hex(16)
        known = f"55819{number:08}@s.whatsapp.net" if state is State.LOGGED_IN else ""
        user = FakeUser(identity, name, token, state, known if jid is None else jid)
        user.qr = fresh_code() if state is State.CONNECTED else ""
        self.users[identity] = user
        return identity

    def remove_user(self, identity: str) -> None:
        """Takes a user away; the token is refused from then on."""
        del self.users[identity]

    def answer(self, request: Request) -> Answer:
        """What WUZAPI answers to this request."""
        lost = self.lose(request) if self.lose else None
        if lost is Lost.BEFORE:
            return Answer(0, raw=b"")
        answer = self._answer(request)
        if lost is Lost.LATE:
            self.wait(self.late)
        if lost is Lost.AFTER:
            return Answer(0, raw=b"")
        if lost is Lost.TWICE:
            head = f"HTTP/1.1 {answer.status} OK\r\nContent-Length: {len(answer.body)}\r\n\r\n".encode()
            return answer._replace(raw=(head + answer.body) * 2)
        return answer._replace(cut=answer.cut or lost is Lost.HALF)

    def _answer(self, request: Request) -> Answer:
        path = request.path.partition("?")[0]
        for method, pattern, handler in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                if self.trouble in TROUBLES:
                    return TROUBLES[self.trouble]
                if self.trouble is Trouble.TELLING:
                    return refuse(500, f"no row for {request.headers.get('token')}, nor for {self.admin_token}")
                answer = handler(self, request, *match.groups())
                if self.trouble is Trouble.COOKIE:
                    return answer._replace(headers=(("Set-Cookie", "session=of-someone; Path=/"),))
                return answer._replace(cut=self.trouble is Trouble.CUT)
        return NO_PAGE

    def user_of_token(self, request: Request) -> FakeUser | None:
        """The user whose token the request has."""
        token = request.headers.get("token", "")
        return next((user for user in [*self.users.values(), *self._stale] if user.token == token), None)

    def scan(self, token: str, jid: str = "5581900000077@s.whatsapp.net") -> None:
        """Scans the QR code of a user's session: the phone is paired."""
        user = next(user for user in self.users.values() if user.token == token)
        user.state, user.jid, user.qr = State.LOGGED_IN, jid, ""

    def scan_soon(self, user: FakeUser) -> None:
        """Scans the QR code after a while, where asked to."""
        if self.scan_after is not None:
            timer = threading.Timer(self.scan_after, self.scan, [user.token])
            timer.daemon = True
            timer.start()

    def renew_code(self, token: str) -> None:
        """Gives a user's session a fresh QR code."""
        user = next(user for user in self.users.values() if user.token == token)
        user.qr = fresh_code()

    def known_events(self, names: object) -> list[str]:
        """Those of the names that are events; the others are dropped silently."""
        return [str(name) for name in names if name in EVENTS] if isinstance(names, list) else []

    def keep_stale(self, user: FakeUser) -> None:
        """Keeps the token working that a user had, where asked to be as the real one."""
        if self.stale_tokens:
            self._stale.append(user)

    def is_admin(self, request: Request) -> bool:
        """Whether the request has the administrator's token, raw, as WUZAPI takes it."""
        return request.headers.get("authorization") == self.admin_token

    def proxy_of(self, user: FakeUser) -> str:
        """The proxy of a user, credentials included, as WUZAPI shows it."""
        config = user.settings.get("proxy")
        return str(config.get("proxyURL", "")) if isinstance(config, dict) else ""

    def s3_of(self, user: FakeUser) -> dict[str, object]:
        """Where a user's media is kept, as WUZAPI shows it: under other names than it takes, and without the keys."""
        config = user.settings.get("s3")
        kept = config if isinstance(config, dict) else {}
        shown = {key: kept[key] for key in ("enabled", "endpoint", "region", "bucket") if key in kept}
        return {"enabled": False, **shown, "access_key": "***"}

    def as_json(self, user: FakeUser) -> dict[str, object]:
        """A user as the admin calls of WUZAPI show it, token included."""
        return {
            "id": int(user.id) if user.id.isdigit() and len(user.id) < 20 else user.id,
            "name": user.name,
            "token": user.token,
            "webhook": user.settings.get("webhook", ""),
            "jid": user.jid,
            "qrcode": f"data:image/png;base64,{user.qr}" if user.qr else "",
            "connected": user.state is not State.NO_CLIENT and not self.contradicts,
            "loggedIn": user.state is State.LOGGED_IN,
            "expiration": user.settings.get("expiration", 0),
            "events": user.settings.get("events", ""),
            "proxy_url": self.proxy_of(user),
            "proxy_config": {"enabled": bool(self.proxy_of(user)), "proxy_url": self.proxy_of(user)},
            "s3_config": self.s3_of(user),
        }


TROUBLES: Mapping[Trouble | None, Answer] = {
    Trouble.UNAUTHORIZED: refuse(401, "unauthorized"),
    Trouble.FORBIDDEN: refuse(403, "forbidden"),
    Trouble.RATE_LIMITED: refuse(429, "slow down")._replace(headers=(("Retry-After", "7"),)),
    Trouble.FAILURE: refuse(500, "problem accessing DB"),
    Trouble.FALSE_SUCCESS: to_json(500, {"code": 500, "success": True}),
    Trouble.UNAVAILABLE: Answer(503, b"<html><h1>503 Service Unavailable</h1></html>", HTML),
    Trouble.GATEWAY: to_json(504, {"code": 504, "error": "gateway timeout", "success": False}),
    Trouble.OTHER_FAILURE: to_json(500, {"message": "internal error"}),
    Trouble.NOT_FOUND: NO_PAGE,
    Trouble.REDIRECT: Answer(302, headers=(("Location", "/health"),)),
    Trouble.EMPTY: Answer(200),
    Trouble.NO_CONTENT: Answer(204),
    Trouble.HTML: Answer(200, b"<html><h1>Welcome</h1></html>", HTML),
    Trouble.GARBAGE: Answer(200, b"\xff\xfe\x00{"),
    Trouble.OTHER_JSON: to_json(200, {"code": 200, "data": [], "success": True}),
    Trouble.DEEP_JSON: Answer(200, b"[" * 100_000),
    Trouble.HUGE: Answer(200, b'{"data":{"id":"1","qrcode":"' + b"x" * 2 * 1024 * 1024 + b'"}}'),
}


def health(fake: FakeWuzapi, _: Request) -> Answer:
    """`GET /health`: no token, no envelope."""
    users = fake.users.values()
    logged_in = sum(user.state is State.LOGGED_IN for user in users)
    connected = sum(user.state is not State.NO_CLIENT for user in users)
    body = {
        "status": "ok",
        "timestamp": "2026-01-22T12:00:00Z",
        "uptime": "1h2m3s",
        "active_connections": connected,
        "total_users": len(users),
        "connected_users": connected,
        "logged_in_users": logged_in,
        "memory_stats": {"alloc_mb": 10, "total_alloc_mb": 20, "sys_mb": 30, "num_gc": 4},
        "goroutines": 12,
        "version": VERSION,
    }
    return to_json(200, body)


def session_status(fake: FakeWuzapi, request: Request) -> Answer:
    """`GET /session/status`."""
    user = fake.user_of_token(request)
    if user is None:
        return refuse(401, "Unauthorized" if fake.legacy_status else "unauthorized")
    if fake.legacy_status:
        if user.state is State.NO_CLIENT:
            return refuse(500, "No session")
        return respond({"Connected": True, "LoggedIn": user.state is State.LOGGED_IN})
    return respond({**fake.as_json(user), "history": "0", "hmac_configured": False})


def for_users(handler: Handler, *, session: bool) -> Callable[[FakeWuzapi, Request], Answer]:
    """A call with a user's token; where it needs a session that comes before the body is looked at."""

    def answer(fake: FakeWuzapi, request: Request) -> Answer:
        user = fake.user_of_token(request)
        if user is None:
            return refuse(401, "Unauthorized" if fake.legacy_status else "unauthorized")
        if session and user.state is State.NO_CLIENT:
            return refuse(500, "No session" if fake.legacy_status else "no session")
        body = body_of(request)
        return refuse(400, "could not decode Payload") if body is None else handler(fake, user, request, body)

    return answer


ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    *((method, path, for_users(handler, session=True)) for method, path, handler in MESSAGES),
    *((method, path, for_users(handler, session=False)) for method, path, handler in WITHOUT_SESSION),
    *((method, path, for_users(handler, session=False)) for method, path, handler in SESSIONS),
    ("GET", r"/health", health),
    ("GET", r"/session/status", session_status),
    *ADMIN,
]


def main(arguments: list[str] | None = None) -> None:
    """Runs the fake until it is interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fakes.wuzapi",
        description="A WUZAPI to try things with: it answers as WUZAPI does, and sends nothing to anyone.",
    )
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: 8080)")
    parser.add_argument("--admin-token", default=ADMIN_TOKEN, help=f"the administrator's (default: {ADMIN_TOKEN})")
    parser.add_argument(
        "--scan-after", type=float, default=15.0, help="seconds until a QR code is scanned by itself (default: 15)"
    )
    options = parser.parse_args(arguments)
    try:
        fake = FakeWuzapi(options.admin_token, options.port)
    except OSError as error:
        parser.exit(1, f"Port {options.port} cannot be had ({error.strerror}): give another as --port\n")
    with fake:
        told = [
            "A WUZAPI to try things with answers until you press Ctrl+C. Start the service with",
            f"  WUZAPI_BASE_URL={fake.url}",
            f"  WUZAPI_ADMIN_TOKEN={fake.admin_token}",
            "and call it with one of these tokens:",
        ]
        for name in ("ana", "bruno"):
            fake.add_user(name, f"token-of-{name}")
            told.append(f"  token-of-{name}  logged in")
        fake.scan_after = options.scan_after
        fake.add_user("caio", "token-of-caio", state=State.NO_CLIENT)
        told.append(f"  token-of-caio  no phone yet: its QR code is scanned {options.scan_after:g} s after it connects")
        sys.stdout.write("\n".join([*told, ""]))
        sys.stdout.flush()
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):  # a shell has what it runs in the background ignore SIGINT
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()
        sys.stdout.write(f"\n{len(fake.sent)} messages were taken\n")


if __name__ == "__main__":
    main()
