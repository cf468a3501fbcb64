"""When a connection is valid. Every violation is told at once, with the texts that the product's users know."""

import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from wuzapi_manager_server.domain.characters import is_plain
from wuzapi_manager_server.domain.connection import (
    Airtable,
    Connection,
    Nocodb,
    Sharing,
    Source,
    Sqlite,
    SqlServer,
    UserLinkValue,
)
from wuzapi_manager_server.domain.hosts import Disguised, NoHost, read_host
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.errors import Text, Violation

MAX_NAME = 255
MAX_USERS = 10_000
MAX_MAPPINGS = 500
MAX_MAPPING_BYTES = 512 * 1024
"""Of all texts of all mappings: they go with every list."""

MAX_VIEW_BYTES = 64 * 1024
MAX_PATH = 1_024
MAX_SECRET = 4_096
MAX_PORT = 65_535

SUMMARY = Text("Invalid connection", "Dados de conexão inválidos")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_HOST_AND_PORT = re.compile(r"[^:]*:\d*|\[.*\]:\d*")  # an IPv6 address alone has two colons at least
_MASKED = re.compile(r"[*•]{3,}")


class _Label(NamedTuple):
    """What a field is called, and how its Portuguese adjectives end."""

    en: str
    pt: str
    ending: str = "o"


def violations_of(connection: Connection) -> Iterator[Violation]:
    """Every violation, by its path in the `Connection` message."""
    name = connection.name
    if not name.strip():
        yield _missing("name", "Connection name is required", "Nome da conexão é obrigatório")
    elif len(name) > MAX_NAME or not is_plain(name):
        yield _bad(
            "name",
            f"must be 1 to {MAX_NAME} printable characters",
            f"Nome deve ter de 1 a {MAX_NAME} caracteres, sem caracteres de controle",
        )
    yield from _source(connection.source)
    yield from users_violations(connection.assigned_users, "assigned_users", MAX_USERS)
    yield from _link(connection)
    yield from _mappings(connection)
    if len(json.dumps(connection.view_configuration, ensure_ascii=False).encode()) > MAX_VIEW_BYTES:
        yield _bad("view_configuration", "must be at most 64 KiB", "view_configuration deve ter no máximo 64 KiB")


def users_violations(users: tuple[str, ...], path: str, most: int) -> Iterator[Violation]:
    """What is wrong with WUZAPI ids or tokens in the field `path`."""
    if len(users) > most:
        yield _bad(path, f"must be at most {most} users", f"São permitidos no máximo {most} usuários")
    for at, user in enumerate(users[:most]):
        if not (0 < len(user) <= 256 and user.isprintable() and not any(map(str.isspace, user))):  # noqa: PLR2004 - a token's length
            yield _bad(
                f"{path}[{at}]",
                "must be a WUZAPI user id or token: 1 to 256 characters without white space",
                "Usuário deve ser um id ou token do WUZAPI: 1 a 256 caracteres sem espaços",
            )


def _source(source: Source) -> Iterator[Violation]:
    path = source.type.value.lower()
    if isinstance(source, Sqlite):
        yield from _text(f"{path}.database", source.database, _Label("Database file", "Arquivo do banco"), MAX_PATH)
        yield from _text(f"{path}.table_name", source.table_name, _Label("Table name", "Nome da tabela"))
    elif isinstance(source, SqlServer):
        yield from _sql_server(path, source)
    elif isinstance(source, Nocodb):
        yield from _url(f"{path}.host", source.host, required=True)
        yield from _secret(f"{path}.token", source, _Label("NocoDB token", "Token NocoDB"), required=True)
        yield from _id(f"{path}.project_id", source.project_id, _Label("NocoDB project id", "ID do projeto NocoDB"))
        yield from _id(f"{path}.table_id", source.table_id, _Label("NocoDB table id", "ID da tabela NocoDB"))
    else:
        yield from _airtable(path, source)


def _airtable(path: str, source: Airtable) -> Iterator[Violation]:
    yield from _url(f"{path}.base_url", source.base_url, required=False)
    yield from _id(f"{path}.base_id", source.base_id, _Label("Airtable base id", "ID da base Airtable"))
    yield from _secret(f"{path}.api_key", source, _Label("Airtable token", "Token Airtable"), required=True)
    yield from _text(f"{path}.table_id", source.table_id, _Label("Airtable table", "Tabela Airtable", "a"))


def _sql_server(path: str, source: SqlServer) -> Iterator[Violation]:
    yield from _text(f"{path}.host", source.host, _Label("Host", "Host"))
    if any(char in "/@," or char.isspace() for char in source.host):
        yield _bad(f"{path}.host", "must be a name or an address alone", "Host deve ser apenas um nome ou endereço")
    elif _HOST_AND_PORT.fullmatch(source.host):
        yield _bad(f"{path}.host", "must not have a port: that goes in port", "Informe a porta em port, não em host")
    elif source.host and (refusal := _not_a_host(source.host)) is not None:
        yield Violation(f"{path}.host", refusal)
    if not 0 <= source.port <= MAX_PORT:
        yield _bad(f"{path}.port", f"must be 0 to {MAX_PORT}", f"Porta deve estar entre 0 e {MAX_PORT}")
    yield from _text(f"{path}.database", source.database, _Label("Database", "Nome do banco"))
    yield from _text(f"{path}.username", source.username, _Label("Username", "Usuário"))
    yield from _secret(f"{path}.password", source, _Label("Password", "Senha", "a"), required=False)
    yield from _text(f"{path}.table_name", source.table_name, _Label("Table name", "Nome da tabela"))
    yield from _text(f"{path}.schema", source.schema, _Label("Schema", "Schema"), required=False)


def _link(connection: Connection) -> Iterator[Violation]:
    field = connection.user_link_field
    if connection.row_scope is Sharing.USER and not field:
        yield _missing(
            "user_link_field",
            "is required while row_scope is USER: the column that says whose a row is",
            "user_link_field é obrigatório: a coluna que identifica o dono da linha",
        )
    yield from _text("user_link_field", field, _Label("Link field", "Campo de vínculo"), required=False)
    for at, mapping in enumerate(connection.field_mappings):
        if mapping.column == field and field and connection.user_link_value is UserLinkValue.TOKEN:
            yield _bad(
                f"field_mappings[{at}].column",
                "is the link field, which holds tokens and never leaves",
                "O campo de vínculo contém tokens e nunca é exibido",
            )


def _mappings(connection: Connection) -> Iterator[Violation]:
    mappings = connection.field_mappings
    if len(mappings) > MAX_MAPPINGS:
        yield _bad(
            "field_mappings", f"must be at most {MAX_MAPPINGS}", f"São permitidos no máximo {MAX_MAPPINGS} mapeamentos"
        )
    if sum(map(_bytes_of, mappings)) > MAX_MAPPING_BYTES:
        yield _bad(
            "field_mappings",
            f"must be at most {MAX_MAPPING_BYTES // 1024} KiB in all",
            f"field_mappings deve ter no máximo {MAX_MAPPING_BYTES // 1024} KiB no total",
        )
    fields: set[str] = set()
    columns: set[str] = set()
    for at, mapping in enumerate(mappings[:MAX_MAPPINGS]):
        path = f"field_mappings[{at}]"
        yield from _mapping(path, mapping)
        for part, seen, value in (("field", fields, mapping.field), ("column", columns, mapping.column)):
            if value in seen:
                yield _bad(
                    f"{path}.{part}", f"{value[:100]!r} is mapped twice", f"'{value[:100]}' foi mapeado duas vezes"
                )
            seen.add(value)


def _bytes_of(mapping: FieldMapping) -> int:
    validation = mapping.validation
    texts = (mapping.field, mapping.column, mapping.label, mapping.type, mapping.helper_text, validation.pattern)
    return sum(len(text.encode("utf-8", "replace")) for text in (*texts, *validation.options))


def _mapping(path: str, mapping: FieldMapping) -> Iterator[Violation]:
    yield from _text(f"{path}.field", mapping.field, _Label("Field", "Campo"))
    yield from _text(f"{path}.column", mapping.column, _Label("Column", "Coluna", "a"))
    for part, value in (("label", mapping.label), ("type", mapping.type), ("helper_text", mapping.helper_text)):
        if len(value) > MAX_PATH or "\0" in value:
            yield _bad(
                f"{path}.{part}",
                f"must be at most {MAX_PATH} characters without U+0000",
                f"{part} deve ter no máximo {MAX_PATH} caracteres, sem U+0000",
            )
    if mapping.required and not (mapping.editable and mapping.visible):
        yield _bad(
            f"{path}.required",
            "cannot hold for a field that is hidden or not editable",
            "Um campo oculto ou não editável não pode ser obrigatório",
        )
    for violation in mapping.validation.violations():
        yield violation.below(f"{path}.validation")


def _text(path: str, value: str, label: _Label, most: int = MAX_NAME, *, required: bool = True) -> Iterator[Violation]:
    if not value.strip() and required:
        yield _required(path, label)
    elif value and not value.strip():
        yield _bad(path, "must not be blank", f"{label.pt} não pode ter apenas espaços")
    elif len(value) > most or not is_plain(value.replace("\t", "").replace("\n", "")):
        yield _bad(
            path,
            f"must be 1 to {most} printable characters",
            f"{label.pt} deve ter de 1 a {most} caracteres, sem caracteres de controle",
        )


def _required(path: str, label: _Label) -> Violation:
    return _missing(path, f"{label.en} is required", f"{label.pt} é obrigatóri{label.ending}")


def _id(path: str, value: str, label: _Label) -> Iterator[Violation]:
    if not value:
        yield _required(path, label)
    elif not _ID.fullmatch(value):
        yield _bad(path, "must be letters, digits, _ and - alone", f"{label.pt} deve ter apenas letras, dígitos, _ e -")


def _secret(path: str, source: Nocodb | SqlServer | Airtable, label: _Label, *, required: bool) -> Iterator[Violation]:
    if required and not source.secret and not source.has_secret:
        yield _required(path, label)
    elif _MASKED.fullmatch(source.secret):
        # A mask that a user interface shows in place of the secret must not overwrite it.
        yield _bad(
            path,
            "is a mask; leave it out to keep the secret",
            f"{label.pt} está mascarad{label.ending}; não informe para manter o valor atual",
        )
    elif len(source.secret) > MAX_SECRET or not is_plain(source.secret):
        yield _bad(
            path,
            f"must be at most {MAX_SECRET} printable characters",
            f"{label.pt} deve ter no máximo {MAX_SECRET} caracteres, sem caracteres de controle",
        )


def _url(path: str, value: str, *, required: bool) -> Iterator[Violation]:
    if not value:
        if required:
            yield _missing(path, "URL is required", "URL é obrigatória")
        return
    if not is_web_url(value) or "@" in urlsplit(value).netloc or "?" in value or "#" in value:
        yield _bad(
            path,
            "must be an http or https URL without user, query or fragment",
            "URL deve ser http ou https, sem usuário, consulta ou fragmento",
        )


def is_web_url(text: str) -> bool:
    """Whether it is an http or https URL with a host, of at most 2,048 printable characters without white space."""
    if len(text) > 2_048 or not text.isprintable() or any(char in '\\<>"' or char.isspace() for char in text):  # noqa: PLR2004 - what browsers take
        return False
    try:
        parts = urlsplit(text)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and port_fits and _not_a_host(parts.hostname or "") is None


def _not_a_host(text: str) -> Text | None:
    """Why it is none; what looks like an address is judged by whoever allows addresses."""
    try:
        read_host(text)
    except Disguised:
        return None
    except NoHost as error:
        return error.text
    return None


def _missing(path: str, en: str, pt: str) -> Violation:
    return Violation(path, Text(en, pt), missing=True)


def _bad(path: str, en: str, pt: str) -> Violation:
    return Violation(path, Text(en, pt))
