"""The fields of a table as one caller may see and write them, and the only way from fields to columns and back."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from wuzapi_manager_server.domain.connection import Connection
from wuzapi_manager_server.domain.filter import And, Comparison, Filter, Not, Op, Or
from wuzapi_manager_server.domain.mapping import FieldMapping
from wuzapi_manager_server.domain.row_scope import RowScope, secret_columns
from wuzapi_manager_server.domain.table import Cell, Column, ColumnType, Json, Table
from wuzapi_manager_server.domain.values import Refused, checked_text, to_cell, to_json
from wuzapi_manager_server.errors import InvalidInput, QueryFailed, Text, Violation

MAX_SEARCH = 1_000
OWNERLESS = Violation(
    "as_user", Text("is required: whose row is it?", "as_user é obrigatório: de quem é a linha?"), missing=True
)
"""Nobody said whose row a new one is."""
_QUOTED = re.compile(r'"((?:[^"]++|"")++)"')
_WITH_TEXT = frozenset({ColumnType.TEXT, ColumnType.OTHER})
_WITHOUT_ORDER = frozenset({ColumnType.JSON, ColumnType.ARRAY})
_OF_TEXT = frozenset({Op.CONTAINS, Op.STARTS_WITH})
_OF_NULL = frozenset({Op.IS_NULL, Op.IS_NOT_NULL})


class Field(NamedTuple):
    """A column under the name that callers use. `stampable`: a create by the administrator may set it, no update."""

    name: str
    column: Column
    mapping: FieldMapping | None
    writable: bool
    stampable: bool = False


class Order(NamedTuple):
    """A field to sort by, as its column."""

    column: str
    descending: bool


@dataclass(frozen=True, eq=False)
class Fields:
    """The fields that a caller sees of a table, in the order of the mappings or of the table."""

    table: Table
    all: tuple[Field, ...]
    link_column: str
    by_name: Mapping[str, Field]
    secret: frozenset[str]
    """The columns that nobody sees (`row_scope.secret_columns`)."""

    @classmethod
    def of(cls, table: Table, connection: Connection, scope: RowScope) -> "Fields":
        """The fields of a connection's table. QueryFailed where a mapped column does not exist."""
        link = connection.user_link_field
        secret = secret_columns(connection, table)
        writable = not table.capabilities.read_only_reason
        fields = []
        for column, mapping in _mapped(table, connection):
            if column.name in secret or (mapping and not mapping.visible):
                continue
            may_write = writable and not column.read_only and (mapping is None or mapping.editable)
            linked = scope.must_stamp and column.name == link
            fields.append(
                Field(
                    mapping.field if mapping else column.name,
                    column,
                    mapping,
                    writable=may_write and not linked,
                    stampable=may_write and linked and scope.owner is None,
                )
            )
        return cls(table, tuple(fields), link, {field.name: field for field in fields}, secret)

    def chosen(self, names: Sequence[str]) -> tuple[Field, ...]:
        """The fields of those names, or all where none is named. InvalidInput for unknown ones."""
        if not names:
            return self.all
        violations = [
            Violation(f"fields[{at}]", self._unknown(name)) for at, name in enumerate(names) if name not in self.by_name
        ]
        if violations:
            raise InvalidInput(violations)
        return tuple(self.by_name[name] for name in dict.fromkeys(names))

    def order(self, text: str) -> tuple[Order, ...]:
        """What an order_by says. InvalidInput for unknown or repeated fields and for what has no order."""
        orders: dict[str, Order] = {}
        violations: list[Violation] = []
        for name, descending in parse_order(text):
            field = self.by_name.get(name)
            if field is None:
                violations.append(Violation("order_by", self._unknown(name)))
            elif field.column.type in _WITHOUT_ORDER or field.column.name in orders:
                shown = name[:100]
                said = Text(f"cannot sort by {shown!r}", f"Não é possível ordenar por '{shown}'")
                violations.append(Violation("order_by", said))
            else:
                orders[field.column.name] = Order(field.column.name, descending)
        if violations:
            raise InvalidInput(violations)
        return tuple(orders.values())

    def where(self, tree: Filter[Json] | None, search: str) -> Filter[Cell] | None:
        """The condition on columns that a filter and a search text are. InvalidInput lists all that is wrong."""
        violations: list[Violation] = []
        parts = [] if tree is None else [self._resolved(tree, "filter", violations)]
        if len(search) > MAX_SEARCH:
            violations.append(
                Violation(
                    "search",
                    Text(
                        f"must have at most {MAX_SEARCH} characters",
                        f"Busca deve ter no máximo {MAX_SEARCH} caracteres",
                    ),
                )
            )
        elif search:
            try:
                parts.append(self._searched(checked_text(search)))
            except Refused as refused:
                violations.append(Violation("search", refused.text))
        if violations:
            raise InvalidInput(violations)
        return And(tuple(parts)) if parts else None

    def cells(self, values: Mapping[str, Json], *, creating: bool) -> tuple[dict[str, Cell], list[Violation]]:
        """What a write sets by column, and every violation, each at the field's own name."""
        cells: dict[str, Cell] = {}
        violations = []
        for name, value in values.items():
            field = self.by_name.get(name)
            if field is None:
                violations.append(Violation(name, self._unknown(name)))
            elif not (field.writable or (creating and field.stampable)):
                violations.append(Violation(name, Text("is read-only", f"Campo '{name}' é somente leitura")))
            else:
                try:
                    cells[field.column.name] = self._checked(field, value)
                except Refused as refused:
                    violations.append(Violation(name, _about(name, refused.text)))
                except _Missing:
                    violations.append(_missing(name))
        if creating:
            violations.extend(self._left_out(values))
        return cells, violations

    def tells_owner(self, scope: RowScope, values: Mapping[str, Json]) -> bool:
        """Whether the scope, or else a value, says whose a new row is; or nobody need say."""
        if scope.owner is not None or not scope.must_stamp:
            return True
        return any(field.stampable and values.get(field.name) is not None for field in self.all)

    def stamp(self, scope: RowScope, cells: dict[str, Cell]) -> dict[str, Cell]:
        """The cells of a new row with its link field. InvalidInput where nobody said whose row it is."""
        if scope.owner is not None:
            column = self.table.columns[self.table.index[scope.owner.column]]
            try:
                # Bytes are the owner's when they are the text's own: base64 is how callers spell bytes.
                value = scope.owner.value
                cells[column.name] = value.encode() if column.type is ColumnType.BYTES else to_cell(value, column)
            except Refused:
                raise QueryFailed(
                    Text(
                        f"The link field {column.name!r} cannot hold this user's value",
                        f"O campo '{column.name}' não comporta o valor deste usuário",
                    ),
                    suggestion=Text("Choose another user_link_value", "Escolha outro user_link_value"),
                ) from None
        elif scope.must_stamp and cells.get(self.link_column) is None:
            raise InvalidInput([OWNERLESS])
        return cells

    def places(self, fields: Sequence[Field]) -> Sequence[int]:
        """Where the cells of these fields stand in a full row."""
        return self._places if fields is self.all else self._places_of(fields)

    @cached_property
    def _places(self) -> tuple[int, ...]:
        return self._places_of(self.all)

    def _places_of(self, fields: Iterable[Field]) -> tuple[int, ...]:
        index = self.table.index
        return tuple([index[field.column.name] for field in fields])

    def _checked(self, field: Field, value: Json) -> Cell:
        mapping = field.mapping
        if mapping and mapping.required and value in (None, ""):
            raise _Missing
        cell = to_cell(value, field.column)
        if mapping and value is not None:
            complaint = mapping.validation.complaint(to_json(cell))
            if complaint:
                raise Refused(*complaint)
        return cell

    def _left_out(self, values: Mapping[str, Json]) -> Iterator[Violation]:
        for field in self.all:
            column = field.column
            needed = (field.mapping and field.mapping.required) or not (column.nullable or column.has_default)
            if needed and field.writable and field.name not in values:
                yield _missing(field.name)

    def _searched(self, text: str) -> Filter[Cell]:
        searched = (field for field in self.all if field.column.type in _WITH_TEXT)
        return Or(tuple(Comparison(field.column.name, Op.CONTAINS, (text,)) for field in searched))

    def _resolved(self, tree: Filter[Json], path: str, violations: list[Violation]) -> Filter[Cell]:
        match tree:
            case And(parts):
                return And(tuple(self._each(parts, f"{path}.and", violations)))
            case Or(parts):
                return Or(tuple(self._each(parts, f"{path}.or", violations)))
            case Not(part):
                return Not(self._resolved(part, f"{path}.not", violations))
            case Comparison():
                return self._comparison(tree, f"{path}.comparison", violations)

    def _each(self, parts: Sequence[Filter[Json]], path: str, violations: list[Violation]) -> Iterator[Filter[Cell]]:
        for at, part in enumerate(parts):
            yield self._resolved(part, f"{path}.filters[{at}]", violations)

    def _comparison(self, tree: Comparison[Json], path: str, violations: list[Violation]) -> Comparison[Cell]:
        field = self.by_name.get(tree.name)
        if field is None:
            violations.append(Violation(f"{path}.field", self._unknown(tree.name)))
            return Comparison("", tree.op)
        column, name = field.column, tree.name
        if (tree.op in _OF_TEXT and column.type not in _WITH_TEXT) or (
            tree.op not in _OF_NULL and column.type in _WITHOUT_ORDER
        ):
            violations.append(
                Violation(
                    f"{path}.op",
                    Text(
                        f"OP_{tree.op.value} does not fit {name!r} of type {column.type.value}",
                        f"OP_{tree.op.value} não se aplica a '{name}' do tipo {column.type.value}",
                    ),
                )
            )
            return Comparison("", tree.op)
        try:
            if tree.op in _OF_TEXT:
                cells: tuple[Cell, ...] = tuple(_short(value) for value in tree.values)
            else:
                cells = tuple(to_cell(value, column) for value in tree.values)
        except Refused as refused:
            violations.append(Violation(f"{path}.value", _about(name, refused.text)))
            return Comparison("", tree.op)
        if cells == (None,) and tree.op in (Op.EQ, Op.NE):
            return Comparison(column.name, Op.IS_NULL if tree.op is Op.EQ else Op.IS_NOT_NULL)
        if None in cells:
            violations.append(Violation(f"{path}.value", Text("must not be null", "O valor não pode ser nulo")))
        return Comparison(column.name, tree.op, cells)

    def _unknown(self, name: str) -> Text:
        table, shown = self.table.name, name[:100]
        return Text(f"{shown!r} is not a field of {table!r}", f"Campo '{shown}' não encontrado na tabela '{table}'")


class _Missing(Exception):
    """A required value is null or empty."""


def parse_order(text: str) -> Iterator[tuple[str, bool]]:
    """The names and directions of an order_by: `name desc, "a, b"`. InvalidInput where it cannot be read.

    A quote within quotes is written twice.
    """
    rest = text.strip()
    while rest:
        quoted = _QUOTED.match(rest)
        words, comma, rest = rest[quoted.end() if quoted else 0 :].partition(",")
        words, rest = words.strip(), rest.strip()
        if quoted:
            name, direction = quoted[1].replace('""', '"'), words.lower()
        else:
            name, _, direction = words.rpartition(" ")
            name, direction = name.strip(), direction.lower()
            if not name or direction not in ("asc", "desc"):
                name, direction = words, ""
        unclosed = not quoted and name.startswith('"')
        if not name or unclosed or direction not in ("", "asc", "desc") or (comma and not rest):
            raise InvalidInput(
                [
                    Violation(
                        "order_by",
                        Text(
                            'must be fields with an optional " desc", separated by commas',
                            'order_by deve ter campos separados por vírgula, com " desc" opcional',
                        ),
                    )
                ]
            )
        yield name, direction == "desc"


def _mapped(table: Table, connection: Connection) -> Iterator[tuple[Column, FieldMapping | None]]:
    if not connection.field_mappings:
        yield from ((column, None) for column in table.columns)
        return
    for mapping in connection.field_mappings:
        column = table.column(mapping.column)
        if column is None:
            name = mapping.column
            raise QueryFailed(
                Text(
                    f"The mapped column {name!r} does not exist in table {table.name!r}",
                    f"Campo '{name}' não encontrado na tabela '{table.name}'",
                ),
                suggestion=Text("Correct field_mappings", "Corrija field_mappings"),
                metadata={"column": name},
            )
        yield column, mapping


def _short(value: Json) -> str:
    text = checked_text(value)
    if len(text) > MAX_SEARCH:
        raise Refused(f"must have at most {MAX_SEARCH} characters", f"deve ter no máximo {MAX_SEARCH} caracteres")
    return text


def _about(name: str, text: Text) -> Text:
    return Text(text.en, f"Campo '{name}' {text.pt}")


def _missing(name: str) -> Violation:
    return Violation(name, Text("is required", f"Campo '{name}' é obrigatório"), missing=True)
