"""What callers are told when something goes wrong."""

import pytest

from wuzapi_manager_server import errors
from wuzapi_manager_server.errors import (
    Code,
    DatabaseError,
    InvalidInput,
    QueryFailed,
    ServiceError,
    Text,
    Violation,
    WuzapiError,
    etag_mismatch,
    record_not_found,
)

TEXT = Text("is bad", "é inválido")


def test_all_violations_are_in_the_text() -> None:
    """English sentences name the field, Portuguese ones are the product's own."""
    error = InvalidInput([Violation("a.b", TEXT), Violation("", Text("all", "tudo"))], summary=Text("No", "Não"))
    assert error.text == Text("No: a.b: is bad; all", "Não: é inválido, tudo")
    assert str(error) == error.text.en
    assert InvalidInput([]).text.en == "Invalid request: "


def test_a_text_stays_short_however_much_is_wrong() -> None:
    """All violations are kept, the text tells the first 50."""
    error = InvalidInput(Violation(f"f{at}", TEXT) for at in range(100_000))
    assert len(error.violations) == 100_000
    assert len(error.text.en) < 2_000
    assert "f49:" in error.text.en
    assert "f50:" not in error.text.en


def test_what_is_missing_has_a_reason_of_its_own() -> None:
    """The reason is MISSING_REQUIRED_FIELD where nothing else is wrong."""
    missing, bad = Violation("a", TEXT, missing=True), Violation("b", TEXT)
    assert InvalidInput([missing]).reason == "MISSING_REQUIRED_FIELD"
    assert InvalidInput([missing, bad]).reason == "VALIDATION_ERROR"
    assert InvalidInput([]).reason == "VALIDATION_ERROR"


def test_violations_move_below_fields() -> None:
    """A violation within a field bears the path to it."""
    assert Violation("name", TEXT, missing=True).below("connections[3]") == Violation(
        "connections[3].name", TEXT, missing=True
    )
    assert Violation("", TEXT).below("record").field == "record"


@pytest.mark.parametrize("kind", [DatabaseError, WuzapiError])
def test_codes_that_depend(kind: type[DatabaseError] | type[WuzapiError]) -> None:
    """Where the code depends on what happened, it is the error's own."""
    error = kind(Code.UNAVAILABLE, TEXT, suggestion=TEXT, retry_after=1.5)
    assert (error.code, error.suggestion, error.retry_after) == (Code.UNAVAILABLE, TEXT, 1.5)
    assert QueryFailed(TEXT).code is Code.FAILED_PRECONDITION
    assert QueryFailed(TEXT, code=Code.INVALID_ARGUMENT).code is Code.INVALID_ARGUMENT


def test_metadata_is_the_errors_own() -> None:
    """A change of one error's metadata changes no other's."""
    given = {"a": "b"}
    error = ServiceError(TEXT, metadata=given)
    error.metadata["c"] = "d"
    assert given == {"a": "b"}
    assert ServiceError(TEXT).metadata == {}


def test_common_errors() -> None:
    """The current etag, and the place in a batch, travel as metadata."""
    assert etag_mismatch("5").metadata == {"etag": "5"}
    assert record_not_found().metadata == {}
    assert record_not_found(3).metadata == {"index": "3"}


def test_every_error_has_a_reason_and_a_code() -> None:
    """Every kind of error stands in the tree with a reason of the contract."""
    reasons = {
        kind.reason for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ServiceError)
    }
    assert reasons == {
        "VALIDATION_ERROR",
        "INVALID_TOKEN",
        "PERMISSION_ERROR",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "CONFLICT",
        "DATABASE_ERROR",
        "CONNECTION_FAILED",
        "CREDENTIALS_REJECTED",
        "QUERY_FAILED",
        "NOCODB_ERROR",
        "SEND_UNKNOWN",
        "WUZAPI_ERROR",
        "AIRTABLE_ERROR",
        "CONNECTION_ERROR",
        "TIMEOUT_ERROR",
        "FILE_SYSTEM_ERROR",
        "RATE_LIMIT_ERROR",
        "SYSTEM_ERROR",
    }
