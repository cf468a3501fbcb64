"""Users of WUZAPI, from and to messages."""

from collections.abc import Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.caller import is_user_token
from wuzapi_manager_server.domain.media import check_url
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.relay_bodies import Body
from wuzapi_manager_server.rpc.relay_routes import events_of
from wuzapi_manager_server.rpc.requests import Problems

_SETTABLE = ("name", "token", "webhook", "events", "expiration", "history", "proxy_url", "s3")
_CLEARABLE = frozenset({"proxy_url"})
_WHOLE_S3 = Text(
    "is required: WUZAPI replaces the whole S3 configuration, its keys included",
    "é obrigatório: o WUZAPI substitui toda a configuração S3, inclusive as chaves",
)
_LONGEST_NAME = 255
_LEAST_KEY, _LONGEST_KEY = 32, 1_024
_MOST_HISTORY = 1_000_000
_ID_LETTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_")
_LONGEST_ID = 64
_LONGEST_URL = 2_048


def user_id(identity: str, field: str = "id") -> str:
    """The id, which goes into a path. InvalidInput where it is empty or no id of WUZAPI."""
    if not identity or len(identity) > _LONGEST_ID or not _ID_LETTERS.issuperset(identity):
        text = Text("must be the id of a user of WUZAPI", "deve ser o id de um usuário do WUZAPI")
        raise InvalidInput([Violation(field, text, missing=not identity)])
    return identity


def creation(user: pb.WuzapiUser) -> Body:
    """The body that makes a user. InvalidInput with every bad field."""
    problems = Problems()
    problems.require("user.name", user.name)
    problems.require("user.token", user.token)
    body = problems.attempt(lambda: _body(user, _SETTABLE), {})
    if user.hmac_key:
        if not _LEAST_KEY <= len(user.hmac_key) <= _LONGEST_KEY:
            text = Text("must have 32 to 1,024 characters", "deve ter de 32 a 1.024 caracteres")
            problems.violations.append(Violation("user.hmac_key", text))
        body["hmacKey"] = user.hmac_key
    problems.settle()
    return {"events": "", "webhook": "", **body}


def change(user: pb.WuzapiUser, mask: FieldMask) -> Body:
    """The body that changes a user. InvalidInput with every bad field, also for what WUZAPI cannot clear."""
    problems = Problems()
    problems.attempt(lambda: user_id(user.id, "user.id"), "")
    populated = [name for name in _SETTABLE if (user.HasField("s3") if name == "s3" else getattr(user, name))]
    paths = [*mask.paths] or populated
    if paths == ["*"]:
        paths = populated
    if "s3" in paths and user.s3.enabled:
        for name in ("access_key", "secret_key"):
            if not getattr(user.s3, name):
                problems.violations.append(Violation(f"user.s3.{name}", _WHOLE_S3, missing=True))
    for path in paths:
        if path not in _SETTABLE:
            text = Text(f"{path[:100]!r} cannot be set", f"O campo '{path[:100]}' não pode ser alterado")
            problems.violations.append(Violation("update_mask", text))
        elif path not in populated and path not in _CLEARABLE:
            text = Text("cannot be cleared: WUZAPI takes empty for unchanged", "não pode ser esvaziado no WUZAPI")
            problems.violations.append(Violation(f"user.{path}", text))
    if not paths:
        text = Text("must set at least one field", "Informe ao menos um campo para alterar")
        problems.violations.append(Violation("user", text, missing=True))
    body = problems.attempt(lambda: _body(user, paths), {})
    problems.settle()
    if "proxy_url" in paths and not user.proxy_url:
        body["proxyConfig"] = {"enabled": False, "proxyURL": ""}
    return body


def _body(user: pb.WuzapiUser, names: Sequence[str]) -> Body:
    problems = Problems()
    body: Body = {}
    for name in names:
        if name in _SETTABLE and (user.HasField("s3") if name == "s3" else getattr(user, name)):
            _put(user, name, body, problems)
    problems.settle()
    return body


def _put(user: pb.WuzapiUser, name: str, body: Body, problems: Problems) -> None:  # noqa: C901 - a case for each field
    match name:
        case "name":
            if len(user.name) > _LONGEST_NAME:
                problems.violations.append(
                    Violation("user.name", Text("has more than 255 characters", "tem mais de 255 caracteres"))
                )
            body["name"] = user.name
        case "token":
            if not is_user_token(user.token):
                text = Text(
                    "must be 8 to 256 ASCII characters without white space",
                    "deve ter de 8 a 256 caracteres ASCII sem espaços",
                )
                problems.violations.append(Violation("user.token", text))
            body["token"] = user.token
        case "webhook":
            problems.attempt(lambda: check_url(user.webhook, "user.webhook"), "")
            body["webhook"] = user.webhook
        case "events":
            names = problems.attempt(lambda: events_of("user.events", user.events), [])
            body["events"] = ",".join(str(event) for event in names)
        case "expiration":
            body["expiration"] = user.expiration
        case "history":
            if not 0 <= user.history <= _MOST_HISTORY:
                problems.violations.append(
                    Violation("user.history", Text("must be 0 to 1,000,000", "deve ser de 0 a 1.000.000"))
                )
            body["history"] = user.history
        case "proxy_url":
            proxies = ("http://", "https://", "socks5://")
            if not user.proxy_url.startswith(proxies) or len(user.proxy_url) > _LONGEST_URL:
                problems.violations.append(
                    Violation("user.proxy_url", Text("must be an HTTP or SOCKS5 URL", "deve ser HTTP ou SOCKS5"))
                )
            body["proxyConfig"] = {"enabled": True, "proxyURL": user.proxy_url}
        case _:
            body["s3Config"] = _s3(user.s3)


def _s3(s3: pb.S3Config) -> Json:
    return {
        "enabled": s3.enabled,
        "endpoint": s3.endpoint,
        "region": s3.region,
        "bucket": s3.bucket,
        "accessKey": s3.access_key,
        "secretKey": s3.secret_key,
        "pathStyle": s3.path_style,
        "publicURL": s3.public_url,
        "mediaDelivery": s3.media_delivery,
        "retentionDays": s3.retention_days,
    }
