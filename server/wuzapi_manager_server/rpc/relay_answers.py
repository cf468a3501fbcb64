"""From the data of WUZAPI to messages, whatever the version: keys in any case, numbers as texts, null for empty."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.upstreams.wuzapi_failures import bad_answer

Filled = TypeVar("Filled", bound=Message)
Data = dict[str, Json]

# How large an integer each type of a field holds, in both directions: WUZAPI has no unsigned ones.
_LARGEST = {
    FieldDescriptor.TYPE_INT32: 2**31 - 1,
    FieldDescriptor.TYPE_UINT32: 2**31 - 1,
    FieldDescriptor.TYPE_INT64: 2**63 - 1,
    FieldDescriptor.TYPE_UINT64: 2**63 - 1,
}
_MOST_DIGITS = 20


def object_of(data: Json) -> Data:
    """The object that an answer must hold. WuzapiError UNAVAILABLE where it holds something else."""
    if not isinstance(data, dict):
        raise bad_answer()
    return data


def lowered(data: Json) -> Data:
    """An object by keys in lower case without underscores; empty for anything else."""
    return {_plain(key): value for key, value in data.items()} if isinstance(data, dict) else {}


def fill(message: Filled, data: Json) -> Filled:
    """Sets every field that the object has a value of the right type for, and leaves the others."""
    values = lowered(data)
    for field in message.DESCRIPTOR.fields:
        value = values.get(_plain(field.name))
        if value is None:
            continue
        if field.is_repeated:
            _fill_list(getattr(message, field.name), value)
        elif field.message_type is not None and field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            stamp = timestamp_of(value)
            if stamp is not None:
                getattr(message, field.name).CopyFrom(stamp)
        elif field.message_type is not None:
            if isinstance(value, dict):
                fill(getattr(message, field.name), value)
        else:
            fitting = _scalar(field.type, value)
            if fitting is not None:
                setattr(message, field.name, fitting)
    return message


def filled_by_jid(kind: type[Filled], data: Json) -> list[Filled]:
    """A message for each entry of an object by JID, in the order of the JIDs."""
    made = []
    for jid, value in sorted(data.items()) if isinstance(data, dict) else ():
        message = fill(kind(), value)
        setattr(message, "jid", jid)  # noqa: B010 - a message of any type that has one
        made.append(message)
    return made


def timestamp_of(value: Json) -> Timestamp | None:
    """A moment: seconds since 1970 or RFC 3339, as the version says it; None for anything else, and for none."""
    stamp = Timestamp()
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            stamp.FromDatetime(datetime.fromtimestamp(value, UTC))
        elif isinstance(value, str) and value.isascii() and value.isdigit():
            stamp.FromDatetime(datetime.fromtimestamp(int(value), UTC))
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value)
            stamp.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        else:
            return None
    except (ValueError, OverflowError, OSError):
        return None
    return stamp if stamp.seconds > 0 else None


def state_of(*, connected: bool, logged_in: bool) -> "pb.SessionState.ValueType":
    """The state that follows from WUZAPI's two booleans, which may contradict each other."""
    if logged_in and connected:
        return pb.SESSION_STATE_LOGGED_IN
    return pb.SESSION_STATE_CONNECTED if connected else pb.SESSION_STATE_NO_SESSION


def session_of(data: Json) -> pb.Session:
    """A session of any version. Before May 2025 WUZAPI told the two booleans alone."""
    values = lowered(object_of(data))
    if not values.keys() & {"connected", "loggedin"}:
        raise bad_answer()
    session = fill(pb.Session(), data)
    session.state = state_of(connected=session.connected, logged_in=session.logged_in)
    session.has_proxy = _has_proxy(values)
    session.has_hmac_key = bool(values.get("hmacconfigured"))
    return session


def user_of(data: Json) -> pb.WuzapiUser:
    """A user as the administrator sees it, without secrets."""
    values = lowered(object_of(data))
    if "id" not in values:
        raise bad_answer()
    user = fill(pb.WuzapiUser(), {key: value for key, value in values.items() if key not in _SECRET})
    user.state = state_of(connected=user.connected, logged_in=user.logged_in)
    user.has_proxy = _has_proxy(values)
    user.has_hmac_key = bool(values.get("hmackey") or values.get("hmacconfigured"))
    s3 = lowered(values.get("s3config"))
    if s3.get("enabled") or s3.get("endpoint"):
        fill(user.s3, {key: value for key, value in s3.items() if key not in _SECRET})
    return user


def webhook_of(data: Json) -> pb.Webhook:
    """A webhook; WUZAPI tells no events as one empty name, and names the list differently from call to call."""
    values = lowered(data)
    url = values.get("webhook")
    return pb.Webhook(
        url=url if isinstance(url, str) else "", events=names_of(values.get("subscribe", values.get("events")))
    )


def names_of(value: Json) -> list[str]:
    """Names, from a list or from a text with commas."""
    given: Iterable[Json] = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return [name.strip() for name in given if isinstance(name, str) and name.strip()]


_SECRET = frozenset({"token", "qrcode", "proxyurl", "accesskey", "secretkey", "hmackey"})


def _has_proxy(values: Mapping[str, Json]) -> bool:
    return bool(lowered(values.get("proxyconfig")).get("enabled") or values.get("proxyurl"))


def _fill_list(target: "_Items", value: Json) -> None:
    """Names where it is a list of texts, else messages. Only those can be added to without a value."""
    add = getattr(target, "add", None)
    if add is None:
        target.extend(names_of(value))
        return
    for item in value if isinstance(value, list) else ():
        fill(add(), item)


class _Items(Protocol):
    def extend(self, items: Iterable[str], /) -> None: ...


def _scalar(kind: int, value: Json) -> str | int | bool | None:
    if kind == FieldDescriptor.TYPE_BOOL:
        return value if isinstance(value, bool) else None
    if kind in _LARGEST:
        return _integer(value, _LARGEST[kind])
    if kind == FieldDescriptor.TYPE_STRING:
        if isinstance(value, str):
            return value.encode(errors="replace").decode()
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else None
    return None


def _integer(value: Json, largest: int) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        value = int(value)
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= largest
    return value if fits and isinstance(value, int) else None


def _plain(name: str) -> str:
    return name.lower().replace("_", "")
