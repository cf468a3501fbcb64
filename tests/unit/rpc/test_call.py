"""What a servicer knows of its call."""

import pytest

from wuzapi_manager_server.rpc.call import current, language_of


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "pt-BR"),
        ("en", "en"),
        ("EN-us", "en"),
        ("pt", "pt-BR"),
        ("de, fr;q=0.5", "pt-BR"),
        ("en;q=0.5, pt-BR", "pt-BR"),
        ("pt;q=0.3,en;q=0.8", "en"),
        ("de, en;q=0.1", "en"),
        ("en;q=0", "pt-BR"),
        ("en;q=much", "pt-BR"),
        ("en;level=1", "en"),
        ("*;q=0.5, en;q=0.6", "en"),
    ],
)
def test_language_is_the_one_asked_for_most(header: str, language: str) -> None:
    """The language with the highest weight that we speak, else Portuguese."""
    assert language_of(header) == language


def test_no_call_outside_of_calls() -> None:
    """Outside of a call there is no current one."""
    with pytest.raises(LookupError):
        current()
