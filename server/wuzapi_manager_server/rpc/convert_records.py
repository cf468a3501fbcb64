"""Between the messages of RecordService and the product's own words."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Value
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # ships stubs, but no py.typed

from wuzapi_manager.v1 import record_pb2 as pb
from wuzapi_manager_server.domain.fields import Fields
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.table import Json, Table
from wuzapi_manager_server.errors import InvalidInput, ServiceError, SystemFailure, Text, Violation
from wuzapi_manager_server.rpc.call import Call, Language, in_language
from wuzapi_manager_server.rpc.convert_common import choice_from, json_from
from wuzapi_manager_server.rpc.status import answer
from wuzapi_manager_server.services.records import MASK, Record

MAX_DEPTH, MAX_NODES, MAX_LISTED = 16, 200, 1_000
_NO_VALUE = (Op.IS_NULL, Op.IS_NOT_NULL)


def filter_from(message: pb.Filter, violations: list[Violation]) -> Filter[Json] | None:
    """A filter from its message; None where it is too large to be read.

    What is wrong with it is added to `violations`, at paths such as `filter.and.filters[0]`; the parts that are whole
    can be judged further.
    """
    reading = _Reading()
    tree = reading.read(message, "filter", 1)
    if reading.nodes > MAX_NODES:
        text = Text(f"must have at most {MAX_NODES} nodes", f"O filtro deve ter no máximo {MAX_NODES} nós")
        violations.append(Violation("filter", text))
        return None
    violations.extend(reading.violations)
    return tree


class _Reading:
    """Reads one filter, gathering what is wrong with it."""

    def __init__(self) -> None:
        self.nodes = 0
        self.violations: list[Violation] = []

    def read(self, message: pb.Filter, path: str, depth: int) -> Filter[Json]:
        self.nodes += 1
        if depth > MAX_DEPTH:
            self._complain(
                path, f"must have at most {MAX_DEPTH} levels", f"O filtro deve ter no máximo {MAX_DEPTH} níveis"
            )
            return And(())
        match message.WhichOneof("kind"):
            case "comparison":
                return self._comparison(message.comparison, f"{path}.comparison")
            case "and":
                return And(self._group(getattr(message, "and"), f"{path}.and", depth))
            case "or":
                return Or(self._group(getattr(message, "or"), f"{path}.or", depth))
            case "not":
                return Not(self.read(getattr(message, "not"), f"{path}.not", depth + 1))
            case _:
                self._complain(path, "one of comparison, and, or, not is required", "Filtro vazio")
                return And(())

    def _group(self, group: pb.FilterGroup, path: str, depth: int) -> tuple[Filter[Json], ...]:
        if not group.filters:
            self._complain(f"{path}.filters", "must not be empty", "O grupo de filtros está vazio")
        if self.nodes + len(group.filters) > MAX_NODES:
            self.nodes += len(group.filters)
            return ()
        return tuple(self.read(each, f"{path}.filters[{at}]", depth + 1) for at, each in enumerate(group.filters))

    def _comparison(self, message: pb.Comparison, path: str) -> Comparison[Json]:
        if not message.field:
            self._complain(f"{path}.field", "is required", "O campo do filtro é obrigatório")
        op = choice_from(message.op, pb.Op.DESCRIPTOR, Op, f"{path}.op", self.violations)
        if op is None:
            if message.op == pb.OP_UNSPECIFIED:
                self._complain(f"{path}.op", "is required", "O operador do filtro é obrigatório")
            return Comparison(message.field, Op.IS_NULL)
        given = message.HasField("value") and message.value.WhichOneof("kind") is not None
        if op in _NO_VALUE:
            if given and message.value.WhichOneof("kind") != "null_value":
                self._complain(f"{path}.value", f"OP_{op.value} takes none", f"OP_{op.value} não recebe valor")
            return Comparison(message.field, op)
        if not given:
            self._complain(f"{path}.value", "is required", "O valor do filtro é obrigatório")
            return Comparison(message.field, op)
        return Comparison(message.field, op, self._values(op, message.value, f"{path}.value"))

    def _values(self, op: Op, value: Value, path: str) -> tuple[Json, ...]:
        if op not in (Op.IN, Op.BETWEEN):
            return (json_from(value),)
        values = tuple(json_from(item) for item in value.list_value.values)
        if op is Op.BETWEEN and len(values) != 2:  # noqa: PLR2004 - the two ends
            self._complain(path, "must be a list of two values", "O valor deve ser uma lista com dois valores")
        elif not 0 < len(values) <= MAX_LISTED:
            self._complain(
                path,
                f"must be a list of 1 to {MAX_LISTED} values",
                f"O valor deve ser uma lista de 1 a {MAX_LISTED} valores",
            )
        return values

    def _complain(self, path: str, en: str, pt: str) -> None:
        self.violations.append(Violation(path, Text(en, pt), missing=en == "is required"))


def masking(
    mask: FieldMask, fields: Fields, violations: list[Violation]
) -> Callable[[Mapping[str, Json]], dict[str, Json]]:
    """Tells the values that an update sets: those given, or those the mask names (null where not given).

    "*" names all that may be written; other fields that are given are passed over, unknown ones kept to be refused.
    A path is a field's name, with or without `fields.` before it. JSON spells paths in camel case and turns them into
    snake case, so `customer_name` also finds the one field that is spelled `customerName`. Paths that are no field are
    added to `violations`.
    """
    if not mask.paths:
        return dict
    if list(mask.paths) == ["*"]:
        writable = [field.name for field in fields.all if field.writable]
        return lambda values: (
            dict.fromkeys(writable)
            | {name: value for name, value in values.items() if name in writable or name not in fields.by_name}
        )
    names: list[str] = []
    for path in mask.paths:
        name = _field_of(path, fields) or _field_of(path.removeprefix("fields."), fields)
        if name is None:
            shown, table = path[:100], fields.table.name
            text = Text(f"{shown!r} is not a field", f"Campo '{shown}' não encontrado na tabela '{table}'")
            violations.append(Violation(MASK, text))
        else:
            names.append(name)
    return lambda values: {name: values.get(name) for name in names}


def _field_of(path: str, fields: Fields) -> str | None:
    if path in fields.by_name:
        return path
    alike = [field.name for field in fields.all if _snake(field.name) == path]
    return alike[0] if len(alike) == 1 else None


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", name).lower().removeprefix("_")


def record_to(record: Record) -> pb.Record:
    """A record as its message."""
    message = pb.Record(id=record.id, etag=record.etag)
    message.fields.update(record.fields)
    return message


def records_to(records: Iterable[Record], most_bytes: int) -> tuple[list[pb.Record], bool]:
    """Records as messages, and whether their fields were left out because they are too large together."""
    messages = [record_to(record) for record in records]
    if sum(message.ByteSize() for message in messages) <= most_bytes:
        return messages, False
    return [pb.Record(id=message.id, etag=message.etag) for message in messages], True


def capabilities_to(table: Table, language: Language) -> pb.Capabilities:
    """What a table can do, as its message in that language."""
    can = table.capabilities
    return pb.Capabilities(
        writable=not can.read_only_reason,
        read_only_reason=in_language(can.read_only_reason, language) if can.read_only_reason else "",
        transactions=can.transactions,
        exact_numbers=can.exact_numbers,
        count=can.count,
        search=can.search,
        key_paging=can.key_paging,
        max_batch_size=can.max_batch_size,
        verified_updates=can.verified_updates,
    )


def check_batch(field: str, items: Sequence[object], most: int) -> None:
    """InvalidInput where a batch is empty or too large."""
    if not items:
        raise InvalidInput([Violation(field, Text("is required", "Informe ao menos um registro"), missing=True)])
    if len(items) > most:
        raise InvalidInput(
            [Violation(field, Text(f"must be at most {most}", f"São permitidos no máximo {most} por vez"))]
        )


def statuses_of(errors: Sequence[Exception | None], call: Call, *, atomic: bool) -> list[Status]:
    """How each item of a batch went, where each went for itself; nothing where they went together."""
    return [] if atomic else [_status_of(error, call) for error in errors]


def _status_of(error: Exception | None, call: Call) -> Status:
    if error is None:
        return Status()
    known = error if isinstance(error, ServiceError) else SystemFailure(Text("Internal error", "Erro interno"))
    return Status.FromString(answer(known, call.request_id, call.language).details)
