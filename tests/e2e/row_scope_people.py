"""Who owns rows in random tables, what stands for them there, and what nearly does."""

from typing import NamedTuple

from wuzapi_manager.v1 import connection_pb2 as connections


class Person(NamedTuple):
    """What stands for a user in link fields."""

    token: str
    identity: str
    jid: str


# Each differs from others in what a careless comparison would not see.
PEOPLE = (
    Person("token-of-ana", "ana", "551199@s.whatsapp.net"),
    Person("TOKEN-OF-ANA", "ANA", "551199@S.whatsapp.net"),
    Person("token-of-an_", "ana ", "551199@s.whatsapp.net "),
    Person("token-of-an%", "\u0430na", "%@%"),
    Person("00012345", "an\u0303a", "00012345"),
    Person("12345678", "12345", "12345"),
    Person("012345678", "a\u00f1a", "\uff11\uff12\uff13\uff14\uff15"),
    Person("12345678.0", "%", "12345.0"),
    Person("x'OR'1'='1", "'OR''='", "' OR 1=1 --"),
    Person('x"OR"1"="1', "NULL", "\u0130@s"),
)
LINKS = {
    connections.USER_LINK_VALUE_TOKEN: 0,
    connections.USER_LINK_VALUE_USER_ID: 1,
    connections.USER_LINK_VALUE_JID: 2,
}
TEXTS = (
    *(
        "",
        "a",
        "B",
        "An",
        "ana",
        "an\u0303a",
        "\u0430na",
        "%",
        "_",
        "an%",
        "' OR 1=1 --",
        '"',
        "\\",
        "12345",
        "00012345",
    ),
    *("token-of-ana", "\u00c9", "\u00e9", "x;y", "line\nbreak", "~x", "null", "12345678 "),
)
"""What stands in columns of text."""


def lookalikes(value: str) -> tuple[int | float | str | bytes | None, ...]:
    """Cells that are not that value, but nearly."""
    whole = value.isascii() and value.isdigit()
    numbers = (int(value), float(value), value.lstrip("0"), value + ".0") if whole else ()
    return (
        *(value.swapcase(), value + " ", " " + value, value[:-1], value + "\0", value.encode(), value + "%"),
        *("_" * len(value), "%", None, "", 0, b"", 1.5, *numbers),
    )
