"""Sends random calls to a real server, many at once, and looks at every answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import cast

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.contract.server import ADMIN_TOKEN, World
from tests.e2e.fuzz_answers import Asked, Refused, faults_of, faults_of_answer
from tests.e2e.fuzz_wire import Known, Wire

SECONDS = 10.0
IN_FLIGHT = 32

Entry = tuple[str, str]
ADMIN: Entry = ("authorization", ADMIN_TOKEN)


@dataclass(frozen=True)
class Plan:
    """What a run is about.

    `known` is what is worth saying to a service, `learned` which of its answers' fields (`Type.field`, or `field` of
    any type) are worth saying where; `askers` who usually asks for an RPC. `spares` says whether a request of the
    administrator leaves alone what must stay. `mend` makes a plain stream one that succeeds; `after` runs after every
    call. `secrets` must be in no answer; `shows_paths` are the RPCs that may tell where the server's files lie.
    """

    known: Callable[[str], Known]
    learned: Mapping[str, tuple[str, ...]]
    askers: Callable[[str, str], Sequence[Entry]]
    users: Sequence[Entry]
    spares: Callable[[str, Message], bool] = lambda _service, _request: True
    mend: Callable[[MethodDescriptor, list[bytes]], list[bytes]] = lambda _method, made: made
    after: Callable[[], None] = lambda: None
    secrets: Sequence[str] = ()
    shows_paths: frozenset[str] = frozenset()


def methods_of(world: World, services: set[str]) -> list[MethodDescriptor]:
    """The RPCs of these services, as the server's reflection tells them."""
    database = ProtoReflectionDescriptorDatabase(world.channel)
    pool = DescriptorPool(database)
    found = [pool.FindServiceByName(name) for name in database.get_services() if name in services]
    return [method for service in found for method in service.methods]


class Fuzzer:
    """Sends random calls, `IN_FLIGHT` at once. `codes` counts what came back, `failures` tells what should not have."""

    def __init__(self, world: World, methods: Sequence[MethodDescriptor], random: Random, plan: Plan) -> None:
        self._world = world
        self._methods = methods
        self._random = random
        self._plan = plan
        self._folder = str(world.data.parent)
        self.codes: Counter[tuple[str, str]] = Counter()
        self.failures: list[str] = []

    async def run(self, count: int) -> None:
        """Sends so many."""
        left = iter(range(count))

        async def worker(channel: grpc.aio.Channel) -> None:
            for number in left:
                await self._call(channel, self._methods[number % len(self._methods)])

        options = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        async with grpc.aio.insecure_channel(self._world.address, options) as channel, asyncio.TaskGroup() as group:
            for _ in range(IN_FLIGHT):
                group.create_task(worker(channel))

    def told(self) -> str:
        """What came back, and the first failures."""
        return "\n".join([*self.failures[:10], *sorted(f"{m} {c}: {n}" for (m, c), n in self.codes.items())])

    def never_succeeded(self) -> set[str]:
        """The RPCs that no call succeeded at."""
        return {method.full_name for method in self._methods} - {method for method, code in self.codes if code == "OK"}

    async def _call(self, channel: grpc.aio.Channel, method: MethodDescriptor) -> None:
        service = method.containing_service.full_name
        asked = self._asked(method, service)
        if asked is None:
            return
        code = "OK"
        folder = "no such folder" if method.name in self._plan.shows_paths else self._folder
        try:
            async for answer in self._answers(channel, method, asked):
                self._learn(self._plan.known(service), GetMessageClass(method.output_type).FromString(answer))
                self._note(asked, answer.hex()[:400], list(faults_of_answer(answer, folder, self._plan.secrets)))
        except grpc.RpcError as error:
            refused = cast("Refused", error)
            code = refused.code().name
            self._note(asked, str(error), list(faults_of(asked, refused, self._folder, self._plan.secrets)))
        self.codes[method.full_name, code] += 1
        self._plan.after()

    async def _answers(self, channel: grpc.aio.Channel, method: MethodDescriptor, asked: Asked) -> AsyncIterator[bytes]:
        """What the server sends back, as bytes."""
        if method.server_streaming:
            stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(asked.method)
            async for answer in stream(asked.requests[0], timeout=SECONDS, metadata=asked.metadata):
                yield answer
        elif method.client_streaming:
            # The aio client makes up an INTERNAL where the server answers while requests are still being sent.
            sent: grpc.StreamUnaryMultiCallable[bytes, bytes] = self._world.channel.stream_unary(asked.method)
            yield await asyncio.to_thread(sent, iter(asked.requests), SECONDS, asked.metadata)
        else:
            unary: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(asked.method)
            yield await unary(asked.requests[0], timeout=SECONDS, metadata=asked.metadata)

    def _asked(self, method: MethodDescriptor, service: str) -> Asked | None:
        """A call to make; None for one that would rightly change what must stay."""
        plain = self._random.random() < 0.2
        metadata, oversized = self._metadata(self._plan.askers(service, method.name), plain=plain)
        spoilt = self._random.random() < 0.12
        many = self._random.choice((0, 1, 1, 2, 3, 8)) if method.client_streaming else 1
        known = self._plan.known(service)
        wires = [Wire(self._random, known, spoilt=spoilt and not at, plain=plain) for at in range(many)]
        made = [wire.request(method.input_type) for wire in wires]
        if self._random.random() < 0.02:
            made = [b""] * many
        elif plain:
            made = self._plan.mend(method, made)
        if any(name == "authorization" for name, _ in metadata):
            for request in made:
                try:
                    parsed = GetMessageClass(method.input_type).FromString(request)
                except DecodeError:
                    continue
                if not self._plan.spares(service, parsed):
                    return None
        return Asked(f"/{service}/{method.name}", metadata, tuple(made), oversized=oversized)

    def _metadata(self, usual: Sequence[Entry], *, plain: bool) -> tuple[tuple[tuple[str, str | bytes], ...], bool]:
        """Who asks, and whether that is more than the core takes."""
        pick = self._random.choice
        admin = ("authorization", pick((ADMIN_TOKEN, f"Bearer {ADMIN_TOKEN}")))
        users = self._plan.users
        entries: list[tuple[str, str | bytes]] = [("accept-language", pick(("en", "pt-BR", "xx;q=9")))]
        chance = self._random.random()
        if plain:
            entries.append(pick(usual))
        elif chance < 0.85:
            entries.append(pick((*usual, *usual, *usual, *usual, *users, admin)))
        elif chance < 0.94:
            bad = pick(("", " ", "x", "Bearer ", "Bearer  x", "basic abc", "~" * 256, "!" * 257, "a b c d e"))
            entries.append((pick(("token", "authorization")), bad))
            entries.append(pick((*users, admin, ("x-request-id", "{}"), ("x-request-id", "y" * 200))))
            entries.append(pick((("tracing-bin", self._random.randbytes(9)), ("x-request-id", "r-1"))))
        elif chance < 0.95:
            return (*entries, ("padding", "x" * pick((9_000, 17_000, 100_000)))), True
        return tuple(entries), False

    def _learn(self, known: Known, message: Message) -> None:
        for field, value in message.ListFields():
            if field.message_type is not None:
                if not field.message_type.GetOptions().map_entry:
                    for part in value[:3] if field.is_repeated else (value,):
                        self._learn(known, part)
            elif isinstance(value, str):
                of_type = self._plan.learned.get(f"{message.DESCRIPTOR.name}.{field.name}", ())
                for name in of_type or self._plan.learned.get(field.name, ()):
                    known.learn(name, value)

    def _note(self, asked: Asked, answer: str, faults: Sequence[str]) -> None:
        if faults:
            requests = " | ".join(request.hex()[:2000] for request in asked.requests)
            self.failures.append(f"{asked.method} {asked.metadata}\n  {faults}\n  {requests}\n  {answer[:2000]}")
