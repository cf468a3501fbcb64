"""What the cache of users keeps and what it lets go."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.services.user_cache import UserCache


def test_a_value_is_given_until_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value lives for its time and no longer."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    cache: UserCache[str] = UserCache(ttl=10.0, size=5)
    cache.put(b"a", "ana")
    now[0] = 109.9
    assert cache.get(b"a") == "ana"
    now[0] = 110.0
    assert cache.get(b"a") is None
    assert len(cache) == 0


def test_a_new_value_lives_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Putting a value again replaces it and starts its time again."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    cache: UserCache[str] = UserCache(ttl=10.0, size=5)
    cache.put(b"a", "ana")
    now[0] = 105.0
    cache.put(b"a", "bia")
    now[0] = 112.0
    assert cache.get(b"a") == "bia"
    assert len(cache) == 1


def test_the_one_not_asked_for_longest_goes_first() -> None:
    """Asking for a value keeps it from being dropped before others."""
    cache: UserCache[int] = UserCache(ttl=10.0, size=2)
    cache.put(b"a", 1)
    cache.put(b"b", 2)
    assert cache.get(b"a") == 1
    cache.put(b"c", 3)
    assert cache.get(b"b") is None
    assert (cache.get(b"a"), cache.get(b"c")) == (1, 3)


@given(st.lists(st.binary(min_size=1, max_size=2), max_size=200), st.integers(1, 8))
def test_it_never_holds_more_than_its_size(keys: list[bytes], size: int) -> None:
    """However it is used, it holds the last distinct keys put, and no more than its size."""
    cache: UserCache[bytes] = UserCache(ttl=60.0, size=size)
    for key in keys:
        cache.put(key, key)
    latest = list(dict.fromkeys(reversed(keys)))
    assert len(cache) == min(size, len(latest))
    assert all(cache.get(key) == key for key in latest[:size])
    assert all(cache.get(key) is None for key in latest[size:])
