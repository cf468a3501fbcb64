"""The calls of connections and branding through the client."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from tests.integration.client.service import Service
from wuzapi_manager.v1 import branding_pb2, common_pb2
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager_client import WuzapiManager, build_connection
from wuzapi_manager_client.connections import ConnectionFields

UUID = "0b0e2e9e-6f6f-4d5c-9f0a-000000000001"


def test_a_connection_is_made_from_keyword_arguments(service: Service, admin: WuzapiManager) -> None:
    """Sources are dicts, enums names, and the answer is the connection."""
    service.answers["CreateConnection"] = pb.CreateConnectionResponse(connection=pb.Connection(id=7, name="CRM"))
    made = admin.create_connection(
        name="CRM",
        mysql={"host": "db", "port": 3307, "password": "secret", "table_name": "t", "tls_mode": "verify_full"},
        user_link_field="owner",
        user_link_value="USER_ID",
        row_scope="SHARED",
        assigned_users=["ana", "bia"],
        field_mappings=[
            {"field": "name", "column": "customer_name", "editable": False, "validation": {"max_length": 40}},
            common_pb2.FieldMapping(field="city"),
        ],
        view_configuration={"kanban": {"enabled": True, "statusField": "status"}},
        request_id=UUID,
        validate_only=True,
    )
    assert made.id == 7
    (request,) = service.requests("CreateConnection")
    expected = pb.Connection(
        name="CRM",
        mysql=pb.MysqlSource(host="db", port=3307, password="secret", table_name="t", tls_mode=pb.TLS_MODE_VERIFY_FULL),
        user_link_field="owner",
        user_link_value=pb.USER_LINK_VALUE_USER_ID,
        row_scope=pb.ROW_SCOPE_SHARED,
        assigned_users=["ana", "bia"],
        field_mappings=[
            common_pb2.FieldMapping(
                field="name",
                column="customer_name",
                editable=False,
                validation=common_pb2.FieldValidation(max_length=40),
            ),
            common_pb2.FieldMapping(field="city"),
        ],
    )
    expected.view_configuration.update({"kanban": {"enabled": True, "statusField": "status"}})
    assert request == pb.CreateConnectionRequest(connection=expected, request_id=UUID, validate_only=True)


SOURCES: list[tuple[ConnectionFields, ConnectionFields, str]] = [
    ({"sqlite": {"table_name": "t"}}, {"sqlite": pb.SqliteSource(table_name="t")}, "sqlite"),
    ({"nocodb": {"table_id": "t"}}, {"nocodb": pb.NocodbSource(table_id="t")}, "nocodb"),
    ({"mysql": {"table_name": "t"}}, {"mysql": pb.MysqlSource(table_name="t")}, "mysql"),
    ({"postgresql": {"table_name": "t"}}, {"postgresql": pb.PostgresqlSource(table_name="t")}, "postgresql"),
    ({"airtable": {"table_id": "t"}}, {"airtable": pb.AirtableSource(table_id="t")}, "airtable"),
]


@pytest.mark.parametrize(("as_dict", "as_message", "source"), SOURCES)
def test_every_source_is_a_dict_or_its_message(
    as_dict: ConnectionFields, as_message: ConnectionFields, source: str
) -> None:
    """The five kinds of sources are built alike."""
    connection = build_connection(**as_dict)
    assert connection.WhichOneof("source") == source
    assert connection == build_connection(**as_message)


def test_a_source_without_fields_is_one() -> None:
    """An empty dict still says which kind of source it is."""
    assert build_connection(sqlite={}).WhichOneof("source") == "sqlite"


def test_what_is_no_connection_is_refused(admin: WuzapiManager, service: Service) -> None:
    """Mistakes in arguments are told here, before anything is sent."""
    with pytest.raises(TypeError, match="one source, not sqlite and mysql"):
        admin.create_connection(sqlite={}, mysql={})
    with pytest.raises(TypeError, match="not both"):
        admin.create_connection(pb.Connection(), name="x")
    with pytest.raises(ValueError, match="databse"):
        admin.create_connection(sqlite={"databse": "x"})
    with pytest.raises(TypeError, match="SqliteSource"):
        admin.create_connection(sqlite="crm.db")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="SqliteSource"):
        admin.create_connection(sqlite=pb.MysqlSource())  # type: ignore[arg-type]  # the mistake
    with pytest.raises(TypeError, match="not one text"):
        admin.create_connection(assigned_users="token-of-ana")
    with pytest.raises(TypeError, match="not one text"):
        admin.assign_users(1, "token-of-ana")
    with pytest.raises(ValueError, match="CONNECTION_STATUS_FINE"):
        admin.set_connection_status(1, "FINE")
    assert not service.seen


def test_an_update_by_keywords_sets_exactly_those(service: Service, admin: WuzapiManager) -> None:
    """The mask names the fields given, also empty ones, and of a dict for a source its keys alone."""
    admin.update_connection(7, name="", mysql={"password": "new"}, assigned_users=[])
    (request,) = service.requests("UpdateConnection")
    assert request == pb.UpdateConnectionRequest(
        connection=pb.Connection(id=7, mysql=pb.MysqlSource(password="new")),
        update_mask=FieldMask(paths=["name", "mysql.password", "assigned_users"]),
    )


def test_an_update_of_a_read_connection_minds_its_etag(service: Service, admin: WuzapiManager) -> None:
    """Keywords beside a connection change that connection if nobody else did, and no other field of it."""
    read = pb.Connection(id=7, etag="v1", name="old", sqlite=pb.SqliteSource(database="a.db"))
    admin.update_connection(read, name="new", sqlite=pb.SqliteSource(database="b.db"))
    (request,) = service.requests("UpdateConnection")
    assert request == pb.UpdateConnectionRequest(
        connection=pb.Connection(id=7, etag="v1", name="new", sqlite=pb.SqliteSource(database="b.db")),
        update_mask=FieldMask(paths=["name", "sqlite"]),
    )
    assert read.name == "old"


@pytest.mark.parametrize("mask", [None, ["*"], ["name"]])
def test_an_update_by_message_sends_the_message(service: Service, admin: WuzapiManager, mask: list[str]) -> None:
    """A message goes as it is, with the mask given or none."""
    message = pb.Connection(id=7, etag="v1", name="new")
    admin.update_connection(message, update_mask=mask, validate_only=True)
    expected = pb.UpdateConnectionRequest(connection=message, validate_only=True)
    if mask is not None:
        expected.update_mask.paths.extend(mask)
    assert service.requests("UpdateConnection") == [expected]


def test_lists_page_by_themselves(service: Service, admin: WuzapiManager) -> None:
    """Every page is asked for with the token of the one before, an empty page in between included."""
    pages = [
        pb.ListConnectionsResponse(connections=[pb.Connection(id=1), pb.Connection(id=2)], next_page_token="p2"),
        pb.ListConnectionsResponse(next_page_token="p3"),
        pb.ListConnectionsResponse(connections=[pb.Connection(id=3)]),
    ]
    service.answers["ListConnections"] = list(pages)
    found = admin.list_connections(
        type="SQLITE",
        status="ACTIVE",
        assigned_user="ana",
        name_contains="c",
        order_by="name",
        show_deleted=True,
        page_size=2,
    )
    assert [connection.id for connection in found] == [1, 2, 3]
    expected = pb.ListConnectionsRequest(
        type=pb.CONNECTION_TYPE_SQLITE,
        status=pb.CONNECTION_STATUS_ACTIVE,
        assigned_user="ana",
        name_contains="c",
        order_by="name",
        show_deleted=True,
        page_size=2,
    )
    requests = service.requests("ListConnections")
    for request, token in zip(requests, ["", "p2", "p3"], strict=True):
        expected.page_token = token
        assert request == expected


def test_a_page_is_asked_for_when_it_is_needed(service: Service, me: WuzapiManager) -> None:
    """Who looks at the first item alone pays for one page."""
    page = pb.ListUserConnectionsResponse(connections=[pb.Connection(id=1)], next_page_token="more")
    service.answers["ListUserConnections"] = page
    assert next(me.list_user_connections(page_size=1)).id == 1
    assert len(service.seen) == 1


def test_a_test_and_a_look_take_an_id_or_a_connection(service: Service, admin: WuzapiManager) -> None:
    """A saved connection goes by its id, one that is not saved as it is."""
    service.answers["TestConnection"] = pb.TestConnectionResponse(ok=True, steps=[pb.TestStep(name="read", ok=True)])
    service.answers["DescribeSource"] = pb.DescribeSourceResponse(tables=[pb.SourceTable(name="t")])
    assert admin.test_connection(7).steps[0].name == "read"
    admin.test_connection(sqlite={"database": "a.db"})
    admin.test_connection(build_connection(sqlite={"database": "b.db"}))
    a_db, b_db = (pb.Connection(sqlite=pb.SqliteSource(database=name)) for name in ("a.db", "b.db"))
    assert service.requests("TestConnection") == [
        pb.TestConnectionRequest(id=7),
        pb.TestConnectionRequest(connection=a_db),
        pb.TestConnectionRequest(connection=b_db),
    ]
    assert [table.name for table in admin.describe_source(7, page_size=9)] == ["t"]
    assert [table.name for table in admin.describe_source(sqlite={"database": "a.db"})] == ["t"]
    assert service.requests("DescribeSource") == [
        pb.DescribeSourceRequest(id=7, page_size=9),
        pb.DescribeSourceRequest(connection=a_db),
    ]


def test_the_other_calls_say_what_they_are_told(service: Service, admin: WuzapiManager) -> None:
    """Each remaining call is its request."""
    admin.get_connection(7)
    admin.delete_connection(7, etag="v", validate_only=True)
    admin.undelete_connection(7, etag="v", validate_only=True)
    admin.set_connection_status(7, "ACTIVE", etag="v", validate_only=True)
    admin.assign_users(7, ["ana"], etag="v", validate_only=True)
    admin.unassign_users(7, {"ana"}, etag="v", validate_only=True)
    admin.batch_delete_connections([7, 8], validate_only=True)
    admin.batch_create_connections([pb.Connection(name="x")], request_id=UUID, validate_only=True)
    assert [seen.request for seen in service.seen] == [
        pb.GetConnectionRequest(id=7),
        pb.DeleteConnectionRequest(id=7, etag="v", validate_only=True),
        pb.UndeleteConnectionRequest(id=7, etag="v", validate_only=True),
        pb.SetConnectionStatusRequest(id=7, status=pb.CONNECTION_STATUS_ACTIVE, etag="v", validate_only=True),
        pb.AssignUsersRequest(id=7, users=["ana"], etag="v", validate_only=True),
        pb.UnassignUsersRequest(id=7, users=["ana"], etag="v", validate_only=True),
        pb.BatchDeleteConnectionsRequest(ids=[7, 8], validate_only=True),
        pb.BatchCreateConnectionsRequest(connections=[pb.Connection(name="x")], request_id=UUID, validate_only=True),
    ]


def test_the_branding_is_read_changed_and_rolled_back(service: Service, admin: WuzapiManager) -> None:
    """Keywords set exactly those fields; a message goes as it is."""
    service.answers["GetBranding"] = branding_pb2.GetBrandingResponse(
        branding=branding_pb2.Branding(app_name="Loja", etag="v1", logo_url="https://x/y.png")
    )
    service.answers["ListBrandingRevisions"] = [
        branding_pb2.ListBrandingRevisionsResponse(revisions=[branding_pb2.Branding(revision=2)], next_page_token="n"),
        branding_pb2.ListBrandingRevisionsResponse(revisions=[branding_pb2.Branding(revision=1)]),
    ]
    branding = admin.get_branding()
    admin.update_branding(app_name="Nova", logo_url="", validate_only=True)
    admin.update_branding(branding, logo_url="", etag="v2")
    admin.update_branding(branding, update_mask=["*"])
    assert [revision.revision for revision in admin.list_branding_revisions(page_size=1)] == [2, 1]
    admin.rollback_branding(1, etag="v", validate_only=True)
    admin.reset_branding(etag="v", validate_only=True)
    assert service.requests("UpdateBranding") == [
        branding_pb2.UpdateBrandingRequest(
            branding=branding_pb2.Branding(app_name="Nova"),
            update_mask=FieldMask(paths=["app_name", "logo_url"]),
            validate_only=True,
        ),
        branding_pb2.UpdateBrandingRequest(
            branding=branding_pb2.Branding(app_name="Loja", etag="v2"), update_mask=FieldMask(paths=["logo_url"])
        ),
        branding_pb2.UpdateBrandingRequest(branding=branding, update_mask=FieldMask(paths=["*"])),
    ]
    assert service.requests("RollbackBranding") == [
        branding_pb2.RollbackBrandingRequest(revision=1, etag="v", validate_only=True)
    ]
    assert service.requests("ResetBranding") == [branding_pb2.ResetBrandingRequest(etag="v", validate_only=True)]
