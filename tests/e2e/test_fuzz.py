"""Thousands of random calls at once against a real server: each has a proper answer, and nobody else's rows change.

`FUZZ_SEED` repeats a run's messages, `FUZZ_MESSAGES` says how many are sent.
"""

import asyncio
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import chain
from pathlib import Path
from random import Random, SystemRandom

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from tests.contract.calls import Caller
from tests.contract.desk import Desk, connect
from tests.contract.server import World, world_in
from tests.contract.sources import PEOPLE, MadeTable
from tests.contract.sqlite_source import SqliteUnderTest
from tests.e2e.fuzz_run import ADMIN, Fuzzer, Plan, methods_of
from tests.e2e.fuzz_wire import Known
from wuzapi_manager.v1 import branding_pb2, connection_pb2, record_pb2

SERVICES = {f"wuzapi_manager.v1.{name}Service" for name in ("Branding", "Connection", "Record")}
_SEED = int(os.environ.get("FUZZ_SEED") or SystemRandom().randrange(2**32))
_MESSAGES = int(os.environ.get("FUZZ_MESSAGES") or 20_000)
_ENOUGH = 20_000  # of so many calls some succeed at every RPC: twenty or more at the one that is hardest to please
_KEPT = 12  # connections that records are asked of; what changes connections is kept to others
_LEARNED = {
    "etag": ("etag",),
    "next_page_token": ("page_token",),
    "resume_token": ("resume_token",),
    "id": ("record_id", "record_ids", "id"),
}
_IDS = {"connection_id", "id", "ids"}


class Town:
    """A server with two tables: one that fuzzed users share with a quiet one, and one that the administrator fuzzes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.users = [world.user(f"token-of-fuzzed-{number}") for number in range(2)]
        self.quiet = world.user("token-of-the-quiet-one")
        source = SqliteUnderTest(world.sources)
        everybody = (*self.users, self.quiet)
        people = [(None, user.token, f"person {number}", number) for user in everybody for number in range(20)]
        self.shared_table = source.make(PEOPLE, people)
        self.own_table = source.make(PEOPLE, people)
        self.shared = connect(world, source, self.shared_table, *everybody)
        self.kept = [connect(world, source, self.own_table, *self.users) for _ in range(_KEPT)]
        self.others = [connect(world, source, self.own_table, *self.users) for _ in range(_KEPT)]

    def rows(self, where: str) -> list[tuple[object, ...]]:
        """Rows of the shared table as the file has them."""
        assert isinstance(self.shared_table.place, Path)
        with closing(sqlite3.connect(self.shared_table.place)) as database:
            return list(
                database.execute(
                    f'SELECT * FROM "{self.shared_table.name}" WHERE {where} ORDER BY id', {"quiet": self.quiet.token}
                )
            )

    def plan(self) -> Plan:
        """What is said to it, and by whom."""
        texts = _texts(self.own_table, self.users)
        nowhere = (0, -1, 2**40, 2**63 - 1)
        of_records = (*self.kept * 4, *[self.shared] * 24, *self.others, *nowhere)
        records = Known(texts, lambda random: random.choice(of_records))
        connections = Known(texts, lambda random: random.choice((*self.others * 5, *nowhere)))
        users = [("token", user.token) for user in self.users]
        return Plan(
            known=lambda service: records if service.endswith("RecordService") else connections,
            learned=_LEARNED,
            askers=lambda service, _: (ADMIN, *users) if service.endswith("RecordService") else (ADMIN, ADMIN),
            users=users,
            spares=self.spares,
        )

    def spares(self, service: str, request: Message) -> bool:
        """Whether a request of the administrator, who may change the quiet user's rows, leaves alone what must stay."""
        forbidden = {self.shared, *self.kept} if service.endswith("ConnectionService") else {self.shared}
        return not set(_ids_in(request)) & forbidden


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with world_in(tmp_path_factory.mktemp("fuzz"), grpc_max_streams="64", log_level="warning") as world:
        yield Town(world)


@pytest.fixture(scope="module")
def methods(town: Town) -> list[MethodDescriptor]:
    return methods_of(town.world, SERVICES)


def test_reflection_tells_every_rpc(methods: list[MethodDescriptor]) -> None:
    """What the fuzzer learns from the server are all RPCs of the three services."""
    files = (branding_pb2, connection_pb2, record_pb2)
    services = chain.from_iterable(file.DESCRIPTOR.services_by_name.values() for file in files)
    assert {method.full_name for method in methods} == {m.full_name for service in services for m in service.methods}


@pytest.mark.timeout(600)
async def test_every_random_call_has_a_proper_answer(town: Town, methods: list[MethodDescriptor]) -> None:
    """No random call ends as INTERNAL or UNKNOWN or hangs, every error is whole, and others' rows stay as they were."""
    print(f"FUZZ_SEED={_SEED} FUZZ_MESSAGES={_MESSAGES}")  # noqa: T201 - shown when the test fails
    before = town.rows("owner = :quiet")
    assert len(before) == 20
    fuzzer = Fuzzer(town.world, methods, Random(_SEED), town.plan())
    await fuzzer.run(_MESSAGES)
    told = fuzzer.told()
    assert not fuzzer.failures, f"{len(fuzzer.failures)} failures with FUZZ_SEED={_SEED}\n{told}"
    failing = fuzzer.never_succeeded()
    assert _MESSAGES < _ENOUGH or not failing, f"random calls never succeed at {sorted(failing)}\n{told}"
    assert town.rows("owner = :quiet") == before
    owners = {row[1] for row in town.rows("owner <> :quiet OR owner IS NULL")}
    assert owners <= {user.token for user in town.users}
    await asyncio.to_thread(_still_works, town)


def _still_works(town: Town) -> None:
    """The server answers after all that, and the quiet user sees what was there."""
    town.world.public.branding.GetBranding(branding_pb2.GetBrandingRequest())
    rows = town.rows("owner = :quiet")
    assert Desk(town.quiet, town.shared).column("name", order_by="id") == [row[2] for row in rows]
    assert Desk(town.world.admin, town.shared).count() == len(town.rows("true"))


def _ids_in(message: Message) -> Iterator[int]:
    """The ids of connections that a request names."""
    for field, value in message.ListFields():
        if field.name in _IDS and field.type == field.TYPE_INT64:
            yield from value if field.is_repeated else (value,)
        elif field.name == "connection":
            yield from _ids_in(value)


def _texts(table: MadeTable, users: Sequence[Caller]) -> dict[str, tuple[str, ...]]:
    """Texts that make sense in a field."""
    assert isinstance(table.place, Path)
    columns = ("id", "owner", "name", "age", "name", "age")
    tokens = tuple(user.token for user in users)
    urls = ("", "", "https://logo.example/a.png", "javascript:alert(1)")
    kept = ("", "", "")
    return {
        "name": ("a name", "outro nome"),
        "key": ("name",) * 8 + ("age", "age", "id", "owner", "nothing"),
        "field": columns,
        "column": columns,
        "fields": columns,
        "user_link_field": ("owner", "owner", "name"),
        "order_by": (
            "name",
            "age desc",
            "name desc, id",
            "age,",
            "nothing",
            "owner",
            "create_time",
            "update_time desc",
        ),
        "paths": (*columns, "*", "app_name", "name", "assigned_users", "sqlite.database", "primary_color", "x.y"),
        "record_id": ("1", "2", "30", "-1", "1e3", "01"),
        "id": ("1", "2", "30"),
        "record_ids": ("3", "4", "31", "999999"),
        "as_user": ("",) * 8 + (*tokens, "nobody-known"),
        "assigned_users": tokens,
        "users": tokens,
        "search": ("person", "1", "%"),
        "request_id": (
            "",
            "",
            "5c1f33ec-2b5c-4a3f-9d52-6c4d1f6c6f3a",
            "92c1a5de-7a0e-4f0c-8b61-2f4f0e3a7b11",
            "no uuid",
        ),
        "database": (table.place.name,) * 4 + ("../data/wuzapi.db", "/etc/passwd", "missing.db"),
        "table_name": (table.name,) * 4 + ("nothing",),
        "host": ("db.example", "http://127.0.0.1:1", "https://nocodb.example"),
        "base_url": ("", "https://api.example"),
        "project_id": ("p1",),
        "table_id": ("t1",),
        "base_id": ("b1",),
        "password": ("", "a password", "***"),
        "pattern": ("", "a+", "(a+)+$", "(?=x)", "["),
        "app_name": ("Nome", "Ação"),
        "primary_color": ("#A1B2C3", "#fff", "red"),
        "secondary_color": ("#000000",),
        "logo_url": urls,
        "logo_dark_url": urls,
        "favicon_url": urls,
        "og_image_url": urls,
        "support_url": urls,
        "terms_url": urls,
        "privacy_url": urls,
        "support_phone": ("", "5581999998888"),
        "custom_home_html": ("<p onclick=x>hi<script>1</script>", "<" * 2000),
        "type": ("text",),
        "string_value": ("person 1", "a"),
        "etag": kept,
        "page_token": kept,
        "resume_token": kept,
    }
