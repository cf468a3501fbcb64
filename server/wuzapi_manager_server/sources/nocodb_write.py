"""Writing rows of a NocoDB table.

NocoDB answers 200 in several cases where nothing was written, so each write is read back and compared; what is not
there as it was asked for is refused. Once a write was sent, and it is not known that it was refused, whatever fails is
OutcomeUnknown. There are no transactions: between the reading of a row and its change somebody else may change it.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

from wuzapi_manager_server.domain.deadline import Deadline
from wuzapi_manager_server.domain.row_scope import RowScope, is_owners
from wuzapi_manager_server.domain.table import Cell, Json, Key, Owner, Row, Scalar
from wuzapi_manager_server.errors import (
    AlreadyExists,
    OutcomeUnknown,
    QueryFailed,
    ServiceError,
    Text,
    WrittenOtherwise,
    record_not_found,
)
from wuzapi_manager_server.sources.base import Change, Guard, Outcome
from wuzapi_manager_server.sources.batches import in_parts, judged_in_parts
from wuzapi_manager_server.sources.nocodb_api import Gone, Refusal, outcome_unknown, refused, table_gone
from wuzapi_manager_server.sources.nocodb_read import Reader, Stale
from wuzapi_manager_server.sources.nocodb_table import BATCH, NocoTable
from wuzapi_manager_server.sources.nocodb_values import to_cell, to_value

_NOT_WITH_NEW_ROWS = "Duration"
"""The kind of column for which NocoDB answers a number in a new row with an error, and takes a text for another one."""

Values = Mapping[str, Cell]


@dataclass(frozen=True)
class Writer:
    """Writes one table as it was described, in requests of at most 100 rows.

    `forget` is called where it turns out, after a write, that the table is another by now.
    """

    reader: Reader
    owner: Owner | None
    deadline: Deadline
    forget: Callable[[], None]

    @property
    def table(self) -> NocoTable:
        """The table."""
        return self.reader.table

    async def insert(self, rows: Sequence[Values], *, stop: bool) -> list[Outcome]:
        """Makes rows: each for itself, in their order; with `stop` none behind the first that is refused."""
        self._insist_on_key()
        bodies: list[dict[str, Json] | ServiceError] = [self._prepared(row) for row in rows]
        if len(rows) == 1 and isinstance(refusal := bodies[0], ServiceError):
            raise refusal
        ready = [
            body if isinstance(body, ServiceError) else (row, body) for row, body in zip(rows, bodies, strict=True)
        ]
        # An answer to many rows of a composite key is an error, although they were made.
        size = BATCH if len(self.table.keys) == 1 else 1
        return await judged_in_parts(ready, size, self._made, failures=(ServiceError, Stale), stop=stop)

    async def update(self, changes: Sequence[Change]) -> list[Outcome]:
        """Changes rows. NotFound, and what the guards raise, before anything is changed."""
        self._insist_on_key()
        await self._there([(change.key, change.guard) for change in changes])
        ready = [(change, self._change(change)) for change in changes]
        return await in_parts(ready, BATCH, self._changed, alone=len(changes) == 1)

    async def delete(self, keys: Sequence[tuple[Key, Guard | None]]) -> list[Outcome]:
        """Deletes rows. NotFound, and what the guards raise, before anything is deleted."""
        self._insist_on_key()
        await self._there(keys)
        ready = [(key, self._named(key)) for key, _ in keys]
        return await in_parts(ready, BATCH, self._deleted, alone=len(keys) == 1)

    def _insist_on_key(self) -> None:
        """Without a primary key NocoDB would change every row."""
        if not self.table.keys:
            raise refused(self.table.table.name)

    def _prepared(self, row: Values) -> "dict[str, Json] | ServiceError":
        """What to send for a new row, by column id; or why it cannot be sent."""
        try:
            found = {name: self.table.by_name[name] for name in row}
            self._insist_on_owner(row)
            for each in self.table.keys:
                if row.get(each.column.name) is None and not each.column.has_default:
                    raise _no_key(each.column.name)
                if row.get(each.column.name) == "":
                    raise _empty_key(each.column.name)
            for name, column in found.items():
                if column.column.read_only and row[name] is not None:
                    raise _read_only(name)
            return {
                column.id: to_value(row[name], column.column)
                for name, column in found.items()
                if not column.column.read_only
            }
        except ServiceError as error:
            return error

    def _insist_on_owner(self, row: Values) -> None:
        """QueryFailed where the link column would give another text back than the owner's: it would be another's."""
        if self.owner is None or self.owner.column not in row:
            return
        column = self.table.by_name[self.owner.column].column
        if not is_owners(to_cell(to_value(row[column.name], column), column), self.owner):
            raise QueryFailed(
                Text(
                    f"The link field {column.name!r} cannot hold this user's value",
                    f"O campo '{column.name}' não comporta o valor deste usuário",
                ),
                suggestion=Text("Choose another user_link_value", "Escolha outro user_link_value"),
            )

    async def _made(self, rows: Sequence[tuple[Values, dict[str, Json]]]) -> list[Outcome]:
        """Makes a request's worth of rows: all or none by NocoDB. For what it raises see in_parts; and Stale."""
        if len(rows) == 1 and await self._is_taken(rows[0][0]):
            raise _taken()
        later = {column.id for column in self.table.by_name.values() if column.kind == _NOT_WITH_NEW_ROWS}
        bodies = [{name: value for name, value in body.items() if name not in later} for _, body in rows]
        # Alone, a row of a text key is answered by the bare key, which is no JSON.
        answer = await self._sent("POST", bodies[0] if len(self.table.keys) > 1 else cast("Json", bodies))
        keys = self._keys(answer, [values for values, _ in rows])
        await self._completed(keys, [{name: body[name] for name in later & body.keys()} for _, body in rows])
        found = await self._read_back(keys)
        return [self._as_asked(found.get(key), values) for key, (values, _) in zip(keys, rows, strict=True)]

    async def _completed(self, keys: Sequence[Key], rest: Sequence[dict[str, Json]]) -> None:
        """Gives new rows what NocoDB does not take with them. What it refuses is not there when they are read back."""
        bodies: list[Json] = [
            {**self._named(key), **body}
            for key, body in zip(keys, rest, strict=True)
            if any(v is not None for v in body.values())
        ]
        if not bodies:
            return
        try:
            await self._sent("PATCH", bodies)
        except (QueryFailed, AlreadyExists):
            return
        except ServiceError as error:
            raise _not_seen() from error

    async def _changed(self, changes: Sequence[tuple[Change, dict[str, Json]]]) -> list[Outcome]:
        """Changes a request's worth of rows likewise."""
        await self._sent("PATCH", [body for _, body in changes])
        found = await self._read_back([change.key for change, _ in changes])
        return [self._as_asked(found.get(change.key), change.values) for change, _ in changes]

    async def _deleted(self, rows: Sequence[tuple[Key, dict[str, Json]]]) -> list[Outcome]:
        """Deletes a request's worth of rows. What is still there was refused."""
        with suppress(QueryFailed, AlreadyExists):
            await self._sent("DELETE", [named for _, named in rows])
        left = await self._read_back([key for key, _ in rows])
        return [Outcome(None, refused(self.table.table.name) if key in left else None) for key, _ in rows]

    async def _sent(self, method: str, body: Json) -> Json:
        """Sends a write. QueryFailed or AlreadyExists where NocoDB refuses it: nothing of it is done then."""
        try:
            return await self.reader.api.write(
                method, ("tables", self.table.table.name, "records"), body, self.deadline
            )
        except Gone as error:
            if error.what == "RECORD_NOT_FOUND":
                raise refused(self.table.table.name) from None
            raise table_gone(self.table.table.name) from None
        except Refusal:
            raise refused(self.table.table.name) from None

    async def _read_back(self, keys: Sequence[Key]) -> dict[Key, Row]:
        """The rows of a write that was sent. OutcomeUnknown where they cannot be read: they may be written."""
        try:
            return await self.reader.many(keys, None, self.deadline)
        except Stale:
            self.forget()
            raise _not_seen() from None
        except ServiceError as error:
            raise _not_seen() from error

    async def _is_taken(self, values: Values) -> bool:
        """Whether the key of a new row, where the row gives it, is another row's already."""
        key = self._given_key(values)
        return key is not None and bool(await self.reader.many([key], None, self.deadline))

    def _given_key(self, values: Values) -> Key | None:
        if not all(values.get(each.column.name) is not None for each in self.table.keys):
            return None
        return tuple(_scalar(to_value(values[each.column.name], each.column)) for each in self.table.keys)

    def _keys(self, answer: Json, rows: Sequence[Values]) -> list[Key]:
        """The keys of the rows made: those that the rows gave, else those in the answer."""
        answers = answer if isinstance(answer, list) else [answer]
        if len(answers) != len(rows):
            raise outcome_unknown()
        keys = []
        for values, one in zip(rows, answers, strict=True):
            names = self.table.table.primary_key
            told = tuple(_scalar(one.get(name)) for name in names) if isinstance(one, dict) else (_scalar(one),)
            keys.append(self._given_key(values) or told)
        if len(set(keys)) != len(keys):
            raise outcome_unknown()
        return keys

    def _as_asked(self, row: Row | None, values: Values) -> Outcome:
        """The row read back, or an error where it is not what was asked for."""
        if row is None:
            return Outcome(None, outcome_unknown())
        if not RowScope(self.owner, must_stamp=False).admits(row, self.table.table):
            return Outcome(None, _not_kept(self.owner.column if self.owner else ""))
        for name, cell in values.items():
            if self.table.cell(row, name) != cell and not (
                cell is None and self.table.by_name[name].column.has_default
            ):
                return Outcome(None, _not_kept(name))
        return Outcome(row)

    def _change(self, change: Change) -> dict[str, Json]:
        """What to send for a change, by column id, with the key."""
        body = self._named(change.key)
        keys = dict(zip(self.table.table.primary_key, change.key, strict=True))
        for name, cell in change.values.items():
            column = self.table.by_name[name]
            value = to_value(cell, column.column)
            if name in keys:
                if value != keys[name]:
                    raise QueryFailed(
                        Text(
                            f"{name!r} is the key, which NocoDB does not change",
                            f"Campo '{name}' é a chave, que o NocoDB não altera",
                        )
                    )
            elif column.column.read_only:
                raise _read_only(name)
            else:
                body[column.id] = value
        return body

    def _named(self, key: Key) -> dict[str, Json]:
        """A key as writes take it. QueryFailed for one that NocoDB would take apart."""
        if len(key) > 1 and any("," in part for part in key if isinstance(part, str)):
            raise QueryFailed(
                Text(
                    "NocoDB cannot change a record whose composite key holds a comma",
                    "O NocoDB não altera um registro cuja chave composta contém vírgula",
                )
            )
        parts = cast("Sequence[Json]", key)
        return dict(zip(self.table.table.primary_key, parts, strict=True))

    async def _there(self, targets: Sequence[tuple[Key, Guard | None]]) -> dict[Key, Row]:
        """The rows to change as they are; nothing is changed where one is not there or its guard refuses."""
        found = await self.reader.many([key for key, _ in targets], self.owner, self.deadline)
        for at, (key, guard) in enumerate(targets):
            if key not in found:
                raise record_not_found(at)
            if guard is not None:
                guard(found[key])
        return found


def _scalar(value: Json) -> Scalar:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _not_seen() -> OutcomeUnknown:
    return OutcomeUnknown(
        Text(
            "The change was sent to NocoDB, but could not be read back: it may be done",
            "A alteração foi enviada ao NocoDB, mas não pôde ser relida: pode ter sido feita",
        ),
        suggestion=Text("Read the records before you repeat it", "Leia os registros antes de repetir"),
    )


def _taken() -> AlreadyExists:
    return AlreadyExists(Text("The key is taken", "A chave já existe"))


def _no_key(name: str) -> QueryFailed:
    return QueryFailed(
        Text(f"{name!r} is the key: a record cannot be made without", f"Campo '{name}' é a chave e é obrigatório")
    )


def _empty_key(name: str) -> QueryFailed:
    return QueryFailed(
        Text(
            f"{name!r} is the key, and NocoDB does not find a record again whose key is empty",
            f"Campo '{name}' é a chave, e o NocoDB não reencontra um registro com chave vazia",
        )
    )


def _read_only(name: str) -> QueryFailed:
    return QueryFailed(
        Text(f"NocoDB does not take values for {name!r}", f"O NocoDB não aceita valores para o campo '{name}'")
    )


def _not_kept(name: str) -> WrittenOtherwise:
    return WrittenOtherwise(
        Text(
            f"NocoDB accepted the write, but {name!r} does not hold what was written",
            f"O NocoDB aceitou a gravação, mas o campo '{name}' não contém o valor gravado",
        ),
        suggestion=Text(
            "A constraint or the column's type may refuse it; read the record to see what it is now",
            "Uma restrição ou o tipo da coluna pode recusar o valor; leia o registro para ver como está",
        ),
        metadata={"column": name},
    )
