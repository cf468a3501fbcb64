"""How a column is shown, and what may be written to it."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import re2

from wuzapi_manager_server.domain.table import Json
from wuzapi_manager_server.domain.values import EXACT, number_of
from wuzapi_manager_server.errors import Text, Violation

MAX_PATTERN = 500
MAX_OPTIONS = 1_000
MAX_OPTION = 1_024
_PATTERN_OPTIONS = re2.Options()
_PATTERN_OPTIONS.max_mem = 1 << 20  # RE2 runs in linear time; this bounds what compiling a pattern may take
_PATTERN_OPTIONS.log_errors = False


@dataclass(frozen=True)
class Validation:
    """What a written value must satisfy. 0 and None mean no bound, no options means any."""

    pattern: str = ""
    min_length: int = 0
    max_length: int = 0
    min: float | None = None
    max: float | None = None
    options: tuple[str, ...] = ()

    def violations(self) -> Iterator[Violation]:
        """What contradicts itself."""
        if self.pattern and (len(self.pattern) > MAX_PATTERN or not compiles(self.pattern)):
            yield Violation(
                "pattern",
                Text(
                    f"must be an RE2 regular expression of at most {MAX_PATTERN} characters",
                    f"Padrão deve ser uma expressão regular RE2 de até {MAX_PATTERN} caracteres",
                ),
            )
        if self.max_length and self.min_length > self.max_length:
            yield Violation(
                "min_length", Text("must not be above max_length", "min_length não pode ser maior que max_length")
            )
        for name, bound in (("min", self.min), ("max", self.max)):
            if bound is not None and not math.isfinite(bound):
                yield Violation(name, Text("must be a finite number", f"{name} deve ser um número finito"))
        if len(self.options) > MAX_OPTIONS or any(len(option) > MAX_OPTION for option in self.options):
            yield Violation(
                "options",
                Text(
                    f"must be at most {MAX_OPTIONS:,}, of at most {MAX_OPTION:,} characters each",
                    f"São permitidas no máximo {MAX_OPTIONS} opções, de até {MAX_OPTION} caracteres cada",
                ),
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            yield Violation("min", Text("must not be above max", "min não pode ser maior que max"))

    def complaint(self, value: Json) -> Text | None:
        """Why a written value (never None) is refused, judged as the text that JSON spells it with; None: it is not."""
        text = _spelled(value)
        if self.pattern and re2.compile(self.pattern, _PATTERN_OPTIONS).fullmatch(text) is None:
            return Text(f"must match {self.pattern}", f"deve corresponder ao padrão {self.pattern}")
        if len(text) < self.min_length:
            return Text(
                f"must have at least {self.min_length} characters", f"deve ter no mínimo {self.min_length} caracteres"
            )
        if self.max_length and len(text) > self.max_length:
            return Text(
                f"must have at most {self.max_length} characters", f"deve ter no máximo {self.max_length} caracteres"
            )
        if self.options and text not in self.options:
            listed = ", ".join(self.options[:20])
            return Text(f"must be one of: {listed}", f"deve ser um destes valores: {listed}")
        return self._range_complaint(text)

    def _range_complaint(self, text: str) -> Text | None:
        if self.min is None and self.max is None:
            return None
        number = number_of(text)
        if number is None:
            return Text("must be a number", "deve ser um número")
        if self.min is not None and not _is_up_to(_meant(self.min), number):
            return Text(f"must be at least {_shown(self.min)}", f"deve ser no mínimo {_shown(self.min)}")
        if self.max is not None and not _is_up_to(number, _meant(self.max)):
            return Text(f"must be at most {_shown(self.max)}", f"deve ser no máximo {_shown(self.max)}")
        return None


@dataclass(frozen=True)
class FieldMapping:
    """Callers speak `field`, the table has `column`."""

    field: str
    column: str
    label: str = ""
    type: str = ""
    visible: bool = True
    editable: bool = True
    required: bool = False
    helper_text: str = ""
    show_in_card: bool = False
    validation: Validation = Validation()


def _meant(bound: float) -> Decimal:
    """A bound means what it is written as: 0.3 is three tenths, not the double next to it."""
    return Decimal(repr(bound))


def _is_up_to(low: Decimal | float, high: Decimal | float) -> bool:
    """What is no number is beyond any bound, and any number beyond what is none."""
    return not math.isnan(low) and not math.isnan(high) and low <= high


def _shown(bound: float) -> str:
    """A bound with all its digits."""
    return repr(bound).removesuffix(".0")


def compiles(pattern: str) -> bool:
    """Whether it is a regular expression that RE2 takes."""
    try:
        re2.compile(pattern, _PATTERN_OPTIONS)
    except (re2.error, UnicodeEncodeError):
        return False
    return True


def _spelled(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT:
        value = int(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
