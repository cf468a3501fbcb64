"""Connections of every type, filled in wholly."""

from wuzapi_manager_server.domain.connection import (
    Airtable,
    Connection,
    ConnectionStatus,
    Mysql,
    Nocodb,
    Postgresql,
    Sharing,
    Source,
    Sqlite,
    TlsMode,
    UserLinkValue,
)
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation

SOURCES: list[Source] = [
    Sqlite("clientes.db", "clientes"),
    Nocodb("https://nocodb.example", "p1", "t1", secret="nocodb-token"),
    Mysql("mysql.example", 3306, "production", "app", "customers", "production", TlsMode.REQUIRE, "mysql-password"),
    Postgresql("pg.example", 5432, "production", "app", "customers", "public", TlsMode.VERIFY_FULL, "pg-password"),
    Airtable("https://airtable.example", "app1", "Tabela ção", secret="airtable-key"),
]


def connection(source: Source | None = None, **changes: object) -> Connection:
    values: dict[str, object] = {
        "name": 'Conexão "ção" 100% _',
        "source": source or SOURCES[3],
        "status": ConnectionStatus.ACTIVE,
        "assigned_users": ("zoe", "ana", "user-token-1"),
        "user_link_field": "chat woot",
        "user_link_value": UserLinkValue.JID,
        "row_scope": Sharing.SHARED,
        "field_mappings": (
            FieldMapping("name", "customer_name"),
            FieldMapping(
                "age",
                "idade",
                "Idade",
                "number",
                False,
                False,
                True,
                "ajuda",
                True,
                Validation("^a", 1, 9, 0.5, 2.0, ("a", "b")),
            ),
        ),
        "view_configuration": {"calendar": {"enabled": True, "dateField": None}, "list": [1.0, "é", []]},
    }
    return Connection(**{**values, **changes})  # type: ignore[arg-type]  # tests name fields of Connection
