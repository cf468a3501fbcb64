"""ConnectionService as a whole, with secrets where they belong and mistakes everywhere else."""

from collections.abc import Callable, Iterator
from functools import partial
from secrets import token_hex
from uuid import uuid4

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.calls import Refusal
from tests.contract.sources import MadeTable, Shape, Spec
from tests.contract.sqlite_source import SqliteUnderTest
from tests.e2e.secrets_stage import Stage
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import connection_pb2_grpc
from wuzapi_manager_server.domain.table import ColumnType

TABLE = Shape(
    (
        Spec("id", ColumnType.INTEGER, nullable=False, key=True, given=True),
        Spec("owner"),
        Spec("name", unique=True),
        Spec("age", ColumnType.INTEGER),
    )
)


class Marks:
    """What must stay secret: 32 random hex digits each."""

    def __init__(self) -> None:
        self.mysql = token_hex(16)
        self.postgresql = token_hex(16)
        self.nocodb = token_hex(16)
        self.airtable = token_hex(16)
        self.new_password = token_hex(16)
        self.refused_password = token_hex(16)
        self.ana = token_hex(16)
        self.bruno = token_hex(16)
        self.assigned = token_hex(16)
        self.as_user = token_hex(16)
        self.wrong_user = token_hex(16)
        self.wrong_admin = token_hex(16)
        self.records = [token_hex(16) for _ in range(6)]

    @property
    def tokens(self) -> list[str]:
        """Who stands in `assigned_users`, which the administrator may see."""
        return [self.ana, self.bruno, self.assigned]

    @property
    def all(self) -> dict[str, str]:
        """Every mark but the values of records, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, str)}


def failing(*calls: Callable[[], object]) -> None:
    """Makes calls that must be refused."""
    for number, call in enumerate(calls):
        try:
            call()
        except grpc.RpcError:
            continue
        raise AssertionError(f"call {number} was answered: {call}")


def in_vain(rpc: connection_pb2_grpc.ConnectionServiceStub, request: pb.TestConnectionRequest) -> None:
    """Tries a source that nobody reaches, with its secret: a step fails, or this version cannot read it at all."""
    code = grpc.StatusCode.OK
    try:
        answer = rpc.TestConnection(request)
    except grpc.RpcError as error:
        code = Refusal().read(error).code
    if code is grpc.StatusCode.OK:
        assert answer.steps
        assert not answer.ok
    else:
        assert code is grpc.StatusCode.FAILED_PRECONDITION


class Tour:
    """The calls. `ids` are the connections that were made, by the name of their source."""

    def __init__(self, stage: Stage, wuzapi: FakeWuzapi, marks: Marks) -> None:
        self.stage = stage
        self.marks = marks
        self.ids: dict[str, int] = {}
        self.repeated = pb.CreateConnectionRequest(request_id=str(uuid4()))
        self._engine = SqliteUnderTest(stage.sources)
        self.table: MadeTable = self._engine.make(TABLE)
        for name in ("ana", "bruno"):
            wuzapi.add_user(name, getattr(marks, name))

    def sources(self) -> dict[str, pb.Connection]:
        """A connection of each kind, with its secret and its users."""
        marks = self.marks
        made = {
            "mysql": pb.Connection(
                mysql=pb.MysqlSource(host="m.example", database="d", username="u", table_name="t", password=marks.mysql)
            ),
            "postgresql": pb.Connection(
                postgresql=pb.PostgresqlSource(
                    host="p.example", database="d", username="u", table_name="t", password=marks.postgresql
                )
            ),
            "nocodb": pb.Connection(
                nocodb=pb.NocodbSource(host="https://n.example", token=marks.nocodb, project_id="p", table_id="t")
            ),
            "airtable": pb.Connection(
                airtable=pb.AirtableSource(base_id="b", api_key=marks.airtable, table_id="t"),
            ),
            "sqlite": self._engine.source_of(self.table),
        }
        for name, connection in made.items():
            connection.name = f"a connection of {name}"
            connection.user_link_field = "owner"
            connection.assigned_users.extend(marks.tokens)
        return made

    def create(self) -> None:
        """Makes the connections."""
        rpc = self.stage.admin.connections
        for name, connection in self.sources().items():
            request = pb.CreateConnectionRequest(connection=connection, request_id=str(uuid4()))
            self.ids[name] = rpc.CreateConnection(request).connection.id
            self.repeated = request
        rpc.CreateConnection(self.repeated)

    def connections(self) -> None:
        """ConnectionService, rightly and wrongly."""
        admin, ana, marks = (
            self.stage.admin.connections,
            self.stage.calling(token=self.marks.ana).connections,
            self.marks,
        )
        mysql, sqlite = self.ids["mysql"], self.ids["sqlite"]
        for wrong in self._wrong_connections():
            several = [*self.sources().values(), wrong]
            failing(
                partial(admin.CreateConnection, pb.CreateConnectionRequest(connection=wrong)),
                partial(admin.BatchCreateConnections, pb.BatchCreateConnectionsRequest(connections=several)),
                partial(admin.TestConnection, pb.TestConnectionRequest(connection=wrong)),
                partial(admin.DescribeSource, pb.DescribeSourceRequest(connection=wrong)),
            )
        for name, connection in self.sources().items():
            admin.CreateConnection(pb.CreateConnectionRequest(connection=connection, validate_only=True))
            admin.GetConnection(pb.GetConnectionRequest(id=self.ids[name]))
            if name != "sqlite":
                in_vain(admin, pb.TestConnectionRequest(id=self.ids[name]))
                in_vain(admin, pb.TestConnectionRequest(connection=connection))
                failing(
                    partial(admin.DescribeSource, pb.DescribeSourceRequest(id=self.ids[name])),
                    partial(admin.DescribeSource, pb.DescribeSourceRequest(connection=connection)),
                )
        admin.TestConnection(pb.TestConnectionRequest(id=sqlite))
        admin.DescribeSource(pb.DescribeSourceRequest(id=sqlite))
        self._updates(mysql)
        page = admin.ListConnections(pb.ListConnectionsRequest(assigned_user=marks.ana, page_size=1))
        admin.ListConnections(
            pb.ListConnectionsRequest(assigned_user=marks.ana, page_size=1, page_token=page.next_page_token)
        )
        mine = ana.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1))
        ana.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1, page_token=mine.next_page_token))
        other = str(uuid4())
        batch = pb.BatchCreateConnectionsRequest(connections=self.sources().values(), request_id=other)
        made = [each.id for each in admin.BatchCreateConnections(batch).connections]
        admin.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=made[1:]))
        admin.DeleteConnection(pb.DeleteConnectionRequest(id=made[0]))
        admin.UndeleteConnection(pb.UndeleteConnectionRequest(id=made[0]))
        admin.SetConnectionStatus(pb.SetConnectionStatusRequest(id=mysql, status=pb.CONNECTION_STATUS_ACTIVE))
        spaced = f"{marks.assigned} with spaces"
        batch.connections[0].name = "another name"
        failing(
            lambda: admin.BatchCreateConnections(batch),
            lambda: admin.ListConnections(pb.ListConnectionsRequest(page_token=page.next_page_token)),
            lambda: admin.ListConnections(pb.ListConnectionsRequest(page_token=marks.mysql)),
            lambda: admin.ListConnections(pb.ListConnectionsRequest(assigned_user=marks.ana, order_by="x")),
            lambda: admin.ListConnections(pb.ListConnectionsRequest(assigned_user=spaced, page_size=-1)),
            lambda: ana.ListUserConnections(pb.ListUserConnectionsRequest(page_token=page.next_page_token)),
            lambda: ana.GetConnection(pb.GetConnectionRequest(id=mysql)),
            lambda: admin.GetConnection(pb.GetConnectionRequest(id=10**9)),
            lambda: admin.BatchDeleteConnections(pb.BatchDeleteConnectionsRequest(ids=[mysql, 10**9])),
            lambda: admin.DeleteConnection(pb.DeleteConnectionRequest(id=mysql, etag="wrong")),
            lambda: admin.UndeleteConnection(pb.UndeleteConnectionRequest(id=mysql)),
            lambda: admin.SetConnectionStatus(pb.SetConnectionStatusRequest(id=mysql, etag="wrong")),
            lambda: admin.AssignUsers(pb.AssignUsersRequest(id=mysql, users=[spaced, "x" * 300 + marks.assigned])),
            lambda: admin.AssignUsers(pb.AssignUsersRequest(id=mysql, users=[marks.as_user], etag="wrong")),
            lambda: admin.UnassignUsers(pb.UnassignUsersRequest(id=mysql, users=[spaced])),
            lambda: admin.UnassignUsers(pb.UnassignUsersRequest(id=10**9, users=[marks.ana])),
        )
        admin.UnassignUsers(pb.UnassignUsersRequest(id=mysql, users=[marks.assigned]))
        admin.AssignUsers(pb.AssignUsersRequest(id=mysql, users=[marks.assigned]))

    def _updates(self, mysql: int) -> None:
        rpc = self.stage.admin.connections
        new = pb.Connection(id=mysql, mysql=pb.MysqlSource(password=self.marks.new_password))
        mask = FieldMask(paths=["mysql.password"])
        rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=new, update_mask=mask))
        refused = pb.Connection(id=mysql, mysql=pb.MysqlSource(password=self.marks.refused_password))
        stale, nobody = pb.Connection(), pb.Connection()
        stale.CopyFrom(refused)
        stale.etag = "wrong"
        nobody.CopyFrom(refused)
        nobody.id = 10**9
        bad = FieldMask(paths=["mysql.password", "mysql.nothing"])
        failing(
            lambda: rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=stale, update_mask=mask)),
            lambda: rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=nobody, update_mask=mask)),
            lambda: rpc.UpdateConnection(pb.UpdateConnectionRequest(connection=refused, update_mask=bad)),
        )

    def _wrong_connections(self) -> Iterator[pb.Connection]:
        """Connections that nobody takes, each with secrets in it."""
        for name, connection in self.sources().items():
            for spoil in (
                lambda it: setattr(it, "name", "\0"),
                lambda it: it.assigned_users.append(f"{self.marks.assigned} {self.marks.as_user}"),
                lambda it: it.field_mappings.add(field="a\0"),
            ):
                wrong = pb.Connection()
                wrong.CopyFrom(connection)
                spoil(wrong)
                yield wrong
            source = getattr(wrong, name)
            for field in ("password", "token", "api_key"):
                if field in source.DESCRIPTOR.fields_by_name:
                    for secret in (f"{self.marks.refused_password}\0", self.marks.refused_password * 200):
                        wrong = pb.Connection()
                        wrong.CopyFrom(connection)
                        setattr(getattr(wrong, name), field, secret)
                        yield wrong
