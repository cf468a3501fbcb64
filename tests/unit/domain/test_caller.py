"""Who is calling, and until when an answer is worth having."""

import time

import pytest

from wuzapi_manager_server.domain.caller import User, is_admin_token, is_user_token
from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.errors import TimedOut


def test_a_user_is_known_by_token_and_id() -> None:
    """An assignment may name the token or the id, where WUZAPI tells one; never an empty text."""
    assert User("u1", "Ana", "", "ana-token").identities == ("ana-token", "u1")
    assert User("", "Ana", "", "ana-token").identities == ("ana-token",)


def test_a_user_does_not_show_their_token() -> None:
    """What is printed of a user holds no token."""
    assert "ana-token" not in repr(User("u1", "Ana", "", "ana-token"))


@pytest.mark.parametrize(
    ("token", "user", "admin"),
    [
        ("a" * 7, False, False),
        ("a" * 8, True, False),
        ("a" * 15, True, False),
        ("a" * 16, True, True),
        ("a" * 256, True, True),
        ("a" * 257, False, False),
        ("a" * 16 + " ", False, False),
        ("a" * 8 + " " + "a" * 8, False, False),
        ("a" * 16 + "\t", False, False),
        ("a" * 16 + "\n", False, False),
        ("a" * 16 + "\0", False, False),
        ("é" * 16, False, False),
        ("a" * 16 + "\u2003", False, False),
        ("~!@#$%^&*()_+-={}[]", True, True),
        ("", False, False),
    ],
)
def test_the_form_of_tokens(token: str, user: bool, admin: bool) -> None:
    """8 to 256 printable ASCII characters without white space, of an administrator at least 16."""
    assert is_user_token(token) is user
    assert is_admin_token(token) is admin


def test_deadlines_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What remains shrinks to nothing, never below; a wait is capped by it, and refused where nothing is left."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    deadline = Deadline.after(5)
    assert deadline.remaining() == 5
    assert deadline.cap(2) == 2
    assert deadline.cap(60) == 5
    now[0] = 105.0
    assert deadline.remaining() == 0
    with pytest.raises(TimedOut) as error:
        deadline.cap(2)
    assert error.value.suggestion
    now[0] = 200.0
    assert deadline.remaining() == 0
    assert Deadline(float("inf")).cap(60) == 60
