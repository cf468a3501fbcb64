"""Requests for records that are wrong in one place each."""

from collections.abc import Callable
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import StatusCode

from tests.contract.desk import all_of, any_of, compared, no, record_of
from tests.e2e.refusals import Bad
from wuzapi_manager.v1 import record_pb2 as pb

SQL = "'; DROP TABLE orders; --"
LONG = "x" * 100_000


def listing(where: pb.Filter | None = None, **parts: Any) -> Callable[[int], Message]:
    """A list that is asked for so."""
    return lambda at: pb.ListRecordsRequest(connection_id=at, filter=where, **parts)


def updating(*mask: str, **parts: Any) -> Callable[[int], Message]:
    """An update of record 1."""
    paths = FieldMask(paths=mask) if mask else None
    return lambda at: pb.UpdateRecordRequest(**{"connection_id": at, "record_id": "1", "update_mask": paths, **parts})


def creating(**parts: Any) -> Callable[[int], Message]:
    """A create of a record that is good but for these parts."""
    return lambda at: pb.CreateRecordRequest(**{"connection_id": at, "record": record_of({"must": "x"}), **parts})


def deep(levels: int) -> pb.Filter:
    """A filter of so many levels."""
    made = compared("text", pb.OP_IS_NULL)
    for _ in range(levels - 1):
        made = no(made)
    return made


def with_op(op: int, value: Any = ...) -> pb.Filter:
    """A comparison of `text` with an operator of any number."""
    return compared("text", op, value)  # type: ignore[arg-type]  # no such number: the point


FILTERS: list[tuple[pb.Filter, str, str, str]] = [
    (pb.Filter(), "filter", "is required", "Filtro vazio"),
    (all_of(), "filter.and.filters", "must not be empty", "O grupo de filtros está vazio"),
    (any_of(), "filter.or.filters", "must not be empty", "O grupo de filtros está vazio"),
    (no(pb.Filter()), "filter.not", "is required", "Filtro vazio"),
    (deep(17), "filter" + ".not" * 16, "at most 16 levels", "no máximo 16 níveis"),
    (deep(40), "filter" + ".not" * 16, "at most 16 levels", "no máximo 16 níveis"),
    (any_of(*[compared("text", pb.OP_IS_NULL)] * 200), "filter", "at most 200 nodes", "no máximo 200 nós"),
    (all_of(*[any_of(*[deep(2)] * 20)] * 10), "filter", "at most 200 nodes", "no máximo 200 nós"),
    (pb.Filter(comparison=pb.Comparison()), "filter.comparison.field", "is required", "campo do filtro é obrigatório"),
    (pb.Filter(comparison=pb.Comparison()), "filter.comparison.op", "is required", "operador do filtro é obrigatório"),
    (with_op(99, "x"), "filter.comparison.op", "99 is not one of", "99 não é um valor permitido"),
    (with_op(-1, "x"), "filter.comparison.op", "-1 is not one of", "-1 não é um valor permitido"),
    (with_op(pb.OP_EQ), "filter.comparison.value", "is required", "valor do filtro é obrigatório"),
    (with_op(pb.OP_IS_NULL, "x"), "filter.comparison.value", "takes none", "não recebe valor"),
    (with_op(pb.OP_IN, []), "filter.comparison.value", "list of 1 to 1000", "lista de 1 a 1000"),
    (with_op(pb.OP_IN, "x"), "filter.comparison.value", "list of 1 to 1000", "lista de 1 a 1000"),
    (with_op(pb.OP_IN, ["x"] * 1001), "filter.comparison.value", "list of 1 to 1000", "lista de 1 a 1000"),
    (with_op(pb.OP_IN, ["x", None]), "filter.comparison.value", "must not be null", "não pode ser nulo"),
    (with_op(pb.OP_BETWEEN, ["a"]), "filter.comparison.value", "list of two", "lista com dois valores"),
    (with_op(pb.OP_BETWEEN, ["a", "b", "c"]), "filter.comparison.value", "list of two", "lista com dois valores"),
    (with_op(pb.OP_GT, None), "filter.comparison.value", "must not be null", "não pode ser nulo"),
    (with_op(pb.OP_EQ, "a\0b"), "filter.comparison.value", "U+0000", "U+0000"),
    (with_op(pb.OP_CONTAINS, 5), "filter.comparison.value", "must be text", "deve ser texto"),
    (with_op(pb.OP_CONTAINS, "x" * 1001), "filter.comparison.value", "at most 1000", "no máximo 1000"),
    (compared("whole", pb.OP_CONTAINS, "1"), "filter.comparison.op", "does not fit", "não se aplica"),
    (compared("json", pb.OP_EQ, {}), "filter.comparison.op", "does not fit", "não se aplica"),
    (compared("owner", pb.OP_EQ, "token-of-ana"), "filter.comparison.field", "is not a field", "não encontrado"),
    (compared(SQL, pb.OP_EQ, "x"), "filter.comparison.field", "is not a field", "não encontrado na tabela"),
    (compared("1=1 OR text", pb.OP_EQ, "x"), "filter.comparison.field", "is not a field", "não encontrado na tabela"),
    (compared("rowid", pb.OP_EQ, 1), "filter.comparison.field", "is not a field", "não encontrado na tabela"),
    (compared("TEXT", pb.OP_EQ, "x"), "filter.comparison.field", "is not a field", "não encontrado na tabela"),
    (
        all_of(compared("text", pb.OP_EQ, "x"), any_of(compared("nothing", pb.OP_EQ, 1))),
        "filter.and.filters[1].or.filters[0].comparison.field",
        "is not a field",
        "não encontrado na tabela",
    ),
]

CASES: list[Bad] = [
    *(
        Bad(lambda _, kind=kind: kind(), "connection_id", "is required", "connection_id é obrigatório")  # type: ignore[misc]  # mypy cannot tell a lambda's default
        for kind in (
            *(pb.ListRecordsRequest, pb.GetRecordRequest, pb.CreateRecordRequest, pb.UpdateRecordRequest),
            *(pb.DeleteRecordRequest, pb.CountRecordsRequest, pb.BatchCreateRecordsRequest, pb.ExportRecordsRequest),
            *(pb.BatchUpdateRecordsRequest, pb.BatchDeleteRecordsRequest, pb.ImportRecordsRequest),
            pb.DescribeTableRequest,
        )
    ),
    *(
        Bad(lambda at, kind=kind: kind(connection_id=at), "record_id", "is required", "record_id é obrigatório")  # type: ignore[misc]  # mypy cannot tell a lambda's default
        for kind in (pb.GetRecordRequest, pb.UpdateRecordRequest, pb.DeleteRecordRequest)
    ),
    *(
        Bad(
            lambda at, identifier=identifier, kind=kind: kind(connection_id=at, record_id=identifier),  # type: ignore[misc]  # mypy cannot tell a lambda's default
            "",
            "There is no such record",
            "Registro não encontrado",
            StatusCode.NOT_FOUND,
        )
        for kind in (pb.GetRecordRequest, pb.DeleteRecordRequest)
        for identifier in (
            "2",
            "99",
            "-1",
            "x",
            "1 OR 1=1",
            SQL,
            "..%2F",
            "\0",
            "1\0",
            "é",
            "~",
            "~x",
            LONG,
            "1.0",
            " 1",
        )
    ),
    *(
        Bad(
            lambda at, user=user, kind=kind: kind(connection_id=at, as_user=user),  # type: ignore[misc]  # mypy cannot tell a lambda's default
            "",
            "Only the administrator may act as a user",
            "Somente o administrador pode agir como um usuário",
            StatusCode.PERMISSION_DENIED,
        )
        for kind in (pb.ListRecordsRequest, pb.CountRecordsRequest, pb.ExportRecordsRequest, pb.DescribeTableRequest)
        for user in ("token-of-bruno", "token-of-ana", "x", SQL)
    ),
    Bad(listing(page_size=-1), "page_size", "negative", "não pode ser negativo"),
    Bad(listing(page_size=-(2**31)), "page_size", "negative", "não pode ser negativo"),
    Bad(listing(format=9), "format", "9 is not one of", "9 não é um valor permitido"),
    *(Bad(listing(page_token=token), "page_token", "start without", "recomece") for token in ("x", SQL, "\0", LONG)),
    *(
        Bad(listing(order_by=order), "order_by", "order_by", "")
        for order in (
            "nothing",
            "owner",
            "json",
            "id, id",
            "id sideways",
            "id,",
            ",",
            "id; --",
            '"id',
            SQL,
            "id\0",
            LONG,
        )
    ),
    Bad(listing(fields=["id", "nothing"]), "fields[1]", "is not a field", "não encontrado na tabela"),
    Bad(listing(fields=["owner"]), "fields[0]", "is not a field", "Campo 'owner' não encontrado na tabela"),
    Bad(listing(fields=["*"]), "fields[0]", "is not a field", "não encontrado na tabela"),
    Bad(listing(search="x" * 1001), "search", "at most 1000", "Busca deve ter no máximo 1000 caracteres"),
    Bad(listing(search="a\0"), "search", "U+0000", "U+0000"),
    *(Bad(listing(where), field, en, pt) for where, field, en, pt in FILTERS),
    *(
        Bad(lambda at, where=where: pb.CountRecordsRequest(connection_id=at, filter=where), field, en, pt)  # type: ignore[misc]  # mypy cannot tell a lambda's default
        for where, field, en, pt in FILTERS
    ),
    *(
        Bad(lambda at, where=where: pb.ExportRecordsRequest(connection_id=at, filter=where), field, en, pt)  # type: ignore[misc]  # mypy cannot tell a lambda's default
        for where, field, en, pt in FILTERS[:8]
    ),
    Bad(lambda at: pb.CountRecordsRequest(connection_id=at, search="\0"), "search", "U+0000", "U+0000"),
    Bad(lambda at: pb.ExportRecordsRequest(connection_id=at, format=9), "format", "9 is not", "9 não é"),  # type: ignore[arg-type]  # no such number: the point
    Bad(lambda at: pb.ExportRecordsRequest(connection_id=at, resume_token="x"), "resume_token", "start", "recomece"),
    Bad(lambda at: pb.ExportRecordsRequest(connection_id=at, fields=["x"]), "fields[0]", "is not a field", "não enc"),
    Bad(lambda at: pb.ImportRecordsRequest(connection_id=at, format=9), "format", "9 is not", "9 não é"),  # type: ignore[arg-type]  # no such number: the point
    Bad(lambda at: pb.ImportRecordsRequest(connection_id=at, on_error=9), "on_error", "9 is not", "9 não é"),  # type: ignore[arg-type]  # no such number: the point
    Bad(lambda at: pb.ImportRecordsRequest(connection_id=at, request_id="x"), "request_id", "a UUID", "um UUID"),
    Bad(lambda at: pb.GetRecordRequest(connection_id=at, record_id="1", fields=["x"]), "fields[0]", "not a", "não enc"),
    Bad(creating(request_id="x"), "request_id", "must be a UUID", "deve ser um UUID"),
    Bad(creating(record=pb.Record()), "record.fields.must", "is required", "Campo 'must' é obrigatório"),
    Bad(
        creating(record=record_of({"must": "x", "nothing": 1})),
        "record.fields.nothing",
        "not a field",
        "não encontrado",
    ),
    Bad(
        creating(record=record_of({"must": "x", "owner": "me"})), "record.fields.owner", "not a field", "não encontrado"
    ),
    Bad(creating(record=record_of({"must": "x", SQL: 1})), f"record.fields.{SQL}", "not a field", "não encontrado"),
    Bad(creating(record=pb.Record(id="1", fields=record_of({"must": "x"}).fields)), "record.id", "empty", "vazio"),
    Bad(creating(record=pb.Record(etag="1", fields=record_of({"must": "x"}).fields)), "record.etag", "empty", "vazio"),
    Bad(updating(), "record.fields", "at least one field", "Informe ao menos um campo"),
    Bad(updating(record=record_of({"nothing": 1})), "record.fields.nothing", "not a field", "não encontrado"),
    Bad(updating(record=record_of({"owner": "x"})), "record.fields.owner", "not a field", "não encontrado"),
    Bad(
        updating(record=pb.Record(id="3", fields=record_of({"text": "x"}).fields)), "record_id", "not the one", "difere"
    ),
    Bad(
        updating(etag="a", record=pb.Record(etag="b", fields=record_of({"text": "x"}).fields)),
        "etag",
        "is not the one within record",
        "etag difere do informado em record",
    ),
    *(
        Bad(
            updating(path, record=record_of({"text": "x"})), "update_mask", "is not a field", "não encontrado na tabela"
        )
        for path in ("nothing", "owner", "", "fields", "text.x", "record.text", SQL, LONG)
    ),
    Bad(updating("text", "*", record=record_of({"text": "x"})), "update_mask", "'*' is not", "'*' não encontrado"),
    *(
        Bad(lambda at, kind=kind: kind(connection_id=at), field, "is required", "Informe ao menos um registro")  # type: ignore[misc]  # mypy cannot tell a lambda's default
        for kind, field in (
            (pb.BatchCreateRecordsRequest, "records"),
            (pb.BatchUpdateRecordsRequest, "records"),
            (pb.BatchDeleteRecordsRequest, "record_ids"),
        )
    ),
    Bad(
        lambda at: pb.BatchCreateRecordsRequest(connection_id=at, records=[record_of({"must": "x"})] * 1001),
        "records",
        "at most 1000",
        "no máximo 1000",
    ),
    Bad(
        lambda at: pb.BatchUpdateRecordsRequest(connection_id=at, records=[pb.Record(id="1")] * 1001),
        "records",
        "at most 1000",
        "no máximo 1000",
    ),
    Bad(
        lambda at: pb.BatchDeleteRecordsRequest(connection_id=at, record_ids=[str(each) for each in range(1001)]),
        "record_ids",
        "at most 1000",
        "no máximo 1000",
    ),
    Bad(
        lambda at: pb.BatchCreateRecordsRequest(connection_id=at, records=[record_of({"must": "x"})], request_id="no"),
        "request_id",
        "must be a UUID",
        "deve ser um UUID",
    ),
    Bad(
        lambda at: pb.BatchUpdateRecordsRequest(connection_id=at, records=[record_of({"text": "x"})]),
        "records[0].id",
        "is required",
        "records[0].id é obrigatório",
    ),
]
