r"""The part of Airtable's formula language that this project writes, with what an injection would need to widen it.

Texts in single or double quotes, `{field}` with `\}`, numbers, `& = != < <= > >=`, AND, OR, NOT, EXACT,
RECORD_ID, BLANK, TRUE and FALSE. It encodes our reading of Airtable's documents and proves nothing of Airtable itself.
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

Value = object
"""None, bool, a number, a text or a list."""


class BadFormula(Exception):
    """A formula that cannot be read, or that names a field or function that is not there."""


class _Token(NamedTuple):
    kind: str
    text: str


_TOKENS = re.compile(
    r"""\s*(?:
      (?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")
    | (?P<field>\{(?:\\.|[^}\\])*\})
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]+)
    | (?P<mark>!=|<=|>=|[=<>&(),])
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(formula: str, record_id: str, cells: Mapping[str, Value]) -> bool:
    """Whether the formula is true of a record, whose cells stand by the names of its fields. BadFormula."""
    parser = _Parser(formula, record_id, cells)
    value = parser.comparison()
    parser.end()
    return bool(value)


@lru_cache(maxsize=16)
def _tokens(formula: str) -> "tuple[_Token, ...]":
    """One formula is asked of many records."""
    return tuple(_split(formula))


class _Parser:
    def __init__(self, formula: str, record_id: str, cells: Mapping[str, Value]) -> None:
        self._tokens = _tokens(formula)
        self._at = 0
        self._record_id = record_id
        self._cells = cells

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise BadFormula("something follows the formula")

    def comparison(self) -> Value:
        left = self._joined()
        while self._next("mark", "=", "!=", *_COMPARISONS):
            mark = self._take().text
            right = self._joined()
            if mark in "!=":
                left = (_plain(left) == _plain(right)) is (mark == "=")
            else:
                left = _COMPARISONS[mark](_number(left), _number(right))
        return left

    def _joined(self) -> Value:
        left = self._single()
        while self._next("mark", "&"):
            self._take()
            left = _text(left) + _text(self._single())
        return left

    def _single(self) -> Value:
        token = self._take()
        match token.kind:
            case "text":
                return re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
            case "field":
                name = re.sub(r"\\(.)", r"\1", token.text[1:-1], flags=re.DOTALL)
                if name not in self._cells:
                    raise BadFormula(f"no field {name}")
                return self._cells[name]
            case "number":
                return float(token.text)
            case "name":
                return self._called(token.text.upper())
        if token.text == "(":
            value = self.comparison()
            self._expect(")")
            return value
        raise BadFormula(f"unexpected {token.text}")

    def _called(self, name: str) -> Value:  # noqa: PLR0911 - a table: one return a function
        self._expect("(")
        values: list[Value] = []
        while not self._next("mark", ")"):
            values.append(self.comparison())
            if not self._next("mark", ")"):
                self._expect(",")
        self._expect(")")
        match name, len(values):
            case "AND", _:
                return all(map(bool, values))
            case "OR", _:
                return any(map(bool, values))
            case "NOT", 1:
                return not values[0]
            case "EXACT", 2:
                return _text(values[0]) == _text(values[1])
            case "RECORD_ID", 0:
                return self._record_id
            case "BLANK", 0:
                return None
            case (("TRUE" | "FALSE"), 0):
                return name == "TRUE"
        raise BadFormula(f"no function {name} of {len(values)}")

    def _next(self, kind: str, *texts: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] in [_Token(kind, text) for text in texts]

    def _take(self) -> _Token:
        if self._at == len(self._tokens):
            raise BadFormula("the formula ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, mark: str) -> None:
        if self._take() != _Token("mark", mark):
            raise BadFormula(f"{mark} is missing")


def _split(formula: str) -> list[_Token]:
    tokens = []
    at, end = 0, len(formula.rstrip())
    while at < end:
        found = _TOKENS.match(formula, at)
        if found is None or found.lastgroup is None:
            raise BadFormula(f"cannot be read at {at}")
        tokens.append(_Token(found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _plain(value: Value) -> Value:
    """What `=` compares: no value is the same as an empty text, and texts take no notice of case, as a warning."""
    return "" if value is None else value.lower() if isinstance(value, str) else value


def _number(value: Value) -> float:
    """What `<` compares: no value counts as 0."""
    if isinstance(value, int | float):
        return float(value)
    if value is None:
        return 0.0
    raise BadFormula("texts have no order")


def _text(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
