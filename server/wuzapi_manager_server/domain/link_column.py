"""Whether the column that says whose a row is can hold what stands for a user there."""

from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.domain.table import Column, ColumnType
from wuzapi_manager_server.errors import Text, joined

_NEVER = frozenset(
    {
        ColumnType.BOOLEAN,
        ColumnType.DATE,
        ColumnType.TIME,
        ColumnType.TIMESTAMP,
        ColumnType.TIMESTAMP_TZ,
        ColumnType.DURATION,
        ColumnType.FLOAT,
        ColumnType.ARRAY,
    }
)
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.DECIMAL})
_UUIDS = frozenset({ColumnType.UUID})

# A JID has an @; the id of a user is 32 hex digits without hyphens, or in old versions of WUZAPI a number; a token is
# whatever somebody chose.
_NEVER_HOLDS = {
    UserLinkValue.TOKEN: _NEVER,
    UserLinkValue.USER_ID: _NEVER | _UUIDS,
    UserLinkValue.JID: _NEVER | _UUIDS | _NUMBERS,
}


def cannot_hold(column: Column, value: UserLinkValue) -> Text | None:
    """Why no row of this link column can be any user's; None where one can."""
    if column.dynamic or column.type not in _NEVER_HOLDS[value]:
        return None
    return Text(
        f"Column '{column.name}' is of type {column.native_type}, which cannot hold a user's {value.value}",
        f"O campo '{column.name}' é do tipo {column.native_type}, que não comporta o {value.value} de um usuário",
    )


def limits_of(column: Column) -> Text:
    """What of users a link column cannot do; empty where it can do everything."""
    found = []
    if not column.dynamic and column.type in _NUMBERS | _UUIDS:
        kind = Text("numbers", "números") if column.type in _NUMBERS else Text("UUIDs", "UUIDs")
        found.append(
            Text(
                f"it holds {kind.en} alone, so users whose value is anything else have no rows",
                f"só comporta {kind.pt}, então usuários com outro tipo de valor não têm linhas",
            )
        )
    if column.read_only:
        found.append(
            Text(
                "it is read-only, so no records can be made for users",
                "é somente leitura, então não é possível criar registros para usuários",
            )
        )
    return joined(found)
