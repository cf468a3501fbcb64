"""What can go wrong, in the words of callers. Nothing else leaves the service.

    ServiceError
    ├── InvalidInput        INVALID_ARGUMENT     VALIDATION_ERROR, MISSING_REQUIRED_FIELD
    ├── InvalidToken        UNAUTHENTICATED      INVALID_TOKEN
    ├── PermissionDenied    PERMISSION_DENIED    PERMISSION_ERROR
    ├── NotFound            NOT_FOUND            NOT_FOUND
    ├── AlreadyExists       ALREADY_EXISTS       ALREADY_EXISTS
    ├── Conflict            ABORTED              CONFLICT
    ├── DatabaseError       UNAVAILABLE, DATA_LOSS, RESOURCE_EXHAUSTED   DATABASE_ERROR (our own database)
    ├── ConnectionFailed    UNAVAILABLE          CONNECTION_FAILED (a source)
    ├── CredentialsRejected FAILED_PRECONDITION  CREDENTIALS_REJECTED (a source)
    ├── QueryFailed         FAILED_PRECONDITION, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, PERMISSION_DENIED
    │                                            QUERY_FAILED (a source)
    │   └── WrittenOtherwise
    ├── NocodbError         FAILED_PRECONDITION, UNAVAILABLE             NOCODB_ERROR
    ├── WuzapiError         INVALID_ARGUMENT, FAILED_PRECONDITION, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE
    │                                            WUZAPI_ERROR
    ├── AirtableError       FAILED_PRECONDITION, UNAVAILABLE             AIRTABLE_ERROR
    ├── WuzapiUnreachable   UNAVAILABLE          CONNECTION_ERROR
    ├── SendUnknown         UNAVAILABLE          SEND_UNKNOWN
    ├── TimedOut            DEADLINE_EXCEEDED    TIMEOUT_ERROR
    │   └── OutcomeUnknown
    ├── FileSystemError     FAILED_PRECONDITION, RESOURCE_EXHAUSTED, DATA_LOSS   FILE_SYSTEM_ERROR (backups, media)
    ├── RateLimited         RESOURCE_EXHAUSTED   RATE_LIMIT_ERROR
    └── SystemFailure       INTERNAL             SYSTEM_ERROR

Every text exists in English and in Brazilian Portuguese. No text holds a driver's message, a path, a host or a secret.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Code(Enum):
    """The canonical status codes that this service answers with; values are gRPC's own names."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ABORTED = "ABORTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"


_MAX_TOLD = 50


class Text(NamedTuple):
    """One sentence in the two languages of this service."""

    en: str
    pt: str


NO_TEXT = Text("", "")


def joined(texts: Iterable[Text]) -> Text:
    """Texts as one, without those that are empty."""
    said = [text for text in texts if text != NO_TEXT]
    return Text("; ".join(text.en for text in said), "; ".join(text.pt for text in said))


@dataclass(frozen=True)
class Violation:
    """A bad field: its path in the request (`connections[3].name`), why, and whether it was missing."""

    field: str
    text: Text
    missing: bool = False

    def below(self, prefix: str) -> "Violation":
        """The same violation in a field that lies below `prefix`."""
        return Violation(f"{prefix}.{self.field}" if self.field else prefix, self.text, self.missing)


class ServiceError(Exception):
    """Any failure that a caller is told of.

    `reason` and `code` are for machines, `text` and `suggestion` for people; `metadata` carries the dynamic values;
    `retry_after` is in seconds and stands only where waiting helps.
    """

    reason = "SYSTEM_ERROR"
    code = Code.INTERNAL

    def __init__(
        self,
        text: Text,
        *,
        suggestion: Text | None = None,
        metadata: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(text.en)
        self.text = text
        self.suggestion = suggestion
        self.metadata = dict(metadata or {})
        self.retry_after = retry_after

    @property
    def for_operator(self) -> str:
        """What went wrong and what to do, for a terminal or a log."""
        return f"{self.text.en}. {self.suggestion.en}" if self.suggestion else self.text.en


class InvalidInput(ServiceError):
    """The request cannot be carried out by anyone: every bad field is listed, the first 50 also in the text."""

    reason = "VALIDATION_ERROR"
    code = Code.INVALID_ARGUMENT

    def __init__(self, violations: Iterable[Violation], *, summary: Text | None = None) -> None:
        self.violations = tuple(violations)
        what = summary or Text("Invalid request", "Requisição inválida")
        told = self.violations[:_MAX_TOLD]
        english = (f"{v.field}: {v.text.en}" if v.field else v.text.en for v in told)
        portuguese = (v.text.pt for v in told)
        super().__init__(Text(f"{what.en}: " + "; ".join(english), f"{what.pt}: " + ", ".join(portuguese)))
        if self.violations and all(v.missing for v in self.violations):
            self.reason = "MISSING_REQUIRED_FIELD"


class InvalidToken(ServiceError):
    """No token, a malformed one, or one that was refused."""

    reason = "INVALID_TOKEN"
    code = Code.UNAUTHENTICATED


class PermissionDenied(ServiceError):
    """The caller is known and may not do this."""

    reason = "PERMISSION_ERROR"
    code = Code.PERMISSION_DENIED


class NotFound(ServiceError):
    """There is no such thing, or it is not the caller's."""

    reason = "NOT_FOUND"
    code = Code.NOT_FOUND


class AlreadyExists(ServiceError):
    """A thing that must be unique is there already."""

    reason = "ALREADY_EXISTS"
    code = Code.ALREADY_EXISTS


class Conflict(ServiceError):
    """Somebody else was faster: an etag that is not current, a request in flight, a deadlock."""

    reason = "CONFLICT"
    code = Code.ABORTED


class DatabaseError(ServiceError):
    """The service's own database: UNAVAILABLE busy or cannot open, DATA_LOSS corrupt, RESOURCE_EXHAUSTED disk full."""

    reason = "DATABASE_ERROR"

    def __init__(self, code: Code, text: Text, *, suggestion: Text, retry_after: float | None = None) -> None:
        super().__init__(text, suggestion=suggestion, retry_after=retry_after)
        self.code = code


class ConnectionFailed(ServiceError):
    """A source cannot be reached, or is locked by another program."""

    reason = "CONNECTION_FAILED"
    code = Code.UNAVAILABLE


class CredentialsRejected(ServiceError):
    """A source refuses the stored credentials."""

    reason = "CREDENTIALS_REJECTED"
    code = Code.FAILED_PRECONDITION


class QueryFailed(ServiceError):
    """A source refuses the statement.

    FAILED_PRECONDITION (schema, constraint), INVALID_ARGUMENT (a value), RESOURCE_EXHAUSTED (a record is larger than an
    answer may be, or the source has no room) or PERMISSION_DENIED (a right that PostgreSQL does not grant).
    """

    reason = "QUERY_FAILED"

    def __init__(
        self,
        text: Text,
        *,
        code: Code = Code.FAILED_PRECONDITION,
        suggestion: Text | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(text, suggestion=suggestion, metadata=metadata)
        self.code = code


class WrittenOtherwise(QueryFailed):
    """A source carried out a write, but does not hold what was to be written: what it holds instead stays there."""


class NocodbError(ServiceError):
    """NocoDB answered an error of its own (UNAVAILABLE) or a redirect (FAILED_PRECONDITION)."""

    reason = "NOCODB_ERROR"

    def __init__(self, code: Code, text: Text, *, suggestion: Text, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(text, suggestion=suggestion, metadata=metadata)
        self.code = code


class WuzapiError(ServiceError):
    """WUZAPI answered an error or more than an answer may hold, or is not configured."""

    reason = "WUZAPI_ERROR"

    def __init__(self, code: Code, text: Text, *, suggestion: Text, retry_after: float | None = None) -> None:
        super().__init__(text, suggestion=suggestion, retry_after=retry_after)
        self.code = code


class AirtableError(ServiceError):
    """Airtable answered an error of its own, or what cannot be read."""

    reason = "AIRTABLE_ERROR"

    def __init__(self, code: Code, text: Text, *, suggestion: Text, retry_after: float | None = None) -> None:
        super().__init__(text, suggestion=suggestion, retry_after=retry_after)
        self.code = code


class WuzapiUnreachable(ServiceError):
    """WUZAPI cannot be reached."""

    reason = "CONNECTION_ERROR"
    code = Code.UNAVAILABLE


class SendUnknown(ServiceError):
    """The answer of a send was lost: it is safe to ask again with the same request_id, which the metadata has."""

    reason = "SEND_UNKNOWN"
    code = Code.UNAVAILABLE


class TimedOut(ServiceError):
    """The deadline of the caller, or the service's own, has passed."""

    reason = "TIMEOUT_ERROR"
    code = Code.DEADLINE_EXCEEDED


class OutcomeUnknown(TimedOut):
    """The deadline passed while a change was being saved: whether it was is not known."""


class FileSystemError(ServiceError):
    """Backups and media: FAILED_PRECONDITION (folder, key), RESOURCE_EXHAUSTED (no room), DATA_LOSS (damaged)."""

    reason = "FILE_SYSTEM_ERROR"

    def __init__(self, code: Code, text: Text, *, suggestion: Text, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(text, suggestion=suggestion, metadata=metadata)
        self.code = code


class RateLimited(ServiceError):
    """Too much at once: an upstream's 429, or our own limit."""

    reason = "RATE_LIMIT_ERROR"
    code = Code.RESOURCE_EXHAUSTED


class SystemFailure(ServiceError):
    """Anything else. The caller gets an error id; the full text is in the log only."""


def etag_mismatch(current: str) -> Conflict:
    """The etag given is not the current one, which goes into the metadata."""
    return Conflict(
        Text("The etag is not the current one", "O etag não é o atual"),
        suggestion=Text("Read it again, then repeat the change", "Leia novamente e repita a alteração"),
        metadata={"etag": current},
    )


def record_not_found(at: int | None = None) -> NotFound:
    """There is no such record, or it is another user's: the caller cannot tell which. `at` is its place in a batch."""
    return NotFound(
        Text("There is no such record", "Registro não encontrado"), metadata={} if at is None else {"index": str(at)}
    )


class CannotStart(Exception):
    """The server cannot start; the text says why and what to do, in one sentence, for the operator alone."""
