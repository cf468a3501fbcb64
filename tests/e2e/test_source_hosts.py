"""Hosts that a connection may not name: refused when it is saved, changed or tried, in words for whoever gave them."""

import socket
from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World, world_in
from tests.e2e.samples import connection_of
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import record_pb2

HOSTED = ("mysql", "postgresql", "nocodb", "airtable")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that allows and denies hosts of its own."""
    with world_in(
        tmp_path_factory.mktemp("strict"),
        allowed_source_hosts="10.20.0.0/16, db.internal",
        denied_source_hosts="10.20.0.1, never.example",
    ) as made:
        yield made


def at(kind: str, host: str) -> pb.Connection:
    """A connection of that kind whose source lies on that host."""
    connection = connection_of(kind)
    url = f"https://{f'[{host}]' if ':' in host else host}:8443/base"
    match kind:
        case "mysql":
            connection.mysql.host = host
        case "postgresql":
            connection.postgresql.host = host
        case "nocodb":
            connection.nocodb.host = url
        case _:
            connection.airtable.base_url = url
    return connection


@pytest.mark.parametrize("kind", HOSTED)
@pytest.mark.parametrize(
    ("host", "en", "pt"),
    [
        ("127.0.0.1", "loopback", "loopback"),
        ("localhost", "loopback", "loopback"),
        ("169.254.169.254", "metadata", "metadados"),
        ("10.0.0.1", "private", "privado"),
        ("::ffff:192.168.0.1", "private", "privado"),
        ("2130706433", "usual form", "forma usual"),
        ("0177.0.0.1", "usual form", "forma usual"),
        ("10.20.0.1", "denied", "negado"),
        ("NEVER.example.", "denied", "negado"),
    ],
)
def test_a_host_that_is_refused_is_not_saved(strict: World, kind: str, host: str, en: str, pt: str) -> None:
    """Create and TestConnection say PERMISSION_DENIED with the host, why, and what an operator can do."""
    before = len(strict.admin.connections.ListConnections(pb.ListConnectionsRequest()).connections)
    connection = at(kind, host)
    with refused(StatusCode.PERMISSION_DENIED) as created:
        strict.admin.connections.CreateConnection(pb.CreateConnectionRequest(connection=connection))
    assert host.lower() in created.message.lower()
    assert en in created.message
    assert created.reason == "PERMISSION_ERROR"
    assert en == "usual form" or "ALLOWED_SOURCE_HOSTS" in created.message
    with refused(StatusCode.PERMISSION_DENIED) as tried:
        portuguese = strict.admin.with_metadata(accept_language="pt-BR")
        portuguese.connections.TestConnection(pb.TestConnectionRequest(connection=connection))
    assert pt in tried.localized
    with refused(StatusCode.PERMISSION_DENIED):
        strict.admin.connections.DescribeSource(pb.DescribeSourceRequest(connection=connection))
    assert len(strict.admin.connections.ListConnections(pb.ListConnectionsRequest()).connections) == before


@pytest.mark.parametrize("kind", HOSTED)
@pytest.mark.parametrize("host", ["10.20.0.2", "db.internal", "shop.example", "93.184.216.34"])
def test_a_host_that_is_public_or_allowed_is_saved(strict: World, kind: str, host: str) -> None:
    """Names are not looked up when a connection is saved: they may not resolve yet."""
    made = strict.admin.connections.CreateConnection(pb.CreateConnectionRequest(connection=at(kind, host))).connection
    assert made.id


@pytest.mark.parametrize("kind", HOSTED)
def test_a_connection_cannot_be_moved_to_a_refused_host(strict: World, kind: str) -> None:
    """An update that names such a host changes nothing."""
    rpc = strict.admin.connections
    made = rpc.CreateConnection(pb.CreateConnectionRequest(connection=at(kind, "shop.example"))).connection
    moved = at(kind, "127.0.0.1")
    moved.id = made.id
    path = {"nocodb": "nocodb.host", "airtable": "airtable.base_url"}.get(kind, f"{kind}.host")
    with refused(StatusCode.PERMISSION_DENIED):
        rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=moved, update_mask=FieldMask(paths=[path])))
    assert rpc.GetConnection(pb.GetConnectionRequest(id=made.id)).connection == made


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "nocodb"])
def test_a_name_that_leads_to_a_refused_address_is_not_connected_to(strict: World, kind: str) -> None:
    """It is saved, as names are not looked up then; every use is refused, and users do not learn the host."""
    name = socket.gethostname()
    try:
        own = {str(address[4][0]) for address in socket.getaddrinfo(name, None)}
    except OSError:
        own = set()
    if not own or any(ip_address(address).is_global for address in own):
        pytest.skip("the name of this machine leads to no private address")
    connection = at(kind, name)
    user = strict.user(f"token-of-{kind}-0001")
    connection.assigned_users.append(user.token)
    made = strict.admin.connections.CreateConnection(pb.CreateConnectionRequest(connection=connection)).connection
    steps = strict.admin.connections.TestConnection(pb.TestConnectionRequest(id=made.id)).steps
    assert [(step.name, step.ok) for step in steps] == [("resolve", False)]
    assert "ALLOWED_SOURCE_HOSTS" in steps[0].suggestion
    for caller in (user, strict.admin):
        with refused(StatusCode.PERMISSION_DENIED) as told:
            caller.records.ListRecords(record_pb2.ListRecordsRequest(connection_id=made.id))
        assert name not in told.message
        assert not any(address in told.message for address in own)
