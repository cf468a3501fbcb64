"""Writes of PostgreSQL that the table itself interferes with."""

import psycopg
import pytest

from tests.integration.sources.helpers import soon
from tests.integration.sources.postgresql import OpenTable, database, place, schema, source
from wuzapi_manager_server.domain.table import Owner
from wuzapi_manager_server.errors import QueryFailed
from wuzapi_manager_server.sources.base import Change

__all__ = ["database", "place", "schema", "source"]

ANA = Owner("owner", "ana")


async def test_a_trigger_that_waits_for_commit_gives_no_row_away(
    database: psycopg.Connection, source: OpenTable
) -> None:
    """A deferred trigger does what it does before the rows are looked at, so that one that gives them away fails."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, owner text, v text);"
        "INSERT INTO t VALUES (1, 'ana', 'a'), (2, 'ana', 'b');"
        "CREATE FUNCTION give() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$ BEGIN"
        " IF NEW.v = 'x' THEN UPDATE t SET owner = 'bruno', v = 'given' WHERE id = NEW.id; END IF; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER later AFTER INSERT OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION give()"
    )
    opened = source()
    with pytest.raises(QueryFailed, match="did not keep"):
        await opened.update([Change((1,), {"v": "x"})], ANA, soon())
    with pytest.raises(QueryFailed, match="did not keep"):
        await opened.insert([{"id": 3, "owner": "ana", "v": "x"}], ANA, soon())
    with pytest.raises(QueryFailed, match="did not keep"):
        await opened.insert([{"id": at, "owner": "ana", "v": "x"} for at in (3, 4)], ANA, soon())
    assert database.execute("SELECT id, owner, v FROM t ORDER BY id").fetchall() == [(1, "ana", "a"), (2, "ana", "b")]
    await opened.update([Change((1,), {"v": "y"})], ANA, soon())


async def test_rows_that_go_with_others_may_be_deleted_with_them(
    database: psycopg.Connection, source: OpenTable
) -> None:
    """A batch may hold rows that a foreign key deletes with others of it; what a trigger keeps fails it still."""
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, owner text, p int REFERENCES t ON DELETE CASCADE);"
        "INSERT INTO t SELECT g, 'ana', nullif(g - 1, 0) FROM generate_series(1, 250) g"
    )
    opened = source()
    await opened.delete([((240,), None), ((241,), None)], ANA, soon())
    assert database.execute("SELECT count(*) FROM t").fetchone() == (239,)
    await opened.delete([((at,), None) for at in range(20, 231)], ANA, soon())
    assert database.execute("SELECT count(*) FROM t").fetchone() == (19,)
    database.execute(
        "CREATE FUNCTION hide() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS"
        " $$ BEGIN UPDATE t SET owner = 'bruno' WHERE id = OLD.id; RETURN NULL; END $$;"
        "CREATE TRIGGER hide BEFORE DELETE ON t FOR EACH ROW WHEN (OLD.id = 19) EXECUTE FUNCTION hide()"
    )
    with pytest.raises(QueryFailed, match="refused"):
        await opened.delete([((19,), None)], ANA, soon())
    assert database.execute("SELECT owner FROM t WHERE id = 19").fetchone() == ("ana",)


@pytest.mark.parametrize(("right", "writable"), [("SELECT", False), ("SELECT, DELETE", True), ("UPDATE (v)", True)])
async def test_a_user_who_may_only_read_is_told_at_once(
    database: psycopg.Connection, source: OpenTable, schema: str, right: str, *, writable: bool
) -> None:
    """The capabilities say that the table takes no writes, where the user has no right to any."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text)")
    role = f"wuzapi_reader_{database.info.backend_pid}"
    database.execute(
        f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {role};"
        f"GRANT SELECT ON t TO {role}; GRANT {right} ON t TO {role}".encode()
    )
    try:
        reason = (await source("t", username=role).describe(soon())).capabilities.read_only_reason
        assert (reason is None) is writable
        assert reason is None or "may read it alone" in reason.en
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())
