"""Page tokens and page sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.table import Scalar
from wuzapi_manager_server.errors import InvalidInput
from wuzapi_manager_server.secret_box import SecretBox
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size

BOX = SecretBox([SecretBox.new_key()])
TOKENS = PageTokens(BOX)
PARTS: st.SearchStrategy[Scalar] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9), st.binary(max_size=9)
)


@given(st.lists(PARTS, max_size=4).map(tuple), st.binary(max_size=40))
def test_a_token_gives_its_place_to_its_own_request_alone(place: tuple[Scalar, ...], binding: bytes) -> None:
    """The place comes back for the same binding; another binding, or a changed token, is refused on its field."""
    token = TOKENS.give(place, binding)
    assert TOKENS.take(token, binding) == place
    assert repr(TOKENS.take(token, binding)) == repr(place)
    for other, field in ((binding + b"x", "page_token"), (b"x" + binding, "resume_token")):
        with pytest.raises(InvalidInput) as error:
            TOKENS.take(token, other, field)
        assert [violation.field for violation in error.value.violations] == [field]
    with pytest.raises(InvalidInput):
        TOKENS.take(token + "A", binding)


def test_no_token_is_the_beginning() -> None:
    """Without a token the list starts."""
    assert TOKENS.take("", b"x") == ()


def test_a_token_hides_its_place() -> None:
    """The place, which may hold what the caller must not see, cannot be read from the token."""
    assert "Z2VoZWlt" not in TOKENS.give(("geheim",), b"")
    assert "geheim" not in TOKENS.give(("geheim",), b"")


def test_what_was_sealed_but_is_no_place_is_refused() -> None:
    """A sealed text of the same purpose that is no key is no token."""
    with pytest.raises(InvalidInput):
        TOKENS.take(BOX.seal("page token", b"{}", b""), b"")


@given(st.text(max_size=30))
def test_any_text_is_a_token_or_refused(text: str) -> None:
    """Nothing but InvalidInput comes of any text."""
    if text:
        with pytest.raises(InvalidInput):
            TOKENS.take(text, b"")


@pytest.mark.parametrize(("asked", "size"), [(0, 100), (1, 1), (999, 999), (1_000, 1_000), (2**31 - 1, 1_000)])
def test_page_sizes(asked: int, size: int) -> None:
    """0 is the default, above the most is the most."""
    assert page_size(asked, 100, 1_000) == size


def test_a_default_above_the_most_is_the_most() -> None:
    """The most holds for the default too."""
    assert page_size(0, 500, 50) == 50


def test_a_negative_page_size_is_refused() -> None:
    """A negative size is told on page_size."""
    with pytest.raises(InvalidInput) as error:
        page_size(-1, 100, 1_000)
    assert error.value.violations[0].field == "page_size"
