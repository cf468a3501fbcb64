"""Secrets and records leave by no way that is not theirs: not by files, logs, answers, errors or tokens."""

import hashlib
import sqlite3
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import chain
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message

from tests.behind import behind
from tests.contract.calls import refused
from tests.contract.desk import Desk
from tests.contract.server import ADMIN_TOKEN
from tests.e2e.secrets_records import brandings, callers, records
from tests.e2e.secrets_stage import Stage
from tests.e2e.secrets_tour import Marks, Tour, in_vain
from tests.fakes.wuzapi import FakeWuzapi
from wuzapi_manager.v1 import branding_pb2, connection_pb2, record_pb2
from wuzapi_manager.v1 import connection_pb2 as pb

_TOKENS = {"next_page_token", "resume_token"}


class Toured:
    """What a whole tour left behind. `before` and `after` are the data folder's files around SIGTERM."""

    def __init__(self, stage: Stage, marks: Marks, before: dict[str, bytes]) -> None:
        self.marks = marks
        self.before = before
        self.after = stage.files()
        self.output = stage.output.read_bytes()
        self.heard = stage.recorder.heard


@pytest.fixture
def wuzapi() -> Iterator[FakeWuzapi]:
    with FakeWuzapi() as fake:
        yield fake


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toured]:
    with FakeWuzapi() as wuzapi:
        stage, marks = Stage(tmp_path_factory.mktemp("secrets"), wuzapi), Marks()
        tour = Tour(stage, wuzapi, marks)
        with stage.serving():
            tour.create()
            tour.connections()
            records(tour)
            callers(tour)
            brandings(tour)
            before = stage.files()
        yield Toured(stage, marks, before)


def test_every_rpc_was_answered_and_refused(toured: Toured) -> None:
    """The tour is whole: each RPC succeeded and, except the one that cannot, was refused at least once."""
    files = (branding_pb2, connection_pb2, record_pb2)
    services = chain.from_iterable(file.DESCRIPTOR.services_by_name.values() for file in files)
    every = {f"/{service.full_name}/{method.name}" for service in services for method in service.methods}
    assert {heard.method for heard in toured.heard if heard.code == "OK"} == every
    refusals = {heard.method for heard in toured.heard if heard.code != "OK"}
    assert every - refusals == {"/wuzapi_manager.v1.BrandingService/GetBranding"}
    assert {"INTERNAL", "UNKNOWN"}.isdisjoint(heard.code for heard in toured.heard)


def test_files_hold_no_secret(toured: Toured) -> None:
    """No file of the data folder holds a secret or a record, neither while the server runs nor after it ended."""
    assert {"wuzapi.db", "wuzapi.db-wal", "secret.key"} <= toured.before.keys()
    planted = {**toured.marks.all, **_named(toured.marks.records), "admin token": ADMIN_TOKEN}
    for files in (toured.before, toured.after):
        for name, data in files.items():
            assert not _leaks(data, planted), name


def test_only_its_file_holds_the_key(toured: Toured) -> None:
    """The key of the secrets stands in secret.key alone: in no other file, no answer and no line of the log."""
    key = {"key": toured.after["secret.key"].decode().strip()}
    for name, data in (*toured.before.items(), *toured.after.items()):
        assert bool(_leaks(data, key)) == (name == "secret.key"), name
    assert not _leaks(toured.output, key)
    assert not [heard.method for heard in toured.heard if _leaks(heard.data, key)]


def test_the_log_holds_no_secret(toured: Toured) -> None:
    """At level debug and with every query slow, the output of the server holds no secret and no record."""
    assert toured.output.count(b'"event":"call"') > 100
    assert b"slow query" in toured.output
    planted = {**toured.marks.all, **_named(toured.marks.records), "admin token": ADMIN_TOKEN}
    assert not _leaks(toured.output, planted)


def test_answers_hold_no_secret(toured: Toured) -> None:
    """No answer and no error holds a secret; assigned users stand in `assigned_users` for the administrator alone."""
    planted = {**toured.marks.all, "admin token": ADMIN_TOKEN}
    shown = 0
    for heard in toured.heard:
        data = heard.data
        if heard.message is not None and heard.authorization == ADMIN_TOKEN:
            bare = type(heard.message)()
            bare.CopyFrom(heard.message)
            shown += _clear_users(bare)
            data = bare.SerializeToString() + heard.data[len(heard.message.SerializeToString()) :]
        assert not _leaks(data, planted), (heard.method, heard.code)
    assert shown


def test_records_reach_their_owner_alone(toured: Toured) -> None:
    """What one user wrote reaches no other user, in no answer and no error."""
    marks = toured.marks
    values = _named(marks.records)
    found = [heard for heard in toured.heard if _leaks(heard.data, values)]
    assert {heard.token for heard in found if heard.authorization != ADMIN_TOKEN} == {marks.ana}
    assert any(heard.token == marks.bruno for heard in toured.heard)


def test_tokens_of_pages_hold_nothing_readable(toured: Toured) -> None:
    """No token of a page or an export holds a secret, or the values that the list is sorted by, in any encoding."""
    tokens = [token for heard in toured.heard if heard.message is not None for token in _tokens(heard.message)]
    assert len(tokens) > 5
    planted = {**toured.marks.all, **_named(toured.marks.records), "admin token": ADMIN_TOKEN}
    for token in tokens:
        assert not _leaks(token.encode() + b"\n" + urlsafe_b64decode(token + "=" * (-len(token) % 4)), planted)


def test_a_made_admin_token_lies_in_its_file_alone(tmp_path: Path, wuzapi: FakeWuzapi) -> None:
    """The administrator's token that the first start makes is in admin.token, and in no other file nor in the log."""
    stage = Stage(tmp_path, wuzapi, wuzapi_admin_token="")
    with stage.serving():
        token = (stage.data / "admin.token").read_text().strip()
        stage.calling(authorization=token).connections.ListConnections(pb.ListConnectionsRequest())
        before = stage.files()
    for name, data in (*before.items(), *stage.files().items(), ("output", stage.output.read_bytes())):
        assert bool(_leaks(data, {"token": token})) == (name == "admin.token"), name


@pytest.mark.parametrize("column", ["password", "nocodb_token", "airtable_api_key"])
def test_a_moved_secret_of_a_source_does_not_decrypt(tmp_path: Path, wuzapi: FakeWuzapi, column: str) -> None:
    """A source's secret copied to another connection is DATA_LOSS there, and still good where it was made."""
    stage, marks = Stage(tmp_path, wuzapi), Marks()
    tour = Tour(stage, wuzapi, marks)
    kind = {"password": "mysql", "nocodb_token": "nocodb", "airtable_api_key": "airtable"}[column]
    with stage.serving():
        tour.create()
        twin = stage.admin.connections.CreateConnection(
            pb.CreateConnectionRequest(connection=tour.sources()[kind])
        ).connection.id
    _change(
        stage,
        f"UPDATE database_connections SET {column} ="
        f" (SELECT {column} FROM database_connections WHERE id = {tour.ids[kind]}) WHERE id = {twin}",
    )
    with stage.serving():
        with refused(grpc.StatusCode.DATA_LOSS, "DATABASE_ERROR") as refusal:
            stage.admin.connections.TestConnection(pb.TestConnectionRequest(id=twin))
        in_vain(stage.admin.connections, pb.TestConnectionRequest(id=tour.ids[kind]))
    assert not _leaks(str(vars(refusal)).encode(), marks.all)
    assert not _leaks(stage.output.read_bytes(), marks.all)


def test_a_moved_user_does_not_decrypt(tmp_path: Path, wuzapi: FakeWuzapi) -> None:
    """An assigned user's text copied to another user's row is DATA_LOSS, and shows nobody's token."""
    stage, marks = Stage(tmp_path, wuzapi), Marks()
    tour = Tour(stage, wuzapi, marks)
    with stage.serving():
        tour.create()
    mysql, nocodb = tour.ids["mysql"], tour.ids["nocodb"]
    _change(
        stage,
        "UPDATE connection_assignments SET user_secret = (SELECT o.user_secret FROM connection_assignments o"
        f" WHERE o.connection_id = {nocodb} AND o.user_hash = connection_assignments.user_hash)"
        f" WHERE connection_id = {mysql}",
    )
    request = pb.UpdateConnectionRequest(connection=pb.Connection(id=mysql, name="new"))
    with stage.serving():
        with refused(grpc.StatusCode.DATA_LOSS, "DATABASE_ERROR") as got:
            stage.admin.connections.GetConnection(pb.GetConnectionRequest(id=mysql))
        with refused(grpc.StatusCode.DATA_LOSS, "DATABASE_ERROR") as updated:
            stage.admin.connections.UpdateConnection(request)
        assert stage.admin.connections.GetConnection(pb.GetConnectionRequest(id=nocodb)).connection.assigned_users
    assert not _leaks(f"{vars(got)}{vars(updated)}".encode(), marks.all)


def test_rotation_keeps_all_working_without_the_old_key(tmp_path: Path, wuzapi: FakeWuzapi) -> None:
    """After `secrets rotate` the old key may be removed: secrets, users and remembered requests still open."""
    stage, marks = Stage(tmp_path, wuzapi), Marks()
    tour = Tour(stage, wuzapi, marks)
    key_file = stage.data / "secret.key"
    with stage.serving():
        tour.create()
        ana = Desk(stage.calling(token=marks.ana), tour.ids["sqlite"])
        made = ana.create({"name": "one"}, request_id="6f2f5a8e-4f0b-4a8e-9c62-1d1f5b0a7c11")
        shown = _connections(stage, tour)
    old = key_file.read_text().split()
    rotated = stage.command("secrets", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    keys = key_file.read_text().split()
    assert keys[1:] == old
    assert not _leaks((rotated.stdout + rotated.stderr).encode(), {**marks.all, "old": old[0], "new": keys[0]})
    key_file.write_text(keys[0] + "\n")
    with stage.serving():
        assert _connections(stage, tour) == shown
        ana = Desk(stage.calling(token=marks.ana), tour.ids["sqlite"])
        assert ana.create({"name": "one"}, request_id="6f2f5a8e-4f0b-4a8e-9c62-1d1f5b0a7c11") == made
        mine = ana.caller.connections.ListUserConnections(pb.ListUserConnectionsRequest())
        assert len(mine.connections) == len(tour.ids)
        assert stage.admin.connections.CreateConnection(tour.repeated).connection.id == tour.ids["sqlite"]
        for kind in ("mysql", "postgresql", "nocodb", "airtable"):  # these open the secret, and reach nobody with it
            in_vain(stage.admin.connections, pb.TestConnectionRequest(id=tour.ids[kind]))
    key_id = hashlib.sha256(old[0].encode()).hexdigest()[:8].encode()
    with closing(sqlite3.connect(stage.database)) as database:
        assert key_id not in "\n".join(database.iterdump()).encode()
    key_file.write_text(old[0] + "\n")
    assert stage.command("serve").returncode == 1


def _connections(stage: Stage, tour: Tour) -> list[pb.Connection]:
    rpc = stage.admin.connections
    return [rpc.GetConnection(pb.GetConnectionRequest(id=each)).connection for each in tour.ids.values()]


def _change(stage: Stage, statement: str) -> None:
    """Changes the database behind the back of a server that does not run."""
    with behind(stage.database) as database:
        assert database.execute(statement).rowcount > 0


def _named(values: list[str]) -> dict[str, str]:
    return {f"record {number}": value for number, value in enumerate(values)}


def _leaks(data: bytes, planted: Mapping[str, str]) -> list[str]:
    """The names of what stands in the data: whole, its first or last part, encoded, or as a hash without a key."""
    return [name for name, secret in planted.items() if any(form in data for form in _forms(secret))]


def _forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield from (raw[:12], raw[-12:], raw.hex().encode(), raw[::-1])
    for shift in range(3):  # the middle of a base64 text depends on what stands before it
        yield b64encode(b"\0" * shift + raw)[4:-4]
    digest = hashlib.sha256(raw)
    yield from (digest.digest(), digest.hexdigest()[:16].encode())


def _clear_users(message: Message) -> int:
    """Takes `assigned_users` out of every Connection in the message, and says how many it had."""
    found = 0
    for field, value in message.ListFields():
        if field.name == "assigned_users":
            found += len(value)
            message.ClearField("assigned_users")
        elif field.message_type is not None and field.message_type.full_name.startswith("wuzapi_manager."):
            found += sum(_clear_users(part) for part in (value if field.is_repeated else (value,)))
    return found


def _tokens(message: Message) -> list[str]:
    return [value for field, value in message.ListFields() if field.name in _TOKENS]
