"""What is said to a connection that is not valid, wherever a whole connection is given."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tests.contract.server import World
from tests.e2e.bad_connections import HUGE, altered, sourceless, with_id
from tests.e2e.refusals import Bad, insist
from tests.e2e.samples import connection_of, kept
from wuzapi_manager.v1 import connection_pb2 as pb


def mapping(**parts: Any) -> pb.Connection:
    """A connection with one field mapping of these parts."""
    connection = altered("sqlite")
    validation = parts.pop("validation", {})
    made = connection.field_mappings.add(**{"field": "name", "column": "name", **parts})
    for name, value in validation.items():
        if isinstance(value, list):
            getattr(made.validation, name).extend(value)
        else:
            setattr(made.validation, name, value)
    return connection


# A connection, the field that is bad, and pieces of what is said.
RULES: list[tuple[str, pb.Connection, str, str, str]] = [
    ("no name", altered("sqlite", name=""), "name", "Connection name is required", "Nome da conexão é obrigatório"),
    ("blank name", altered("sqlite", name=" \t"), "name", "is required", "Nome da conexão é obrigatório"),
    ("256 letters", altered("sqlite", name="n" * 256), "name", "1 to 255", "Nome deve ter de 1 a 255"),
    ("NUL in name", altered("sqlite", name="a\0b"), "name", "printable", "Nome deve ter de 1 a 255"),
    ("line in name", altered("sqlite", name="a\nb"), "name", "printable", "Nome deve ter de 1 a 255"),
    ("huge name", altered("sqlite", name=HUGE), "name", "1 to 255", "Nome deve ter de 1 a 255"),
    ("no source", sourceless(), "source", "one of sqlite, nocodb", "Tipo de conexão inválido"),
    ("status 99", altered("sqlite", status=99), "status", "99 is not one of its values", "99 não é um valor permitido"),
    ("scope 99", altered("sqlite", row_scope=99), "row_scope", "99 is not", "99 não é um valor permitido"),
    (
        "link value",
        altered("sqlite", user_link_value=-1),
        "user_link_value",
        "-1 is not",
        "-1 não é um valor permitido",
    ),
    ("tls mode", altered("mysql", mysql__tls_mode=77), "mysql.tls_mode", "77 is not", "77 não é um valor permitido"),
    (
        "no link",
        altered("sqlite", user_link_field=""),
        "user_link_field",
        "whose a row",
        "user_link_field é obrigatório",
    ),
    ("NUL in link", altered("sqlite", user_link_field="a\0"), "user_link_field", "printable", "Campo de vínculo deve"),
    ("long link", altered("sqlite", user_link_field="n" * 256), "user_link_field", "1 to 255", "Campo de vínculo deve"),
    ("no file", altered("sqlite", sqlite__database=""), "sqlite.database", "is required", "Arquivo do banco é"),
    ("NUL in file", altered("sqlite", sqlite__database="a\0.db"), "sqlite.database", "printable", "Arquivo do banco"),
    ("long file", altered("sqlite", sqlite__database="n" * 1025), "sqlite.database", "1 to 1024", "Arquivo do banco"),
    ("no table", altered("sqlite", sqlite__table_name=""), "sqlite.table_name", "is required", "Nome da tabela é"),
    ("NUL in table", altered("sqlite", sqlite__table_name="a\0"), "sqlite.table_name", "printable", "Nome da tabela"),
    ("no host", altered("mysql", mysql__host=""), "mysql.host", "Host is required", "Host é obrigatório"),
    ("URL as host", altered("mysql", mysql__host="http://x"), "mysql.host", "a name or an address", "Host deve ser"),
    ("user in host", altered("mysql", mysql__host="u@h"), "mysql.host", "a name or an address", "Host deve ser apenas"),
    (
        "space in host",
        altered("mysql", mysql__host="a b"),
        "mysql.host",
        "a name or an address",
        "Host deve ser apenas",
    ),
    ("negative port", altered("mysql", mysql__port=-1), "mysql.port", "0 to 65535", "Porta deve estar entre 0 e 65535"),
    ("port 65536", altered("mysql", mysql__port=65536), "mysql.port", "0 to 65535", "Porta deve estar entre 0 e 65535"),
    ("no database", altered("mysql", mysql__database=""), "mysql.database", "is required", "Nome do banco é"),
    ("no username", altered("mysql", mysql__username=""), "mysql.username", "is required", "Usuário é obrigatório"),
    ("no mysql table", altered("mysql", mysql__table_name=""), "mysql.table_name", "is required", "Nome da tabela é"),
    ("long schema", altered("mysql", mysql__schema="s" * 256), "mysql.schema", "1 to 255", "Schema deve ter"),
    (
        "masked",
        altered("mysql", mysql__password="*" * 8),
        "mysql.password",
        "leave it out to keep",
        "Senha está mascarada",
    ),
    (
        "long password",
        altered("mysql", mysql__password="x" * 4097),
        "mysql.password",
        "at most 4096",
        "Senha deve ter no máximo",
    ),
    (
        "NUL password",
        altered("mysql", mysql__password="a\0b"),
        "mysql.password",
        "printable",
        "Senha deve ter no máximo",
    ),
    ("blank schema", altered("mysql", mysql__schema=" "), "mysql.schema", "not be blank", "Schema não pode ter apenas"),
    *(
        (
            f"host {host}",
            altered("mysql", mysql__host=host),
            "mysql.host",
            "neither a host name",
            "não é um nome de host",
        )
        for host in ("*", "-", "a..b", "…", "ex%2fample", "l" * 64)
    ),
    *(
        (f"URL {url}", altered("nocodb", nocodb__host=url), "nocodb.host", "http or https", "URL deve ser http ou")
        for url in ("https://%", "https://exa%00mple", "https://a..b")
    ),
    ("no pg host", altered("postgresql", postgresql__host=""), "postgresql.host", "is required", "Host é obrigatório"),
    ("pg port", altered("postgresql", postgresql__port=2**31 - 1), "postgresql.port", "65535", "Porta deve estar"),
    ("pg mask", altered("postgresql", postgresql__password="••••"), "postgresql.password", "leave it out", "mascarada"),
    ("no token", altered("nocodb", nocodb__token=""), "nocodb.token", "is required", "Token NocoDB é obrigatório"),
    ("masked token", altered("nocodb", nocodb__token="********"), "nocodb.token", "leave it out", "mascarado"),
    (
        "token with line",
        altered("nocodb", nocodb__token="a\r\nb"),
        "nocodb.token",
        "printable",
        "Token NocoDB deve ter",
    ),
    (
        "no project",
        altered("nocodb", nocodb__project_id=""),
        "nocodb.project_id",
        "is required",
        "ID do projeto NocoDB é",
    ),
    (
        "project path",
        altered("nocodb", nocodb__project_id="../x"),
        "nocodb.project_id",
        "letters, digits",
        "ID do projeto",
    ),
    ("no table id", altered("nocodb", nocodb__table_id=""), "nocodb.table_id", "is required", "ID da tabela NocoDB é"),
    ("table query", altered("nocodb", nocodb__table_id="x?y=1"), "nocodb.table_id", "letters, digits", "ID da tabela"),
    ("no URL", altered("nocodb", nocodb__host=""), "nocodb.host", "URL is required", "URL é obrigatória"),
    (
        "no scheme",
        altered("nocodb", nocodb__host="nocodb.test"),
        "nocodb.host",
        "http or https",
        "URL deve ser http",
    ),
    (
        "file URL",
        altered("nocodb", nocodb__host="file:///etc/passwd"),
        "nocodb.host",
        "http or https",
        "URL deve ser http ou",
    ),
    (
        "user in URL",
        altered("nocodb", nocodb__host="http://u:p@h"),
        "nocodb.host",
        "without user",
        "URL deve ser http ou",
    ),
    (
        "query in URL",
        altered("nocodb", nocodb__host="http://h?x=1"),
        "nocodb.host",
        "without user",
        "URL deve ser http ou",
    ),
    (
        "port in URL",
        altered("nocodb", nocodb__host="http://h:99999"),
        "nocodb.host",
        "http or https",
        "URL deve ser http ou",
    ),
    (
        "bracket URL",
        altered("nocodb", nocodb__host="http://[::1"),
        "nocodb.host",
        "http or https",
        "URL deve ser http ou",
    ),
    (
        "no key",
        altered("airtable", airtable__api_key=""),
        "airtable.api_key",
        "is required",
        "Token Airtable é obrigatório",
    ),
    ("masked key", altered("airtable", airtable__api_key="***"), "airtable.api_key", "leave it out", "mascarado"),
    ("no base", altered("airtable", airtable__base_id=""), "airtable.base_id", "is required", "ID da base Airtable é"),
    ("base path", altered("airtable", airtable__base_id="a/b"), "airtable.base_id", "letters, digits", "ID da base"),
    (
        "air URL",
        altered("airtable", airtable__base_url="ftp://x"),
        "airtable.base_url",
        "http or https",
        "URL deve ser http ou",
    ),
    (
        "no air table",
        altered("airtable", airtable__table_id=""),
        "airtable.table_id",
        "is required",
        "Tabela Airtable é",
    ),
    ("empty user", altered("sqlite", assigned_users=["ana", ""]), "assigned_users[1]", "1 to 256", "Usuário deve ser"),
    (
        "user with space",
        altered("sqlite", assigned_users=["a b"]),
        "assigned_users[0]",
        "without white",
        "Usuário deve ser",
    ),
    ("long user", altered("sqlite", assigned_users=["u" * 257]), "assigned_users[0]", "1 to 256", "Usuário deve ser"),
    ("NUL user", altered("sqlite", assigned_users=["u\0"]), "assigned_users[0]", "1 to 256", "Usuário deve ser"),
    (
        "10,001 users",
        altered("sqlite", assigned_users=[f"u{at}" for at in range(10_001)]),
        "assigned_users",
        "at most 10000 users",
        "no máximo 10000 usuários",
    ),
    ("no field", mapping(field="", column="x"), "field_mappings[0].field", "Field is required", "Campo é obrigatório"),
    ("NUL column", mapping(column="a\0"), "field_mappings[0].column", "printable", "Coluna deve ter"),
    ("long label", mapping(label="x" * 1025), "field_mappings[0].label", "at most 1024", "no máximo 1024"),
    ("NUL help", mapping(helper_text="a\0"), "field_mappings[0].helper_text", "at most 1024", "no máximo 1024"),
    ("link mapped", mapping(column="owner"), "field_mappings[0].column", "never leaves", "contém tokens e nunca"),
    (
        "hidden",
        mapping(required=True, visible=False),
        "field_mappings[0].required",
        "is hidden",
        "oculto ou não editável",
    ),
    ("bad pattern", mapping(validation={"pattern": "("}), "field_mappings[0].validation.pattern", "RE2", "RE2"),
    ("back reference", mapping(validation={"pattern": r"(a)\1"}), "field_mappings[0].validation.pattern", "RE2", "RE2"),
    ("long pattern", mapping(validation={"pattern": "a" * 501}), "field_mappings[0].validation.pattern", "500", "500"),
    (
        "lengths",
        mapping(validation={"min_length": 3, "max_length": 2}),
        "field_mappings[0].validation.min_length",
        "above max_length",
        "maior que max_length",
    ),
    (
        "bounds",
        mapping(validation={"min": 3, "max": 2}),
        "field_mappings[0].validation.min",
        "above max",
        "maior que max",
    ),
    (
        "infinity",
        mapping(validation={"max": float("inf")}),
        "field_mappings[0].validation.max",
        "a finite number",
        "número finito",
    ),
    (
        "many options",
        mapping(validation={"options": ["a"] * 1001}),
        "field_mappings[0].validation.options",
        "1,000",
        "1000",
    ),
    (
        "NaN",
        mapping(validation={"min": float("nan"), "max": 2}),
        "field_mappings[0].validation.min",
        "must be a",
        "número",
    ),
]


def doubled() -> pb.Connection:
    """A connection that maps a field and a column twice."""
    connection = mapping()
    connection.field_mappings.add(field="name", column="other")
    connection.field_mappings.add(field="more", column="name")
    return connection


def many_mappings() -> pb.Connection:
    """A connection with 501 mappings."""
    connection = altered("sqlite")
    for at in range(501):
        connection.field_mappings.add(field=f"f{at}")
    return connection


def large_view() -> pb.Connection:
    """A connection whose view configuration is larger than 64 KiB."""
    connection = altered("sqlite")
    connection.view_configuration["x"] = HUGE
    return connection


def large_mappings() -> pb.Connection:
    """A connection whose mappings are larger than 512 KiB together, each within its bounds."""
    connection = altered("sqlite")
    for at in range(500):
        connection.field_mappings.add(field=f"f{at}", column=f"c{at}", helper_text="é" * 600)
    return connection


RULES += [
    ("large mappings", large_mappings(), "field_mappings", "at most 512 KiB", "no máximo 512 KiB"),
    ("mapped twice", doubled(), "field_mappings[1].field", "'name' is mapped twice", "'name' foi mapeado duas vezes"),
    ("column twice", doubled(), "field_mappings[2].column", "'name' is mapped twice", "'name' foi mapeado duas vezes"),
    ("501 mappings", many_mappings(), "field_mappings", "at most 500", "no máximo 500 mapeamentos"),
    ("large view", large_view(), "view_configuration", "at most 64 KiB", "no máximo 64 KiB"),
]

# What takes a whole connection, and where in the request it stands.
TAKERS: Mapping[str, tuple[Callable[[pb.Connection, int], Message], str]] = {
    "create": (lambda one, _: pb.CreateConnectionRequest(connection=one), "connection."),
    "dry": (lambda one, _: pb.CreateConnectionRequest(connection=one, validate_only=True), "connection."),
    "batch": (
        lambda one, _: pb.BatchCreateConnectionsRequest(connections=[connection_of(), one, connection_of()]),
        "connections[1].",
    ),
    "update": (
        lambda one, at: pb.UpdateConnectionRequest(connection=with_id(one, at), update_mask=FieldMask(paths=["*"])),
        "connection.",
    ),
    "test": (lambda one, _: pb.TestConnectionRequest(connection=one), "connection."),
}


@pytest.mark.parametrize(
    ("connection", "field", "en", "pt"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES]
)
def test_a_bad_connection_is_refused_wherever_it_is_given(
    world: World, there: int, connection: pb.Connection, field: str, en: str, pt: str
) -> None:
    """Create, dry run, batch, update and test name the field in both languages, and change nothing."""
    before = kept(world)
    for taker, (request, path) in TAKERS.items():
        if taker == "test" and field == "name" and not connection.name:
            continue  # what is tried before it is saved needs no name

        def made(identifier: int, request: Callable[[pb.Connection, int], Message] = request) -> Message:
            return request(connection, identifier)

        portuguese = insist(world.admin, Bad(made, path + field, en, ""), there)
        assert pt in portuguese.localized_violations[path + field]
    assert kept(world) == before
