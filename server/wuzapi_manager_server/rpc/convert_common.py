"""Between messages and the product's own words: what several services share."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from wuzapi_manager.v1 import common_pb2 as pb
from wuzapi_manager_server.domain.fields import Field
from wuzapi_manager_server.domain.mapping import FieldMapping, Validation
from wuzapi_manager_server.domain.table import Column, Json
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import Text, Violation

Choice = TypeVar("Choice", bound=Enum)


def choice_from(
    number: int, values: EnumDescriptor, choices: type[Choice], field: str, violations: list[Violation]
) -> Choice | None:
    """The choice of an enum's number; None for 0, and, with a violation, for a number that is unknown."""
    if number == 0:
        return None
    value = values.values_by_number.get(number)
    if value is None:
        violations.append(
            Violation(
                field, Text(f"{number} is not one of its values", f"{number} não é um valor permitido em {field}")
            )
        )
        return None
    prefix = values.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return choices(value.name.removeprefix(prefix))


def json_from(value: Value) -> Json:
    """The JSON value of a google.protobuf.Value; what JSON has no number for comes as its name."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            number = value.number_value
            return number if math.isfinite(number) else to_json(number)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return dict_from(value.struct_value)
        case "list_value":
            return [json_from(item) for item in value.list_value.values]
        case _:
            return None


def dict_from(struct: Struct) -> dict[str, Json]:
    """The values of a google.protobuf.Struct."""
    return {name: json_from(value) for name, value in struct.fields.items()}


def timestamp_to(moment: datetime | None) -> Timestamp | None:
    """A moment as a message; None stays unset."""
    if moment is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(moment.astimezone(UTC))
    return stamp


def mapping_from(message: pb.FieldMapping) -> FieldMapping:
    """A field mapping from its message."""
    rule = message.validation
    return FieldMapping(
        field=message.field,
        column=message.column or message.field,
        label=message.label,
        type=message.type,
        visible=message.visible if message.HasField("visible") else True,
        editable=message.editable if message.HasField("editable") else True,
        required=message.required,
        helper_text=message.helper_text,
        show_in_card=message.show_in_card,
        validation=Validation(
            pattern=rule.pattern,
            min_length=rule.min_length,
            max_length=rule.max_length,
            min=rule.min if rule.HasField("min") else None,
            max=rule.max if rule.HasField("max") else None,
            options=tuple(rule.options),
        ),
    )


def mapping_to(mapping: FieldMapping) -> pb.FieldMapping:
    """A field mapping as its message."""
    message = pb.FieldMapping(
        field=mapping.field,
        column=mapping.column,
        label=mapping.label,
        type=mapping.type,
        visible=mapping.visible,
        editable=mapping.editable,
        required=mapping.required,
        helper_text=mapping.helper_text,
        show_in_card=mapping.show_in_card,
    )
    rule = mapping.validation
    if rule != Validation():
        message.validation.CopyFrom(
            pb.FieldValidation(
                pattern=rule.pattern,
                min_length=rule.min_length,
                max_length=rule.max_length,
                min=rule.min,
                max=rule.max,
                options=rule.options,
            )
        )
    return message


def column_to(column: Column, name: str, *, writable: bool, mapping: FieldMapping | None = None) -> pb.Column:
    """A column as its message, under the name that callers use."""
    return pb.Column(
        field=name,
        column=column.name,
        type=pb.ColumnType.Value(f"COLUMN_TYPE_{column.type.value}"),
        native_type=column.native_type,
        nullable=column.nullable,
        read_only=not writable,
        primary_key=column.primary_key,
        has_default=column.has_default,
        mapping=mapping_to(mapping) if mapping else None,
    )


def field_to(field: Field) -> pb.Column:
    """A field as its caller sees it."""
    return column_to(field.column, field.name, writable=field.writable or field.stampable, mapping=field.mapping)


def struct_to(values: Mapping[str, Json]) -> Struct:
    """Values as a google.protobuf.Struct."""
    struct = Struct()
    struct.update(values)
    return struct


def duration_to(seconds: float) -> Duration:
    """Seconds as a message."""
    duration = Duration()
    duration.FromNanoseconds(round(seconds * 1_000_000_000))
    return duration
