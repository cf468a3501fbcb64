"""Who is calling."""

from dataclasses import dataclass, field

EVERYONE = "*"
"""Stands for the ids of all users in what processes tell each other; WUZAPI gives no such id."""


@dataclass(frozen=True)
class Public:
    """Anyone: no token was given."""


@dataclass(frozen=True)
class Admin:
    """The administrator."""


@dataclass(frozen=True)
class User:
    """A user that WUZAPI knows. `id` is empty where an old WUZAPI does not tell it; `jid` before a phone is paired.

    `identities` are the texts that an assignment may name the user by; none of them is empty.
    """

    id: str
    name: str
    jid: str
    token: str = field(repr=False)

    @property
    def identities(self) -> tuple[str, ...]:
        """What an assignment may name this user by: the token and, where known, the id."""
        return (self.token, self.id) if self.id else (self.token,)


Caller = Public | Admin | User


def is_user_token(text: str) -> bool:
    """Whether it has the form of a user's token: 8 to 256 printable ASCII characters without white space."""
    # The bounds of both are those of the original application.
    return 8 <= len(text) <= 256 and text.isascii() and text.isprintable() and " " not in text  # noqa: PLR2004 - see above


def is_admin_token(text: str) -> bool:
    """Whether it has the form of the administrator's token: as a user's, but of at least 16 characters."""
    return len(text) >= 16 and is_user_token(text)  # noqa: PLR2004 - see above
