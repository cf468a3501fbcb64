"""Where a source may point: the guard against a service that is sent to its own network."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, ip_address

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.hosts import Address, NoHost, read_host, read_rules
from wuzapi_manager_server.errors import ConnectionFailed, PermissionDenied, Text, TimedOut
from wuzapi_manager_server.upstreams.address_kinds import Kind, carried, kind_of, plain, reached

Lookup = Callable[[str], Iterable[str]]
"""Gives the addresses of a name as texts. Blocks; OSError where there are none."""

_LOOKUPS_AT_ONCE = 16

# What a name in ALLOWED_SOURCE_HOSTS vouches for. Whoever answers for the name must not reach more by it.
_BY_NAME = frozenset({Kind.LOOPBACK, Kind.PRIVATE})

_HOW = Text(
    "An operator can allow it in ALLOWED_SOURCE_HOSTS, unless it is in DENIED_SOURCE_HOSTS",
    "Um operador pode permiti-lo em ALLOWED_SOURCE_HOSTS, se não estiver em DENIED_SOURCE_HOSTS",
)
_DENIED_NAME = Text("a name that is denied", "um nome negado")
_LOCALHOST = IPv4Address("127.0.0.1")
_CHECK_HOST = Text("Check the host of the connection", "Verifique o host da conexão")


def look_up(name: str) -> list[str]:
    """What the system's resolver knows, in its order of preference."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in found]


class AddressGuard:
    """Where a source may point: ALLOWED_SOURCE_HOSTS and DENIED_SOURCE_HOSTS (names, addresses, CIDR).

    Denied wins. Loopback, link-local, metadata, private, multicast, unspecified and reserved addresses are refused
    unless allowed. A name that is allowed may have loopback and private addresses, no others of these; the metadata
    services of clouds must be allowed one by one, as addresses. Names match as a whole, whatever their case; an address
    within another (IPv4 in IPv6) counts as that address, and an unspecified one as loopback too. ValueError for an
    entry that is none of the three.

    Belongs to one event loop. `lookup` runs in threads, at most 16 at once; who asks for a name that is being looked up
    waits for the same answer.
    """

    def __init__(self, allowed: Sequence[str] = (), denied: Sequence[str] = (), *, lookup: Lookup = look_up) -> None:
        self._allowed_names, self._allowed_networks = read_rules(allowed)
        self._denied_names, self._denied_networks = read_rules(denied)
        self._lookup = lookup
        self._free = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._pending: dict[str, asyncio.Task[list[str]]] = {}

    def check_host(self, host: str) -> Text | None:
        """Why a source may not have that host, in words for whoever gave it; None where it may. Asks no network.

        What looks like an address and is not written in its usual form (octal, hexadecimal, one number, fewer than four
        parts, a zone) is refused, whatever it stands for: programs read it differently.
        """
        try:
            name = read_host(host)
        except NoHost as error:
            return error.text
        if not isinstance(name, str):
            refused = self._refused(name, named=False)
        elif name in self._denied_names:
            refused = _DENIED_NAME
        elif name == "localhost" or name.endswith(".localhost"):  # whatever a resolver says (RFC 6761)
            refused = self._refused(_LOCALHOST, named=name in self._allowed_names)
        else:
            refused = None
        return _refusal(host, refused) if refused else None

    async def resolve(self, host: str, port: int, deadline: Deadline) -> list[str]:
        """The addresses to connect to, best first; each was checked, and one that is refused refuses all.

        PermissionDenied, ConnectionFailed (no such name) or TimedOut; none of them tells the host.
        """
        del port  # an address is refused for every port
        try:
            name = read_host(host)
        except NoHost:
            raise _denied(Text("no usable host", "um host inválido")) from None
        if not isinstance(name, str):
            return [str(address) for address in self._checked([name], named=False)]
        if name in self._denied_names:
            raise _denied(_DENIED_NAME)
        try:
            async with asyncio.timeout(deadline.remaining()):
                # A dot at the end keeps the resolver from trying the search domains of this machine.
                found = await self._addresses(f"{name}." if host.rstrip().endswith(".") else name)
        except TimeoutError:
            raise TimedOut(
                Text("The name of the source's host was not found in time", "O nome do host não foi resolvido a tempo"),
                suggestion=Text("Check the DNS and the host", "Verifique o DNS e o host"),
            ) from None
        except OSError:
            raise _unknown_name() from None
        addresses = [ip_address(text) for text in dict.fromkeys(found)]
        if not addresses:
            raise _unknown_name()
        return [str(address) for address in self._checked(addresses, named=name in self._allowed_names)]

    def _checked(self, addresses: list[Address], *, named: bool) -> list[Address]:
        for address in addresses:
            kind = self._refused(address, named=named)
            if kind is not None:
                raise _denied(kind)
        return addresses

    def _refused(self, given: Address, *, named: bool) -> Text | None:
        """What the address is that it is refused for; None where it may be connected to."""
        address = plain(given)
        judged = [address, *carried(address)]
        judged += [loopback for each in judged if (loopback := reached(each))]
        if any(each in network for each in {given, *judged} for network in self._denied_networks):
            return Text("an address that is denied", "um endereço negado")
        for each in judged:
            kind = kind_of(each)
            if kind is not None and not self._allows(each, kind, named=named):
                return kind.value
        return None

    def _allows(self, address: Address, kind: Kind, *, named: bool) -> bool:
        if kind is Kind.METADATA:
            return any(network.num_addresses == 1 and address in network for network in self._allowed_networks)
        return (named and kind in _BY_NAME) or any(address in network for network in self._allowed_networks)

    async def _addresses(self, name: str) -> list[str]:
        task = self._pending.get(name)
        if task is None:
            task = asyncio.create_task(self._look_up(name), name="look up a host")
            self._pending[name] = task
            task.add_done_callback(lambda done: self._looked_up(name, done))
        return await asyncio.shield(task)

    def _looked_up(self, name: str, task: asyncio.Task[list[str]]) -> None:
        self._pending.pop(name, None)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more

    async def _look_up(self, name: str) -> list[str]:
        """In a thread that ends with the process: a resolver that hangs must not delay the shutdown."""
        async with self._free:
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[list[str]] = loop.create_future()

            def work() -> None:
                outcome: list[str] | OSError
                try:
                    outcome = list(self._lookup(name))
                except (OSError, UnicodeError) as error:
                    outcome = error if isinstance(error, OSError) else OSError("not a name")
                with suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(settle, outcome)

            def settle(outcome: list[str] | OSError) -> None:
                if answer.done():
                    return
                if isinstance(outcome, OSError):
                    answer.set_exception(outcome)
                else:
                    answer.set_result(outcome)

            threading.Thread(target=work, name="look up a host", daemon=True).start()
            return await answer


def _refusal(host: str, what: Text) -> Text:
    return Text(
        f"A source may not point to '{host}': {what.en}. {_HOW.en}",
        f"Uma fonte não pode apontar para '{host}': {what.pt}. {_HOW.pt}",
    )


def _denied(what: Text) -> PermissionDenied:
    return PermissionDenied(
        Text(
            f"The source points to where sources may not point: {what.en}",
            f"A fonte aponta para onde fontes não podem apontar: {what.pt}",
        ),
        suggestion=_HOW,
    )


def _unknown_name() -> ConnectionFailed:
    return ConnectionFailed(
        Text("The host of the source was not found", "O host da fonte não foi encontrado"), suggestion=_CHECK_HOST
    )
