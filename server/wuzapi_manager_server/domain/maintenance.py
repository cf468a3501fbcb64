"""What operators look at: how the database lies on the disk, what it holds, and what a check found."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from wuzapi_manager_server.errors import PermissionDenied, Text, Violation

OWN_KEYS = "system."
MAX_VALUE_BYTES = 64 * 1024
_KEY = re.compile(r"[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True)
class DatabaseFile:
    """A database's files: sizes in bytes, and when it was last written to."""

    size: int
    wal_size: int
    page_size: int
    pages: int
    free_pages: int
    update_time: datetime


@dataclass(frozen=True)
class Stats:
    """How many of what there are. `connections` counts those that are not deleted by type and status."""

    connections: Mapping[tuple[str, str], int]
    deleted: int
    assignments: int
    branding_revisions: int
    metadata: int
    audit_events: int
    remembered_requests: int
    file: DatabaseFile
    pragmas: Mapping[str, str]


@dataclass(frozen=True)
class Checked:
    """What a check found: sentences, none when all is well; and how many seconds it took."""

    problems: tuple[str, ...]
    seconds: float


def key_problem(key: str) -> Violation | None:
    """What is wrong with a metadata key that is to be stored."""
    if not key:
        return Violation("key", Text("is required", "O campo key é obrigatório"), missing=True)
    if not _KEY.fullmatch(key):
        return Violation(
            "key",
            Text(
                "must be 1 to 100 letters, digits, dots, dashes and underscores of ASCII",
                "A chave deve ter de 1 a 100 letras, dígitos, pontos, hífens e sublinhados ASCII",
            ),
        )
    return None


def value_problem(value: str) -> Violation | None:
    """What is wrong with a metadata value that is to be stored."""
    size = len(value.encode())
    if size <= MAX_VALUE_BYTES:
        return None
    text = Text(f"has {size} bytes, at most {MAX_VALUE_BYTES} are taken", f"O valor excede {MAX_VALUE_BYTES} bytes")
    return Violation("value", text)


def is_own_key(key: str) -> bool:
    """Whether the system itself keeps the value of that key."""
    return key.startswith(OWN_KEYS)


def refuse_own_key(key: str) -> None:
    """PermissionDenied for a key that only the system itself may write."""
    if is_own_key(key):
        raise PermissionDenied(
            Text(
                f"Keys that begin with {OWN_KEYS} are of the system itself",
                f"Chaves iniciadas por {OWN_KEYS} pertencem ao próprio sistema",
            ),
            suggestion=Text("Choose another key", "Escolha outra chave"),
        )
