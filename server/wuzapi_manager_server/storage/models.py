"""The tables, as Peewee sees them; the migrations make them. Times are UTC texts, `2025-01-31T12:00:00.000000Z`.

The models are bound to no database: statements are compiled once, or run by the Database that they are given to.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from peewee import SQL, AutoField, BlobField, CompositeKey, IntegerField, Model, Query, TextField

Clock = Callable[[], datetime]


class _Table(Model):
    pass


class DatabaseConnection(_Table):
    """A connection. `version` grows with every change, `deleted_at` is null while it is there."""

    id = AutoField()
    name = TextField()
    type = TextField()
    host = TextField(null=True)
    port = IntegerField(null=True)
    database_name = TextField(null=True)
    username = TextField(null=True)
    password = TextField(null=True)
    table_name = TextField(null=True)
    schema_name = TextField(null=True)
    tls_mode = TextField(null=True)
    nocodb_token = TextField(null=True)
    nocodb_project_id = TextField(null=True)
    nocodb_table_id = TextField(null=True)
    airtable_base_url = TextField(null=True)
    airtable_base_id = TextField(null=True)
    airtable_api_key = TextField(null=True)
    airtable_table_id = TextField(null=True)
    status = TextField()
    user_link_field = TextField()
    user_link_value = TextField()
    row_scope = TextField()
    field_mappings = TextField()
    view_configuration = TextField()
    version = IntegerField()
    created_at = TextField()
    updated_at = TextField()
    deleted_at = TextField(null=True)
    last_test = TextField(null=True)

    class Meta:
        """Where it lies."""

        table_name = "database_connections"


class Assignment(_Table):
    """A user of a connection, found by a keyed hash and shown by decrypting."""

    connection_id = IntegerField()
    user_hash = BlobField()
    user_secret = TextField()
    position = IntegerField()

    class Meta:
        """Where it lies."""

        table_name = "connection_assignments"
        primary_key = CompositeKey("user_hash", "connection_id")


class BrandingRevision(_Table):
    """A revision of the branding: its id is the revision, the newest counts."""

    id = AutoField()
    app_name = TextField()
    logo_url = TextField()
    primary_color = TextField()
    secondary_color = TextField()
    logo_dark_url = TextField()
    favicon_url = TextField()
    og_image_url = TextField()
    support_phone = TextField()
    support_url = TextField()
    terms_url = TextField()
    privacy_url = TextField()
    custom_home_html = TextField()
    created_at = TextField()
    updated_at = TextField()

    class Meta:
        """Where it lies."""

        table_name = "branding_config"


class SystemMetadata(_Table):
    """A value by key."""

    key = TextField(primary_key=True)
    value = TextField()
    created_at = TextField()
    updated_at = TextField()

    class Meta:
        """Where it lies."""

        table_name = "system_metadata"


class IdempotencyRequest(_Table):
    """A request that may come again: `sealed` holds what it was and, once `answered`, its answer."""

    scope = BlobField(primary_key=True)
    sealed = TextField()
    answered = IntegerField()
    created_at = TextField()

    class Meta:
        """Where it lies."""

        table_name = "idempotency_requests"


class AuditEntry(_Table):
    """An entry of the audit log; `previous` is the hash of the one before."""

    id = AutoField()
    created_at = TextField()
    actor = TextField()
    actor_id = TextField()
    action = TextField()
    request_id = TextField()
    peer = TextField()
    target = TextField()
    facts_before = TextField()
    facts_after = TextField()
    outcome = TextField()
    previous = BlobField()

    class Meta:
        """Where it lies."""

        table_name = "audit_events"


class UserChange(_Table):
    """A change of a user of WUZAPI; `user_id` is empty where it is not known."""

    id = AutoField()
    user_id = TextField()
    created_at = TextField()

    class Meta:
        """Where it lies."""

        table_name = "user_changes"


def compiled(query: Query) -> str:
    """The text of a statement whose values are all named (`SQL(":id")`). ValueError when one is not."""
    text, values = query.sql()
    if values:
        raise ValueError(f"values without a name: {values}")
    return str(text)


def named(name: str) -> SQL:
    """The place of the value of that name in a compiled statement."""
    return SQL(f":{name}")


def now_utc() -> datetime:
    """The clock of the system."""
    return datetime.now(UTC)


def moment_text(moment: datetime) -> str:
    """An aware moment as it is stored: texts sort as their moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def moment_of(text: str) -> datetime:
    """The moment of a stored text."""
    return datetime.fromisoformat(text)
