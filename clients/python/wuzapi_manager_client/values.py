"""Values of records, between Python and the API.

Numbers without a fraction are int here, others float. What JSON cannot hold exactly comes as text and stays text:
integers beyond ±(2^53-1), decimals, NaN and infinities, times, bytes (base64).
"""

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from uuid import UUID

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
"""A value as it comes from the API."""

_EXACT = 2**53 - 1


def to_struct(fields: Mapping[str, object]) -> Struct:
    """The fields of a record as the API takes them. TypeError for a value that has no form there."""
    struct = Struct()
    for name, value in fields.items():
        struct.fields[name].CopyFrom(to_value(value))
    return struct


def to_value(value: object) -> Value:  # noqa: PLR0911 - one line a type
    """A value as the API takes it.

    Beside what JSON has: large integers, Decimal, date, time, datetime, UUID and NaN become text; bytes become base64.
    TypeError for anything else.
    """
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(bool_value=value)
        case int() | float():
            return _number(value)
        case str():
            return Value(string_value=value)
        case Decimal() | UUID():
            return Value(string_value=str(value))
        case date() | time():
            return Value(string_value=value.isoformat())
        case bytes() | bytearray() | memoryview():
            return Value(string_value=base64.b64encode(value).decode())
        case Mapping():
            return Value(struct_value=to_struct({str(key): item for key, item in value.items()}))
        case Sequence():
            return Value(list_value=ListValue(values=[to_value(item) for item in value]))
        case _:
            raise TypeError(f"A record cannot hold a {type(value).__name__}")


def from_struct(struct: Struct, floats: frozenset[str] = frozenset()) -> dict[str, JsonValue]:
    """The fields of a record. Those named in `floats` are float also where they have no fraction."""
    return {name: from_value(value, keep_float=name in floats) for name, value in struct.fields.items()}


def from_value(value: Value, *, keep_float: bool = False) -> JsonValue:
    """The value in Python."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return number if keep_float or not number.is_integer() or abs(number) > _EXACT else int(number)
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return from_struct(value.struct_value)
    if kind == "list_value":
        return [from_value(item) for item in value.list_value.values]
    return None


def _number(number: float) -> Value:
    """A number, as text where a double does not hold it or JSON does not know it."""
    if isinstance(number, int):
        return Value(number_value=number) if -_EXACT <= number <= _EXACT else Value(string_value=str(number))
    if math.isnan(number):
        return Value(string_value="NaN")
    if math.isinf(number):
        return Value(string_value="Infinity" if number > 0 else "-Infinity")
    return Value(number_value=number)
