"""Connections: where tables live, who may use them and how their columns are shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import ClassVar

from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.table import Json, Step


class ConnectionType(Enum):
    """The kind of source. Names are those of the protos without prefix."""

    SQLITE = "SQLITE"
    NOCODB = "NOCODB"
    MYSQL = "MYSQL"
    POSTGRESQL = "POSTGRESQL"
    AIRTABLE = "AIRTABLE"


class ConnectionStatus(Enum):
    """What is known of a connection's health; information for people."""

    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"
    CONNECTED = "CONNECTED"
    DISCONNECTED = "DISCONNECTED"
    ERROR = "ERROR"
    TESTING = "TESTING"


class UserLinkValue(Enum):
    """What of the user stands in the link field of a row."""

    TOKEN = "TOKEN"  # noqa: S105 - the name of a choice, not a token
    USER_ID = "USER_ID"
    JID = "JID"


class Sharing(Enum):
    """Which rows an assigned user sees (`row_scope` in the API)."""

    USER = "USER"
    SHARED = "SHARED"


class TlsMode(Enum):
    """How the way to a SQL server is protected."""

    DISABLE = "DISABLE"
    PREFER = "PREFER"
    REQUIRE = "REQUIRE"
    VERIFY_CA = "VERIFY_CA"
    VERIFY_FULL = "VERIFY_FULL"


@dataclass(frozen=True)
class Sqlite:
    """A SQLite file below SQLITE_SOURCES_DIR."""

    type: ClassVar = ConnectionType.SQLITE
    database: str
    table_name: str
    secret: ClassVar[str] = ""
    has_secret: ClassVar[bool] = False


@dataclass(frozen=True)
class Nocodb:
    """A NocoDB table. `secret` is the API token: present when just given or asked for, else only `has_secret` tells."""

    type: ClassVar = ConnectionType.NOCODB
    host: str
    project_id: str
    table_id: str
    secret: str = field(default="", repr=False)
    has_secret: bool = False


@dataclass(frozen=True)
class SqlServer:
    """A table on a SQL server. `secret` is the password: present when just given or asked for."""

    host: str
    port: int
    database: str
    username: str
    table_name: str
    schema: str = ""
    tls_mode: TlsMode = TlsMode.PREFER
    secret: str = field(default="", repr=False)
    has_secret: bool = False


@dataclass(frozen=True)
class Mysql(SqlServer):
    """A MySQL or MariaDB table."""

    type: ClassVar = ConnectionType.MYSQL


@dataclass(frozen=True)
class Postgresql(SqlServer):
    """A PostgreSQL table."""

    type: ClassVar = ConnectionType.POSTGRESQL


@dataclass(frozen=True)
class Airtable:
    """An Airtable table. `secret` is the access token: present when just given or asked for."""

    type: ClassVar = ConnectionType.AIRTABLE
    base_url: str
    base_id: str
    table_id: str
    secret: str = field(default="", repr=False)
    has_secret: bool = False


Source = Sqlite | Nocodb | Mysql | Postgresql | Airtable


@dataclass(frozen=True)
class ConnectionTest:
    """How the last test of a connection went, and when it ended."""

    time: datetime
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether every step passed."""
        return all(step.ok for step in self.steps)


@dataclass(frozen=True)
class Connection:
    """A table that lives elsewhere, how to reach it, who may use it and how its columns are shown.

    `id` and `version` are 0 and times None until it is stored; `version` grows by one with every change. `last_test`
    is of the source and link field as they are now.
    """

    name: str
    source: Source
    status: ConnectionStatus = ConnectionStatus.INACTIVE
    assigned_users: tuple[str, ...] = field(default=(), repr=False)
    user_link_field: str = ""
    user_link_value: UserLinkValue = UserLinkValue.TOKEN
    row_scope: Sharing = Sharing.USER
    field_mappings: tuple[FieldMapping, ...] = ()
    view_configuration: Mapping[str, Json] = field(default_factory=dict)
    id: int = 0
    version: int = 0
    create_time: datetime | None = None
    update_time: datetime | None = None
    delete_time: datetime | None = None
    last_test: ConnectionTest | None = None

    @property
    def etag(self) -> str:
        """The text of the version."""
        return str(self.version)

    @property
    def tested(self) -> tuple[object, ...]:
        """What a test is of: the result of one holds as long as this stays."""
        columns = tuple(mapping.column for mapping in self.field_mappings)
        return self.source, self.user_link_field, self.user_link_value, self.row_scope, columns
