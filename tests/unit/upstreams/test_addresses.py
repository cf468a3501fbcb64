"""Where a source may point: hosts as people and attackers write them, and what a resolver says of names."""

import asyncio
import threading
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import ConnectionFailed, PermissionDenied, TimedOut
from wuzapi_manager_server.upstreams.address_kinds import plain
from wuzapi_manager_server.upstreams.addresses import AddressGuard

PUBLIC = "93.184.216.34"
PUBLIC_V6 = "2606:2800:220:1::1"


def soon() -> Deadline:
    return Deadline.after(10.0)


class Names:
    """A resolver that answers what it is told, a list after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, name: str) -> Iterable[str]:
        self.asked.append(name)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


NOT_PUBLIC = {
    "0.0.0.0": "unspecified",  # noqa: S104 - an address to refuse, nothing listens
    "0.1.2.3": "unspecified",
    "::": "unspecified",
    "127.0.0.1": "loopback",
    "127.255.255.255": "loopback",
    "::1": "loopback",
    "169.254.1.1": "link-local",
    "fe80::1": "link-local",
    "169.254.169.254": "metadata",
    "fd00:ec2::254": "metadata",
    "fd20:ce::254": "metadata",
    "100.100.100.200": "metadata",
    "168.63.129.16": "metadata",
    "10.0.0.1": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.1.1": "private",
    "100.64.0.1": "private",
    "100.127.255.255": "private",
    "fc00::1": "private",
    "fdff::1": "private",
    "fec0::1": "private",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "ff02::1": "multicast",
    "192.0.0.8": "reserved",
    "192.0.2.1": "reserved",
    "198.18.0.1": "reserved",
    "203.0.113.9": "reserved",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "2001:db8::1": "reserved",
    "4000::1": "reserved",
    "5f00::1": "reserved",
}
WITHIN_ANOTHER = {
    "::ffff:127.0.0.1": "loopback",
    "::ffff:a9fe:a9fe": "metadata",
    "0:0:0:0:0:ffff:10.0.0.1": "private",
    "::127.0.0.1": "loopback",
    "64:ff9b::127.0.0.1": "loopback",
    "64:ff9b::a9fe:a9fe": "metadata",
    "64:ff9b:1::10.0.0.1": "reserved",
    "2002:7f00:1::1": "reserved",
    "2002:a9fe:a9fe::": "reserved",
    "2001:0:7f00:1:0:0:80ff:fffe": "reserved",
    "2606:2800:220:1:0:5efe:10.0.0.1": "private",
    "2606:2800:220:1:200:5efe:127.0.0.1": "loopback",
}


@pytest.mark.parametrize(("host", "kind"), {**NOT_PUBLIC, **WITHIN_ANOTHER}.items())
async def test_addresses_that_are_not_public_are_refused(host: str, kind: str) -> None:
    """Given as they are, in brackets, and as the answer of a resolver; the text says what the address is for."""
    guard = AddressGuard(lookup=Names([host]))
    for written in (host, f" {host.upper()} ", *([f"[{host}]"] if ":" in host else [f"{host}."])):
        text = guard.check_host(written)
        assert text is not None, written
        assert kind in text.en
        assert "ALLOWED_SOURCE_HOSTS" in text.en
        assert "ALLOWED_SOURCE_HOSTS" in text.pt
        with pytest.raises(PermissionDenied):
            await guard.resolve(written, 80, soon())
    with pytest.raises(PermissionDenied, match=kind):
        await guard.resolve("shop.example", 80, soon())


@pytest.mark.parametrize(
    "host",
    [
        *(PUBLIC, "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.32.0.1", "192.0.1.1", "169.253.1.1"),
        *("223.255.255.255", PUBLIC_V6, "2a00::1", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8"),
    ],
)
async def test_public_addresses_may_be_used(host: str) -> None:
    """What lies beside the special ranges is public."""
    guard = AddressGuard()
    assert guard.check_host(host) is None
    assert len(await guard.resolve(host, 443, soon())) == 1


@pytest.mark.parametrize(
    "host",
    [
        *("0177.0.0.1", "127.0.0.01", "0x7f.0.0.1", "0x7F000001", "2130706433", "127.1", "127.0.1", "1.2.3.4.5", "0"),
        *("256.1.1.1", "08.8.8.8", "0x", "example.0x7f", "fe80::1%eth0", "[fe80::1%25eth0]", "::1%lo", "[::1]:80"),
        *("127.0.0.1:80", "", " ", ".", "..", "a..b", "a b", "http://shop.example", "user@shop.example"),
        *("shop.example/x", "shop\0.example", "*.example", "-a.example", "a-.example", "x" * 64 + ".example"),
        *(".".join(["abc"] * 70), "\ud800.example", "ü" * 70),
    ],
)
async def test_what_programs_read_differently_is_no_host(host: str) -> None:
    """Octal, hexadecimal, short and whole-number addresses, zones and what is no name are refused, not looked up."""
    names = Names([PUBLIC])
    guard = AddressGuard(("0.0.0.0/0", "::/0"), lookup=names)
    assert guard.check_host(host) is not None
    with pytest.raises(PermissionDenied):
        await guard.resolve(host, 80, soon())
    assert names.asked == []


def written(address: IPv4Address) -> list[str]:
    """An IPv4 address as it may be hidden: the forms of inet_aton, and within IPv6 addresses."""
    number = int(address)
    within = [
        (0xFFFF << 32) | number,  # mapped
        (0x64FF9B << 96) | number,  # NAT64
        (0x64FF9B0001 << 80) | number,  # a local NAT64
        (0x2002 << 112) | (number << 80),  # 6to4
        (0x20010000 << 96) | (number << 64) | 0xFFFF_FFFF,  # Teredo, its server
        (0x20010000 << 96) | (number ^ 0xFFFF_FFFF),  # Teredo, its client
        (0x26062800 << 96) | (0x5EFE << 32) | number,  # ISATAP
    ]
    if number > 1:  # :: and ::1 are other things
        within.append(number)
    octal = ".".join(f"0{part:o}" for part in address.packed)
    hexadecimal = ".".join(hex(part) for part in address.packed)
    return [str(number), hex(number), octal, hexadecimal, *map(str, map(IPv6Address, within))]


PRIVATE = st.sampled_from(["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"])


@given(PRIVATE.flatmap(lambda network: st.ip_addresses(v=4, network=network)))
def test_no_form_of_a_private_address_is_taken(address: IPv4Address | IPv6Address) -> None:
    """Whatever the way it is written in or carried by."""
    assert isinstance(address, IPv4Address)
    guard = AddressGuard()
    for host in (str(address), *written(address)):
        assert guard.check_host(host) is not None, host
        assert guard.check_host(f"[{host}]" if ":" in host else f"{host}.") is not None, host


@given(st.ip_addresses())
def test_a_denied_address_is_refused_in_every_form(address: IPv4Address | IPv6Address) -> None:
    """Any address at all, although everything is allowed."""
    guard = AddressGuard(("0.0.0.0/0", "::/0"), (str(address),))
    assert guard.check_host(str(address)) is not None
    if isinstance(address, IPv4Address):
        assert all(guard.check_host(host) for host in written(address))


@given(st.ip_addresses())
def test_nothing_is_taken_that_python_knows_to_be_special(address: IPv4Address | IPv6Address) -> None:
    """No address that is private, loopback, link-local, multicast, unspecified or reserved is taken."""
    if AddressGuard().check_host(str(address)) is None:
        judged = plain(address)
        assert not any((judged.is_private, judged.is_loopback, judged.is_link_local))
        assert not any((judged.is_multicast, judged.is_unspecified, judged.is_reserved))


@pytest.mark.parametrize(
    "host",
    [
        "\uff11\uff12\uff17.0.0.1",
        "127\u30020\u30020\u30021",
        "\u2460\u2461\u2466.0.0.1",
        "localhos\uff54",
        "localhost",
        "LocalHost.",
        "db.localhost",
    ],
)
async def test_other_letters_do_not_hide_a_loopback_address(host: str) -> None:
    """Full-width digits and dots are read as a resolver reads them, and localhost is loopback whatever it says."""
    text = AddressGuard().check_host(host)
    assert text is not None
    assert "loopback" in text.en


async def test_a_name_is_looked_up_once_and_its_addresses_given() -> None:
    """The caller connects to what was checked: the resolver is not asked again, so it cannot answer otherwise."""
    names = Names([PUBLIC, PUBLIC_V6, PUBLIC], ["127.0.0.1"])
    guard = AddressGuard(lookup=names)
    assert await guard.resolve("rebinds.example", 443, soon()) == [PUBLIC, PUBLIC_V6]
    assert names.asked == ["rebinds.example"]
    with pytest.raises(PermissionDenied):
        await guard.resolve("rebinds.example", 443, soon())


@pytest.mark.parametrize("addresses", [[PUBLIC, "10.0.0.1"], ["10.0.0.1", PUBLIC], [PUBLIC_V6, "::ffff:127.0.0.1"]])
async def test_one_refused_address_refuses_all(addresses: list[str]) -> None:
    """A name with a public and a private address is refused, whichever comes first."""
    with pytest.raises(PermissionDenied):
        await AddressGuard(lookup=Names(addresses)).resolve("mixed.example", 443, soon())


async def test_the_refusal_of_a_call_does_not_tell_the_host() -> None:
    """Users meet it too: neither the name nor its address is in any text."""
    with pytest.raises(PermissionDenied) as caught:
        await AddressGuard(lookup=Names(["10.1.2.3"])).resolve("inside.example", 443, soon())
    told = (*caught.value.text, *(caught.value.suggestion or ()), *caught.value.metadata.values())
    assert not any("inside" in text or "10.1.2.3" in text for text in told)
    assert caught.value.suggestion is not None
    assert "ALLOWED_SOURCE_HOSTS" in caught.value.suggestion.pt


@pytest.mark.parametrize(
    "entry", ["10.0.0.7", "10.0.0.7.", "10.0.0.0/8", "10.1.2.3/8", " db.example ", "DB.Example.", "::ffff:10.0.0.7"]
)
async def test_what_is_allowed_may_be_used(entry: str) -> None:
    """By address, by network, and by name in any case."""
    allowed = AddressGuard((entry,), lookup=Names(["10.0.0.7"]))
    assert await allowed.resolve("db.example", 5432, soon()) == ["10.0.0.7"]
    assert await allowed.resolve("DB.EXAMPLE.", 5432, soon()) == ["10.0.0.7"]


async def test_an_allowed_name_vouches_for_private_addresses_alone() -> None:
    """Who answers for the name cannot lead to link-local addresses or to the metadata of the cloud with it."""
    for address in ("169.254.169.254", "169.254.7.7", "fd00:ec2::254", "0.0.0.0", "224.0.0.1", "2002:a00:1::"):  # noqa: S104 - addresses to refuse
        with pytest.raises(PermissionDenied):
            await AddressGuard(("db.example",), lookup=Names([address])).resolve("db.example", 80, soon())
    for address in ("10.0.0.1", "127.0.0.1", "::1", "fd00::1", "100.64.0.1"):
        guard = AddressGuard(("db.example",), lookup=Names([address]))
        assert await guard.resolve("db.example", 80, soon()) == [address]
        with pytest.raises(PermissionDenied):
            await guard.resolve("other.example", 80, soon())
    assert AddressGuard(("localhost",)).check_host("localhost") is None


async def test_metadata_services_are_allowed_one_by_one() -> None:
    """A network that happens to hold one does not allow it, its own address does."""
    assert AddressGuard(("0.0.0.0/0", "169.254.0.0/16")).check_host("169.254.169.254") is not None
    assert AddressGuard(("::/0", "fd00::/8")).check_host("fd00:ec2::254") is not None
    assert AddressGuard(("169.254.169.254",)).check_host("169.254.169.254") is None


async def test_a_tunnel_is_allowed_with_what_it_carries() -> None:
    """Neither the allowed outside nor the allowed inside of a 6to4 address is enough alone."""
    assert AddressGuard(("2002::/16",)).check_host("2002:7f00:1::") is not None
    assert AddressGuard(("127.0.0.0/8",)).check_host("2002:7f00:1::") is not None
    assert AddressGuard(("2002::/16", "127.0.0.0/8")).check_host("2002:7f00:1::") is None


@pytest.mark.parametrize(("unspecified", "loopback"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])  # noqa: S104 - likewise
async def test_an_unspecified_address_is_allowed_with_where_it_leads(unspecified: str, loopback: str) -> None:
    """A connection to it is one to this machine: each has to be allowed."""
    assert AddressGuard((unspecified,)).check_host(unspecified) is not None
    assert AddressGuard((loopback,)).check_host(unspecified) is not None
    assert AddressGuard((unspecified, loopback)).check_host(unspecified) is None


@pytest.mark.parametrize(
    ("denied", "address"),
    [
        ("93.184.216.0/24", PUBLIC),
        (PUBLIC, f"::ffff:{PUBLIC}"),
        ("93.184.0.0/16", "64:ff9b::93.184.216.34"),
        ("64:ff9b::/96", "64:ff9b::93.184.216.34"),
        ("2606:2800::/32", PUBLIC_V6),
        ("::ffff:93.184.0.0/112", PUBLIC),
        ("db.example", PUBLIC),
        ("DB.example.", PUBLIC),
        ("127.0.0.1", "2002:7f00:1::"),
        ("127.0.0.0/8", "0.0.0.0"),  # noqa: S104 - an address to refuse, nothing listens
        ("127.0.0.1", "::ffff:0.0.0.0"),
        ("127.0.0.1", "2002::"),
        ("::1", "::"),
    ],
)
async def test_denied_wins(denied: str, address: str) -> None:
    """What is denied is refused although it is public, and although it is allowed."""
    everything = ("db.example", "0.0.0.0/0", "::/0", address)
    guard = AddressGuard(everything, (denied,), lookup=Names([address]))
    with pytest.raises(PermissionDenied, match="denied"):
        await guard.resolve("db.example", 80, soon())
    refused = guard.check_host("db.example" if "db" in denied.lower() else address)
    assert refused is not None
    assert "denied" in refused.en


@pytest.mark.parametrize("entry", ["", "*.example", "http://x", "10.0.0.0/33", "x:80", "127.1", "fe80::1%eth0", "a b"])
def test_an_entry_that_is_neither_name_address_nor_network_is_refused(entry: str) -> None:
    """A rule that would never match is an error, not silence."""
    with pytest.raises(ValueError, match="address"):
        AddressGuard((entry,))


async def test_names_in_other_scripts_are_asked_in_ascii() -> None:
    """The resolver gets the form that travels, and rules match it."""
    names = Names([PUBLIC])
    guard = AddressGuard((), ("BÜCHER.example",), lookup=names)
    await guard.resolve("Käse.example", 443, soon())
    assert names.asked == ["xn--kse-qla.example"]
    assert guard.check_host("bücher.example.") is not None
    assert guard.check_host("xn--bcher-kva.example") is not None


async def test_a_dot_at_the_end_reaches_the_resolver() -> None:
    """A name that is meant as it stands is not tried below the search domains of the machine."""
    names = Names([PUBLIC])
    await AddressGuard(lookup=names).resolve("db.example.", 443, soon())
    assert names.asked == ["db.example."]


@pytest.mark.parametrize("answer", [[], None])
async def test_a_name_without_addresses_is_a_failed_connection(answer: list[str] | None) -> None:
    """The resolver knows nothing, or fails: the source cannot be reached, and the text does not tell the host."""

    def lookup(_: str) -> list[str]:
        if answer is None:
            raise OSError("Name or service not known: gone.example")
        return answer

    with pytest.raises(ConnectionFailed) as caught:
        await AddressGuard(lookup=lookup).resolve("gone.example", 80, soon())
    assert "gone" not in str(caught.value)


async def test_the_real_resolver_is_asked_by_default() -> None:
    """The name localhost resolves to loopback addresses, a reserved name to none."""
    assert set(await AddressGuard(("localhost",)).resolve("localhost", 80, soon())) <= {"127.0.0.1", "::1"}
    with pytest.raises(ConnectionFailed):
        await AddressGuard().resolve("nothing.invalid", 80, soon())


async def test_a_resolver_that_hangs_stops_neither_the_loop_nor_the_caller() -> None:
    """The caller's deadline ends the wait, the loop goes on, and the next caller gets the same answer when it comes."""
    ended = threading.Event()
    asked = []

    def lookup(name: str) -> list[str]:
        asked.append(name)
        assert ended.wait(30)
        return [PUBLIC]

    guard = AddressGuard(lookup=lookup)
    with pytest.raises(TimedOut):
        await guard.resolve("slow.example", 80, Deadline.after(0.05))
    waiting = [asyncio.create_task(guard.resolve("slow.example", 80, soon())) for _ in range(50)]
    await asyncio.wait(waiting, timeout=0.05)
    ended.set()
    assert await asyncio.gather(*waiting) == [[PUBLIC]] * 50
    assert asked == ["slow.example"]


async def test_few_names_are_looked_up_at_once() -> None:
    """A hundred hosts do not take a hundred threads; those that wait for their turn end at their deadline."""
    ended, full = threading.Event(), threading.Event()
    running = []

    def lookup(name: str) -> list[str]:
        running.append(name)
        if len(running) == 16:
            full.set()
        assert ended.wait(30)
        return [PUBLIC]

    guard = AddressGuard(lookup=lookup)
    answers = await asyncio.gather(
        *(guard.resolve(f"host-{n}.example", 80, Deadline.after(0.5)) for n in range(100)), return_exceptions=True
    )
    assert all(isinstance(answer, TimedOut) for answer in answers)
    assert await asyncio.to_thread(full.wait, 30)
    assert len(running) == 16
    ended.set()
    assert await guard.resolve("host-99.example", 80, soon()) == [PUBLIC]
