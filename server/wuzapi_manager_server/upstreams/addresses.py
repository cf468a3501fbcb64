"""Where a source may point: the guard against a service that is sent to its own network."""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, PermissionDenied, Text, TimedOut
from wuzapi_manager_server.upstreams.address_kinds import Address, Kind, Network, carried, kind_of, plain

Lookup = Callable[[str], Iterable[str]]
"""Gives the addresses of a name as texts. Blocks; OSError where there are none."""

_LOOKUPS_AT_ONCE = 16
_MAX_NAME = 253
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"(\d+|0x[0-9a-f]*)")

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
    within another (IPv4 in IPv6) counts as that address. ValueError for an entry that is none of the three.

    Belongs to one event loop. `lookup` runs in threads, at most 16 at once; who asks for a name that is being looked up
    waits for the same answer.
    """

    def __init__(self, allowed: Sequence[str] = (), denied: Sequence[str] = (), *, lookup: Lookup = look_up) -> None:
        self._allowed_names, self._allowed_networks = _entries(allowed)
        self._denied_names, self._denied_networks = _entries(denied)
        self._lookup = lookup
        self._free = asyncio.Semaphore(_LOOKUPS_AT_ONCE)
        self._pending: dict[str, asyncio.Task[list[str]]] = {}

    def check_host(self, host: str) -> Text | None:
        """Why a source may not have that host, in words for whoever gave it; None where it may. Asks no network.

        What looks like an address and is not written in its usual form (octal, hexadecimal, one number, fewer than four
        parts, a zone) is refused, whatever it stands for: programs read it differently.
        """
        try:
            name = _read(host)
        except _NoHost as error:
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
            name = _read(host)
        except _NoHost:
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
        judged = (address, *carried(address))
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


class _NoHost(ValueError):
    """What was given is no host; `text` tells whoever gave it."""

    def __init__(self, en: str, pt: str) -> None:
        super().__init__(en)
        self.text = Text(en, pt)


def _entries(entries: Sequence[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    names = set()
    networks: list[Network] = []
    for entry in entries:
        if "%" in entry:  # Python takes the zone of a network and forgets it
            raise _no_host(entry)
        try:
            networks.append(_as_judged(ip_network(entry.strip().strip("[]"), strict=False)))
        except ValueError:
            read = _read(entry)
            if isinstance(read, str):
                names.add(read)
            else:
                networks.append(ip_network(read))
    return frozenset(names), tuple(networks)


def _as_judged(network: Network) -> Network:
    """The IPv4 network for one that is written as IPv6 (::ffff:10.0.0.0/104): addresses are judged so."""
    if isinstance(network, IPv4Network) or not network.subnet_of(_MAPPED):
        return network
    return IPv4Network((int(network.network_address) & 0xFFFF_FFFF, network.prefixlen - _MAPPED.prefixlen))


def _read(host: str) -> Address | str:
    """The address, or the name in its one form."""
    text = host.strip().lower()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if ":" in text:
        return _read_ipv6(host, text)
    if not text.isascii():
        try:
            text = text.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise _no_host(host) from None
    name = text.removesuffix(".")
    if _NUMERIC.fullmatch(name.rpartition(".")[2]):
        try:
            return IPv4Address(name)
        except ValueError:
            raise _NoHost(
                f"The host '{host}' is not an address in its usual form; write four decimal numbers, as 192.0.2.1",
                f"O host '{host}' não é um endereço na forma usual; escreva quatro números decimais, como 192.0.2.1",
            ) from None
    if len(name) > _MAX_NAME or not _NAME.fullmatch(name):
        raise _no_host(host)
    return name


def _read_ipv6(host: str, text: str) -> Address:
    try:
        address = IPv6Address(text)
    except ValueError:
        raise _no_host(host) from None
    if address.scope_id is not None:
        raise _NoHost(
            f"The host '{host}' names a zone, which a source cannot", f"O host '{host}' indica uma zona, não permitida"
        )
    return address


def _no_host(host: str) -> _NoHost:
    return _NoHost(f"'{host}' is neither a host name nor an address", f"'{host}' não é um nome de host nem um endereço")


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
