"""Connections between messages and the product's own words: masks, secrets, sources."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1.common_pb2 import FieldMapping as MappingMessage
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
    SqlServer,
    TlsMode,
    UserLinkValue,
)
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.errors import InvalidInput
from wuzapi_manager_server.rpc.convert_connections import (
    checked_connection,
    checked_connections,
    connection_from,
    connection_to,
    merged,
    user_view_to,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SOURCES: list[Source] = [
    Sqlite("orders.db", "orders"),
    Nocodb("https://nocodb.example", "p1", "m1", has_secret=True),
    Mysql("db.example", 3307, "shop", "ana", "orders", "s", TlsMode.VERIFY_FULL, has_secret=True),
    Postgresql("db.example", 0, "shop", "ana", "orders", has_secret=True),
    Airtable("", "app1", "Orders", has_secret=True),
]
SECRETS = {"nocodb": "token", "mysql": "password", "postgresql": "password", "airtable": "api_key"}


def stored(source: Source = SOURCES[2]) -> Connection:
    return Connection(
        name="Orders",
        source=source,
        status=ConnectionStatus.CONNECTED,
        assigned_users=("u1", "u2"),
        user_link_field="owner",
        user_link_value=UserLinkValue.JID,
        row_scope=Sharing.SHARED,
        field_mappings=(
            FieldMapping("name", "customer", validation=Validation(min=0)),
            FieldMapping("x", "y", visible=False),
        ),
        view_configuration={"calendar": {"enabled": True}},
        id=7,
        version=3,
        create_time=NOW,
        update_time=NOW,
    )


def kind_of(source: Source) -> str:
    return source.type.value.lower()


def secret_of(connection: Connection) -> tuple[str, bool]:
    return connection.source.secret, connection.source.has_secret


def complaints(error: pytest.ExceptionInfo[InvalidInput]) -> list[str]:
    return [violation.field for violation in error.value.violations]


@pytest.mark.parametrize("source", SOURCES, ids=kind_of)
def test_a_connection_travels_without_its_secret(source: Source) -> None:
    """All but the secret comes back from the message; that there is one is told, the secret never."""
    connection = stored(source if isinstance(source, Sqlite) else replace(source, secret="geheim", has_secret=False))
    message = pb.Connection.FromString(connection_to(connection).SerializeToString())
    assert "geheim" not in str(message)
    assert message.type == pb.ConnectionType.Value(f"CONNECTION_TYPE_{source.type.value}")
    assert (message.etag, message.id) == ("3", 7)
    if not isinstance(source, Sqlite):
        assert getattr(getattr(message, kind_of(source)), f"has_{SECRETS[kind_of(source)]}")
    back, violations = connection_from(message)
    assert not violations
    expected = source if isinstance(source, Sqlite) else replace(source, has_secret=False)
    assert back == replace(connection, source=expected, id=0, version=0, create_time=None, update_time=None)


@pytest.mark.parametrize("source", SOURCES[1:], ids=kind_of)
def test_a_given_secret_is_taken(source: Source) -> None:
    """The secret of the message is the connection's, and whether there is one is not the caller's to say."""
    message = connection_to(stored(source))
    setattr(getattr(message, kind_of(source)), SECRETS[kind_of(source)], "geheim")
    assert secret_of(connection_from(message)[0]) == ("geheim", False)


def test_what_a_message_leaves_out() -> None:
    """Status, link value, scope and TLS have defaults; users are taken once; a new one has no etag."""
    connection, violations = connection_from(
        pb.Connection(name="x", mysql=pb.MysqlSource(host="h"), assigned_users=["b", "a", "b"], id=5, etag="9")
    )
    assert not violations
    assert connection == Connection("x", Mysql("h", 0, "", "", ""), assigned_users=("b", "a"))
    assert (connection.status, connection.row_scope) == (ConnectionStatus.INACTIVE, Sharing.USER)
    assert connection_to(connection).etag == ""


def test_all_that_is_wrong_with_a_message_is_told() -> None:
    """Unknown choices and a missing source are told beside what the rules of connections say."""
    message = pb.Connection(name="", row_scope=9, status=9, user_link_value=9)  # type: ignore[arg-type]  # unknown on purpose
    with pytest.raises(InvalidInput) as error:
        checked_connection(message)
    assert sorted(complaints(error)) == [
        "connection.name",
        "connection.row_scope",
        "connection.source",
        "connection.status",
        "connection.user_link_field",
        "connection.user_link_value",
    ]
    assert "Tipo de conexão inválido" in error.value.text.pt
    bad_tls = pb.Connection(mysql=pb.MysqlSource(tls_mode=9))  # type: ignore[arg-type]  # unknown on purpose
    assert "mysql.tls_mode" in [violation.field for violation in connection_from(bad_tls)[1]]


def test_a_batch_tells_all_of_its_connections() -> None:
    """Each violation stands below its place; a good batch comes as it was given."""
    good = pb.Connection(name="a", sqlite=pb.SqliteSource(database="a.db", table_name="t"), user_link_field="o")
    with pytest.raises(InvalidInput) as error:
        checked_connections([pb.Connection(), good, pb.Connection(name="x")], "connections[{}]".format)
    assert {path.partition(".")[0] for path in complaints(error)} == {"connections[0]", "connections[2]"}
    assert [each.name for each in checked_connections([good, good], str)] == ["a", "a"]


def test_users_see_what_is_theirs_to_see() -> None:
    """Names, status, visible mappings and views, but no source, users, link field, etag or secret."""
    message = user_view_to(stored())
    assert sorted(field.name for field, _ in message.ListFields()) == [
        "create_time",
        "field_mappings",
        "id",
        "name",
        "row_scope",
        "status",
        "type",
        "update_time",
        "view_configuration",
    ]
    assert [mapping.field for mapping in message.field_mappings] == ["name"]
    assert not user_view_to(replace(stored(), view_configuration={})).HasField("view_configuration")


def test_without_a_mask_the_populated_fields_are_set() -> None:
    """What is given is set, within the source too; everything else, the secret among it, stays."""
    change = pb.Connection(id=9, name="New", etag="x", mysql=pb.MysqlSource(host="new.example", has_password=False))
    result = merged(stored(), change, FieldMask())
    source = replace(SOURCES[2], host="new.example")  # type: ignore[arg-type]  # it has a host
    assert result == replace(stored(), name="New", source=source)


def test_output_fields_are_passed_over() -> None:
    """What only answers hold changes nothing, but alone it is no change at all."""
    output = pb.Connection(id=9, etag="x", type=pb.CONNECTION_TYPE_AIRTABLE)
    output.create_time.GetCurrentTime()
    output.update_time.GetCurrentTime()
    output.delete_time.GetCurrentTime()
    with pytest.raises(InvalidInput, match="at least one field") as error:
        merged(stored(), output, FieldMask())
    assert complaints(error) == ["connection"]
    with pytest.raises(InvalidInput, match="at least one field"):
        merged(stored(), pb.Connection(mysql=pb.MysqlSource(has_password=True)), FieldMask())


def test_a_read_connection_written_back_is_the_same() -> None:
    """Read, write back: nothing changes, with or without a mask of all."""
    for source in SOURCES:
        for mask in (FieldMask(), FieldMask(paths=["*"]), FieldMask(paths=[kind_of(source)])):
            assert merged(stored(source), connection_to(stored(source)), mask) == stored(source)


@pytest.mark.parametrize("source", SOURCES[1:], ids=kind_of)
def test_secrets_stay_unless_given_or_named(source: Source) -> None:
    """Left out a secret stays; given it is replaced; named and empty it is cleared, where it may be."""
    kind = kind_of(source)
    secret = SECRETS[kind]
    empty = connection_to(stored(source))
    given = connection_to(stored(source))
    setattr(getattr(given, kind), secret, "new")
    named = FieldMask(paths=[f"{kind}.{secret}"])
    for mask in (FieldMask(), FieldMask(paths=["*"]), FieldMask(paths=[kind]), FieldMask(paths=["name"])):
        assert secret_of(merged(stored(source), empty, mask)) == ("", True)
    for mask in (FieldMask(), FieldMask(paths=["*"]), FieldMask(paths=[kind]), named):
        assert secret_of(merged(stored(source), given, mask)) == ("new", False)
    assert secret_of(merged(stored(source), given, FieldMask(paths=["name"]))) == ("", True)
    for message in (empty, pb.Connection()):
        if isinstance(source, SqlServer):
            assert secret_of(merged(stored(source), message, named)) == ("", False)
        else:
            with pytest.raises(InvalidInput) as error:
                merged(stored(source), message, named)
            assert complaints(error) == [f"connection.{kind}.{secret}"]


def test_a_mask_sent_back_is_refused() -> None:
    """Asterisks in place of a password do not overwrite it."""
    change = pb.Connection(mysql=pb.MysqlSource(password="********"))
    with pytest.raises(InvalidInput, match="is a mask") as error:
        merged(stored(), change, FieldMask())
    assert complaints(error) == ["connection.mysql.password"]


@pytest.mark.parametrize("mask", [FieldMask(), FieldMask(paths=["postgresql"]), FieldMask(paths=["*"])])
def test_another_kind_of_source_keeps_no_secret(mask: FieldMask) -> None:
    """A source of another type replaces the old one, whose secret is gone with it."""
    change = connection_to(stored())
    change.postgresql.host, change.postgresql.database = "pg.example", "shop"
    change.postgresql.username, change.postgresql.table_name = "ana", "orders"
    result = merged(stored(), change, mask)
    assert result.source == Postgresql("pg.example", 0, "shop", "ana", "orders")


def test_star_replaces_all() -> None:
    """With "*" what is not given goes back to its default."""
    change = pb.Connection(name="New", mysql=pb.MysqlSource(host="h", database="d", username="u", table_name="t"))
    with pytest.raises(InvalidInput) as error:
        merged(stored(), change, FieldMask(paths=["*"]))
    assert complaints(error) == ["connection.user_link_field"]
    change.user_link_field = "o"
    result = merged(stored(), change, FieldMask(paths=["*"]))
    assert result == Connection(
        "New",
        Mysql("h", 0, "d", "u", "t", has_secret=True),
        user_link_field="o",
        id=7,
        version=3,
        create_time=NOW,
        update_time=NOW,
    )


def test_named_fields_are_set_also_to_nothing() -> None:
    """A mask that names what is not given clears it, lists and parts of the source too."""
    paths = ["assigned_users", "field_mappings", "view_configuration", "mysql.schema", "mysql.tls_mode", "status"]
    for change in (pb.Connection(name="ignored"), pb.Connection(mysql=pb.MysqlSource(host="ignored"))):
        result = merged(stored(), change, FieldMask(paths=paths))
        assert result.assigned_users == ()
        assert result.field_mappings == ()
        assert result.view_configuration == {}
        assert result.status is ConnectionStatus.INACTIVE
        assert result.name == "Orders"
        source = result.source
        assert isinstance(source, Mysql)
        assert (source.schema, source.tls_mode, source.host, source.has_secret) == (
            "",
            TlsMode.PREFER,
            "db.example",
            True,
        )
    change = pb.Connection(assigned_users=["u9"], field_mappings=[MappingMessage(field="a")])
    result = merged(stored(), change, FieldMask(paths=["assigned_users", "field_mappings"]))
    assert result.assigned_users == ("u9",)
    assert result.field_mappings == (FieldMapping("a", "a"),)


def test_named_fields_that_must_be_there_are_told() -> None:
    """What a mask clears must still be a valid connection."""
    for paths, found in ((["mysql"], ["source"]), (["name", "mysql.host"], ["name", "mysql.host"])):
        with pytest.raises(InvalidInput) as error:
            merged(stored(), pb.Connection(), FieldMask(paths=paths))
        assert complaints(error) == [f"connection.{field}" for field in found]


def test_a_path_into_another_source_needs_all_of_it() -> None:
    """A part of a source that the connection does not have is told with the parts that it lacks."""
    with pytest.raises(InvalidInput) as error:
        merged(stored(), pb.Connection(postgresql=pb.PostgresqlSource(host="h")), FieldMask(paths=["postgresql.host"]))
    assert complaints(error) == [f"connection.postgresql.{each}" for each in ("database", "username", "table_name")]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "x",
        "Name",
        "id",
        "etag",
        "type",
        "create_time",
        "delete_time.seconds",
        "name.x",
        "mysql.x",
        "mysql.has_password",
        "mysql.",
        "mysql.host.x",
        ".name",
        "name.",
        "source",
        "view_configuration.fields",
        "field_mappings.field",
        "assigned_users.0",
        "connection.name",
        "x" * 5_000,
    ],
)
def test_unknown_paths_are_refused(path: str) -> None:
    """Paths that are no field, or none that can be set, are told on update_mask."""
    with pytest.raises(InvalidInput, match="cannot be set") as error:
        merged(stored(), pb.Connection(name="x"), FieldMask(paths=["name", path]))
    assert complaints(error) == ["update_mask"]
    assert len(error.value.text.en) < 300


@pytest.mark.parametrize("path", ["sqlite", "nocodb", "mysql", "postgresql", "airtable"])
@pytest.mark.parametrize("source", SOURCES, ids=kind_of)
def test_a_source_that_is_named_and_not_given_is_refused(path: str, source: Source) -> None:
    """A mask that names a source, the connection's own or another, needs it in the message; the rest is judged too."""
    with pytest.raises(InvalidInput, match=f"set connection.{path}, or leave it out of update_mask") as error:
        merged(stored(source), pb.Connection(), FieldMask(paths=[path, "name", "x"]))
    assert complaints(error) == ["connection.source", "update_mask", "connection.name"]


def test_a_mask_may_name_the_source_that_goes_beside_the_one_that_comes() -> None:
    """Where one of the named sources is given, the others are cleared as any field that is not given."""
    change = pb.Connection(sqlite=pb.SqliteSource(database="a.db", table_name="t"))
    assert merged(stored(), change, FieldMask(paths=["sqlite", "mysql"])).source == Sqlite("a.db", "t")


def test_a_mask_leads_into_one_source() -> None:
    """Of two, one would be passed over in silence."""
    change = pb.Connection(postgresql=pb.PostgresqlSource(password="new"))
    with pytest.raises(InvalidInput) as error:
        merged(stored(SOURCES[-2]), change, FieldMask(paths=["postgresql.password", "mysql.host", "name"]))
    assert [violation.field for violation in error.value.violations][:2] == ["update_mask", "update_mask"]
    assert "mysql" in error.value.violations[0].text.en


def test_star_stands_alone() -> None:
    """A mask of "*" and more is refused."""
    with pytest.raises(InvalidInput) as error:
        merged(stored(), pb.Connection(name="x"), FieldMask(paths=["*", "name", "x"]))
    assert complaints(error) == ["update_mask", "update_mask"]


def test_an_unknown_choice_of_an_update_is_told() -> None:
    """What the message itself shows to be wrong is told by updates as well."""
    change = pb.Connection(row_scope=9)  # type: ignore[arg-type]  # unknown on purpose
    with pytest.raises(InvalidInput) as error:
        merged(stored(), change, FieldMask())
    assert "connection.row_scope" in complaints(error)
