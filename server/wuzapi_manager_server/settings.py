"""What an operator can set: environment variables and a `.env` file in the working directory, read once.

A variable that is set but empty counts as unset. Unknown variables are ignored.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from wuzapi_manager_server.setting_values import (
    Bytes,
    Cron,
    File,
    Milliseconds,
    Port,
    Seconds,
    SourceHosts,
    admin_token,
    base_url,
    fernet_key,
    lower,
    retention,
    split,
    upper,
)

DOTENV = ".env"


@dataclass(frozen=True)
class About:
    """What a setting is for, in one line, and which values it takes."""

    help: str
    allowed: str


class BadSettings(Exception):
    """Settings that cannot be used. The text has a line for each: variable, value (unless secret), what is allowed."""


class Setting(NamedTuple):
    """A setting as an operator sees it: texts only, secrets masked."""

    variable: str
    value: str
    default: str
    origin: str
    help: str
    allowed: str


_SECONDS = "a time above 0 up to 24 h, as 60, 60s or 500ms"
_DEFAULT_PAGE = 100
_AROUND_A_REQUEST = 2.0
_CLOSING = 5.0
_NOT_SET = "nothing"
_CONTRADICTS = "contradicts"
"""The kind of a complaint whose message is the other setting, with its value."""
_BOOLEAN = "true or false"
_HOSTS = "names, addresses and networks separated by commas, as db.internal, 10.0.0.7, 10.1.0.0/16"


class Settings(BaseSettings):
    """Every setting of the service. Times are in seconds unless the name says otherwise, sizes in bytes.

    Made by `load`; tests give keyword arguments, which win over the environment.
    """

    model_config = SettingsConfigDict(
        env_file=DOTENV, env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    grpc_host: Annotated[str, About("The address to listen on; 0.0.0.0 or :: for all", "an address or host name")] = (
        Field(default="127.0.0.1", pattern=r"^[^\s/]+$")
    )
    grpc_port: Annotated[Port, About("The port to listen on; 0 takes a free one", "a number from 0 to 65535")] = 50051
    grpc_workers: Annotated[int, About("Processes that serve the port together", "a number from 1 to 64")] = Field(
        default=1, ge=1, le=64
    )
    work_threads: Annotated[
        int, About("Threads in each process for long reads, exports and SQL of sources", "a number from 1 to 256")
    ] = Field(default=16, ge=1, le=256)
    grpc_max_in_flight: Annotated[
        int, About("Unary calls at once in each process; more are refused", "a number from 1 to 100000")
    ] = Field(default=256, ge=1, le=100_000)
    grpc_max_streams: Annotated[
        int, About("Streams at once in each process; more are refused", "a number from 1 to 10000")
    ] = Field(default=16, ge=1, le=10_000)
    grpc_max_message_bytes: Annotated[
        Bytes, About("The largest message taken", "a size from 64 KiB to 256 MiB, as 4 MiB or 4194304")
    ] = Field(default=4 << 20, ge=64 << 10, le=256 << 20)
    grpc_max_deadline: Annotated[Seconds, About("The longest that a unary call may take", _SECONDS)] = 60.0
    grpc_stream_idle: Annotated[
        Seconds, About("A stream without a message for that long ends, but for WatchSession", _SECONDS)
    ] = 60.0
    grpc_reflection: Annotated[bool, About("Whether the server describes its services to tools", _BOOLEAN)] = True
    shutdown_grace: Annotated[Seconds, About("How long open calls may finish after SIGTERM", _SECONDS)] = 20.0

    tls_cert_file: Annotated[
        File | None, About("Certificate chain, PEM; set it for TLS", "a file, together with TLS_KEY_FILE")
    ] = None
    tls_key_file: Annotated[
        File | None, About("Private key of the certificate, PEM", "a file, together with TLS_CERT_FILE")
    ] = Field(default=None, validate_default=True)
    tls_client_ca_file: Annotated[
        File | None, About("Callers must show a certificate of this CA, PEM", "a file, together with TLS_CERT_FILE")
    ] = None

    sqlite_db_path: Annotated[File, About("The service's own database; its folder is made", "a file")] = Path(
        "./data/wuzapi.db"
    )
    sqlite_wal_mode: Annotated[bool, About("Write-ahead log: readers do not wait for writers", _BOOLEAN)] = True
    sqlite_timeout: Annotated[
        Milliseconds, About("Milliseconds to wait for a locked database", "a time up to 1 h, as 5000 or 5s")
    ] = 5000
    sqlite_cache_size: Annotated[
        int, About("Pages kept in memory by each connection; negative counts KiB", "a number up to 10000000")
    ] = Field(default=4000, ge=-10_000_000, le=10_000_000)
    sqlite_synchronous: Annotated[
        Literal["OFF", "NORMAL", "FULL", "EXTRA"],
        BeforeValidator(upper),
        About("When SQLite waits for the disk", "OFF, NORMAL, FULL or EXTRA"),
    ] = "NORMAL"
    sqlite_temp_store: Annotated[
        Literal["DEFAULT", "FILE", "MEMORY"],
        BeforeValidator(upper),
        About("Where SQLite keeps temporary tables", "DEFAULT, FILE or MEMORY"),
    ] = "MEMORY"
    sqlite_mmap_size: Annotated[
        Bytes, About("Bytes read through memory mapping; 0 with several workers", "a size, as 256 MiB or 268435456")
    ] = 256 << 20
    sqlite_foreign_keys: Annotated[bool, About("Whether SQLite enforces foreign keys", _BOOLEAN)] = True
    sqlite_recursive_triggers: Annotated[bool, About("Whether triggers may set off triggers", _BOOLEAN)] = True
    sqlite_wal_autocheckpoint: Annotated[
        int, About("Pages of the write-ahead log that set off a checkpoint", "a number from 0 to 1000000")
    ] = Field(default=1000, ge=0, le=1_000_000)
    sqlite_sources_dir: Annotated[
        File | None, About("Where SQLITE connections may point; unset refuses that type", "a folder")
    ] = None

    allowed_source_hosts: Annotated[
        SourceHosts,
        About("Hosts that sources may point to although they are not public", _HOSTS),
    ] = ()
    denied_source_hosts: Annotated[
        SourceHosts, About("Hosts that sources may never point to; wins over ALLOWED_SOURCE_HOSTS", _HOSTS)
    ] = ()

    wuzapi_base_url: Annotated[
        str | None,
        AfterValidator(lambda url: url if url is None else base_url(url)),
        About("Where WUZAPI answers; unset, users cannot be identified", "an http or https URL without user or query"),
    ] = None
    wuzapi_admin_token: Annotated[
        Annotated[SecretStr, AfterValidator(admin_token)] | None,
        About("The administrator's token; made at first start when unset", "16 to 256 ASCII characters, no space"),
    ] = None
    request_timeout: Annotated[Seconds, About("The longest wait for WUZAPI", _SECONDS)] = 10.0
    nocodb_timeout: Annotated[Seconds, About("The longest wait for an answer of NocoDB", _SECONDS)] = 15.0
    airtable_timeout: Annotated[Seconds, About("The longest wait for one answer of Airtable", _SECONDS)] = 30.0
    sql_timeout: Annotated[Seconds, About("The longest statement on an SQL source", _SECONDS)] = 15.0
    user_cache_ttl: Annotated[Seconds, About("How long a user found at WUZAPI is remembered", _SECONDS)] = 300.0
    max_records_per_request: Annotated[int, About("The largest page of records", "a number from 1 to 10000")] = Field(
        default=1000, ge=1, le=10_000
    )
    default_records_limit: Annotated[
        int, About("The page of records when none is asked for", "a number from 1 to MAX_RECORDS_PER_REQUEST")
    ] = Field(
        default_factory=lambda known: min(_DEFAULT_PAGE, known.get("max_records_per_request", _DEFAULT_PAGE)), ge=1
    )
    secret_keys: Annotated[
        tuple[Annotated[SecretStr, AfterValidator(fernet_key)], ...],
        NoDecode,
        BeforeValidator(split),
        About(
            "Keys of the secrets at rest: the first encrypts, all decrypt; made at first start when unset",
            "Fernet keys (32 bytes as URL-safe base64) separated by commas",
        ),
    ] = ()

    backup_dir: Annotated[
        File | None, About("Where backups lie; backups beside the database when unset", "a folder")
    ] = None
    backup_schedule: Annotated[
        Cron | None,
        About("When backups are made by themselves (UTC); unset, never", "a cron expression, as 30 3 * * *"),
    ] = None
    backup_keep: Annotated[
        str,
        AfterValidator(retention),
        About("How many of the schedule's backups are kept", "some of N daily N weekly N monthly"),
    ] = "7 daily 4 weekly 12 monthly"
    backup_encrypt: Annotated[bool, About("Whether backups are encrypted with the first key", _BOOLEAN)] = True

    maintenance_schedule: Annotated[
        Cron | None,
        About("When the upkeep runs by itself (UTC); unset, never", "a cron expression, as 0 4 * * 0"),
    ] = None

    metrics_port: Annotated[
        Port | None, About("Prometheus over HTTP on this port", "a number from 0 to 65535, or unset")
    ] = None
    slow_query_ms: Annotated[Milliseconds, About("Queries that take longer are logged", "a time, as 1000 or 1s")] = 1000
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lower),
        About("The least that is logged", "debug, info, warning or error"),
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        BeforeValidator(lower),
        About("The form of the log; auto is console on a terminal and json elsewhere", "auto, json or console"),
    ] = "auto"

    @field_validator("tls_key_file")
    @classmethod
    def _key_goes_with_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if "tls_cert_file" in info.data and (value is None) != (info.data["tls_cert_file"] is None):
            raise ValueError("TLS needs both")
        return value

    @field_validator("tls_client_ca_file")
    @classmethod
    def _client_ca_needs_tls(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is not None and info.data.get("tls_cert_file") is None:
            raise ValueError("no TLS")
        return value

    @field_validator("default_records_limit")
    @classmethod
    def _default_is_within_maximum(cls, value: int, info: ValidationInfo) -> int:
        most = info.data.get("max_records_per_request", value)
        if value > most:
            raise PydanticCustomError(_CONTRADICTS, "{other}", {"other": f"MAX_RECORDS_PER_REQUEST={most}"})
        return value

    @property
    def mmap_size(self) -> int:
        """What SQLite may map into memory: SQLITE_MMAP_SIZE, but 0 where several processes write to the file."""
        return self.sqlite_mmap_size if self.grpc_workers == 1 else 0

    @property
    def longest_send(self) -> float:
        """How long what asked WUZAPI may take at most, with what stands around the question."""
        return self.request_timeout + _AROUND_A_REQUEST

    @property
    def longest_stop(self) -> float:
        """How long a stop may take: calls have the grace, then what goes on without them its time; then all closes."""
        return self.shutdown_grace + self.longest_send + _CLOSING

    @property
    def address(self) -> str:
        """GRPC_HOST and GRPC_PORT as one address, an IPv6 address in brackets."""
        return join_address(self.grpc_host, self.grpc_port)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret that was set, in plain text: what must never be shown."""
        token = (self.wuzapi_admin_token,) if self.wuzapi_admin_token else ()
        return tuple(secret.get_secret_value() for secret in (*token, *self.secret_keys))


def join_address(host: str, port: int) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def load() -> Settings:
    """The settings of the environment and of `.env`. BadSettings names everything that is wrong with them."""
    try:
        return Settings()
    except ValidationError as error:
        raise BadSettings(_complaints(error)) from None
    except UnicodeDecodeError:
        raise BadSettings(f"The file {DOTENV} is not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise BadSettings(f"The file {DOTENV} cannot be read ({error.strerror}): check its permissions") from None


def table(settings: Settings) -> list[Setting]:
    """Every setting with its value, its default, where the value came from (default, environment or .env) and help."""
    set_in_file = {name.upper() for name, value in dotenv_values(DOTENV).items() if value}
    set_in_environment = {name.upper() for name, value in os.environ.items() if value}
    rows = []
    for name, field in Settings.model_fields.items():
        about = _about(name)
        variable = name.upper()
        origin = "environment" if variable in set_in_environment else ".env" if variable in set_in_file else "default"
        rows.append(
            Setting(
                variable, _shown(getattr(settings, name)), _shown(_default(field)), origin, about.help, about.allowed
            )
        )
    return rows


def _default(field: FieldInfo) -> object:
    """What holds where nothing at all is set."""
    return field.get_default(call_default_factory=True, validated_data={})


def _about(name: str) -> About:
    return next(note for note in Settings.model_fields[name].metadata if isinstance(note, About))


def _shown(value: object) -> str:
    """A value as an operator would write it; empty when unset, stars for secrets."""
    if value is None or value == ():
        return ""
    if isinstance(value, tuple) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, SecretStr | tuple):
        return "***"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _complaints(error: ValidationError) -> str:
    said: dict[str, list[str]] = {}
    for problem in error.errors(include_url=False, include_context=False):
        if problem["type"] == "default_factory_not_called":  # since another setting is bad, which is told
            continue
        name = str(problem["loc"][0])
        given = problem["input"]
        if name in {"wuzapi_admin_token", "secret_keys"} or "@" in str(given):
            what = "the value given"
        elif given is None:
            what = _NOT_SET
        else:
            what = f"{str(given)[:80]!r}"
        if problem["type"] == _CONTRADICTS:
            what += f" with {problem['msg']}"
        said.setdefault(name, []).append(what)
    return "\n".join(
        f"{name.upper()}: {_refused(list(dict.fromkeys(values)))}; it takes {_about(name).allowed}"
        for name, values in said.items()
    )


def _refused(values: list[str]) -> str:
    return "it is not set" if values == [_NOT_SET] else f"{', '.join(values)} is not allowed"
