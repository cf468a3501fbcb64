"""What an IP address is for, by IANA's registries of special-purpose addresses (RFC 6890 and its successors).

Python's own `is_global` changes between patch releases; these tables do not.
"""

from enum import Enum
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

from wuzapi_manager_server.domain.hosts import Address, Network
from wuzapi_manager_server.errors import Text


class Kind(Enum):
    """What an address that is not a public one is for; the values are for people."""

    UNSPECIFIED = Text("an unspecified address", "um endereço não especificado")
    LOOPBACK = Text("a loopback address", "um endereço de loopback")
    LINK_LOCAL = Text("a link-local address", "um endereço link-local")
    METADATA = Text("the metadata service of a cloud", "o serviço de metadados de uma nuvem")
    PRIVATE = Text("a private address", "um endereço privado")
    MULTICAST = Text("a multicast address", "um endereço multicast")
    RESERVED = Text("a reserved address", "um endereço reservado")


# AWS, Google, Azure and most others; Amazon's containers; Azure's own; Alibaba; Oracle; AWS and Google over IPv6.
_METADATA = frozenset(
    map(
        ip_address,
        (
            "169.254.169.254",
            "169.254.170.2",
            "169.254.170.23",
            "168.63.129.16",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
        ),
    )
)

_SPECIAL: tuple[tuple[Network, Kind], ...] = tuple(
    (ip_network(network), kind)
    for kind, networks in {
        Kind.UNSPECIFIED: ("0.0.0.0/8", "::/128"),
        Kind.LOOPBACK: ("127.0.0.0/8", "::1/128"),
        Kind.LINK_LOCAL: ("169.254.0.0/16", "fe80::/10"),
        # 100.64.0.0/10 is shared by the customers of a carrier, fec0::/10 was site-local.
        Kind.PRIVATE: ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"),
        Kind.MULTICAST: ("224.0.0.0/4", "ff00::/8"),
        Kind.RESERVED: (
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.88.99.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "240.0.0.0/4",
            "2001::/23",  # Teredo among them
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "3fff::/20",
        ),
    }.items()
    for network in networks
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
_LOOPBACK_V4, _LOOPBACK_V6 = IPv4Address("127.0.0.1"), IPv6Address("::1")
_LOW_32 = 0xFFFF_FFFF


def kind_of(address: Address) -> Kind | None:
    """What a special address is for; None for a public one. Judge what `plain` gives."""
    if address in _METADATA:
        return Kind.METADATA
    for network, kind in _SPECIAL:
        if address in network:
            return kind
    return Kind.RESERVED if isinstance(address, IPv6Address) and address not in _GLOBAL_V6 else None


def plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for on this machine or behind a NAT64 (RFC 6052), else the address."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
        return IPv4Address(int(address) & _LOW_32)
    return IPv6Address(int(address))  # without a zone


def reached(address: Address) -> Address | None:
    """The loopback address to which a connection to an unspecified one (0.0.0.0, ::) leads; None for any other."""
    if not address.is_unspecified:
        return None
    return _LOOPBACK_V4 if isinstance(address, IPv4Address) else _LOOPBACK_V6


def carried(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses within an IPv6 address of a tunnel (6to4, Teredo, a local NAT64, ISATAP)."""
    if isinstance(address, IPv4Address):
        return ()
    found = list(address.teredo or ())
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    value = int(address)
    if address in _NAT64_LOCAL or (value >> 32) & 0xFDFF_FFFF == 0x5EFE:  # noqa: PLR2004 - ISATAP (RFC 5214)
        found.append(IPv4Address(value & _LOW_32))
    return tuple(found)
