"""A call of WUZAPI that a caller words: what of it is refused, and what of its answer is kept back."""

import re
from collections.abc import Mapping
from enum import Enum

from wuzapi_manager_server.domain.media import document_url
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import InvalidInput, PermissionDenied, Text, Violation

_PATH = re.compile(r"(/[A-Za-z0-9_~@.+:-]+)+")
_LONGEST_PATH = 512
_MOST_QUERY = 50
_LONGEST_QUERY = 4096
_HIDDEN = frozenset(
    {
        "token",
        "qrcode",
        "proxyurl",
        "accesskey",
        "secretkey",
        "hmackey",
        "authorization",
        "password",
        "encryptionkey",
    }
)
_SEND_DOCUMENT = "/chat/send/document"
_SEND_TEXT = {"number": "Phone", "message": "Body"}
# WUZAPI tells of messages in both directions by one event.
_EVENTS = {"message.received": "Message", "message.sent": "Message"}
_QR_PATH = "/session/qr"
_DEEPEST = 32  # an object is three messages deep in a Value, and protobuf reads a hundred


class Scope(Enum):
    """As whom a call is made."""

    USER = "USER"
    ADMIN = "ADMIN"


def check_path(path: str) -> None:
    """InvalidInput for a path that is not absolute, plain and normalized.

    Nothing may be percent-encoded: WUZAPI's paths need no such character, and encoded separators are how paths are
    smuggled past a check.
    """
    plain = len(path) <= _LONGEST_PATH and _PATH.fullmatch(path)
    if not plain or {".", ".."} & set(path.split("/")):
        raise InvalidInput(
            [
                Violation(
                    "path",
                    Text(
                        "must be absolute and plain, such as /chat/markread: letters, digits and _~@.+:- only",
                        "deve ser absoluto e simples, como /chat/markread: letras, dígitos e _~@.+:-, sem segmentos ..",
                    ),
                    missing=not path,
                )
            ]
        )


def check_query(query: Mapping[str, str]) -> None:
    """InvalidInput for a query that has a token or is too long."""
    if any(_plain(name) == "token" for name in query):
        raise InvalidInput(
            [
                Violation(
                    "query",
                    Text("may not have a token: it goes in the metadata", "não pode conter token: envie nos metadados"),
                )
            ]
        )
    if len(query) > _MOST_QUERY or sum(map(len, [*query, *query.values()])) > _LONGEST_QUERY:
        raise InvalidInput(
            [Violation("query", Text("is longer than 4,096 characters", "tem mais de 4.096 caracteres"))]
        )


def check_scope(path: str, scope: Scope) -> None:
    """InvalidInput where the path belongs to the other scope."""
    of_admin = path.lower() == "/admin" or path.lower().startswith("/admin/")
    if of_admin != (scope is Scope.ADMIN):
        wanted = "ADMIN" if of_admin else "USER"
        raise InvalidInput(
            [Violation("scope", Text(f"this path takes scope {wanted}", f"este caminho exige o escopo {wanted}"))]
        )


def check_own_chats(path: str, query: Mapping[str, str]) -> None:
    """PermissionDenied for the call that gives the chats of all users, whoever asks."""
    if path.lower().rstrip("/").endswith("/chat/history") and any(
        _plain(name) == "chatjid" and value.strip().lower() == "index" for name, value in query.items()
    ):
        raise PermissionDenied(
            Text("chat_jid=index gives the chats of all users", "chat_jid=index expõe conversas de todos os usuários"),
            suggestion=Text("Name a chat by its JID", "Informe o JID de uma conversa"),
        )


def as_wuzapi(method: str, path: str, body: Mapping[str, Json] | None) -> tuple[str, Mapping[str, Json] | None]:
    """Path and body under WUZAPI's names, where they have those of the original application's examples.

    `/send-text` with `number` and `message` is `/chat/send/text`; the events of a user may be a list, and have names
    such as `message.received`. A session that connects does so `Immediate`ly, unless the body says otherwise: WUZAPI
    would wait ten seconds. A document's URL that is too short for WUZAPI is lengthened, other short documents are
    InvalidInput. Anything else stays as it is.
    """
    if method == "POST" and path == "/send-text":
        named = {_SEND_TEXT.get(name, name): value for name, value in (body or {}).items()}
        return "/chat/send/text", named
    if method == "POST" and path == "/session/connect" and "immediate" not in map(str.lower, body or {}):
        return path, {**(body or {}), "Immediate": True}
    if method == "POST" and path == _SEND_DOCUMENT and body is not None:
        return path, {name: _document(value) if name.lower() == "document" else value for name, value in body.items()}
    if body is not None and (path == "/admin/users" or path.startswith("/admin/users/")):
        events = body.get("events")
        if isinstance(events, list):
            names = dict.fromkeys(_EVENTS.get(str(name), str(name)) for name in events)
            return path, {**body, "events": ",".join(names)}
    return path, body


def _document(value: Json) -> Json:
    """A document that WUZAPI 1.0.5 does not break down at; InvalidInput for data too short to be one it takes."""
    if not isinstance(value, str) or not value:  # these it refuses itself
        return value
    long = document_url(value)
    if long != value and not value.startswith(("http://", "https://")):
        raise InvalidInput(
            [
                Violation(
                    "body.Document",
                    Text(
                        "must be an http or https URL, or begin with data:application/octet-stream;base64,",
                        "deve ser uma URL http ou https, ou começar com data:application/octet-stream;base64,",
                    ),
                )
            ]
        )
    return long


def own_message_id(body: Mapping[str, Json] | None) -> str:
    """The id that the body of a send gives its message; "" where it gives none, which null and an empty text do.

    InvalidInput on `body.Id` for an id that is no text, and for two of them: WUZAPI reads keys in any case, and takes
    the one that comes last.
    """
    given = [value for name, value in (body or {}).items() if _is_id(name) and not (value is None or value == "")]
    if any(not isinstance(value, str) for value in given):
        raise InvalidInput([Violation("body.Id", Text("must be a text", "deve ser um texto"))])
    if len(given) > 1:
        raise InvalidInput([Violation("body.Id", Text("stands there twice", "aparece duas vezes"))])
    return str(given[0]) if given else ""


def with_message_id(body: Mapping[str, Json] | None, message_id: str) -> dict[str, Json]:
    """The body of a send with that id and no other."""
    return {**{name: value for name, value in (body or {}).items() if not _is_id(name)}, "Id": message_id}


def redacted(data: Json, path: str = "") -> Json:
    """The data without tokens, QR codes, proxy addresses and keys; the QR code stays in the call that is for it.

    What lies deeper than 32 levels is left out: nobody could read a message that carries it.
    """
    shown = {"qrcode"} if path == _QR_PATH else set()
    return _redacted(data, _HIDDEN - shown, _DEEPEST)


def _redacted(data: Json, hidden: frozenset[str], left: int) -> Json:
    if isinstance(data, dict | list) and not left:
        return None
    if isinstance(data, dict):
        return {name: _redacted(value, hidden, left - 1) for name, value in data.items() if _plain(name) not in hidden}
    if isinstance(data, list):
        return [_redacted(value, hidden, left - 1) for value in data]
    return data


def _is_id(name: str) -> bool:
    return name.lower() == "id"


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", "").replace("-", "")
