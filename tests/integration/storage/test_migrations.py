"""The schema's steps."""

from pathlib import Path

import apsw
import peewee
import pytest

from wuzapi_manager_server.storage import models
from wuzapi_manager_server.storage.connection_rows import StoredConnection
from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.migrations import APPLICATION_ID, STEPS, migrate, version_of

TABLES = [
    models.Assignment,
    models.AuditEntry,
    models.BrandingRevision,
    models.DatabaseConnection,
    models.IdempotencyRequest,
    models.SystemMetadata,
    models.UserChange,
]


def names(connection: apsw.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


async def test_the_models_are_the_tables(database: Database) -> None:
    """Every model has the columns of its table, and the row of a connection stands in the order of its fields."""
    for model in TABLES:
        found = database.rows(f"SELECT name FROM pragma_table_info('{model._meta.table_name}')")
        assert {name for (name,) in found} == set(model._meta.columns)
    tables = {name for (name,) in database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert tables - {"sqlite_sequence"} == {model._meta.table_name for model in TABLES}
    assert list(StoredConnection._fields) == [field.name for field in models.DatabaseConnection._meta.sorted_fields]


async def test_the_columns_and_indexes_of_the_original_application_are_there(database: Database) -> None:
    """The tables keep the columns of the original application; a user's list of connections is a table of its own."""
    original = {
        "database_connections": "id name type host port database_name username password table_name status nocodb_token"
        " nocodb_project_id nocodb_table_id user_link_field field_mappings created_at updated_at",
        "branding_config": "id app_name logo_url primary_color secondary_color created_at updated_at",
        "system_metadata": "key value created_at updated_at",
    }
    for table, columns in original.items():
        found = {name for (name,) in database.rows(f"SELECT name FROM pragma_table_info('{table}')")}
        assert set(columns.split()) <= found
    indexes = {name for (name,) in database.rows("SELECT name FROM sqlite_schema WHERE type = 'index'")}
    assert {
        "idx_connections_type_status",
        "idx_connections_status",
        "idx_connections_created_desc",
        "idx_connections_name_asc",
    } <= indexes


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    """A step and its version are all or nothing: what it did before it failed is undone, and it can be run again."""
    connection = apsw.Connection(str(tmp_path / "a.db"))

    def broken(at: apsw.Connection) -> None:
        at.execute("CREATE TABLE half (id INTEGER)")
        at.execute("NONSENSE")

    def mended(at: apsw.Connection) -> None:
        at.execute("CREATE TABLE whole (id INTEGER)")

    with pytest.raises(apsw.SQLError):
        migrate(connection, [*STEPS, broken])
    assert version_of(connection) == len(STEPS)
    assert connection.execute("PRAGMA application_id").get == APPLICATION_ID
    assert "half" not in names(connection)
    assert migrate(connection, [*STEPS, mended]) == len(STEPS) + 1
    assert "whole" in names(connection)
    assert migrate(connection, [*STEPS, mended]) == len(STEPS) + 1
    connection.close()


async def test_deleting_a_connection_takes_its_users_along(database: Database) -> None:
    """The foreign key cascades, also for statements that know nothing of users."""
    await database.write(
        lambda: database.changed(
            "INSERT INTO database_connections (id, name, type, created_at, updated_at)"
            " VALUES (1, 'n', 'SQLITE', '', '')"
        )
    )
    await database.write(lambda: database.changed("INSERT INTO connection_assignments VALUES (1, x'00', 's', 0)"))
    await database.write(lambda: database.changed("DELETE FROM database_connections"))
    assert database.rows("SELECT * FROM connection_assignments") == []


def test_a_statement_to_compile_has_names_for_all_its_values() -> None:
    """A literal value in a compiled statement is a mistake that shows at import."""
    table = models.SystemMetadata
    assert models.compiled(table.delete().where(table.key == models.named("key"))).endswith("= :key)")
    with pytest.raises(ValueError, match="without a name"):
        models.compiled(table.delete().where(table.key == "literal"))
    assert issubclass(table, peewee.Model)
