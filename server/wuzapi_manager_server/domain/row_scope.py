"""The row scope: whose rows a call may touch and which columns it may see. One rule, for every engine and every RPC.

- A user touches rows whose link field is the user's own value, whatever else is asked for; shared connections have no
  such bound. The administrator touches all rows, or one user's with `as_user`, exactly as that user would.
- Creates are stamped with the link field; updates cannot change it.
- A column that the caller may not see is not read, filtered, sorted, searched or written: it is not there (fields.py).
- Where the link value is the token, the link column is a credential and never leaves, not even to the administrator;
  nor does what is computed from it (`secret_columns`).
"""

from dataclasses import dataclass

from wuzapi_manager_server.domain.caller import Admin, Caller, User
from wuzapi_manager_server.domain.connection import Connection, Sharing, UserLinkValue
from wuzapi_manager_server.domain.rows import Rows
from wuzapi_manager_server.domain.table import Cell, Owner, Row, Table
from wuzapi_manager_server.domain.values import to_json
from wuzapi_manager_server.errors import PermissionDenied, QueryFailed, SystemFailure, Text


@dataclass(frozen=True)
class RowScope:
    """Whose rows a call may touch: `owner` None means all. `must_stamp`: a create has to say whose row it is."""

    owner: Owner | None
    must_stamp: bool

    @classmethod
    def of(cls, caller: Caller, connection: Connection, as_user: str) -> "RowScope":
        """The scope of a caller on a connection. PermissionDenied for `as_user` from anyone but the administrator."""
        if isinstance(caller, Admin):
            value = as_user
        elif not isinstance(caller, User) or as_user:
            raise PermissionDenied(
                Text("Only the administrator may act as a user", "Somente o administrador pode agir como um usuário"),
                suggestion=Text("Leave as_user out", "Não informe as_user"),
            )
        else:
            value = _link_value(caller, connection)
        if connection.row_scope is Sharing.SHARED:
            return cls(None, must_stamp=False)
        owner = Owner(connection.user_link_field, value) if value else None
        return cls(owner, must_stamp=True)

    def admits(self, row: Row, table: Table) -> bool:
        """Whether a row with all columns is within the scope."""
        return self.owner is None or is_owners(row.cells[table.index[self.owner.column]], self.owner)

    def insist(self, rows: Rows, table: Table) -> None:
        """SystemFailure where a source let a row through that is not within the scope: what it has assured is checked.

        The rows have all columns of the table.
        """
        if self.owner is None or not rows:
            return
        owner = self.owner
        if not all(is_owners(cell, owner) for cell in rows.columns[table.index[owner.column]]):
            raise SystemFailure(Text("A source gave a row outside the scope", "Uma fonte retornou uma linha indevida"))


def is_owners(cell: Cell, owner: Owner) -> bool:
    """Whether a cell of the link column says that the row is the owner's: its text is the owner's, byte by byte."""
    if type(cell) is str:  # what most of them are
        return cell == owner.value
    if isinstance(cell, bytes):
        return cell == owner.value.encode()
    text = to_json(int(cell) if isinstance(cell, bool) else cell)
    return text is not None and str(text) == owner.value


def link_is_secret(connection: Connection) -> bool:
    """Whether the link column holds credentials."""
    return bool(connection.user_link_field) and connection.user_link_value is UserLinkValue.TOKEN


def secret_columns(connection: Connection, table: Table) -> frozenset[str]:
    """The columns that nobody sees: where the link column holds credentials, it, and all that may tell them.

    Those are what the link column is itself computed from, what is computed from any of these, and what is computed
    from nobody knows what; where the table shows no link column, whatever is computed at all.
    """
    if not link_is_secret(connection):
        return frozenset()
    link = table.column(connection.user_link_field)
    held = {connection.user_link_field, *((link and link.derived_from) or ())}
    return frozenset(
        column.name
        for column in table.columns
        if column.name in held
        or column.derived_from is None
        or (column.derived_from and (link is None or not held.isdisjoint(column.derived_from)))
    )


def require_link_column(connection: Connection, table: Table) -> None:
    """QueryFailed where the column that says whose a row is does not exist: nothing is shown then, to anyone."""
    if connection.row_scope is Sharing.USER and table.column(connection.user_link_field) is None:
        field = connection.user_link_field
        raise QueryFailed(
            Text(
                f"The link field {field!r} is not a column of table {table.name!r}",
                f"Campo '{field}' não encontrado na tabela '{table.name}'",
            ),
            suggestion=Text(
                "Set user_link_field to the column that says whose a row is",
                "Configure user_link_field com a coluna que identifica o dono da linha",
            ),
            metadata={"field": field},
        )


def _link_value(user: User, connection: Connection) -> str:
    if connection.row_scope is Sharing.SHARED:
        return ""
    match connection.user_link_value:
        case UserLinkValue.TOKEN:
            value = user.token
        case UserLinkValue.USER_ID:
            value = user.id
        case UserLinkValue.JID:
            value = user.jid
    if not value:
        raise PermissionDenied(
            Text(
                f"WUZAPI does not tell this user's {connection.user_link_value.value}, by which rows are found",
                f"O WUZAPI não informa o {connection.user_link_value.value} deste usuário",
            ),
            suggestion=Text("Pair the user's phone with WUZAPI", "Conecte o telefone do usuário ao WUZAPI"),
        )
    return value
