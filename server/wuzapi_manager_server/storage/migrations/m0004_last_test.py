"""How the last test of a connection went, as JSON."""

import apsw


def up(connection: apsw.Connection) -> None:
    """Adds the column."""
    connection.execute("ALTER TABLE database_connections ADD COLUMN last_test TEXT")
