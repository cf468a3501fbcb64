"""Random requests as bytes: most of what a message of a type may be on the wire, and some of what it may not.

Bytes, and not messages, because a message cannot hold text that is not UTF-8, nor nesting that parsers refuse.
"""

import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from random import Random

from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor

_TEXTS = (
    "",
    " ",
    "0",
    "-1",
    "*",
    "a\0b",
    "'; DROP TABLE people; --",
    '" OR ""="',
    "%",
    "\\",
    "{}[](),.:@/?#",
    "😀👩‍👩‍👧‍👦",
    "\u202eabc\u200f",
    "e\u0301\ufeff\uffff",
    "2024-02-30T25:61:61Z",
    "NaN",
    "1e999",
    "9" * 400,
    "(a+)+$",
    "true",
)
_NOT_UTF8 = (b"\xff\xfe", b"\xed\xa0\x80", b"\xed\xa0\xbd\xed\xb8\x80", b"\xc0\x80", b"a\xe2\x82", b"\xf5\x80\x80\x80")
_WHOLE = (0, 1, 2, 7, 100, 1000, 1001, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 2**31)
_DOUBLES = (0.0, -0.0, 1.0, 0.1, -1e308, 5e-324, 2.0**53 + 2, 1e19, float("nan"), float("inf"), float("-inf"))
_DEPTHS = (3, 14, 15, 16, 17, 31, 47, 49, 50, 51, 95, 98, 99, 100, 101, 102, 150, 1000, 3000)
_DEEPEST = 7
_BATCH = (1000, 1001)
_LONG = 100_000
_LATEST = 8
_OF_RECORDS = {"id", "record_id", "record_ids"}

Texts = Mapping[str, Sequence[str]]


class Known:
    """What is worth saying: `texts` by the name of the field, `ids` of connections, and what answers gave lately.

    The first text of a field is one that succeeds; of the fields in `latest` it is what answers gave last, as older
    things are deleted meanwhile.
    """

    def __init__(
        self, texts: Texts, ids: Callable[[Random], int], latest: frozenset[str] = frozenset(_OF_RECORDS)
    ) -> None:
        self.texts = texts
        self.ids = ids
        self.latest = latest
        self.learned: dict[str, deque[str]] = {}

    def learn(self, field: str, text: str) -> None:
        """Keeps a text that an answer gave."""
        self.learned.setdefault(field, deque(maxlen=60)).append(text)


class Wire:
    """Makes one request; `spoilt` ones have text that is not UTF-8, fields that are not known or wrong bytes.

    `plain` ones say little, and what succeeds, so that every RPC also does what it is for.
    """

    def __init__(self, random: Random, known: Known, *, spoilt: bool, plain: bool) -> None:
        self._random = random
        self._known = known
        self._spoilt = spoilt and not plain
        self._plain = plain
        self._nasty = 0.0 if plain else random.choice((0.0, 0.0, 0.05, 0.3))
        self._likely = random.choice((0.3, 0.5, 0.8))
        self._modest = plain or random.random() < 0.5
        # A record's own id must be left out of some requests, and must be in others.
        self._extras = _EXTRAS | {"id"} if random.random() < 0.7 else _EXTRAS

    def request(self, kind: Descriptor) -> bytes:
        """A message of that type, or what is left of it."""
        if self._plain:
            named_within = "Update" in kind.name and "record_id" not in kind.fields_by_name
            self._extras = _EXTRAS if named_within else _EXTRAS | {"id"}
        made = self._message(kind, 0)
        if not self._spoilt:
            return made
        return self._random.choice((self._unknown, self._mutated, self._same))(made)

    def _message(self, kind: Descriptor, depth: int) -> bytes:
        parts: list[bytes] = []
        spared = {self._choice(oneof).number for oneof in kind.oneofs}
        # The RPCs that take a saved connection or another one take no two.
        either = {"id", "connection"}.issubset(kind.fields_by_name)
        left_out = self._random.choice(("id", "connection")) if self._plain and either and not depth else ""
        likely = 0.95 if kind.full_name in _SMALL or self._modest else self._likely
        for field in kind.fields:
            if field.containing_oneof and field.number not in spared and self._random.random() > 0.02:
                continue
            if field.name == left_out:
                continue
            if self._random.random() > likely and not (field.type == FieldDescriptor.TYPE_INT64 and not depth):
                continue
            if field.message_type and depth > _DEEPEST:
                continue
            rare = self._extras if depth else _SPARE if self._plain else _EXTRAS
            if self._modest and field.name in rare and self._random.random() < 0.95:
                continue
            parts.extend(self._field(field, depth))
        if self._random.random() < 0.05:
            self._random.shuffle(parts)
        return b"".join(parts)

    def _choice(self, oneof: OneofDescriptor) -> FieldDescriptor:
        usual = [field for field in oneof.fields if field.name not in _EXTRAS]
        if self._plain and any(field.name == "string_value" for field in usual):
            usual = [field for field in usual if field.name == "string_value"]
        return self._random.choice(usual if self._modest and usual else oneof.fields)

    def _field(self, field: FieldDescriptor, depth: int) -> list[bytes]:
        if not field.is_repeated:
            return [self._one(field, depth)]
        if depth < 2 and self._random.random() < 0.004:
            return [self._one(field, depth)] * self._random.choice(_BATCH)
        counts = (1,) if self._plain else (1, 1, 2) if self._modest else (0, 1, 1, 2, 3) if depth < 4 else (0, 1)
        return [self._one(field, depth) for _ in range(self._random.choice(counts))]

    def _one(self, field: FieldDescriptor, depth: int) -> bytes:
        match field.type:
            case FieldDescriptor.TYPE_MESSAGE:
                return _sized(field.number, self._nested(field, depth))
            case FieldDescriptor.TYPE_STRING:
                return _sized(field.number, self._text(field))
            case FieldDescriptor.TYPE_BYTES:
                return _sized(field.number, self._chunk())
            case FieldDescriptor.TYPE_DOUBLE:
                return _varint(field.number << 3 | 1) + struct.pack("<d", self._random.choice(_DOUBLES))
            case _:
                return _varint(field.number << 3) + _varint(self._number(field) % 2**64)

    def _number(self, field: FieldDescriptor) -> int:
        if field.enum_type is not None:
            return self._random.choice((*[value.number for value in field.enum_type.values] * 3, 99, 2**31 - 1, -1))
        if field.type == FieldDescriptor.TYPE_BOOL:  # dry runs are rare: what is done tells more
            return int(self._random.random() < (0.1 if field.name == "validate_only" else 0.5))
        if field.name in ("connection_id", "id", "ids"):
            return self._known.ids(self._random)
        whole = self._random.choice(_WHOLE)
        return whole if self._random.random() < 2 * self._nasty or whole < 10 else 0

    def _nested(self, field: FieldDescriptor, depth: int) -> bytes:
        kind = field.message_type
        assert kind is not None
        if self._random.random() < 0.02 and kind.full_name in _DEEP:
            wrapped = self._message(kind, _DEEPEST)
            for _ in range(self._random.choice(_DEPTHS)):
                for number in _DEEP[kind.full_name]:
                    wrapped = _sized(number, wrapped)
            return wrapped
        return self._message(kind, depth + 1)

    def _text(self, field: FieldDescriptor) -> bytes:
        chance = self._random.random()
        if self._spoilt and chance < 0.1:
            return self._random.choice(_NOT_UTF8)
        if chance < self._nasty / 50:
            return self._random.choice(("a", "😀", "%s", "\0")).encode() * _LONG
        known = self._known
        texts = known.texts.get(field.name, ())
        choices: Sequence[str] = (*known.learned.get(field.name, ()), *texts)
        if self._plain:
            choices = [*known.learned.get(field.name, ())][-_LATEST:] if field.name in known.latest else texts[:1]
        text = self._random.choice(choices if choices and self._random.random() > self._nasty else _TEXTS)
        return text.encode()

    def _chunk(self) -> bytes:
        lines = (
            b'{"name": "n", "age": 1}\n',
            b'{"name": "\xf0\x9f\x98\x80", "age": null}\n',
            b'{"fields": {"name": 1e999}}\n',
            b'{"owner": "someone", "age": "x"}\r\n',
            b"name,age\n",
            b'"a ""b"" c",7\n',
            b'x,"open\n',
            b"1,2,3,4,5\n",
            b"\xff\xfe\x00\n",
            b"[" * 5000 + b"\n",
            b"\n",
            b"\xef\xbb\xbf",
            b'{"name": "' + b"x" * 70_000 + b'"}\n',
            self._random.randbytes(20),
        )
        return b"".join(self._random.choices(lines, k=self._random.randrange(6)))

    def _unknown(self, made: bytes) -> bytes:
        number = self._random.choice((0, 15, 1000, 19_000, 2**29 - 1))
        kind = self._random.randrange(8)
        return made + _varint(number << 3 | kind) + self._random.randbytes(self._random.choice((0, 1, 4, 8, 20)))

    def _mutated(self, made: bytes) -> bytes:
        data = bytearray(made)
        for _ in range(self._random.choice((1, 1, 2, 5))):
            at = self._random.randrange(len(data) + 1)
            match self._random.randrange(4):
                case 0 if at < len(data):
                    data[at] ^= 1 << self._random.randrange(8)
                case 1:
                    del data[at:]
                case 2:
                    data[at:at] = self._random.randbytes(self._random.choice((1, 3, 9)))
                case _:
                    data[at:at] = data[at // 2 : at]
        return bytes(data)

    @staticmethod
    def _same(made: bytes) -> bytes:
        return made


# What a request rarely succeeds with: outputs, what must fit to something else, and sources that are not there.
_EXTRAS = {
    "airtable",
    "create_time",
    "delete_time",
    "etag",
    "field_mappings",
    "list_value",
    "mysql",
    "nocodb",
    "postgresql",
    "primary_contrast_ratio",
    "primary_text_color",
    "request_id",
    "revision",
    "secondary_contrast_ratio",
    "secondary_text_color",
    "status",
    "struct_value",
    "type",
    "update_mask",
    "update_time",
    "view_configuration",
}
# Those of them that a plain request has no use for where it is asked for them itself.
_SPARE = {"etag", "filter", "request_id", "update_mask"}
# Messages that mean nothing without most of their fields.
_SMALL = {
    "wuzapi_manager.v1.Comparison",
    "wuzapi_manager.v1.Record",
    "wuzapi_manager.v1.SqliteSource",
    "google.protobuf.Value",
    "google.protobuf.Struct",
    "google.protobuf.Struct.FieldsEntry",
}
# The fields that lead from a message to another of its type, innermost first.
_DEEP = {
    "wuzapi_manager.v1.Filter": (4,),
    "wuzapi_manager.v1.FilterGroup": (2, 1),
    "google.protobuf.Value": (1, 6),
    "google.protobuf.ListValue": (6, 1),
    "google.protobuf.Struct": (5, 2, 1),
}


def _sized(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
