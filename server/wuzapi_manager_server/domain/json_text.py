"""Texts that are JSON: read strictly, and with every digit of their numbers."""

import json
import math
from decimal import Decimal, InvalidOperation
from typing import NoReturn, cast

from wuzapi_manager_server.domain.table import Json


class SpelledNumber(float):
    """A JSON number that no double is spelled as: the nearest double, which still knows its digits."""

    spelling: str

    def __repr__(self) -> str:
        return self.spelling

    def is_integer(self) -> bool:
        """False: its digits say more."""
        return False


def _json_number(text: str) -> float:
    number = float(text)
    try:
        if Decimal(repr(number)) == Decimal(text):
            return number
    except InvalidOperation:  # an exponent beyond all bounds
        pass
    spelled = SpelledNumber(number)
    spelled.spelling = text
    return spelled


def whole_number(text: str) -> float | str:
    """A JSON number with a fraction or exponent, or its digits where no double holds them."""
    number = float(text)
    if len(text) <= _KEPT and "e" not in text and "E" not in text:
        return number
    try:
        return number if math.isfinite(number) and Decimal(repr(number)) == Decimal(text) else text
    except InvalidOperation:  # an exponent beyond all bounds
        return text


_KEPT = 15
"""Characters of a number of which a double keeps each."""


def same_json(one: Json, other: Json) -> bool:
    """Whether two values are the same to JSON, where 1 and 1.0 are, but 1 and true are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_json, one, other))
    return one == other


def _each_once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def parse_json(text: str) -> Json:
    """The value of a JSON text. ValueError for what is none, for NaN and Infinity and for a key that stands twice.

    A number that no double is spelled as is a SpelledNumber: a decimal column takes every digit of it.
    """
    try:
        return cast(
            "Json",
            json.loads(text, parse_float=_json_number, parse_constant=_no_constant, object_pairs_hook=_each_once),
        )
    except RecursionError:
        raise ValueError("too many levels") from None
