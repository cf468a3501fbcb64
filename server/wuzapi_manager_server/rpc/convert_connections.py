"""Between the messages of ConnectionService and the product's own words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from google.protobuf.field_mask_pb2 import FieldMask

from wuzapi_manager.v1 import connection_pb2 as pb
from wuzapi_manager_server.domain.connection import (
    Airtable,
    Connection,
    ConnectionStatus,
    Mysql,
    Nocodb,
    Postgresql,
    Sharing,
    Source,
    Sqlite,
    SqlServer,
    TlsMode,
    UserLinkValue,
)
from wuzapi_manager_server.domain.connection_rules import SUMMARY, violations_of
from wuzapi_manager_server.domain.table import Step
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.call import DEFAULT_LANGUAGE, Language, in_language
from wuzapi_manager_server.rpc.convert_common import (
    choice_from,
    dict_from,
    duration_to,
    mapping_from,
    mapping_to,
    timestamp_to,
)

_OUTPUT_ONLY = frozenset({"id", "type", "etag", "create_time", "update_time", "delete_time", "last_test"})
_KINDS = "sqlite, nocodb, mysql, postgresql, airtable"
_SOURCES = frozenset(_KINDS.split(", "))
_SECRETS = {"nocodb": "token", "mysql": "password", "postgresql": "password", "airtable": "api_key"}
_PLACEHOLDER = Sqlite(database="-", table_name="-")


def connection_from(message: pb.Connection) -> tuple[Connection, list[Violation]]:
    """A connection from its message, and what the message alone shows to be wrong (paths within the message).

    Output-only fields are passed over. The rules of the domain are not judged here.
    """
    violations: list[Violation] = []
    link = choice_from(
        message.user_link_value, pb.UserLinkValue.DESCRIPTOR, UserLinkValue, "user_link_value", violations
    )
    connection = Connection(
        name=message.name,
        source=_source_from(message, violations),
        status=choice_from(message.status, pb.ConnectionStatus.DESCRIPTOR, ConnectionStatus, "status", violations)
        or ConnectionStatus.INACTIVE,
        assigned_users=tuple(dict.fromkeys(message.assigned_users)),
        user_link_field=message.user_link_field,
        user_link_value=link or UserLinkValue.TOKEN,
        row_scope=choice_from(message.row_scope, pb.RowScope.DESCRIPTOR, Sharing, "row_scope", violations)
        or Sharing.USER,
        field_mappings=tuple(mapping_from(mapping) for mapping in message.field_mappings),
        view_configuration=dict_from(message.view_configuration),
    )
    return connection, violations


def checked_connection(message: pb.Connection) -> Connection:
    """A valid connection from its message. InvalidInput with every violation, below `connection`."""
    return checked_connections([message], lambda _at: "connection")[0]


def checked_connections(messages: Sequence[pb.Connection], path: Callable[[int], str]) -> list[Connection]:
    """Valid connections from their messages. InvalidInput with every violation of all, each below its `path`."""
    connections: list[Connection] = []
    violations: list[Violation] = []
    for at, message in enumerate(messages):
        connection, found = connection_from(message)
        violations.extend(v.below(path(at)) for v in (*violations_of(connection), *found))
        connections.append(connection)
    if violations:
        raise InvalidInput(violations, summary=SUMMARY)
    return connections


def merged(current: Connection, message: pb.Connection, mask: FieldMask) -> Connection:
    """The current connection with the fields of the message that the mask names. InvalidInput with every violation.

    Without a mask the populated fields count. A secret stays unless it is given, or named by the mask itself.
    """
    result = connection_to(current)
    paths = list(mask.paths) or list(_populated(message, result))
    bad = _bad_paths(message, paths) if mask.paths else {}
    paths = [path for path in paths if path not in bad]
    if not paths and not bad:
        text = Text("must set at least one field", "Informe ao menos um campo para alterar")
        raise InvalidInput([Violation("connection", text, missing=True)], summary=SUMMARY)
    if paths == ["*"]:
        result = message
    else:
        FieldMask(paths=paths).MergeMessage(_with_parents(message, paths), result, True, True)
    connection, violations = connection_from(result)
    source = connection.source
    kind = source.type.value.lower()
    named = f"{kind}.{_SECRETS.get(kind)}" in paths
    if not isinstance(source, Sqlite) and not source.secret and source.type is current.source.type and not named:
        source = replace(source, has_secret=current.source.has_secret)
    whole = replace(connection, source=source)
    if whole.tested == current.tested:
        whole = replace(whole, last_test=current.last_test)
    violations = [*bad.values(), *(v.below("connection") for v in (*violations_of(whole), *violations))]
    if violations:
        raise InvalidInput(violations, summary=SUMMARY)
    return replace(
        whole,
        id=current.id,
        version=current.version,
        create_time=current.create_time,
        update_time=current.update_time,
    )


def connection_to(connection: Connection, language: Language = DEFAULT_LANGUAGE) -> pb.Connection:
    """A connection as an administrator sees it: whole, but for secrets. Its last test is told in that language."""
    message = pb.Connection(
        id=connection.id,
        name=connection.name,
        type=pb.ConnectionType.Value(f"CONNECTION_TYPE_{connection.source.type.value}"),
        status=pb.ConnectionStatus.Value(f"CONNECTION_STATUS_{connection.status.value}"),
        assigned_users=connection.assigned_users,
        user_link_field=connection.user_link_field,
        user_link_value=pb.UserLinkValue.Value(f"USER_LINK_VALUE_{connection.user_link_value.value}"),
        row_scope=pb.RowScope.Value(f"ROW_SCOPE_{connection.row_scope.value}"),
        field_mappings=[mapping_to(mapping) for mapping in connection.field_mappings],
        etag=connection.etag if connection.id else "",
        create_time=timestamp_to(connection.create_time),
        update_time=timestamp_to(connection.update_time),
        delete_time=timestamp_to(connection.delete_time),
    )
    _source_to(connection.source, message)
    if connection.view_configuration:
        message.view_configuration.update(connection.view_configuration)
    test = connection.last_test
    if test is not None:
        message.last_test.test_time.FromDatetime(test.time)
        message.last_test.ok = test.ok
        message.last_test.steps.extend(step_to(step, language) for step in test.steps)
    return message


def step_to(step: Step, language: Language) -> pb.TestStep:
    """A step of a test as its message."""
    return pb.TestStep(
        name=step.name,
        ok=step.ok,
        duration=duration_to(step.duration),
        message=in_language(step.message, language),
        suggestion=in_language(step.suggestion, language),
        fault=pb.TestFault.Value(f"TEST_FAULT_{step.fault.value if step.fault else 'UNSPECIFIED'}"),
    )


def user_view_to(connection: Connection) -> pb.Connection:
    """A connection as its users see it: what is listed here and nothing else."""
    message = pb.Connection(
        id=connection.id,
        name=connection.name,
        type=pb.ConnectionType.Value(f"CONNECTION_TYPE_{connection.source.type.value}"),
        status=pb.ConnectionStatus.Value(f"CONNECTION_STATUS_{connection.status.value}"),
        row_scope=pb.RowScope.Value(f"ROW_SCOPE_{connection.row_scope.value}"),
        field_mappings=[mapping_to(mapping) for mapping in connection.field_mappings if mapping.visible],
        create_time=timestamp_to(connection.create_time),
        update_time=timestamp_to(connection.update_time),
    )
    if connection.view_configuration:
        message.view_configuration.update(connection.view_configuration)
    return message


def _source_from(message: pb.Connection, violations: list[Violation]) -> Source:
    kind = message.WhichOneof("source")
    if kind is None:
        violations.append(
            Violation(
                "source",
                Text(f"one of {_KINDS} is required", "Tipo de conexão inválido"),
                missing=True,
            )
        )
        return _PLACEHOLDER
    if kind == "sqlite":
        return Sqlite(message.sqlite.database, message.sqlite.table_name)
    if kind == "nocodb":
        nocodb = message.nocodb
        return Nocodb(nocodb.host, nocodb.project_id, nocodb.table_id, secret=nocodb.token)
    if kind == "airtable":
        airtable = message.airtable
        return Airtable(airtable.base_url, airtable.base_id, airtable.table_id, secret=airtable.api_key)
    server: pb.MysqlSource | pb.PostgresqlSource = message.mysql if kind == "mysql" else message.postgresql
    return (Mysql if kind == "mysql" else Postgresql)(
        server.host,
        server.port,
        server.database,
        server.username,
        server.table_name,
        server.schema,
        choice_from(server.tls_mode, pb.TlsMode.DESCRIPTOR, TlsMode, f"{kind}.tls_mode", violations) or TlsMode.PREFER,
        secret=server.password,
    )


def _source_to(source: Source, message: pb.Connection) -> None:
    if isinstance(source, Sqlite):
        message.sqlite.database, message.sqlite.table_name = source.database, source.table_name
    elif isinstance(source, Nocodb):
        message.nocodb.CopyFrom(
            pb.NocodbSource(
                host=source.host,
                has_token=_has_secret(source),
                project_id=source.project_id,
                table_id=source.table_id,
            )
        )
    elif isinstance(source, Airtable):
        message.airtable.CopyFrom(
            pb.AirtableSource(
                base_url=source.base_url,
                base_id=source.base_id,
                has_api_key=_has_secret(source),
                table_id=source.table_id,
            )
        )
    else:
        target = message.mysql if isinstance(source, Mysql) else message.postgresql
        target.host, target.port, target.database = source.host, source.port, source.database
        target.username, target.has_password = source.username, _has_secret(source)
        target.table_name, target.schema = source.table_name, source.schema
        target.tls_mode = pb.TlsMode.Value(f"TLS_MODE_{source.tls_mode.value}")


def _has_secret(source: Nocodb | SqlServer | Airtable) -> bool:
    return source.has_secret or bool(source.secret)


def _populated(message: pb.Connection, current: pb.Connection) -> Iterator[str]:
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name in _OUTPUT_ONLY:
            continue
        if name in _SOURCES and current.WhichOneof("source") == name:
            yield from (f"{name}.{inner.name}" for inner, _ in value.ListFields() if not inner.name.startswith("has_"))
        else:
            yield name


def _with_parents(message: pb.Connection, paths: Sequence[str]) -> pb.Connection:
    """The message with the source that a path leads into: a mask that names what is not given clears it."""
    source = next((path.partition(".")[0] for path in paths if "." in path), "")
    if not source or source == message.WhichOneof("source"):
        return message
    whole = pb.Connection()
    whole.CopyFrom(message)
    getattr(whole, source).SetInParent()
    return whole


def _bad_paths(message: pb.Connection, paths: Sequence[str]) -> dict[str, Violation]:
    """The paths of a mask that cannot be set, or that name a source of which the message holds nothing."""
    bad: dict[str, Violation] = {}
    given = message.WhichOneof("source")
    sources = dict.fromkeys(
        head for head, dot, _ in (path.partition(".") for path in paths) if dot and head in _SOURCES
    )
    for path in paths:
        if not _settable(path, alone=len(paths) == 1):
            shown = path[:100]
            text = Text(f"{shown!r} cannot be set", f"O campo '{shown}' não pode ser alterado")
            bad[path] = Violation("update_mask", text)
        elif "." in path and len(sources) > 1:
            names = ", ".join(sources)
            text = Text(
                f"leads into more than one source ({names}); a connection has one",
                f"update_mask indica mais de uma fonte ({names}); uma conexão tem uma só",
            )
            bad[path] = Violation("update_mask", text)
        elif path in _SOURCES and given not in paths:
            text = Text(
                f"one of {_KINDS} is required: set connection.{path}, or leave it out of update_mask",
                f"Tipo de conexão inválido: preencha connection.{path} ou retire-o de update_mask",
            )
            bad[path] = Violation("connection.source", text, missing=True)
    return bad


def _settable(path: str, *, alone: bool) -> bool:
    if path == "*":
        return alone
    head, dot, rest = path.partition(".")
    fields: Mapping[str, object] = pb.Connection.DESCRIPTOR.fields_by_name
    if head not in fields or head in _OUTPUT_ONLY:
        return False
    if not dot:
        return True
    inner = pb.Connection.DESCRIPTOR.fields_by_name[head].message_type
    return inner is not None and head in _SOURCES and rest in inner.fields_by_name and not rest.startswith("has_")
