"""Secrets at rest, digests and sealed texts."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.secret_box import SecretBox, Undecryptable

OLD, NEW, OTHER = (SecretBox.new_key() for _ in range(3))
BOX = SecretBox([NEW, OLD])
OLD_BOX = SecretBox([OLD])
PLACE = "database_connections/12/password"


@given(st.text(max_size=50))
def test_a_secret_comes_back_at_its_place_alone(secret: str) -> None:
    """What was encrypted for a place decrypts there, to the last character, and nowhere else."""
    stored = BOX.encrypt(PLACE, secret)
    assert BOX.decrypt(PLACE, stored) == secret
    with pytest.raises(Undecryptable):
        BOX.decrypt("database_connections/13/password", stored)


def test_the_same_secret_is_never_stored_alike() -> None:
    """Two secrets that are the same cannot be told to be."""
    assert BOX.encrypt(PLACE, "geheim") != BOX.encrypt(PLACE, "geheim")


def test_an_old_key_decrypts_and_the_new_one_encrypts() -> None:
    """After a rotation old values are read, new ones bear the new key's id; without its key a value is not read."""
    old = OLD_BOX.encrypt(PLACE, "geheim")
    assert BOX.decrypt(PLACE, old) == "geheim"
    assert SecretBox.key_id(old) == OLD_BOX.key_ids[0] == BOX.key_ids[1]
    new = BOX.encrypt(PLACE, "geheim")
    assert SecretBox.key_id(new) == BOX.key_ids[0]
    for box, stored in ((OLD_BOX, new), (SecretBox([OTHER]), old)):
        with pytest.raises(Undecryptable):
            box.decrypt(PLACE, stored)


def test_a_wrong_key_id_does_not_hide_the_secret() -> None:
    """A value whose key id was lost is tried with every key."""
    token = OLD_BOX.encrypt(PLACE, "geheim").partition(":")[2]
    assert BOX.decrypt(PLACE, f"00000000:{token}") == "geheim"


@pytest.mark.parametrize("damaged", ["", ":", "geheim", "a:b", "é:é", "a:\ud800", ":gAAAAA", "\0"])
def test_what_is_no_secret_is_undecryptable(damaged: str) -> None:
    """Damaged values are told as such and raise nothing else."""
    with pytest.raises(Undecryptable):
        BOX.decrypt(PLACE, damaged)


@pytest.mark.parametrize("plain", [b"geheim", b"[1]", b"5", b'"ab"', b'{"a":1}', b'["x","y","z"]', b"\xff"])
def test_what_others_encrypted_with_the_key_is_undecryptable(plain: bytes) -> None:
    """A token of the same key that this box did not make is not taken."""
    with pytest.raises(Undecryptable):
        BOX.decrypt(PLACE, f"{BOX.key_ids[0]}:{Fernet(NEW).encrypt(plain).decode()}")


def test_every_changed_character_of_a_secret_is_noticed() -> None:
    """No character of a stored value can be changed without notice, but those that name the key."""
    stored = BOX.encrypt(PLACE, "geheim")
    for at in range(stored.index(":") + 1, len(stored)):
        changed = stored[:at] + ("A" if stored[at] != "A" else "B") + stored[at + 1 :]
        try:
            assert BOX.decrypt(PLACE, changed) == "geheim"  # base64 has bits to spare before its padding
        except Undecryptable:
            continue
        assert stored[at + 1 :].strip("=") == ""


@pytest.mark.parametrize("keys", [[], [""], ["short"], ["é" * 44], ["A" * 42 + "=="], [NEW, "x"]])
def test_what_is_no_key_is_refused(keys: list[str]) -> None:
    """A ring of no keys, or with one that is none, is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - that it is one is all there is to say
        SecretBox(keys)


def test_one_key_has_one_id() -> None:
    """A key spelled with white space, or twice in the ring, is the same key."""
    assert SecretBox([f" {NEW}\n"]).key_ids == SecretBox([NEW]).key_ids
    twice = SecretBox([NEW, NEW])
    assert twice.decrypt(PLACE, BOX.encrypt(PLACE, "x")) == "x"
    assert SecretBox([f"{NEW}\n"]).digest("a", b"x") == SecretBox([NEW]).digest("a", b"x")


def test_digests_differ_by_key_purpose_and_data() -> None:
    """A digest tells whether data is the same under the same key for the same purpose, and nothing else."""
    assert BOX.digests("user", b"x") == (SecretBox([NEW]).digest("user", b"x"), OLD_BOX.digest("user", b"x"))
    assert (
        len(
            {BOX.digest("user", b"x"), BOX.digest("user", b"y"), BOX.digest("etag", b"x"), OLD_BOX.digest("user", b"x")}
        )
        == 4
    )
    assert all(len(digest) == 32 for digest in BOX.digests("user", b""))
    fast = BOX.fast_digest("etag", b"x")
    assert fast == BOX.fast_digest("etag", b"x")
    assert len(fast) == 24
    assert (
        len({fast, BOX.fast_digest("etag", b"y"), BOX.fast_digest("other", b"x"), OLD_BOX.fast_digest("etag", b"x")})
        == 4
    )


@given(st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_sealed_data_opens_in_its_context_alone(data: bytes, context: bytes) -> None:
    """What was sealed opens for the same purpose and context; the same data is the same text."""
    text = BOX.seal("page", data, context)
    assert text.isascii()
    assert BOX.unseal("page", text, context) == data
    assert BOX.unseal("page", text, context + b"x") is None
    assert BOX.unseal("id", text, context) is None
    assert BOX.seal("page", data, context) == text
    assert BOX.unseal("page", OLD_BOX.seal("page", data, context), context) == data
    assert OLD_BOX.unseal("page", text, context) is None


def test_every_changed_character_of_a_sealed_text_is_noticed() -> None:
    """No other spelling of a sealed text opens: no changed, added or missing character."""
    for data in (b"x", b"xy", b"xyz"):
        text = BOX.seal("page", data, b"")
        for at in range(len(text)):
            for char in "AB_+ \n":
                if char != text[at]:
                    assert BOX.unseal("page", text[:at] + char + text[at + 1 :], b"") is None
            assert BOX.unseal("page", text[:at], b"") is None
        for more in ("=", "A", "\n", " ", "=="):
            assert BOX.unseal("page", text + more, b"") is None


@given(st.text(max_size=40) | st.text("AB-_", max_size=60))
def test_any_text_is_unsealed_or_not(text: str) -> None:
    """Nothing is raised by any text, and none that was not sealed opens."""
    assert BOX.unseal("page", text, b"") is None
