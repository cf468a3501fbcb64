"""Enums of the API by their short names."""

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

E = TypeVar("E", bound=int)


def enum_number(enum: "_EnumTypeWrapper[E]", value: str | E | None) -> E:
    """The number of a name, with or without the enum's prefix: "SHARED" or "ROW_SCOPE_SHARED"; None is unspecified.

    ValueError for a name that the enum does not have.
    """
    if value is not None and not isinstance(value, str):
        return value
    name = (value or "UNSPECIFIED").upper()
    prefix = enum.DESCRIPTOR.values[0].name.removesuffix("UNSPECIFIED")
    return enum.Value(name if name.startswith(prefix) else prefix + name)
