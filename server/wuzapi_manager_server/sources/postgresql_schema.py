"""What a PostgreSQL database says of its tables, in its own catalogs."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql.elements import quoted_name

from wuzapi_manager_server.domain.table import Capabilities, Column, ColumnType, Table
from wuzapi_manager_server.errors import Text
from wuzapi_manager_server.sources.derived import of_expressions
from wuzapi_manager_server.sources.postgresql_arrays import parse
from wuzapi_manager_server.sources.postgresql_column import PgColumn
from wuzapi_manager_server.sources.postgresql_types import Cast, PgType
from wuzapi_manager_server.sources.postgresql_values import BEYOND
from wuzapi_manager_server.sources.sql import BATCH
from wuzapi_manager_server.sources.sql_server import Place
from wuzapi_manager_server.sources.sql_table import SqlTable, no_table

_REASONS = {
    "v": Text("It is a view", "É uma visão"),
    "m": Text("It is a materialized view", "É uma visão materializada"),
    "f": Text("It is a foreign table", "É uma tabela externa"),
}

_READER = Text(
    "The connection's user may read it alone: grant INSERT, UPDATE or DELETE",
    "O usuário da conexão só pode lê-la: conceda INSERT, UPDATE ou DELETE",
)
_KEYLESS = Text("It has no primary key", "Não tem chave primária")
_INHERITED = Text(
    "Other tables inherit from it, and its primary key does not tell their rows from its own",
    "Outras tabelas herdam dela, e sua chave primária não distingue as linhas delas das suas",
)

_LISTED = sa.text("""
    SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND (n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' OR n.nspname = :own)
      AND (n.nspname COLLATE "C", c.relname COLLATE "C") > (:schema, :name)
      AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT')
    ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C" LIMIT :limit
""")

_RELATION = sa.text("""
    SELECT c.oid, c.relkind,
      pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE') OR pg_catalog.has_table_privilege(c.oid, 'DELETE')
        AS writable,
      c.relkind = 'r' AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS inherited,
      c.relhasrules AND c.relkind IN ('r', 'p') OR EXISTS (
        SELECT FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgtype & 2 = 0 AND t.tgtype & 20 <> 0
          AND (t.tgrelid = c.oid OR c.relkind = 'p')
      ) AS disturbed,
      EXISTS (
        SELECT FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tginitdeferred
          AND (t.tgrelid = c.oid OR c.relkind = 'p')
      ) AS deferred,
      ARRAY(
        SELECT a.attname::text FROM pg_catalog.pg_index i, LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attnum = k.attnum
        WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid AND k.place <= i.indnkeyatts
        ORDER BY k.place
      )::text[] AS key
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = :name AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
""")

_COLUMNS = sa.text("""
    WITH RECURSIVE base AS (
      SELECT a.attnum, a.atttypid AS type, a.atttypmod AS modifier, a.attnotnull AS filled, a.atthasdef AS given
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = :oid AND a.attnum > 0 AND NOT a.attisdropped
      UNION ALL
      SELECT b.attnum, t.typbasetype, t.typtypmod, b.filled OR t.typnotnull, b.given OR t.typdefault IS NOT NULL
      FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
    ), held AS (
      SELECT DISTINCT t.typarray AS array, t.oid AS type, -1 AS modifier
      FROM base b JOIN pg_catalog.pg_type t ON t.typarray = b.type
      UNION ALL
      SELECT h.array, t.typbasetype, t.typtypmod
      FROM held h JOIN pg_catalog.pg_type t ON t.oid = h.type WHERE t.typtype = 'd'
    )
    SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) AS native, b.filled, b.given,
      a.attidentity <> '' AS identified,
      a.attidentity = 'a' OR a.attgenerated <> '' AS computed, a.attgenerated <> '' AS generated,
      (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
        WHERE a.attgenerated <> '' AND d.adrelid = a.attrelid AND d.adnum = a.attnum) AS expression,
      pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT, UPDATE') AS writable,
      CASE WHEN n.nspname = 'pg_catalog' THEN t.typname ELSE '' END AS type_name, t.typtype, t.typcategory,
      pg_catalog.format_type(t.oid, -1) AS spelled, b.modifier,
      EXISTS (
        SELECT FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod
          JOIN pg_catalog.pg_amop s ON s.amopfamily = o.opcfamily AND s.amopstrategy = 1
            AND s.amoplefttype = o.opcintype AND s.amoprighttype = o.opcintype
          JOIN pg_catalog.pg_operator l ON l.oid = s.amopopr AND l.oprname = '<'
        WHERE m.amname = 'btree' AND o.opcdefault AND o.opcintype IN (t.oid, CASE
          WHEN t.typtype = 'e' THEN 'anyenum'::regtype WHEN t.typtype = 'r' THEN 'anyrange'::regtype
          WHEN t.typtype = 'm' THEN 'anymultirange'::regtype WHEN t.typname = 'varchar' THEN 'text'::regtype
          WHEN t.typname = 'cidr' THEN 'inet'::regtype ELSE t.oid END)
      ) AS ordered,
      CASE WHEN en.nspname = 'pg_catalog' THEN e.typname ELSE '' END AS element_name, e.typtype AS element_kind,
      e.typcategory AS element_category, pg_catalog.format_type(e.oid, -1) AS element_spelled,
      greatest(h.modifier, b.modifier) AS element_modifier,
      EXISTS (
        SELECT FROM pg_catalog.pg_attribute p JOIN pg_catalog.pg_type pt ON pt.oid = p.atttypid
          LEFT JOIN pg_catalog.pg_type pe ON pe.typarray = pt.oid
        WHERE p.attrelid = coalesce(e.typrelid, t.typrelid) AND p.attnum > 0 AND NOT p.attisdropped
          AND (p.atttypmod >= 0 OR pt.typtype IN ('c', 'd') OR pe.typtype IN ('c', 'd'))
      ) AS modified
    FROM base b JOIN pg_catalog.pg_attribute a ON a.attrelid = :oid AND a.attnum = b.attnum
      JOIN pg_catalog.pg_type t ON t.oid = b.type JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN (held h JOIN pg_catalog.pg_type e ON e.oid = h.type AND e.typtype <> 'd') ON h.array = t.oid
      LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace
    WHERE t.typtype <> 'd' AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    ORDER BY a.attnum
""")

_TIE = Column("\0ctid", ColumnType.OTHER, "tid", nullable=False)
"""Where a row lies, under a name that no column can have."""


def listed(connection: sa.Connection, own: str, after: Place, limit: int) -> list[Place]:
    """See ServerSource. Partitions are left out: they are read through their table.

    So are the schemas that every database has, but for the connection's `own`.
    """
    values = {"own": own, "schema": after.schema, "name": after.name, "limit": limit}
    return [Place(*row) for row in connection.execute(_LISTED, values)]


def describe(connection: sa.Connection, place: Place) -> SqlTable:
    """The table or view at that place, with the columns that may be read. QueryFailed where there is none."""
    if "\0" in place.schema + place.name:
        raise no_table(place.name)
    found = connection.execute(_RELATION, {"schema": place.schema, "name": place.name}).one_or_none()
    rows = [] if found is None else connection.execute(_COLUMNS, {"oid": found.oid}).all()
    if found is None or not rows:
        raise no_table(place.name)
    names = [row.attname for row in rows]
    keys = [] if found.inherited else _names(found.key)
    key = [name for name in keys if name in names] if set(keys) <= set(names) else []
    sources = of_expressions(names, {row.attname: row.expression for row in rows if row.generated})
    columns = [_column(row, key, sources) for row in rows]
    kinds = [_kind(row) for row in rows]
    reason = _REASONS.get(found.relkind) or (None if key else _INHERITED if found.inherited else _KEYLESS)
    if reason is None and not found.writable:
        reason = _READER
    tied = not key and found.relkind in {"r", "m"} and not found.inherited
    elements = [
        sa.Column(quoted_name(column.name, True), Cast(kind.cast), key=f"c{at}")
        for at, (column, kind) in enumerate(zip(columns, kinds, strict=True))
    ]
    if tied:
        elements.append(sa.Column("ctid", Cast("tid"), key="tie", system=True))
    element = sa.Table(quoted_name(place.name, True), sa.MetaData(), *elements, schema=quoted_name(place.schema, True))
    described = {
        column.name: PgColumn(column, element.c[f"c{at}"], kind)
        for at, (column, kind) in enumerate(zip(columns, kinds, strict=True))
    }
    return SqlTable(
        table=Table(
            name=place.name,
            schema=place.schema,
            columns=tuple(columns),
            primary_key=tuple(key),
            capabilities=_capabilities(reason, keyed=bool(key)),
            view=found.relkind in {"v", "m"},
        ),
        element=element,
        columns=described,
        key=tuple(described[name] for name in key),
        tie=PgColumn(_TIE, element.c["tie"], PgType("tid", "b", "U", "tid")) if tied else None,
        read_only=reason,
        version=None,
        returns=not found.disturbed,
        deferred=found.deferred,
    )


def _capabilities(reason: Text | None, *, keyed: bool) -> Capabilities:
    return Capabilities(
        transactions=True,
        exact_numbers=True,
        count=True,
        search=True,
        key_paging=keyed,
        max_batch_size=BATCH,
        verified_updates=True,
        read_only_reason=reason,
    )


# Rows of catalogs have no static type.
def _column(row: Any, key: list[str], sources: Mapping[str, frozenset[str] | None]) -> Column:
    kind = _kind(row)
    return Column(
        name=row.attname,
        type=kind.type,
        native_type=row.native,
        nullable=not row.filled,
        read_only=row.computed or not row.writable,
        primary_key=row.attname in key,
        has_default=row.given or row.identified,
        texts=BEYOND.get(kind.type),
        derived_from=sources.get(row.attname, frozenset()),
    )


def _kind(row: Any) -> PgType:
    element = (
        None
        if row.element_kind is None or row.typcategory != "A"
        else PgType(row.element_name, row.element_kind, row.element_category, row.element_spelled, row.element_modifier)
    )
    return PgType(
        row.type_name,
        row.typtype,
        row.typcategory,
        row.spelled,
        row.modifier,
        row.ordered,
        element,
        row.modified,
    )


def _names(array: str) -> list[str]:
    """The names of a text[], which comes as text."""
    return [str(name) for name in parse(array, str)]
