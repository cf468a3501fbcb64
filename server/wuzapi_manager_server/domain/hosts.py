"""Hosts as people, programs and attackers write them, in one form: an address or a name."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from wuzapi_manager_server.errors import Text

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAX_NAME = 253
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMERIC = re.compile(r"(\d+|0x[0-9a-f]*)")
_MAPPED = IPv6Network("::ffff:0:0/96")


class NoHost(ValueError):
    """What was given is no host; `text` tells whoever gave it."""

    def __init__(self, en: str, pt: str) -> None:
        super().__init__(en)
        self.text = Text(en, pt)


class Disguised(NoHost):
    """It looks like an address, which programs read differently."""


def read_rules(entries: Sequence[str]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """The names and the networks of a list of names, addresses and networks. NoHost for an entry that is none."""
    names = set()
    networks: list[Network] = []
    for entry in entries:
        if "%" in entry:  # Python takes the zone of a network and forgets it
            raise _no_host(entry)
        try:
            networks.append(_as_judged(ip_network(entry.strip().strip("[]"), strict=False)))
        except ValueError:
            read = read_host(entry)
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


def read_host(host: str) -> Address | str:
    """The address, or the name in its one form: lower case, ASCII, no dot at the end.

    NoHost for anything else, Disguised for what looks like an address.
    """
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
            raise Disguised(
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
        raise Disguised(
            f"The host '{host}' names a zone, which a source cannot", f"O host '{host}' indica uma zona, não permitida"
        )
    return address


def _no_host(host: str) -> NoHost:
    return NoHost(f"'{host}' is neither a host name nor an address", f"'{host}' não é um nome de host nem um endereço")
