"""What a mapping lets be written."""

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.mapping import (
    MAX_OPTION,
    MAX_OPTIONS,
    MAX_PATTERN,
    FieldMapping,
    Validation,
    compiles,
)
from wuzapi_manager_server.domain.table import Json


@pytest.mark.parametrize(
    ("rule", "value", "complaint"),
    [
        (Validation(), "anything", ""),
        (Validation(pattern="[A-Z]+"), "ABC", ""),
        (Validation(pattern="[A-Z]+"), "ABC1", "must match [A-Z]+"),
        (Validation(pattern="[A-Z]+"), "ABC\n", "must match [A-Z]+"),
        (Validation(pattern="a|ab"), "ab", ""),
        (Validation(pattern="é."), "éé", ""),
        (Validation(min_length=2), "é", "must have at least 2 characters"),
        (Validation(min_length=2), "éé", ""),
        (Validation(max_length=2), "abc", "must have at most 2 characters"),
        (Validation(max_length=2), "\U0001f600\U0001f600", ""),
        (Validation(options=("a", "b")), "b", ""),
        (Validation(options=("a", "b")), "A", "must be one of: a, b"),
        (Validation(options=("true",)), True, ""),
        (Validation(options=("5",)), 5, ""),
        (Validation(options=("5",)), 5.0, ""),
        (Validation(options=("5.5",)), 5.5, ""),
        (Validation(options=("[1,null]",)), [1, None], ""),
        (Validation(min=1), 1, ""),
        (Validation(min=1), 0.5, "must be at least 1"),
        (Validation(max=1), "1.00000000000000000001", "must be at most 1"),
        (Validation(min=0.5, max=10), "9.99", ""),
        (Validation(max=10), "1e1000", "must be at most 10"),
        (Validation(max=10), "NaN", "must be at most 10"),
        (Validation(min=10), "NaN", "must be at least 10"),
        (Validation(min=10), "Infinity", ""),
        (Validation(min=0.1, max=0.3), "0.3", ""),
        (Validation(min=0.1, max=0.3), "0.1", ""),
        (Validation(min=0.1, max=0.3), 0.3, ""),
        (Validation(min=0.1, max=0.3), "0.30", ""),
        (Validation(max=0.3), "0.3000000000000000001", "must be at most 0.3"),
        (Validation(max=1234567.5), 1234568, "must be at most 1234567.5"),
        (Validation(min=1e300), 1, "must be at least 1e+300"),
        (Validation(min=1), "1_000", "must be a number"),
        (Validation(min=1), "\u0665", "must be a number"),
        (Validation(min=0), True, "must be a number"),
        (Validation(min=1), "", "must be a number"),
    ],
)
def test_values_are_judged_by_their_text(rule: Validation, value: Json, complaint: str) -> None:
    """Pattern, lengths, options and bounds look at what JSON spells; numbers are compared to the last digit."""
    found = rule.complaint(value)
    assert (found.en if found else "") == complaint


@pytest.mark.parametrize(
    ("rule", "fields"),
    [
        (Validation(), []),
        (Validation(pattern="("), ["pattern"]),
        (Validation(pattern="(?<=a)b"), ["pattern"]),
        (Validation(pattern=r"(a)\1"), ["pattern"]),
        (Validation(pattern="((a{100}){100}){100}"), ["pattern"]),
        (Validation(pattern="\ud800"), ["pattern"]),
        (Validation(pattern="a" * MAX_PATTERN), []),
        (Validation(pattern="a" * (MAX_PATTERN + 1)), ["pattern"]),
        (Validation(min_length=3, max_length=2), ["min_length"]),
        (Validation(min_length=3), []),
        (Validation(min=2, max=2), []),
        (Validation(min=2, max=1), ["min"]),
        (Validation(min=math.nan), ["min"]),
        (Validation(min=math.nan, max=math.nan), ["min", "max"]),
        (Validation(min=-math.inf, max=math.inf), ["min", "max"]),
        (Validation(options=("a" * MAX_OPTION,) * MAX_OPTIONS), []),
        (Validation(options=("a",) * (MAX_OPTIONS + 1)), ["options"]),
        (Validation(options=("a" * (MAX_OPTION + 1),)), ["options"]),
        (Validation(pattern="[", min_length=3, max_length=2, min=2, max=1), ["pattern", "min_length", "min"]),
    ],
)
def test_contradictions_are_told(rule: Validation, fields: list[str]) -> None:
    """A rule that nothing can satisfy, or that RE2 does not take, is refused, all of it at once."""
    assert [violation.field for violation in rule.violations()] == fields


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){20}", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_no_pattern_takes_long(pattern: str) -> None:
    """Patterns that take other engines ages are judged in a time that grows with the text alone."""
    assert compiles(pattern)
    began = time.perf_counter()
    Validation(pattern=pattern).complaint("a" * 50_000 + "!")
    assert time.perf_counter() - began < 2


@given(
    st.builds(
        Validation,
        pattern=st.sampled_from(["", ".*", "[a-z]+"]),
        min_length=st.integers(0, 5),
        max_length=st.integers(0, 5),
        min=st.none() | st.floats(),
        max=st.none() | st.floats(),
        options=st.just(()) | st.just(("a", "5")),
    ),
    st.text(max_size=9) | st.floats() | st.integers() | st.booleans() | st.just([1]) | st.just({"a": None}),
)
def test_any_value_is_judged(rule: Validation, value: Json) -> None:
    """Nothing is raised by any rule for any value, and complaints have both languages."""
    complaint = rule.complaint(value)
    assert complaint is None or all(complaint)


def test_a_long_list_of_options_is_told_in_part() -> None:
    """A complaint names the first 20 options alone."""
    complaint = Validation(options=tuple(map(str, range(100)))).complaint("x")
    assert complaint is not None
    assert complaint.en.endswith(" 19")


def test_a_mapping_shows_and_edits_unless_told_otherwise() -> None:
    """The defaults of a mapping: visible, editable, not required, any value."""
    mapping = FieldMapping("name", "customer_name")
    assert mapping.visible
    assert mapping.editable
    assert not mapping.required
    assert mapping.validation == Validation()
