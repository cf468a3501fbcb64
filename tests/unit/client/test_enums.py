"""Enums of the API by name."""

import pytest

from wuzapi_manager.v1.connection_pb2 import ROW_SCOPE_SHARED, ROW_SCOPE_UNSPECIFIED, RowScope
from wuzapi_manager_client.enums import enum_number


@pytest.mark.parametrize("name", ["SHARED", "shared", "ROW_SCOPE_SHARED", ROW_SCOPE_SHARED])
def test_a_name_may_stand_without_its_prefix(name: str) -> None:
    """Short, long and lower-case names and the number itself mean the same."""
    assert enum_number(RowScope, name) == ROW_SCOPE_SHARED


def test_none_is_unspecified() -> None:
    """Nothing said is the first value."""
    assert enum_number(RowScope, None) == ROW_SCOPE_UNSPECIFIED


def test_an_unknown_name_is_refused() -> None:
    """A name that the enum does not have is a ValueError that names it."""
    with pytest.raises(ValueError, match="ROW_SCOPE_PUBLIC"):
        enum_number(RowScope, "public")
