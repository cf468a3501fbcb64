"""What every servicer asks of a request: all problems at once, and what binds a token or an answer to it."""

import hashlib
from collections.abc import Callable
from typing import TypeVar

from google.protobuf.message import Message

from wuzapi_manager_server.domain.caller import Admin, Caller, User
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.services.once import Request

Found = TypeVar("Found")
Other = TypeVar("Other")
Sent = TypeVar("Sent", bound=Message)


class Problems:
    """Gathers the violations of several checks, so that a caller hears of all at once."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def attempt(self, check: Callable[[], Found], otherwise: Other) -> Found | Other:
        """What the check gives; `otherwise`, with its violations gathered, where it raises InvalidInput."""
        try:
            return check()
        except InvalidInput as error:
            self.violations.extend(error.violations)
            return otherwise

    def require(self, field: str, value: object) -> None:
        """Gathers a violation where the value is empty."""
        if not value:
            self.violations.append(missing(field))

    def settle(self, summary: Text | None = None) -> None:
        """InvalidInput with all that was gathered, if anything was."""
        if self.violations:
            raise InvalidInput(self.violations, summary=summary)


def missing(field: str) -> Violation:
    """A field that must be there."""
    return Violation(field, Text("is required", f"O campo {field} é obrigatório"), missing=True)


def required(**fields: object) -> None:
    """InvalidInput with each of these fields that is empty."""
    problems = Problems()
    for field, value in fields.items():
        problems.require(field, value)
    problems.settle()


def without(request: Sent, *fields: str) -> Sent:
    """A copy of the request with some fields cleared."""
    copy = type(request)()
    copy.CopyFrom(request)
    for field in fields:
        copy.ClearField(field)
    return copy


def binding(caller: Caller, request: Message, *unbound: str) -> bytes:
    """What stands for a caller and a request without its `unbound` fields: 32 bytes."""
    bound = without(request, *unbound)
    return hashlib.sha256(
        b"\0".join((_key_of(caller), bound.DESCRIPTOR.full_name.encode(), bound.SerializeToString(deterministic=True)))
    ).digest()


def repeatable(caller: Caller, request: Message, request_id: str) -> Request:
    """The request as one that may come again with the same id."""
    scope = hashlib.sha256(_key_of(caller) + b"\0" + request.DESCRIPTOR.full_name.encode()).digest()
    return Request(request_id, scope, without(request, "request_id").SerializeToString(deterministic=True))


def _key_of(caller: Caller) -> bytes:
    match caller:
        case Admin():
            return b"admin"
        case User():
            return b"user " + hashlib.sha256(caller.token.encode()).digest()
        case _:
            return b"public"
