"""What is known of a backup, as the text beside its file. It tells by itself whether it is as it was written."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from wuzapi_manager_server.domain.backup import Backup, Origin
from wuzapi_manager_server.storage.models import moment_of, moment_text

_CHECK = "check"
_KEYS = {"size", "sha256", "schema_version", "create_time", "origin", "key_id", "rows", "verify_time"}


def dumped(backup: Backup) -> bytes:
    """The description of a backup."""
    told = {
        "size": backup.size,
        "sha256": backup.sha256,
        "schema_version": backup.schema_version,
        "create_time": moment_text(backup.create_time),
        "origin": backup.origin.value,
        "key_id": backup.key_id,
        "rows": dict(backup.rows),
        "verify_time": moment_text(backup.verify_time) if backup.verify_time else None,
    }
    return orjson.dumps({**told, _CHECK: _check(told)}, option=orjson.OPT_INDENT_2)


def loaded(name: str, text: bytes) -> Backup:
    """The backup of a description. ValueError, KeyError or TypeError where that is not as it was written."""
    told = orjson.loads(text)
    check = told.pop(_CHECK, None)  # versions before had none
    if set(told) != _KEYS or (check is not None and check != _check(told)):
        raise ValueError("not as it was written")
    return Backup(
        name=name,
        size=int(told["size"]),
        sha256=str(told["sha256"]),
        schema_version=int(told["schema_version"]),
        create_time=moment_of(told["create_time"]),
        origin=Origin(told["origin"]),
        key_id=str(told["key_id"]),
        rows={str(table): int(count) for table, count in told["rows"].items()},
        verify_time=moment_of(told["verify_time"]) if told["verify_time"] else None,
    )


def undescribed(name: str, size: int, key_id: str) -> Backup:
    """A backup of which no more is known than its file tells."""
    made = datetime.strptime(name.partition("Z")[0], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return Backup(name, size, "", 0, made, Origin.UNSPECIFIED, key_id)


def _check(told: Mapping[str, object]) -> str:
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
