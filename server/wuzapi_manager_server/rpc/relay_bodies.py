"""From requests to the bodies that WUZAPI takes. A field of a name means the same in every request.

WUZAPI reads keys whatever their case, and takes no notice of those it does not know: where versions differ, both
spellings are sent.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, Protocol, cast

from google.protobuf.message import Message

from wuzapi_manager.v1 import relay_pb2 as pb
from wuzapi_manager_server.domain.media import Kind, check_size, check_url, data_url, document_url, media_type, type_of
from wuzapi_manager_server.domain.phones import account_of, digits_of, group_of, jid_of, phone_of
from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.domain.uploaded_media import UploadedMedia
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.requests import Problems, missing

Body = dict[str, Json]
Put = Callable[[str, object, Body], None]
"""Puts a field of that name and value into a body."""

MOST_TEXT = 65_536
_MOST_ITEMS = 1_000
_LONGEST = 1_024
_LONGEST_ID = 128
_TINY = 1e-8
_MOST_BARS, _HIGHEST_BAR = 64, 100
_NO_KEYS: Mapping[str, str] = MappingProxyType({})
_NO_PUTS: Mapping[str, Put] = MappingProxyType({})
_MEDIA = ("data", "url", "media_id", "mime_type")
_LONG = {"body": MOST_TEXT, "caption": MOST_TEXT, "vcard": MOST_TEXT, "url": 2_048}


class Shape(NamedTuple):
    """How a request becomes a body: what is required, keys that are not the field's own name, the kind of its media."""

    required: Sequence[str] = ()
    keys: Mapping[str, str] = _NO_KEYS
    media: Kind | None = None
    most: Mapping[str, tuple[int, int]] = MappingProxyType({})
    """Least and most items of lists."""
    put: Mapping[str, Put] = _NO_PUTS
    """How fields are put that mean something else than in other requests."""


def body_of(request: Message, shape: Shape, uploaded: UploadedMedia | None = None) -> Body:
    """The body of a request, without the media where that was `uploaded`. InvalidInput with every bad field at once."""
    problems = Problems()
    body: Body = {}
    for name in shape.required:
        problems.require(name, getattr(request, name))
    if shape.media is not None:
        problems.attempt(partial(_put_media, request, shape.media, body, uploaded), None)
    for field in request.DESCRIPTOR.fields:
        name = field.name
        if name == "request_id" or (shape.media is not None and name in _MEDIA):
            continue
        value = getattr(request, name)
        given = bool(value) if not field.has_presence else request.HasField(name)
        if given:
            problems.attempt(partial(_put, name, value, shape, body), None)
    problems.settle()
    return body


def _put(name: str, value: object, shape: Shape, body: Body) -> None:
    """Puts one field into the body."""
    special = shape.put.get(name) or _SPECIAL.get(name)
    if special is not None:
        special(name, value, body)
        return
    key = shape.keys.get(name) or _camel(name)
    if isinstance(value, str):
        body[key] = text_of(name, value)
    elif isinstance(value, bool | int):
        body[key] = value
    elif isinstance(value, float):
        body[key] = _coordinate(name, value)
    elif isinstance(value, bytes):
        body[key] = [*value]
    elif isinstance(value, Sequence):
        least, most = shape.most.get(name, (1, _MOST_ITEMS))
        check_count(name, len(value), least, most)
        body[key] = [text_of(f"{name}[{at}]", item) for at, item in enumerate(value)]


def text_of(name: str, value: str) -> str:
    """The text. InvalidInput where it is too long or, for an item of a list, empty."""
    if not value:
        raise InvalidInput([missing(name)])
    return fitting(name, value, _LONG.get(name, _LONGEST_ID if name.endswith("_id") else _LONGEST))


def fitting(name: str, value: str, most: int = _LONGEST) -> str:
    """The text, which may be empty. InvalidInput where it has more characters than that."""
    if len(value) > most:
        raise _bad(name, f"has {len(value)} characters, at most {most} are taken", f"tem mais de {most} caracteres")
    return value


def check_count(name: str, count: int, least: int, most: int) -> None:
    """InvalidInput for a list that is too short or too long."""
    if not least <= count <= most:
        raise _bad(
            name, f"has {count} items, {least} to {most} are taken", f"tem {count} itens, são aceitos {least} a {most}"
        )


def phones_of(name: str, values: Sequence[str], read: Callable[[str, str], str]) -> list[Json]:
    """Several phones, each as `read` gives it; InvalidInput with every bad one."""
    check_count(name, len(values), 1, _MOST_ITEMS)
    problems = Problems()
    found: list[Json] = [problems.attempt(partial(read, value, f"{name}[{at}]"), "") for at, value in enumerate(values)]
    problems.settle()
    return found


def _put_phone(name: str, value: object, body: Body) -> None:
    body[_camel(name)] = phone_of(str(value), name)


def put_accounts(name: str, value: object, body: Body) -> None:
    """Phones as JIDs of accounts: WUZAPI takes a text without @ for the name of a server here."""
    body["Phone"] = phones_of(name, _texts(value), account_of)


def put_digits(name: str, value: object, body: Body) -> None:
    """Phones as digits: WUZAPI makes its own JIDs of them here, and does not find those that it is given."""
    body["Phone"] = phones_of(name, _texts(value), digits_of)


def put_poll_group(name: str, value: object, body: Body) -> None:
    """A poll goes to a group alone."""
    body["group"] = group_of(str(value), name)


def _put_group(name: str, value: object, body: Body) -> None:
    body["groupJID"] = group_of(str(value), name)


def _put_mentioned(name: str, value: object, body: Body) -> None:
    _context(body)["MentionedJID"] = phones_of(name, _texts(value), jid_of)


def _put_seconds(name: str, value: object, body: Body) -> None:
    if not isinstance(value, int) or value < 0:
        raise _bad(name, "must not be below 0", "não pode ser negativo")
    body["Seconds"] = value


def _put_waveform(name: str, value: object, body: Body) -> None:
    bars = value if isinstance(value, bytes) else b""
    check_count(name, len(bars), 1, _MOST_BARS)
    if max(bars) > _HIGHEST_BAR:
        raise _bad(name, f"has a value above {_HIGHEST_BAR}", f"tem um valor acima de {_HIGHEST_BAR}")
    body["Waveform"] = [*bars]


def _put_forwarded(_name: str, value: object, body: Body) -> None:
    if value:
        _context(body)["IsForwarded"] = True


def _put_quote(name: str, value: object, body: Body) -> None:
    quote = cast("pb.Quote", value)
    problems = Problems()
    problems.require(f"{name}.message_id", quote.message_id)
    problems.require(f"{name}.participant", quote.participant)
    if quote.participant:
        problems.attempt(lambda: jid_of(quote.participant, f"{name}.participant"), "")
    if quote.message_id:
        problems.attempt(lambda: text_of(f"{name}.message_id", quote.message_id), "")
    problems.attempt(lambda: fitting(f"{name}.text", quote.text, MOST_TEXT), "")
    problems.settle()
    _context(body).update(StanzaID=quote.message_id, Participant=jid_of(quote.participant, f"{name}.participant"))
    if quote.text:
        body["QuotedText"] = quote.text


def _put_buttons(name: str, value: object, body: Body) -> None:
    buttons = cast("Sequence[pb.Button]", value)
    check_count(name, len(buttons), 1, 3)
    body["Buttons"] = [
        {
            "ButtonId": text_of(f"{name}[{at}].id", button.id),
            "ButtonText": text_of(f"{name}[{at}].text", button.text),
        }
        for at, button in enumerate(buttons)
    ]


def _put_sections(name: str, value: object, body: Body) -> None:
    sections = cast("Sequence[pb.ListSection]", value)
    check_count(name, len(sections), 1, _MOST_ITEMS)
    problems = Problems()
    body["Sections"] = [_section(section, f"{name}[{at}]", problems) for at, section in enumerate(sections)]
    problems.settle()


def _section(section: pb.ListSection, field: str, problems: Problems) -> Json:
    problems.attempt(lambda: check_count(f"{field}.rows", len(section.rows), 1, _MOST_ITEMS), None)
    problems.attempt(lambda: fitting(f"{field}.title", section.title), "")
    return {
        "title": section.title,
        "rows": [_row(row, f"{field}.rows[{at}]", problems) for at, row in enumerate(section.rows[:_MOST_ITEMS])],
    }


def _row(row: pb.ListRow, field: str, problems: Problems) -> Json:
    problems.attempt(lambda: text_of(f"{field}.id", row.id), "")
    problems.attempt(lambda: text_of(f"{field}.title", row.title), "")
    problems.attempt(lambda: fitting(f"{field}.description", row.description), "")
    return {"RowId": row.id, "title": row.title, "desc": row.description, "Description": row.description}


def _put_presence(name: str, value: object, body: Body) -> None:
    states = {1: ("composing", ""), 2: ("composing", "audio"), 3: ("paused", "")}
    found = states.get(value if isinstance(value, int) else 0)
    if found is None:
        raise _bad(name, f"{value} is not one of its values", f"{value} não é um valor permitido")
    body["State"], body["Media"] = found


class _Media(Protocol):
    data: bytes
    url: str
    media_id: str
    mime_type: str


def _put_media(request: Message, kind: Kind, body: Body, uploaded: UploadedMedia | None) -> None:
    media = cast("_Media", request)
    data, url, mime = media.data, media.url, media.mime_type
    key = media_key(kind)
    if uploaded is not None:
        check_size(kind, uploaded.size, "media_id")
        body["MimeType"] = media_type(kind, uploaded.told, mime or uploaded.mime_type, "media_id")
    elif data:
        check_size(kind, len(data), "data")
        found = media_type(kind, type_of(data), mime)
        body[key] = data_url(kind, data, found)
        body["MimeType"] = found
    elif url:
        checked = check_url(url, "url")
        body[key] = document_url(checked) if kind == "document" else checked
        if mime:
            body["MimeType"] = media_type(kind, "", mime)
    elif not media.media_id:  # one that is no good was told of already
        raise InvalidInput([missing("media")])


def media_key(kind: Kind) -> str:
    """WUZAPI's name of the field that media of a kind goes into."""
    return kind.capitalize()


def _context(body: Body) -> Body:
    context = body.setdefault("ContextInfo", {})
    if not isinstance(context, dict):
        raise TypeError("ContextInfo is an object")
    return context


def _coordinate(name: str, value: float) -> float:
    limit = 90.0 if name == "latitude" else 180.0
    if not math.isfinite(value) or abs(value) > limit:
        raise _bad(name, f"must be from -{limit:.0f} to {limit:.0f}", f"deve estar entre -{limit:.0f} e {limit:.0f}")
    return value or _TINY


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, Sequence) else []


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _bad(field: str, en: str, pt: str) -> InvalidInput:
    return InvalidInput([Violation(field, Text(en, pt))])


_SPECIAL: Mapping[str, Put] = {
    "phone": _put_phone,
    "participant": _put_phone,
    "sender": _put_phone,
    "group_jid": _put_group,
    "mentioned_jids": _put_mentioned,
    "forwarded": _put_forwarded,
    "reply_to": _put_quote,
    "buttons": _put_buttons,
    "sections": _put_sections,
    "presence": _put_presence,
    "seconds": _put_seconds,
    "waveform": _put_waveform,
}
