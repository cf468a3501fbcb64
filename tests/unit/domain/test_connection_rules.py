"""When a connection is valid, and what is said where it is not."""

from dataclasses import replace

import pytest

from wuzapi_manager_server.domain.connection import (
    Airtable,
    Connection,
    Mysql,
    Nocodb,
    Postgresql,
    Sharing,
    Source,
    Sqlite,
    UserLinkValue,
)
from wuzapi_manager_server.domain.connection_rules import (
    MAX_MAPPINGS,
    MAX_USERS,
    SUMMARY,
    is_web_url,
    users_violations,
    violations_of,
)
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.errors import InvalidInput

SQLITE = Sqlite("orders.db", "orders")
MYSQL = Mysql("db.example", 3306, "shop", "ana", "orders", secret="geheim")
NOCODB = Nocodb("https://nocodb.example", "p_1", "m-2", secret="token")
AIRTABLE = Airtable("", "app1", "Orders", secret="key")
GOOD = Connection("Orders", SQLITE, user_link_field="owner")
SOURCES: list[Source] = [SQLITE, MYSQL, Postgresql("10.0.0.1", 0, "shop", "ana", "orders"), NOCODB, AIRTABLE]


def checked(connection: Connection) -> None:
    violations = list(violations_of(connection))
    if violations:
        raise InvalidInput((violation.below("connection") for violation in violations), summary=SUMMARY)


def fields(connection: Connection) -> list[str]:
    return [violation.field for violation in violations_of(connection)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.type.value)
def test_what_is_complete_is_valid(source: Source) -> None:
    """Each kind of source with all that it needs is taken as it is."""
    connection = replace(GOOD, source=source)
    checked(connection)
    assert connection.etag == "0"


def test_all_is_told_at_once_in_the_words_that_users_know() -> None:
    """Every violation is listed, and the summary is the Portuguese sentence that users of the product know."""
    bad = Connection("  ", Nocodb("", "", "", secret=""))
    with pytest.raises(InvalidInput) as error:
        checked(bad)
    assert error.value.text.pt == (
        "Dados de conexão inválidos: Nome da conexão é obrigatório, URL é obrigatória, Token NocoDB é obrigatório, "
        "ID do projeto NocoDB é obrigatório, ID da tabela NocoDB é obrigatório, "
        "user_link_field é obrigatório: a coluna que identifica o dono da linha"
    )
    assert [violation.field for violation in error.value.violations] == [
        "connection.name",
        "connection.nocodb.host",
        "connection.nocodb.token",
        "connection.nocodb.project_id",
        "connection.nocodb.table_id",
        "connection.user_link_field",
    ]
    assert error.value.reason == "MISSING_REQUIRED_FIELD"
    with pytest.raises(InvalidInput) as error:
        checked(replace(bad, name="a\nb"))
    assert error.value.reason == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 255}, []),
        ({"name": "x" * 256}, ["name"]),
        ({"name": "a\0b"}, ["name"]),
        ({"name": "Pedidos de São João \U0001f600"}, []),
        ({"user_link_field": ""}, ["user_link_field"]),
        ({"user_link_field": "", "row_scope": Sharing.SHARED}, []),
        ({"user_link_field": "  "}, ["user_link_field"]),
        ({"user_link_field": "a\0"}, ["user_link_field"]),
        ({"view_configuration": {"a": "x" * 65_000}}, []),
        ({"view_configuration": {"a": "é" * 33_000}}, ["view_configuration"]),
        ({"assigned_users": ("u1", "token/+=:é")}, []),
        ({"assigned_users": ("", "a b", "a\u2003b", "x" * 257, "ok")}, [f"assigned_users[{at}]" for at in range(4)]),
    ],
)
def test_bounds_of_a_connection(change: dict[str, object], found: list[str]) -> None:
    """Names, users, link field and view settings have bounds."""
    assert fields(replace(GOOD, **change)) == found  # type: ignore[arg-type]  # fields of any type


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (Sqlite("", ""), ["sqlite.database", "sqlite.table_name"]),
        (Sqlite("a" * 1_024, "t"), []),
        (Sqlite("a" * 1_025, "t"), ["sqlite.database"]),
        (Sqlite("a\0.db", "t"), ["sqlite.database"]),
        (Sqlite("a.db", 'a "b" 100%'), []),
        (replace(MYSQL, host=""), ["mysql.host"]),
        (replace(MYSQL, host="a b"), ["mysql.host"]),
        (replace(MYSQL, host="/run/mysqld"), ["mysql.host"]),
        (replace(MYSQL, host="user@db"), ["mysql.host"]),
        (replace(MYSQL, host="db1,db2"), ["mysql.host"]),
        (replace(MYSQL, host="db:3306"), ["mysql.host"]),
        (replace(MYSQL, host="[::1]:3306"), ["mysql.host"]),
        (replace(MYSQL, host="::1"), []),
        (replace(MYSQL, host="[::1]"), []),
        (replace(MYSQL, port=-1), ["mysql.port"]),
        (replace(MYSQL, port=65_536), ["mysql.port"]),
        (replace(MYSQL, schema=" "), ["mysql.schema"]),
        (replace(MYSQL, username="", table_name="\x7f"), ["mysql.username", "mysql.table_name"]),
        (replace(MYSQL, secret="********"), ["mysql.password"]),
        (replace(MYSQL, secret="•••"), ["mysql.password"]),
        (replace(MYSQL, secret="**"), []),
        (replace(MYSQL, secret="*a*"), []),
        (replace(MYSQL, secret="a\0"), ["mysql.password"]),
        (replace(MYSQL, secret="x" * 4_097), ["mysql.password"]),
        (replace(MYSQL, secret=""), []),
        (replace(NOCODB, secret=""), ["nocodb.token"]),
        (replace(NOCODB, secret="", has_secret=True), []),
        (replace(NOCODB, secret="***", has_secret=True), ["nocodb.token"]),
        (replace(NOCODB, host="https://user:pw@nocodb.example"), ["nocodb.host"]),
        (replace(NOCODB, host="https://@nocodb.example"), ["nocodb.host"]),
        (replace(NOCODB, host="https://nocodb.example/?"), ["nocodb.host"]),
        (replace(NOCODB, host="https://nocodb.example/?a=b"), ["nocodb.host"]),
        (replace(NOCODB, host="https://nocodb.example/#x"), ["nocodb.host"]),
        (replace(NOCODB, host="ftp://nocodb.example"), ["nocodb.host"]),
        (replace(NOCODB, host="http://localhost:8080/base/"), []),
        (replace(NOCODB, table_id="../../other"), ["nocodb.table_id"]),
        (replace(NOCODB, project_id="p%2F1"), ["nocodb.project_id"]),
        (replace(AIRTABLE, secret=""), ["airtable.api_key"]),
        (replace(AIRTABLE, base_url="javascript:alert(1)"), ["airtable.base_url"]),
        (replace(AIRTABLE, base_id="", table_id=""), ["airtable.base_id", "airtable.table_id"]),
        (replace(AIRTABLE, base_id="a/b"), ["airtable.base_id"]),
    ],
)
def test_bounds_of_sources(source: Source, found: list[str]) -> None:
    """Each kind of source names its own fields."""
    violations = list(violations_of(replace(GOOD, source=source)))
    assert [violation.field for violation in violations] == found
    assert "geheim" not in str(violations)


def test_what_a_mask_is_told() -> None:
    """A mask sent back in place of a secret is refused with what to do."""
    [violation] = violations_of(replace(GOOD, source=replace(MYSQL, secret="********")))
    assert violation.text.en == "is a mask; leave it out to keep the secret"


@pytest.mark.parametrize(
    ("mappings", "found"),
    [
        ((FieldMapping("a", "a"), FieldMapping("b", "b")), []),
        ((FieldMapping("", ""),), ["[0].field", "[0].column"]),
        ((FieldMapping("a", "x"), FieldMapping("a", "y")), ["[1].field"]),
        ((FieldMapping("a", "x"), FieldMapping("b", "x")), ["[1].column"]),
        ((FieldMapping("a", "owner"),), ["[0].column"]),
        ((FieldMapping("a", "a", label="x" * 1_025),), ["[0].label"]),
        ((FieldMapping("a", "a", helper_text="\0", type="\0"),), ["[0].type", "[0].helper_text"]),
        ((FieldMapping("a", "a", required=True, editable=False),), ["[0].required"]),
        ((FieldMapping("a", "a", required=True, visible=False),), ["[0].required"]),
        (
            (FieldMapping("a", "a", validation=Validation(pattern="(", min=2, max=1)),),
            ["[0].validation.pattern", "[0].validation.min"],
        ),
        (tuple(FieldMapping(str(at), str(at)) for at in range(MAX_MAPPINGS)), []),
        (tuple(FieldMapping(str(at), str(at)) for at in range(MAX_MAPPINGS + 1)), [""]),
    ],
)
def test_bounds_of_mappings(mappings: tuple[FieldMapping, ...], found: list[str]) -> None:
    """Mappings are complete, name each field and column once, and never the column of tokens."""
    assert fields(replace(GOOD, field_mappings=mappings)) == [f"field_mappings{path}" for path in found]


def test_a_link_column_without_tokens_may_be_mapped() -> None:
    """Where the link field holds ids it may be shown."""
    mapped = replace(GOOD, field_mappings=(FieldMapping("a", "owner"),), user_link_value=UserLinkValue.USER_ID)
    assert fields(mapped) == []


def test_too_many_users_are_told_once() -> None:
    """Above the most, the count is told and what is above is not looked at."""
    assert [violation.field for violation in users_violations(("",) * 3, "users", 2)] == [
        "users",
        "users[0]",
        "users[1]",
    ]
    assert fields(replace(GOOD, assigned_users=tuple(map(str, range(MAX_USERS + 1))))) == ["assigned_users"]


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://example.com/logo.png?x=1#y",
        "HTTPS://EXAMPLE.COM",
        "https://exämple.com/é",
        "http://[::1]:8080/",
        "http://10.0.0.1",
        "https://user@host",
        "https://a:65535",
        "https://a:/",
    ],
)
def test_web_urls(url: str) -> None:
    """URLs of http and https with a host are taken."""
    assert is_web_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http:",
        "//example.com",
        "example.com",
        "javascript:alert(1)",
        "JaVaScRiPt://example.com/%0aalert(1)",
        "data:text/html,x",
        "ftp://a",
        "file:///etc/passwd",
        "http:///path",
        "http://:80",
        "http://a b",
        "http://a/ b",
        "http://a/\u2003b",
        " http://a",
        "http://a\n",
        "http://a\t.com",
        "http://a\0",
        "http://[::1",
        "http://a]",
        "http://a:99999",
        "http://a:0",
        "http://a:x",
        "http://a\\@b",
        'http://a"onerror=x',
        "http://<script>",
        "http://a\u2100b",
        "https://a/" + "x" * 2_048,
    ],
)
def test_what_is_no_web_url(url: str) -> None:
    """Other schemes, missing hosts, white space, control characters and broken URLs are refused without raising."""
    assert not is_web_url(url)
