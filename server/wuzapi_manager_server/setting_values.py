"""How the values of settings are written: times, sizes, keys, hosts, schedules."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h)?")
_TIME_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+)\s*(b|kb|kib|mb|mib|gb|gib)?", re.IGNORECASE)
_SIZE_UNITS = {"b": 1, "kb": 1000, "kib": 1 << 10, "mb": 1000**2, "mib": 1 << 20, "gb": 1000**3, "gib": 1 << 30}
_KEY_BYTES = 32
_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_LIKE_AN_ADDRESS = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)\.?")
_KEPT_TIER = re.compile(r"daily|weekly|monthly")
_KEPT = re.compile(r"[1-9]\d{0,3} (daily|weekly|monthly)( [1-9]\d{0,3} (daily|weekly|monthly)){0,2}")
_ADMIN_TOKEN = re.compile(r"[\x21-\x7e]{16,256}")


def time_in(unit: str) -> Callable[[object], object]:
    """Reads `60`, `60s`, `500ms`, `2m` or `1h`; a bare number counts in `unit`. The result is in `unit`."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        match = _TIME.fullmatch(value.strip().lower())
        if match is None:
            raise ValueError("not a time")
        return float(match[1]) * _TIME_UNITS[match[2] or unit] / _TIME_UNITS[unit]

    return read


def size(value: object) -> object:
    """Reads `4 MiB`, `500 kB` or `4194304` as bytes."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) * _SIZE_UNITS[(match[2] or "b").lower()]


def upper(value: object) -> object:
    """In capitals, as the names of choices are."""
    return value.upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """In lower case, as the names of choices are."""
    return value.lower() if isinstance(value, str) else value


def split(value: object) -> object:
    """Texts separated by commas, without spaces around them."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def admin_token(value: SecretStr) -> SecretStr:
    """16 to 256 printable ASCII characters. ValueError for others."""
    if not _ADMIN_TOKEN.fullmatch(value.get_secret_value()):
        raise ValueError("not an admin token")
    return value


def fernet_key(value: SecretStr) -> SecretStr:
    """32 bytes as URL-safe base64. ValueError for others."""
    try:
        key = base64.urlsafe_b64decode(value.get_secret_value().encode())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError("not a Fernet key")
    return value


def base_url(value: str) -> str:
    """An http or https URL without query, and without a slash at its end. ValueError for others."""
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError("not a base URL")
    return value.rstrip("/")


def _source_host(value: str) -> str:
    """What AddressGuard takes: a network or an address in its usual form without a zone, or a name."""
    if "%" in value:
        raise ValueError("a zone")
    try:
        ip_network(value.strip("[]"), strict=False)
    except ValueError:
        name = (value if value.isascii() else value.encode("idna").decode("ascii")).lower()
        if not _HOST_NAME.fullmatch(name) or _LIKE_AN_ADDRESS.fullmatch(name):
            raise ValueError("not a host") from None
    return value


def _cron(value: str) -> str:
    try:
        CronSim(value, datetime(2026, 1, 1, tzinfo=UTC))
    except CronSimError:
        raise ValueError("not a cron expression") from None
    return value


def retention(value: str) -> str:
    """As `7 daily 4 weekly`, each unit once. ValueError for others."""
    if not _KEPT.fullmatch(value) or len(set(_KEPT_TIER.findall(value))) != len(_KEPT_TIER.findall(value)):
        raise ValueError("not a retention")
    return value


Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(time_in("s")), Field(gt=0, le=86400)]
Milliseconds = Annotated[int, BeforeValidator(time_in("ms")), Field(ge=0, le=3_600_000)]
Bytes = Annotated[int, BeforeValidator(size), Field(ge=0, le=1 << 40)]
File = Annotated[Path, AfterValidator(Path.expanduser)]
Cron = Annotated[str, AfterValidator(_cron)]

SourceHosts = Annotated[tuple[Annotated[str, AfterValidator(_source_host)], ...], NoDecode, BeforeValidator(split)]
