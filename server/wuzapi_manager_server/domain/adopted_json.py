"""JSON texts of the original application, as far as this service can keep and send them."""

import json
import math
from typing import NoReturn, cast

import orjson

from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.domain.values import MAX_LEVELS

_LEAST, _MOST = -(2**63), 2**64 - 1
_MAX_DIGITS = 21  # a sign and the digits of the greatest: longer ones are not worth a try


class Unkept(ValueError):
    """A text that cannot be kept; its own text ends the sentence that begins with what it is of."""


def kept_json(text: str) -> Json:
    """The value of a JSON text. Unkept for what is none, and for what cannot be kept without a loss.

    That is a number that is not finite or has more than 64 bits, a text that is no Unicode, and what is more than 32
    levels deep, which no message can carry.
    """
    try:
        found = cast("Json", json.loads(text, parse_int=_whole, parse_float=_fraction, parse_constant=_no_constant))
    except json.JSONDecodeError:
        raise Unkept("is no JSON") from None
    except RecursionError:
        raise _too_deep() from None
    _check_levels(found)
    try:
        orjson.dumps(found)
    except orjson.JSONEncodeError:
        raise Unkept("holds a character that is none") from None
    return found


def _whole(digits: str) -> int:
    number = int(digits) if len(digits) <= _MAX_DIGITS else None
    if number is None or not _LEAST <= number <= _MOST:
        raise Unkept("holds a number that is too large")
    return number


def _fraction(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Unkept("holds a number that is too large")
    return number


def _no_constant(_name: str) -> NoReturn:
    raise Unkept("is no JSON")


def _check_levels(value: Json, levels: int = MAX_LEVELS) -> None:
    if isinstance(value, dict | list):
        if not levels:
            raise _too_deep()
        for item in value.values() if isinstance(value, dict) else value:
            _check_levels(item, levels - 1)


def _too_deep() -> Unkept:
    return Unkept(f"has more than {MAX_LEVELS} levels")
