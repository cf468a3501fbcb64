"""From errors to what travels in the trailers."""

import grpc
import pytest
from google.rpc import error_details_pb2  # type: ignore[import-untyped]  # stubs without py.typed
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # stubs without py.typed
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server import errors
from wuzapi_manager_server.errors import Code, InvalidInput, NotFound, RateLimited, ServiceError, Text, Violation
from wuzapi_manager_server.rpc.status import answer

texts = st.text(st.characters(exclude_categories=()), max_size=2000)


def detail(raw: bytes, name: str) -> object:
    """The one detail of that type."""
    found = [each for each in Status.FromString(raw).details if each.TypeName() == f"google.rpc.{name}"]
    assert len(found) == 1
    made = getattr(error_details_pb2, name)()
    found[0].Unpack(made)
    return made


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_one_of_grpc(code: Code) -> None:
    """Every code of ours has its number in gRPC."""
    error = NotFound(Text("en", "pt"))
    error.code = code
    made = answer(error, "r", "en")
    assert made.code.name == code.value
    assert Status.FromString(made.details).code == made.code.value[0]


def test_every_error_has_a_reason_and_code() -> None:
    """Each class of the tree has a code that gRPC knows and a reason in capitals."""
    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, ServiceError):
            assert grpc.StatusCode[each.code.value].name == each.code.value
            assert each.reason.isupper()


def test_violations_are_told_in_both_languages() -> None:
    """A violation has field, English description, a reason and the text in the caller's language."""
    made = answer(
        InvalidInput([Violation("a.b", Text("is bad", "é ruim")), Violation("c", Text("x", "y"), True)]), "r", "pt-BR"
    )
    first, second = detail(made.details, "BadRequest").field_violations  # type: ignore[attr-defined]  # found by name
    assert (first.field, first.description, first.reason) == ("a.b", "is bad", "VALIDATION_ERROR")
    assert (first.localized_message.locale, first.localized_message.message) == ("pt-BR", "é ruim")
    assert second.reason == "MISSING_REQUIRED_FIELD"


def test_retry_delay_keeps_fractions() -> None:
    """Retry advice arrives to the millisecond, and never negative."""
    for seconds, shown in ((1.25, 1.25), (0.0, 0.0), (-3.0, 0.0)):
        made = answer(RateLimited(Text("a", "b"), retry_after=seconds), "r", "en")
        delay = detail(made.details, "RetryInfo").retry_delay  # type: ignore[attr-defined]  # found by name
        assert delay.ToTimedelta().total_seconds() == shown


def test_long_message_is_cut() -> None:
    """A message keeps below 1,000 bytes once characters outside of ASCII are encoded."""
    for text in ("x" * 5000, "ã" * 5000, "%" * 5000):
        message = answer(NotFound(Text(text, text)), "r", "en").message
        assert message.endswith("...")
        assert sum(1 if c.isascii() and c != "%" else 3 * len(c.encode()) for c in message) <= 1000


@given(
    texts,
    texts,
    st.lists(st.tuples(texts, texts, st.booleans()), max_size=60),
    st.dictionaries(texts, texts, max_size=40),
)
def test_whatever_is_said_fits(
    text: str, suggestion: str, violations: list[tuple[str, str, bool]], metadata: dict[str, str]
) -> None:
    """Any texts, lone surrogates among them, make a status that gRPC can send."""
    error = InvalidInput([Violation(field, Text(said, said), missing) for field, said, missing in violations])
    error.text, error.suggestion, error.metadata = Text(text, text), Text(suggestion, suggestion), metadata
    made = answer(error, "r" * 128, "pt-BR")
    made.message.encode()
    info = detail(made.details, "ErrorInfo")
    omitted = int(info.metadata.get("violations_omitted", "0"))  # type: ignore[attr-defined]  # found by name
    shown = len(detail(made.details, "BadRequest").field_violations) if omitted < len(violations) else 0  # type: ignore[attr-defined]  # found by name
    assert shown + omitted == len(violations)
    assert len(made.details) <= 5000 or shown == 0
