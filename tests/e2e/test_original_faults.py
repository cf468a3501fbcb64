"""The faults of the application that this service replaces, one test each: ours has none of them.

In their order: 1 rows of others by id, 2 ids that lead elsewhere, 3 tokens that become conditions, 4 secrets in lists,
5 caches by the beginning of a token, 6 failed checks taken as passed, 7 `admin` as everybody, 8 a token in the code and
tokens in logs, 9 redirects followed with the token, 10 rows made up, 11 rows out of reach, 12 settings without effect,
13 transactions that mix, 14 masks saved as secrets, 16 branding, 17 failures shown as empty lists.

Here they are tried on a table of SQLite. On every source, in tests/contract: 1 test_row_scope.py, 2 test_read.py, 3
test_hostile.py, 10 test_write.py and test_values.py, 11 test_paging.py; 17 in the *_faults.py of
tests/integration/sources. The hosts of 9 are in test_source_hosts.py, redirects of 9 in test_http_faults.py, 15
(backups) in test_backups.py.
"""

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from google.protobuf.message import Message
from grpc import RpcError, StatusCode

from tests.contract.calls import Refusal, refused
from tests.contract.desk import Desk, compared, plain
from tests.contract.server import ADMIN_TOKEN, World, world_in
from tests.e2e.refusals import call
from tests.e2e.samples import KINDS, SECRET, connected, connection_of, create, get, new_file, stored_secret, update
from tests.fakes.wuzapi import Trouble
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager.v1 import record_pb2 as records

REFUSALS = {
    StatusCode.UNAUTHENTICATED,
    StatusCode.UNAVAILABLE,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.FAILED_PRECONDITION,
}


def rows(file: Path) -> list[tuple[object, ...]]:
    """All rows of `orders`, behind the service's back."""
    with closing(sqlite3.connect(file)) as database:
        return list(database.execute("SELECT * FROM orders ORDER BY id"))


def filled(folder: Path, owners: dict[str, int]) -> Path:
    """A file with so many orders of each owner."""
    file = new_file(folder, "CREATE TABLE orders (id INTEGER PRIMARY KEY, owner TEXT, name TEXT, total INTEGER)")
    with closing(sqlite3.connect(file)) as database, database:
        for owner, count in owners.items():
            database.executemany(
                "INSERT INTO orders (owner, name, total) VALUES (?, ?, ?)",
                [(owner, f"order {at}", at) for at in range(count)],
            )
    return file


def test_1_rows_of_others_are_out_of_reach(world: World) -> None:
    """Get, update and delete by id reach the caller's own rows alone, and a create is the caller's."""
    ana, bruno = world.user("token-of-ana"), world.user("token-of-bruno")
    file = new_file(world.sources)
    desk = Desk(ana, connected(world, file, ana, bruno))
    before = rows(file)
    for reach in (
        lambda: desk.get("2"),
        lambda: desk.update("2", {"name": "mine"}),
        lambda: desk.delete("2"),
        lambda: desk.delete_many(["1", "2"]),
        lambda: desk.update_many([("1", {"name": "x"}, ""), ("2", {"name": "x"}, "")]),
    ):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
            reach()
    assert rows(file) == before
    made = desk.create({"name": "new"})
    assert [row[1] for row in rows(file) if str(row[0]) == made.id] == ["token-of-ana"]
    assert desk.column("name") == ["one", "new"]
    assert Desk(bruno, desk.id).column("name") == ["two"]


@pytest.mark.parametrize("identifier", ["..%2F2", "../2", "2/../1", "1?x=2", "1#", "%31", "1;2", "*", "1 OR 1=1", "/"])
def test_2_an_id_leads_to_its_row_or_nowhere(world: World, identifier: str) -> None:
    """An id is a value, never a part of a path or a statement."""
    ana, file = world.user("token-of-ana"), new_file(world.sources)
    desk = Desk(ana, connected(world, file, ana))
    before = rows(file)
    for reach in (
        lambda: desk.get(identifier),
        lambda: desk.update(identifier, {"name": "x"}),
        lambda: desk.delete(identifier),
    ):
        with refused(StatusCode.NOT_FOUND, "NOT_FOUND"):
            reach()
    assert rows(file) == before


@pytest.mark.parametrize(
    "token", ["x)~or(Id,gt,0", "x'or'1'='1", "x'--aaaa", "%%%%%%%%", "________", 'x"or"1"="1', "*" * 8, "token-of-an_"]
)
def test_3_a_token_is_never_a_condition(world: World, token: str) -> None:
    """A user whose token looks like a filter sees the rows of that very token."""
    user = world.user(token)
    file = filled(world.sources, {"token-of-ana": 3, token: 2, "": 1})
    desk = Desk(user, connected(world, file, user))
    assert desk.count() == len(desk.all()) == 2
    assert {row[1] for row in rows(file) if row[0] in {record["id"] for record in desk.all()}} == {token}


def test_4_users_see_no_secret_of_a_connection(world: World) -> None:
    """Neither the list of connections nor a page of records tells passwords, hosts, files or other users."""
    ana = world.user("token-of-ana")
    for kind in KINDS:
        connection = connection_of(kind)
        connection.assigned_users.extend([ana.identity, "another-users-id"])
        create(world, connection)
    file = new_file(world.sources)
    told = str(ana.connections.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1000)))
    told += str(Desk(ana, connected(world, file, ana)).page())
    for secret in (SECRET, "another-users-id", ".test", file.name, "sales.db", "token-of-ana", "p_1", "app1"):
        assert secret not in told
    with refused(StatusCode.PERMISSION_DENIED):
        ana.connections.ListConnections(pb.ListConnectionsRequest())


def test_5_tokens_that_begin_alike_are_different_users(world: World) -> None:
    """Whoever came first, each of two users with 64 equal characters sees their own, and an unknown third nothing."""
    beginning = "the-same-beginning-" * 3 + "1234567"
    first, second = world.user(f"{beginning}-a"), world.user(f"{beginning}-b")
    file = filled(world.sources, {first.token: 1, second.token: 2})
    identifier = connected(world, file, first, second)
    for _ in range(2):
        assert Desk(first, identifier).count() == 1
        assert Desk(second, identifier).count() == 2
        for wrong in (beginning, f"{beginning}-c", f"{beginning}-a1", f"{beginning}-A"):
            with refused(StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
                Desk(world.calling({"token": wrong}), identifier).count()


@pytest.mark.parametrize("trouble", list(Trouble))
def test_6_a_check_that_fails_lets_nobody_in(world: World, trouble: Trouble) -> None:
    """Whatever goes wrong at WUZAPI, an unknown token is not taken as good, and a user's id is no token."""
    known = world.user("token-of-ana")
    world.wuzapi.trouble = trouble
    stranger = f"token-of-{trouble.name}"
    try:
        with pytest.raises(RpcError) as caught:
            world.calling({"token": stranger}).connections.ListUserConnections(pb.ListUserConnectionsRequest())
    finally:
        world.wuzapi.trouble = None
    refusal = Refusal().read(caught.value)
    assert refusal.code in REFUSALS
    assert refusal.reason in ("INVALID_TOKEN", "WUZAPI_ERROR", "CONNECTION_ERROR", "RATE_LIMIT_ERROR")
    with refused(StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
        world.calling({"token": known.identity}).connections.ListUserConnections(pb.ListUserConnectionsRequest())


@pytest.mark.parametrize("everybody", ["admin", "*", "all", "ADMIN"])
def test_7_no_assignment_means_everybody(world: World, everybody: str) -> None:
    """A connection assigned to `admin` is open to nobody but a user of that id."""
    ana, file = world.user("token-of-ana"), new_file(world.sources)
    connection = connection_of()
    connection.sqlite.database = file.name
    connection.assigned_users.append(everybody)
    made = create(world, connection)
    with refused(StatusCode.PERMISSION_DENIED, "PERMISSION_ERROR"):
        Desk(ana, made.id).page()
    listed = ana.connections.ListUserConnections(pb.ListUserConnectionsRequest(page_size=1000)).connections
    assert made.id not in {one.id for one in listed}


def test_8_there_is_no_administrators_token_in_the_code(tmp_path: Path) -> None:
    """Without one set, each installation makes its own, and keeps it in a file for its owner alone."""
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with world_in(tmp_path / name, wuzapi_admin_token="") as world:
            place = world.data / "admin.token"
            token = place.read_text().strip()
            assert place.stat().st_mode & 0o777 == 0o600
            world.calling({"authorization": token}).connections.ListConnections(pb.ListConnectionsRequest())
            with refused(StatusCode.UNAUTHENTICATED, "INVALID_TOKEN"):
                world.admin.connections.ListConnections(pb.ListConnectionsRequest())
            made.append(token)
            assert token not in world.log.read_text()
    assert made[0] != made[1]
    assert min(map(len, made)) >= 16


def test_8_no_token_and_no_secret_is_logged(world: World) -> None:
    """Calls of every kind, good and refused, leave neither tokens nor bodies in the log."""
    ana = world.user("token-of-ana")
    file = new_file(world.sources)
    desk = Desk(ana, connected(world, file, ana))
    desk.create({"name": "a body that is private"})
    desk.page(compared("name", records.OP_EQ, "a body that is private"))
    Desk(world.admin, desk.id, as_user="token-of-ana").page()
    create(world, connection_of("mysql"))
    attempts: list[Callable[[], object]] = [
        lambda: desk.create({"total": "a body that is private"}),
        lambda: world.calling({"token": "refused-token-1"}).records.ListRecords(records.ListRecordsRequest()),
        lambda: world.calling({"authorization": "refused-token-2"}).records.ListRecords(records.ListRecordsRequest()),
    ]
    for attempt in attempts:
        with pytest.raises(RpcError):
            attempt()
    log = world.log.read_text()
    assert log.count('"call"') >= 6
    for secret in (SECRET, ADMIN_TOKEN, "token-of-ana", "a body that is private", "refused-token"):
        assert secret not in log


def test_9_a_redirect_is_not_followed_with_the_token(world: World) -> None:
    """Where WUZAPI redirects, the token goes no further."""
    world.wuzapi.trouble = Trouble.REDIRECT
    asked = len(world.wuzapi.requests)
    try:
        with refused(StatusCode.UNAVAILABLE):
            world.calling({"token": "token-of-the-redirected"}).connections.ListUserConnections(
                pb.ListUserConnectionsRequest()
            )
    finally:
        world.wuzapi.trouble = None
    assert {request.path for request in world.wuzapi.requests[asked:]} == {"/session/status"}


@pytest.mark.parametrize("kind", ["mysql", "postgresql", "nocodb", "airtable"])
def test_10_no_row_of_a_server_that_is_not_there_is_made_up(world: World, kind: str) -> None:
    """What cannot be reached is an error for reads and writes, and a test that says which step failed."""
    made = create(world, connection_of(kind))
    requests: list[Message] = [
        records.ListRecordsRequest(connection_id=made.id),
        records.CountRecordsRequest(connection_id=made.id),
        records.CreateRecordRequest(connection_id=made.id),
    ]
    for request in requests:
        with refused(StatusCode.UNAVAILABLE, "CONNECTION_FAILED"):
            call(world.admin, request)
    answer = world.admin.connections.TestConnection(pb.TestConnectionRequest(id=made.id))
    assert not answer.steps[-1].ok
    assert answer.steps[-1].name in {"resolve", "connect"}
    assert not answer.ok
    assert get(world, made.id).status == pb.CONNECTION_STATUS_ERROR


def test_10_sqlite_is_written(world: World) -> None:
    """Creates, updates and deletes reach the file."""
    ana, file = world.user("token-of-ana"), new_file(world.sources)
    desk = Desk(ana, connected(world, file, ana))
    made = desk.create({"name": "three", "total": 3})
    desk.update(made.id, {"total": 4})
    desk.delete("1")
    assert rows(file) == [(2, "token-of-bruno", "two", 2), (3, "token-of-ana", "three", 4)]


def test_11_every_row_can_be_reached_sorted_and_filtered(world: World) -> None:
    """2,500 rows come in pages, in any order, and a filter finds the last of them."""
    ana = world.user("token-of-ana")
    file = filled(world.sources, {"token-of-bruno": 50, "token-of-ana": 2500})
    desk = Desk(ana, connected(world, file, ana))
    assert desk.count() == 2500
    assert desk.column("total", order_by="total desc", page_size=1000) == [*map(float, range(2499, -1, -1))]
    found = desk.page(compared("total", records.OP_GE, 2499)).records
    assert [plain(record)["name"] for record in found] == ["order 2499"]


def test_12_settings_mean_what_they_say(tmp_path: Path) -> None:
    """SQLITE_WAL_MODE=false is no WAL, and SQLITE_TIMEOUT is how long a lock is waited for, 0 too."""
    for timeout, least, most in (("0", 0.0, 5.0), ("700", 0.7, 6.0)):
        folder = tmp_path / timeout
        folder.mkdir()
        with world_in(folder, sqlite_wal_mode="false", sqlite_timeout=timeout) as world:
            made = create(world)
            with closing(sqlite3.connect(world.database)) as database:
                assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
                database.execute("BEGIN IMMEDIATE")
                begun = time.monotonic()
                with refused(StatusCode.UNAVAILABLE, "DATABASE_ERROR") as refusal:
                    update(world, pb.Connection(id=made.id, name="x"))
                took = time.monotonic() - begun
                database.execute("ROLLBACK")
            assert refusal.retry_after is not None
            assert least <= took < most
            assert update(world, pb.Connection(id=made.id, name="x")).name == "x"


def test_13_calls_at_once_do_not_share_a_transaction(world: World) -> None:
    """Batches that fail among batches that succeed take nothing with them, and leave nothing behind."""
    ana = world.user("token-of-ana")
    file = filled(world.sources, {"token-of-ana": 1})
    desk = Desk(ana, connected(world, file, ana))

    def batch(number: int) -> StatusCode:
        given: list[dict[str, object]] = [{"name": f"batch {number}", "total": at} for at in range(20)]
        if number % 2:
            given[-1]["id"] = 1  # taken
        try:
            desk.create_many(given)
        except RpcError as error:
            return Refusal().read(error).code
        return StatusCode.OK

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(batch, range(40))) == [StatusCode.OK, StatusCode.ALREADY_EXISTS] * 20
    made = [str(row[2]) for row in rows(file)[1:]]
    assert sorted(set(made)) == sorted(f"batch {number}" for number in range(0, 40, 2))
    assert len(made) == 20 * 20


@pytest.mark.parametrize("mask", ["********", "***", "••••••••"])
def test_14_a_mask_is_never_saved_as_the_secret(world: World, mask: str) -> None:
    """A masked secret that comes back on an update is refused, and the real one stays."""
    for kind, part in (("mysql", "password"), ("nocodb", "token"), ("airtable", "api_key")):
        made = create(world, connection_of(kind))
        secret = stored_secret(world, made.id)
        patch = pb.Connection(id=made.id)
        getattr(patch, kind).CopyFrom(getattr(made, kind))
        setattr(getattr(patch, kind), part, mask)
        for paths in ([], [kind], [f"{kind}.{part}"], ["name", kind]):
            with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
                patch.name = "x"
                update(world, patch, *paths)
            assert set(refusal.violations) == {f"connection.{kind}.{part}"}
        assert stored_secret(world, made.id) == secret


def test_16_branding_takes_names_refuses_scripts_and_is_never_stale(world: World) -> None:
    """Accents are letters, `javascript:` is no URL, and what was changed is what the next read gives, to everyone."""
    rpc = world.admin.branding
    for name in ("Ação Solidária", "Café & Pão", "WUZAPI 🦜"):
        rpc.UpdateBranding(branding.UpdateBrandingRequest(branding=branding.Branding(app_name=name)))
        for reader in (world.public, world.admin):
            assert reader.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == name
    for part in ("logo_url", "support_url"):
        bad = branding.Branding(app_name="x")
        setattr(bad, part, "javascript:alert(1)")
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
            rpc.UpdateBranding(branding.UpdateBrandingRequest(branding=bad))
    assert world.public.branding.GetBranding(branding.GetBrandingRequest()).branding.app_name == "WUZAPI 🦜"


def test_17_a_failure_is_an_error_and_tells_nothing_of_the_inside(world: World) -> None:
    """Reads of what is gone, broken or locked are errors in plain words, never an empty list or a driver's text."""
    ana = world.user("token-of-ana")
    files = [new_file(world.sources) for _ in range(4)]
    desks = [Desk(ana, connected(world, file, ana)) for file in files]
    files[0].unlink()
    files[1].write_text("this is no database\n" * 500)
    for file, statement in ((files[2], "DROP TABLE orders"), (files[3], "ALTER TABLE orders RENAME owner TO other")):
        with closing(sqlite3.connect(file)) as database, database:
            database.execute(statement)
    for desk in desks:
        attempts: list[Callable[[], object]] = [desk.page, desk.count, desk.export, partial(desk.get, "1")]
        for attempt in attempts:
            with pytest.raises(RpcError) as caught:
                attempt()
            refusal = Refusal().read(caught.value)
            assert refusal.code in (StatusCode.UNAVAILABLE, StatusCode.FAILED_PRECONDITION)
            assert refusal.reason in ("CONNECTION_FAILED", "QUERY_FAILED")
            said = (refusal.message + refusal.localized + refusal.help).lower()
            for inside in (str(world.sources), "sqlalchemy", "apsw", "sqlite_", "errno", "traceback", "select "):
                assert inside not in said.replace("sqlite_sources_dir", "")
