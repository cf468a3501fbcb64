"""What ConnectionService says to bad input: which field, in which words of both languages, and that nothing changes."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.bad_connections import HUGE, SQL, altered, sourceless, with_id
from tests.e2e.refusals import Bad, call, insist, names
from tests.e2e.samples import connection_of, create, kept
from wuzapi_manager.v1 import connection_pb2 as pb

MISSING = 2**62


def targets(identifier: int, etag: str = "") -> list[Message]:
    """One request of every RPC that names a saved connection."""
    return [
        pb.GetConnectionRequest(id=identifier),
        pb.UpdateConnectionRequest(connection=pb.Connection(id=identifier, name="x", etag=etag)),
        pb.DeleteConnectionRequest(id=identifier, etag=etag),
        pb.UndeleteConnectionRequest(id=identifier, etag=etag),
        pb.SetConnectionStatusRequest(id=identifier, status=pb.CONNECTION_STATUS_ACTIVE, etag=etag),
        pb.AssignUsersRequest(id=identifier, users=["ana"], etag=etag),
        pb.UnassignUsersRequest(id=identifier, users=["ana"], etag=etag),
        pb.TestConnectionRequest(id=identifier),
        pb.DescribeSourceRequest(id=identifier),
        pb.BatchDeleteConnectionsRequest(ids=[identifier]),
    ]


@pytest.mark.parametrize("identifier", [MISSING, -1, -(2**63), 2**63 - 1])
def test_a_connection_that_is_not_there_is_not_found(world: World, identifier: int) -> None:
    """Every RPC that names one says NOT_FOUND with the id, in both languages."""
    before = kept(world)
    for request in targets(identifier):
        for language, text in (("en", f"There is no connection {identifier}"), ("pt-BR", f"Conexão {identifier} não")):
            with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as refusal:
                call(world.admin.with_metadata(accept_language=language), request)
            assert text in refusal.localized
            assert refusal.metadata["id"] == str(identifier)
    assert kept(world) == before


def mask(*paths: str, **changes: str) -> Callable[[int], Message]:
    """An update of these paths."""
    return lambda at: pb.UpdateConnectionRequest(
        connection=with_id(altered("sqlite", **changes), at), update_mask=FieldMask(paths=paths)
    )


def listing(**wanted: Any) -> Callable[[int], Message]:
    """A list of connections that is asked for so."""
    return lambda _: pb.ListConnectionsRequest(**wanted)


def creating(request_id: str) -> Callable[[int], Message]:
    """A create with that request_id."""
    return lambda _: pb.CreateConnectionRequest(connection=altered("sqlite"), request_id=request_id)


CASES: list[Bad] = [
    Bad(lambda _: pb.CreateConnectionRequest(), "connection.name", "is required", "Nome da conexão é obrigatório"),
    Bad(lambda _: pb.CreateConnectionRequest(), "connection.source", "is required", "Tipo de conexão inválido"),
    Bad(lambda _: pb.GetConnectionRequest(), "id", "is required", "id é obrigatório"),
    Bad(lambda _: pb.UpdateConnectionRequest(), "connection.id", "is required", "connection.id é obrigatório"),
    Bad(lambda _: pb.DeleteConnectionRequest(), "id", "is required", "id é obrigatório"),
    Bad(lambda _: pb.UndeleteConnectionRequest(), "id", "is required", "id é obrigatório"),
    Bad(lambda _: pb.SetConnectionStatusRequest(), "id", "is required", "id é obrigatório"),
    Bad(lambda _: pb.SetConnectionStatusRequest(), "status", "is required", "status é obrigatório"),
    Bad(lambda at: pb.SetConnectionStatusRequest(id=at, status=99), "status", "99 is not", "99 não é"),  # type: ignore[arg-type]  # no such number: the point
    Bad(lambda at: pb.SetConnectionStatusRequest(id=at, status=-7), "status", "-7 is not", "-7 não é"),  # type: ignore[arg-type]  # no such number: the point
    Bad(lambda _: pb.TestConnectionRequest(), "id", "either id or connection", "id ou connection"),
    Bad(
        lambda at: pb.TestConnectionRequest(id=at, connection=altered("sqlite")),
        "id",
        "either id or connection",
        "não ambos",
    ),
    Bad(lambda _: pb.DescribeSourceRequest(), "id", "either id or connection", "id ou connection"),
    Bad(lambda at: pb.DescribeSourceRequest(id=at, connection=altered("sqlite")), "id", "either id", "não ambos"),
    Bad(lambda at: pb.DescribeSourceRequest(id=at, page_size=-1), "page_size", "negative", "não pode ser negativo"),
    Bad(lambda at: pb.DescribeSourceRequest(id=at, page_token="x"), "page_token", "start without", "recomece sem ele"),
    Bad(
        lambda _: pb.DescribeSourceRequest(connection=sourceless()),
        "connection.source",
        "one of sqlite",
        "Tipo de conexão inválido",
    ),
    Bad(
        lambda _: pb.DescribeSourceRequest(connection=altered("mysql", mysql__host="")),
        "connection.mysql.host",
        "Host is required",
        "Host é obrigatório",
    ),
    Bad(lambda _: pb.AssignUsersRequest(users=["ana"]), "id", "is required", "id é obrigatório"),
    Bad(lambda at: pb.AssignUsersRequest(id=at), "users", "is required", "users é obrigatório"),
    Bad(lambda at: pb.AssignUsersRequest(id=at, users=["ok", ""]), "users[1]", "1 to 256", "Usuário deve ser"),
    Bad(lambda at: pb.AssignUsersRequest(id=at, users=["a\u2028b"]), "users[0]", "white space", "sem espaços"),
    Bad(
        lambda at: pb.AssignUsersRequest(id=at, users=[f"u{each}" for each in range(1001)]),
        "users",
        "at most 1000 users",
        "no máximo 1000 usuários",
    ),
    Bad(lambda at: pb.UnassignUsersRequest(id=at), "users", "is required", "users é obrigatório"),
    Bad(lambda _: pb.UnassignUsersRequest(users=["ana"]), "id", "is required", "id é obrigatório"),
    Bad(lambda at: pb.UnassignUsersRequest(id=at, users=["u" * 257]), "users[0]", "1 to 256", "Usuário deve ser"),
    Bad(lambda _: pb.BatchCreateConnectionsRequest(), "connections", "is required", "connections é obrigatório"),
    Bad(
        lambda _: pb.BatchCreateConnectionsRequest(connections=[altered("sqlite")] * 1001),
        "connections",
        "at most 1000",
        "no máximo 1000",
    ),
    Bad(lambda _: pb.BatchDeleteConnectionsRequest(), "ids", "is required", "ids é obrigatório"),
    Bad(lambda at: pb.BatchDeleteConnectionsRequest(ids=[at, at]), "ids", "each connection once", "uma única vez"),
    Bad(lambda at: pb.BatchDeleteConnectionsRequest(ids=[at] * 1001), "ids", "at most 1000", "no máximo 1000"),
    Bad(listing(page_size=-1), "page_size", "negative", "não pode ser negativo"),
    Bad(listing(page_size=-(2**31)), "page_size", "negative", "não pode ser negativo"),
    *(
        Bad(
            listing(name_contains=text),
            "name_contains",
            "at most 255",
            "no máximo",
        )
        for text in (HUGE, "\0", "sql\0", "n" * 256)
    ),
    Bad(listing(type=99), "type", "99 is not", "99 não é um valor permitido"),
    Bad(listing(status=99), "status", "99 is not", "99 não é um valor"),
    *(
        Bad(
            listing(order_by=order),
            "order_by",
            "one of name, create_time",
            "order_by deve ser name",
        )
        for order in ("id", "name; --", "password", "name sideways", "name desc, id", "NAME", SQL, "name\0", HUGE)
    ),
    *(
        Bad(
            listing(page_token=token),
            "page_token",
            "start without one",
            "Token de paginação inválido",
        )
        for token in ("x", "1", SQL, "\0", HUGE, "gAAAAABn" + "A" * 100, "é")
    ),
    *(
        Bad(
            creating(given),
            "request_id",
            "must be a UUID",
            "deve ser um UUID",
        )
        for given in ("1", SQL, uuid.UUID(int=5).hex, f"{{{uuid.UUID(int=5)}}}", f"{uuid.UUID(int=5)}\n", HUGE)
    ),
    Bad(
        lambda _: pb.BatchCreateConnectionsRequest(connections=[altered("sqlite")], request_id="no"),
        "request_id",
        "must be a UUID",
        "deve ser um UUID",
    ),
    *(
        Bad(mask(path), "update_mask", "cannot be set", "não pode ser alterado")
        for path in (
            *("id", "etag", "type", "create_time", "update_time", "delete_time", "nothing", "", "sqlite.", ".name"),
            *("name.first", "sqlite.nothing", "mysql.has_password", "nocodb.has_token", "airtable.has_api_key", SQL),
            *("source", "assigned_users.0", "field_mappings.field", "view_configuration.x", "connection.name", HUGE),
        )
    ),
    Bad(mask("name", "*"), "update_mask", "cannot be set", "não pode ser alterado"),
    Bad(mask("name", "nothing"), "update_mask", "'nothing' cannot be set", "'nothing' não pode ser alterado"),
    Bad(
        lambda at: pb.UpdateConnectionRequest(connection=pb.Connection(id=at)),
        "connection",
        "at least one field",
        "Informe ao menos um campo",
    ),
    Bad(mask("name", name=""), "connection.name", "is required", "Nome da conexão é obrigatório"),
    Bad(
        mask("sqlite.table_name", sqlite__table_name=""),
        "connection.sqlite.table_name",
        "is required",
        "Nome da tabela",
    ),
    Bad(
        lambda at: pb.UpdateConnectionRequest(connection=pb.Connection(id=at), update_mask=FieldMask(paths=["sqlite"])),
        "connection.source",
        "one of sqlite",
        "Tipo de conexão inválido",
    ),
]


@pytest.mark.parametrize("bad", CASES, ids=names(CASES))
def test_bad_input_is_refused(world: World, there: int, bad: Bad) -> None:
    """Each bad field is named, in English and in Portuguese, and nothing changes."""
    before = kept(world)
    insist(world.admin, bad, there)
    assert kept(world) == before


def test_every_bad_field_is_told_at_once(world: World, there: int) -> None:
    """All that is wrong with a request is in one answer, in the words that the product's users know."""
    bad = pb.Connection(
        id=there,
        nocodb=pb.NocodbSource(host="x", table_id="m"),
        status=77,  # type: ignore[arg-type]  # no such number: the point
        user_link_field="owner",
    )
    fields = {"name", "status", "nocodb.host", "nocodb.token", "nocodb.project_id"}
    requests: list[tuple[Message, set[str]]] = [
        (
            pb.CreateConnectionRequest(connection=bad, request_id="1"),
            {f"connection.{at}" for at in fields} | {"request_id"},
        ),
        (
            pb.UpdateConnectionRequest(connection=bad, update_mask=FieldMask(paths=["*"])),
            {f"connection.{at}" for at in fields},
        ),
        (pb.TestConnectionRequest(connection=bad), {f"connection.{at}" for at in fields - {"name"}}),
        (
            pb.DescribeSourceRequest(id=there, connection=bad, page_size=-1, page_token="x"),
            {*(f"connection.{at}" for at in fields - {"name"}), "id", "page_size", "page_token"},
        ),
        (pb.DescribeSourceRequest(page_size=-1), {"id", "page_size"}),
        (
            pb.UpdateConnectionRequest(connection=bad, update_mask=FieldMask(paths=["status", "x", "mysql"])),
            {"update_mask", "connection.source", "connection.status"},
        ),
        (
            pb.BatchCreateConnectionsRequest(connections=[bad, bad], request_id="1"),
            {f"connections[{which}].{at}" for which in (0, 1) for at in fields} | {"request_id"},
        ),
        (pb.AssignUsersRequest(users=["", "ok", "a b"]), {"id", "users[0]", "users[2]"}),
        (
            pb.ListConnectionsRequest(page_size=-1, page_token="x", order_by="x", type=9, status=9),  # type: ignore[arg-type]  # no such number: the point
            {"page_size", "page_token", "order_by", "type", "status"},
        ),
    ]
    for request, expected in requests:
        for caller in (world.admin, world.admin.with_metadata(accept_language="pt-BR")):
            with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
                call(caller, request)
            assert set(refusal.violations) == expected


@pytest.mark.parametrize("language", ["", "pt-BR", "pt", "pt-BR, en;q=0.8", "en;q=0.1, pt;q=0.9", "fr", "*", "xx;q=x"])
def test_the_texts_of_the_product_come_by_default(world: World, language: str) -> None:
    """Without a language, with Portuguese or one that is not spoken, the texts are those that users know."""
    caller = world.admin.with_metadata(accept_language=language)
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        call(caller, pb.CreateConnectionRequest())
    assert refusal.locale == "pt-BR"
    assert refusal.localized.startswith("Dados de conexão inválidos: Nome da conexão é obrigatório, ")
    assert refusal.localized_violations["connection.source"] == "Tipo de conexão inválido"
    nocodb = pb.Connection(name="x", user_link_field="u", nocodb=pb.NocodbSource(host="https://x", table_id="m"))
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        call(caller, pb.CreateConnectionRequest(connection=nocodb))
    assert refusal.localized == (
        "Dados de conexão inválidos: Token NocoDB é obrigatório, ID do projeto NocoDB é obrigatório"
    )
    assert refusal.message.startswith("Invalid connection: connection.nocodb.token: NocoDB token is required")


def test_page_tokens_are_good_for_their_own_list_alone(world: World) -> None:
    """A token with a changed byte, of another filter, order, RPC or caller is refused, and says so."""
    user, other = world.user("token-of-the-pager"), world.user("token-of-the-other")
    for _ in range(3):
        one = connection_of()
        one.assigned_users.extend([user.identity, other.identity])
        create(world, one)
    token = world.admin.connections.ListConnections(pb.ListConnectionsRequest(page_size=1)).next_page_token
    own = user.connections.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1)).next_page_token
    assert token
    assert own
    wrong = [token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :] for at in range(0, len(token) - 3, 7)]
    wrong += [token[:-5], token + "A", token * 2, own]
    requests: list[Message] = [pb.ListConnectionsRequest(page_token=each) for each in wrong]
    requests += [
        pb.ListConnectionsRequest(page_token=token, show_deleted=True),
        pb.ListConnectionsRequest(page_token=token, name_contains="x"),
        pb.ListConnectionsRequest(page_token=token, type=pb.CONNECTION_TYPE_SQLITE),
        pb.ListConnectionsRequest(page_token=token, order_by="name"),
        pb.DescribeSourceRequest(connection=connection_of(), page_token=token),
    ]
    for request in requests:
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
            call(world.admin, request)
        assert set(refusal.violations) == {"page_token"}
    for caller, given in ((other, own), (user, token)):
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
            call(caller, pb.ListUserConnectionsRequest(page_token=given))
    assert call(world.admin, pb.ListConnectionsRequest(page_token=token, page_size=7))
    assert call(user, pb.ListUserConnectionsRequest(page_token=own))


def test_ten_thousand_users_are_enough(world: World) -> None:
    """An assignment that would go beyond 10,000 is refused whole."""
    one = altered("sqlite", assigned_users=[f"u{at}" for at in range(9_999)])
    made = create(world, one)
    assert call(world.admin, pb.AssignUsersRequest(id=made.id, users=["u0", "last"]))
    before = kept(world)
    for dry in (True, False):
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
            call(world.admin, pb.AssignUsersRequest(id=made.id, users=["u1", "more"], validate_only=dry))
        assert refusal.violations == {"users": "must be at most 10000 users"}
    assert kept(world) == before


@pytest.mark.parametrize("text", [SQL, "%", "_", "\\", '"', "é" * 255, "''", "\n"])
def test_hostile_filters_find_nothing_and_harm_nothing(world: World, there: int, text: str) -> None:
    """A text to search by is a text."""
    before = kept(world)
    for request in (pb.ListConnectionsRequest(name_contains=text), pb.ListConnectionsRequest(assigned_user=text)):
        assert not [one for one in world.admin.connections.ListConnections(request).connections if one.id == there]
    assert kept(world) == before


def test_hostile_texts_are_kept_as_they_are(world: World) -> None:
    """SQL in names, tables and users is a text like any other."""
    one = altered("sqlite", name=SQL, sqlite__table_name='x"; --', user_link_field="u'", assigned_users=["';--"])
    made = create(world, one)
    assert (made.name, made.sqlite.table_name, made.user_link_field) == (SQL, 'x"; --', "u'")
    assert list(made.assigned_users) == ["';--"]
